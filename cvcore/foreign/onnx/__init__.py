"""A network from an ONNX file, as a tree of modules, one for each node of its graph. Needs the packages onnx and onnxruntime."""

from cvcore.foreign.onnx.graph import OnnxNetwork, load_onnx

__all__ = ["OnnxNetwork", "load_onnx"]

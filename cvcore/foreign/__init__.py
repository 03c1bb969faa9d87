"""Networks of the user's own: from a Python file, torch.export, ONNX, torchvision or timm, with weights to put in.

Nothing here asks whether a file may run; :func:`fingerprint` is what a user's yes should be remembered by.
"""

from cvcore.foreign.errors import ModelError, error_in, short
from cvcore.foreign.loading import Source, fingerprint, input_shape, kind_of, load_network
from cvcore.foreign.python_file import builders
from cvcore.foreign.settling import in_precision, settle
from cvcore.foreign.trial import Trial, class_scores, run_error, try_network
from cvcore.foreign.weights import Hint, Misfit, WeightsMisfitError, load_weights

__all__ = [
    "Hint",
    "Misfit",
    "ModelError",
    "Source",
    "Trial",
    "WeightsMisfitError",
    "builders",
    "class_scores",
    "error_in",
    "fingerprint",
    "in_precision",
    "input_shape",
    "kind_of",
    "load_network",
    "load_weights",
    "run_error",
    "settle",
    "short",
    "try_network",
]

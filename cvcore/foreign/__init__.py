"""Networks of the user's own: from a Python file, torch.export, ONNX, torchvision or timm, with weights to put in.

Nothing here asks whether a file may run; :func:`fingerprint` is what a user's yes should be remembered by.
"""

from cvcore.foreign.errors import ModelError, error_in, short
from cvcore.foreign.inputs import KINDS, Asked, Given, InputsError, asked_by, discover, picture_in, suggested
from cvcore.foreign.loading import Source, fingerprint, input_shape, kind_of, load_network
from cvcore.foreign.python_file import builders
from cvcore.foreign.settling import in_precision, settle
from cvcore.foreign.trial import Trial, class_scores, run_error, try_network
from cvcore.foreign.weights import Hint, Misfit, WeightsMisfitError, load_weights

__all__ = [
    "KINDS",
    "Asked",
    "Given",
    "Hint",
    "InputsError",
    "Misfit",
    "ModelError",
    "Source",
    "Trial",
    "WeightsMisfitError",
    "asked_by",
    "builders",
    "class_scores",
    "discover",
    "error_in",
    "fingerprint",
    "in_precision",
    "input_shape",
    "kind_of",
    "load_network",
    "load_weights",
    "picture_in",
    "run_error",
    "settle",
    "short",
    "suggested",
    "try_network",
]

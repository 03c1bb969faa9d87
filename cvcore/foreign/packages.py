"""A network by its name in torchvision or timm, where the user has that package; neither is a dependency."""

import importlib
from types import ModuleType
from typing import Any

from torch import nn

from cvcore.foreign.errors import ModelError, short
from cvcore.zoo import Preprocessing

PACKAGES = ("torchvision", "timm")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def load_from_package(package: str, name: str) -> nn.Module:
    """An untrained network: nothing is downloaded.

    Raises:
        ModelError: the package is not installed, or has no network of that name.
    """
    library = _library(package)
    try:
        made: nn.Module = (
            library.models.get_model(name, weights=None)
            if package == "torchvision"
            else library.create_model(name, pretrained=False)
        )
    except Exception as error:
        raise ModelError("{package} makes no {name}: {what}", package=package, name=name, what=short(error)) from error
    return made


def names_in(package: str) -> tuple[str, ...]:
    """The networks a package has; empty where it is not installed."""
    try:
        library = _library(package)
    except ModelError:
        return ()
    return tuple(library.models.list_models() if package == "torchvision" else library.list_models())


def preprocessing_of(package: str, name: str) -> Preprocessing:
    """What the network's published weights expect.

    Raises:
        ModelError: as :func:`load_from_package`.
    """
    library = _library(package)
    mean, std = IMAGENET
    size = 224
    if package == "timm":
        found: Any = library.get_pretrained_cfg(name)
        if found is not None:
            size, mean, std = found.input_size[-1], tuple(found.mean), tuple(found.std)
    else:
        try:
            how = library.models.get_model_weights(name).DEFAULT.transforms()
            size, mean, std = how.crop_size[0], tuple(how.mean), tuple(how.std)
        except (ValueError, AttributeError):  # detectors normalise by themselves
            pass
    return Preprocessing(size, mean, std)


def _library(package: str) -> ModuleType:
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ModelError(
            "The package {package} is not installed here: pip install {package}.", package=package
        ) from error

"""A network by its name in torchvision or timm, where the user has that package; neither is a dependency."""

import importlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import torch
from torch import nn

from cvcore.foreign.errors import ModelError, short
from cvcore.zoo import Preprocessing

PACKAGES = ("torchvision", "timm")
REMOTE = re.compile(r"hf[-_]hub:|local-dir:|\w+://", re.IGNORECASE)
"""Names that timm takes for places to load from."""
_LOCK = threading.RLock()
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def load_from_package(package: str, name: str) -> nn.Module:
    """An untrained network: nothing is downloaded.

    Raises:
        ModelError: the package is not installed, or has no network of that name.
    """
    library = _library(package)
    if REMOTE.match(name):
        raise ModelError(
            "{name} would be downloaded; only networks that {package} makes by itself can be opened by name.",
            name=name,
            package=package,
        )
    try:
        with _without_downloads(package):
            return (
                _torchvision(library, name)
                if package == "torchvision"
                else library.create_model(name, pretrained=False)
            )
    except ModelError:
        raise
    except Exception as error:
        raise ModelError("{package} makes no {name}: {what}", package=package, name=name, what=short(error)) from error


def _torchvision(library: ModuleType, name: str) -> nn.Module:
    """Detectors and segmentation networks have a backbone whose weights they load unless told not to; others know no such thing."""
    try:
        return library.models.get_model(name, weights=None, weights_backbone=None)
    except TypeError as error:
        if "weights_backbone" not in str(error):
            raise
    return library.models.get_model(name, weights=None)


@contextmanager
def _without_downloads(package: str) -> Iterator[None]:
    """Whatever a builder is about to fetch with torch's own means is refused."""

    def refuse(url: str, *_: Any, **__: Any) -> None:
        raise ModelError("{package} wants to download {url}; that was not asked for.", package=package, url=url)

    with _LOCK:
        before = torch.hub.download_url_to_file
        torch.hub.download_url_to_file = refuse
        try:
            yield
        finally:
            torch.hub.download_url_to_file = before


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

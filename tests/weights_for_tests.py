"""A small network whose weights are downloaded from loopback: torch's own Linear, 3 to 2."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from cvcore.zoo import Card, card, catalogue, store

PREPROCESSING = {"size": 32, "mean": [0, 0, 0], "std": [1, 1, 1]}


def checkpoint(value: float = 1.0, *, prefix: str = "", under: str = "", **more: Any) -> bytes:
    """A .pth file with weights of one value."""
    weights = {prefix + "weight": torch.full((2, 3), value), prefix + "bias": torch.zeros(2)}
    whole = {under: weights, **more} if under else weights
    file = io.BytesIO()
    torch.save(whole, file)
    return file.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def use_cards(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Makes the zoo read the cards of this folder in place of the shipped ones."""
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for module in (catalogue, store):
        monkeypatch.setattr(module, "asset", lambda *parts: folder.joinpath(*parts[1:]))


def write_card(folder: Path, name: str = "tiny", **fields: Any) -> Card:
    raw = {
        "name": name,
        "title": "Tiny network",
        "task": "image classification",
        "builder": "torch.nn:Linear",
        "arguments": {"in_features": 3, "out_features": 2},
        "file": f"{name}.pth",
        "sha256": "",
        "licence": "MIT",
        "source": "made by a test",
        "preprocessing": PREPROCESSING,
        "training_data": "none",
        "score": "none",
        "paper": "none",
        "page": "https://example.com",
        **fields,
    }
    (folder / f"{name}.json").write_text(json.dumps(raw), "utf-8")
    catalogue._read_card.cache_clear()
    return card(name)

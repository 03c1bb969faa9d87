"""Inputs that the program has to refuse: what is wrong with each, and the sentence that it says. docs/bad_inputs.md lists them."""

from tests.bad_inputs import bundles, kept, networks, pictures, videos, weights
from tests.bad_inputs.case import Case

CASES: tuple[Case, ...] = (*pictures.CASES, *videos.CASES, *bundles.CASES, *networks.CASES, *weights.CASES, *kept.CASES)

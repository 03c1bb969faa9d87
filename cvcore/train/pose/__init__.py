"""Training of the built-in pose network: pseudo-labels, data, recipe, trainer, score."""

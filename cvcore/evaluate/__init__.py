"""How good a model is, by the protocol of its benchmark."""

"""Training CycleGAN: ``python -m cvcore.train.cyclegan --photos FOLDER --paintings FOLDER --out FOLDER`` (see ``__main__``)."""

"""What can be wrong with weights, each as one sentence for the person at the screen."""

from cvcore.sentence import SentenceError


class WeightsError(SentenceError):
    """A weight file or its card cannot be used."""


class WeightsMissing(WeightsError):
    """The weights can be downloaded, and have not been."""


class LicenceNeeded(WeightsError):
    """The weights may be used only by who accepts their licence, and nobody has yet."""

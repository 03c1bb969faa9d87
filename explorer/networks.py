"""The networks a panel can choose from: the built-in ones, and the user's own. No Qt."""

from cvcore import zoo


def names() -> tuple[str, ...]:
    """What can be chosen now, built-in networks first."""
    return tuple(zoo.available())


def card(name: str) -> zoo.Card:
    """What is known about a network.

    Raises:
        zoo.WeightsError: there is none of that name.
    """
    return zoo.card(name)

"""Classes as a person names them: lists to choose from, and back from a name to its number. No Qt."""

from functools import cache

from explorer import networks

MOST_LIKELY = "the most likely"


@cache
def sorted_classes(network: str, language: str) -> tuple[str, ...]:
    """:data:`MOST_LIKELY`, then a network's classes sorted by name, since nobody knows their numbers."""
    return (MOST_LIKELY, *sorted(networks.card(network).label_names(language), key=str.casefold))


def class_named(network: str, name: str) -> int | None:
    """The class of that name in any language; None for the most likely one."""
    if name == MOST_LIKELY:
        return None
    for language in ("en", "zh_CN"):
        names = networks.card(network).label_names(language)
        if name in names:
            return names.index(name)
    return None

"""Classes as a person names them: lists to choose from, and back from a name to its number. No Qt."""

from functools import lru_cache

from explorer.views import networks

MOST_LIKELY = "the most likely"


def sorted_classes(network: str, language: str) -> tuple[str, ...]:
    """:data:`MOST_LIKELY`, then a network's classes sorted by name, since nobody knows their numbers."""
    return _sorted(networks.card(network).label_names(language))


def class_named(network: str, name: str) -> int | None:
    """The class of that name in any language; None for the most likely one."""
    if name == MOST_LIKELY:
        return None
    for language in ("en", "zh_CN"):
        names = networks.card(network).label_names(language)
        if name in names:
            return names.index(name)
    return None


@lru_cache(maxsize=8)
def _sorted(names: tuple[str, ...]) -> tuple[str, ...]:
    return (MOST_LIKELY, *sorted(names, key=str.casefold))

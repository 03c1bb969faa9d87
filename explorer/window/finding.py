"""What a few typed letters may mean: panels, their views and controls, what the program does, and what explanations say. No Qt.

Everything is found by its words in every language. Words match as they are, at the beginnings of words, by their first letters or by
letters left out; only where nothing matches so, one letter may be wrong. Explanations match whole words only.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Literal

from explorer.i18n import LANGUAGES, explanation, language, translated
from explorer.panel import Knob, Panel, knobs
from explorer.registry import Entry, Registry
from explorer.widgets.actions import ActionSpec

Kind = Literal["panel", "view", "control", "action", "text"]
WORTH: Mapping[Kind, float] = {"panel": 24, "view": 12, "action": 8, "control": 6, "text": -40}
"""What a kind is worth beside how well it matches, in points of :func:`fits`."""
BESIDE = 0.55
"""What a word is worth that is not in the thing's own name."""
MOST = 60
TEXTS_OF_A_PANEL = 2
SNIPPET = 90
BETWEEN = "  ·  "


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that can be found.

    Args:
        titles: its name in each language, the one that is shown first.
        places: where it belongs: a panel's name, a chapter's or a menu's. These words alone do not find it.
        more: other words that do, such as a control's choices.
        panel: the name of the panel that opens.
        field: of the panel's Params or View.
        value: of that field.
        action: the name of what the program does.
        number: of a paragraph of the panel's explanation.
        keys: that do the same.
    """

    kind: Kind
    titles: tuple[str, ...]
    places: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    panel: str = ""
    field: str = ""
    value: str = ""
    action: str = ""
    number: int = 0
    keys: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A thing that fits what was typed.

    Args:
        title: as it is to be shown: of an explanation the words around the place.
        marked: which letters of ``title`` fit.
    """

    thing: Thing
    score: float
    title: str
    marked: tuple[int, ...]


# -- what there is


def things(registry: Registry, actions: Iterable[ActionSpec]) -> tuple[Thing, ...]:
    """All that can be found now. Views and controls are known of panels that are imported."""
    found: list[Thing] = []
    for entry in registry.entries.values():
        titles = spoken(entry.title)
        more = (*spoken(entry.about), entry.name, entry.paper)
        found.append(Thing("panel", titles, spoken(entry.chapter), more, entry.name))
        panel = registry.loaded(entry.name)
        if panel is not None:
            found += _controls(panel, titles)
        found += _paragraphs(entry, panel, titles)
    for spec in actions:
        found.append(
            Thing("action", spoken(spec.text), spoken(spec.group), action=spec.name, keys=spec.keys or spec.shortcut)
        )
    return tuple(found)


def _controls(panel: Panel, titles: tuple[str, ...]) -> Iterator[Thing]:
    for kind in (panel.params, panel.view):
        for name, (_, knob) in knobs(kind).items():
            if knob.kind == "hidden":
                continue
            if name == "show" and isinstance(knob.choices, tuple):
                for choice in knob.choices:
                    yield Thing("view", spoken(choice), titles, panel=panel.name, field=name, value=choice)
            yield _control(panel, titles, name, knob)


def _control(panel: Panel, places: tuple[str, ...], name: str, knob: Knob) -> Thing:
    choices = knob.choices if isinstance(knob.choices, tuple) and knob.kind == "choice" else ()
    more = tuple(said for text in (knob.help, *choices) for said in spoken(text))
    titles = spoken(knob.label or name.replace("_", " ").capitalize())
    return Thing("control", titles, places, more, panel.name, name, keys=" ".join(knob.keys))


def _paragraphs(entry: Entry, panel: Panel | None, titles: tuple[str, ...]) -> Iterator[Thing]:
    said = [_explained(entry, panel, one) for one in spoken_languages()]
    for number in range(len(said[0])):
        same = tuple(paragraphs[number] for paragraphs in said if number < len(paragraphs))
        yield Thing("text", same, titles, panel=entry.name, number=number)


def _explained(entry: Entry, panel: Panel | None, spoken_in: str) -> tuple[str, ...]:
    explain = f"{entry.name}.md" if panel is None else panel.explain
    if explain.endswith(".md"):
        return paragraphs(explanation(explain, panel.folder if panel else None, spoken_in))
    return paragraphs(translated(explain, spoken_in))


@lru_cache(maxsize=256)
def paragraphs(markdown: str) -> tuple[str, ...]:
    """The paragraphs, headings and lists of a Markdown text as they read on the screen; ``{names}`` are left out."""
    found = []
    for block in re.split(r"\n\s*\n", markdown.strip()):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", block)
        plain = re.sub(r"\*\*|__|`|^#+ |^(?:[-+*]|\d+\.) +", "", plain, flags=re.MULTILINE)
        plain = re.sub(r"\*(\S(?:[^*\n]*\S)?)\*", r"\1", plain)
        plain = re.sub(r"\{[^{}]*\}", "…", plain)
        found.append(" ".join(plain.split()))
    return tuple(one for one in found if one)


def landmarks(paragraph: str) -> tuple[str, ...]:
    """Words of a paragraph by which it is found on the screen, where ``…`` are numbers; the surest first."""
    pieces = [piece.strip() for piece in paragraph.split("…")]
    begins = [_cut(piece) for piece in pieces if len(piece) > 2]
    return tuple(sorted(begins, key=len, reverse=True)) if begins and len(begins[0]) < 12 else tuple(begins)


def _cut(piece: str) -> str:
    """Its beginning, which is in one line of a list."""
    return piece if len(piece) <= 32 else piece[:32].rpartition(" ")[0] or piece[:32]


def spoken_languages() -> tuple[str, ...]:
    """All languages, the one that is shown first."""
    return (language(), *(one for one in LANGUAGES if one != language()))


def spoken(text: str) -> tuple[str, ...]:
    """A text in every language, the one that is shown first; nothing of an empty one."""
    return () if not text else tuple(dict.fromkeys(translated(text, one) for one in spoken_languages()))


# -- what fits


def find(typed: str, among: Sequence[Thing], most: int = MOST) -> tuple[Found, ...]:
    """The things that fit what was typed, the best first; with nothing typed the panels, in the order of the course."""
    words = typed.casefold().split()
    if not words:
        return tuple(Found(thing, 0.0, thing.titles[0], ()) for thing in among if thing.kind == "panel")[:most]
    found = _ranked(words, among, fits) or _ranked(words, [one for one in among if one.kind != "text"], nearly_fits)
    texts: dict[str, int] = {}
    kept = []
    for one in found:
        if one.thing.kind == "text":
            texts[one.thing.panel] = texts.get(one.thing.panel, 0) + 1
            if texts[one.thing.panel] > TEXTS_OF_A_PANEL:
                continue
        kept.append(one)
    return tuple(kept[:most])


Fit = tuple[float, tuple[int, ...]]
"""How well a word fits a text, in points, and which letters of it."""


def _ranked(words: list[str], among: Sequence[Thing], fit: Callable[[str, str], Fit | None]) -> list[Found]:
    found = [one for thing in among if (one := _found(words, thing, fit)) is not None]
    return sorted(found, key=lambda one: -one.score)  # of equal ones the order of the course


def _found(words: list[str], thing: Thing, fit: Callable[[str, str], Fit | None]) -> Found | None:
    if thing.kind == "text":
        return _found_in_text(words, thing)
    score = WORTH[thing.kind]
    marked: list[set[int]] = [set() for _ in thing.titles]
    own = False
    for word in words:
        best = 0.0
        for title, places in zip(thing.titles, marked, strict=True):
            found = fit(word, title)
            if found is not None:
                best, own = max(best, found[0]), True
                places.update(found[1])
        if best == 0.0:
            more = max((as_it_is(word, text) for text in thing.more), default=0.0)
            own |= more > 0
            best = BESIDE * max(more, *(as_it_is(word, place) for place in thing.places), 0.0)
        if best == 0.0:
            return None
        score += best / len(words)
    if not own:
        return None  # or a panel's name would bring all that it has
    title = thing.titles[0]
    other = next((i for i, places in enumerate(marked) if places), 0)
    if other == 0:
        return Found(thing, score, title, tuple(sorted(marked[0])))
    before = f"{title}{BETWEEN}"  # found by its name in another language, which is shown beside it
    return Found(thing, score, before + thing.titles[other], tuple(len(before) + i for i in sorted(marked[other])))


def _found_in_text(words: list[str], thing: Thing) -> Found | None:
    for said in thing.titles:
        places = [_whole_word(word, said) for word in words]
        if all(place is not None for place in places):
            at = [(place, len(word)) for place, word in zip(places, words, strict=True) if place is not None]
            title, shift = snippet(said, min(place for place, _ in at))
            marked = {place + i - shift for place, length in at for i in range(length)}
            near = 20 / (1 + max(place for place, _ in at) / 200)
            return Found(
                thing, 100 + near + WORTH["text"], title, tuple(sorted(i for i in marked if 0 <= i < len(title)))
            )
    return None


def _whole_word(word: str, text: str) -> int | None:
    """Where a word begins in a text; Chinese ones anywhere, single letters not at all."""
    folded = folded_of(text)
    start = folded.find(word)
    while start >= 0:
        if not word[0].isascii() or start == 0 or not folded[start - 1].isalnum():
            return start if len(word) > 1 or not word.isascii() else None
        start = folded.find(word, start + 1)
    return None


def snippet(text: str, start: int) -> tuple[str, int]:
    """The words around a place, and how far what is at ``i`` of the text is to the left there."""
    if len(text) <= SNIPPET:
        return text, 0
    begin = max(0, min(start - SNIPPET // 4, len(text) - SNIPPET))
    if begin:
        space = text.find(" ", begin, start)
        begin = space + 1 if space >= 0 else begin
    before = "… " if begin else ""
    cut = text[begin : begin + SNIPPET]
    return before + cut + ("…" if begin + SNIPPET < len(text) else ""), begin - len(before)


@lru_cache(maxsize=32768)
def folded_of(text: str) -> str:
    """In small letters; of the same length, so that places stay places."""
    return "".join(one.casefold() if len(one.casefold()) == 1 else one for one in text)


@lru_cache(maxsize=32768)
def _starts(text: str) -> tuple[int, ...]:
    """Where words begin, also within a name such as RoIAlign."""
    return tuple(
        i
        for i, one in enumerate(text)
        if one.isalnum() and (i == 0 or not one.isascii() or not text[i - 1].isalnum() or _is_hump(text, i))
    )


def _is_hump(text: str, i: int) -> bool:
    """A capital within a word that begins another one: the A of RoIAlign, the G of CycleGAN, not the I of RoI."""
    before, after = text[i - 1], text[i + 1 : i + 2]
    return text[i].isupper() and ((before.islower() and after.isalnum()) or (before.isupper() and after.islower()))


def as_it_is(word: str, text: str) -> float:
    """How well a word, in small letters, fits without gaps, in points; 0 where it does not."""
    folded = folded_of(text)
    here = folded.find(word)
    if here < 0:
        return 0.0
    at_start = here in _starts(text) or any(folded.startswith(word, i) for i in _starts(text))
    return (120.0 if at_start else 50.0) + 40 * len(word) / len(folded) + (15 if here == 0 else 0)


def fits(word: str, text: str) -> Fit | None:
    """How well a word, in small letters, fits: 100 and more as it is, fewer by first letters or with letters left out."""
    folded, starts = folded_of(text), _starts(text)
    if score := as_it_is(word, text):
        at = next((i for i in starts if folded.startswith(word, i)), folded.find(word))
        return score, tuple(range(at, at + len(word)))
    if len(word) < 2 or not word.isascii():
        return None
    initials = "".join(folded[i] for i in starts)
    here = initials.find(word)
    if here >= 0:
        return 90.0 + 30 * len(word) / len(initials), tuple(starts[here : here + len(word)])
    return _with_gaps(word, folded, starts)


def _with_gaps(word: str, folded: str, starts: tuple[int, ...]) -> Fit | None:
    """Its letters in their order from the start of a word on, not too far apart: ``rlgn`` in ``roi align``."""
    if not _in_order(word).search(folded):
        return None
    best: Fit | None = None
    for start in starts:
        if folded[start] != word[0]:
            continue
        places, at = [start], start
        for letter in word[1:]:
            at = folded.find(letter, at + 1)
            if at < 0:
                break
            places.append(at)
        if len(places) < len(word):
            continue
        span = places[-1] - start + 1
        if span <= 2 * len(word) + 1 and len(word) > 2:
            score = 80.0 * len(word) / span
            best = (score, tuple(places)) if best is None or score > best[0] else best
    return best


@cache
def _in_order(word: str) -> re.Pattern[str]:
    return re.compile(".*?".join(map(re.escape, word)))


def nearly_fits(word: str, text: str) -> Fit | None:
    """The same where one letter is missing, too much, another one, or changed places with its neighbour; not the first one."""
    found = fits(word, text)
    if found is not None or len(word) < 4 or not word.isascii():
        return found
    folded = folded_of(text)
    for start in _starts(text):
        same = 0
        while same < len(word) and folded[start + same : start + same + 1] == word[same]:
            same += 1
        if same == 0:
            continue
        here, rest = start + same, word[same + 1 :]
        swapped = word[same + 1 : same + 2] + word[same] + word[same + 2 :]
        for wanted, at in ((rest, here + 1), (rest, here), (word[same:], here + 1), (swapped, here)):
            if wanted and folded.startswith(wanted, at):
                return 60.0 + 20 * len(word) / len(folded), tuple(range(start, at + len(wanted)))
    return None

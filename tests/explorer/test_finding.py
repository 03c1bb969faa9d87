"""What a few typed letters find, in both languages, and in which order."""

import pytest

from explorer.i18n import set_language
from explorer.panel import knobs
from explorer.registry import Registry, find_panels
from explorer.widgets.actions import ACTIONS
from explorer.window.finding import Thing, find, fits, landmarks, nearly_fits, paragraphs, snippet, things


@pytest.fixture(scope="module")
def registry() -> Registry:
    found = find_panels()
    assert all(found.load(name) for name in found.entries)
    return found


def titles(typed: str, among: tuple[Thing, ...]) -> list[tuple[str, str]]:
    return [(one.thing.kind, one.title) for one in find(typed, among)]


@pytest.mark.parametrize("language", ["en", "zh_CN"])
@pytest.mark.parametrize(
    ("typed", "kind", "panel", "field"),
    [
        ("nms", "panel", "nms", ""),
        ("roi align", "panel", "roi", ""),
        ("roipool", "panel", "roi", ""),
        ("cyclgan", "panel", "cyclegan", ""),
        ("iou threshold", "control", "nms", "iou_threshold"),
        ("threshold iou", "control", "nms", "iou_threshold"),
        ("thrshold iou", "control", "nms", "iou_threshold"),
        ("采样率", "control", "roi", "sampling_ratio"),
        ("sampling ratio", "control", "roi", "sampling_ratio"),
        ("感受野", "control", "layers", "erf"),
        ("目标检测 nms", "panel", "nms", ""),
        ("判别器", "view", "cyclegan", "show"),
        ("discriminators", "view", "cyclegan", "show"),
        ("冻结", "action", "", ""),
        ("freeze", "action", "", ""),
        ("forgot the half cell", "text", "roi", ""),
    ],
)
def test_either_language_finds_it_first(
    registry: Registry, language: str, typed: str, kind: str, panel: str, field: str
) -> None:
    set_language(language)
    best = find(typed, things(registry, ACTIONS))[0].thing
    assert (best.kind, best.panel) == (kind, panel)
    if field and (kind, panel) != ("control", "layers"):
        assert best.field == field
    assert len(find(typed, things(registry, ACTIONS))) > 0


def test_every_control_view_panel_and_action_is_found_by_its_own_name(registry: Registry) -> None:
    everything = things(registry, ACTIONS)
    for thing in everything:
        if thing.kind != "text":
            for title in thing.titles:
                assert thing in [one.thing for one in find(title, everything)], title
    for name in registry.entries:
        panel = registry.panels[name]
        known = {one.field for one in everything if one.kind == "control" and one.panel == name}
        shown = [
            field for kind in (panel.params, panel.view) for field, (_, k) in knobs(kind).items() if k.kind != "hidden"
        ]
        assert known == set(shown)


def test_nothing_typed_lists_the_panels_in_the_order_of_the_course(registry: Registry) -> None:
    everything = things(registry, ACTIONS)
    assert [one.thing.panel for one in find("  ", everything)] == list(registry.entries)
    assert find("xyzzy quux", everything) == ()
    assert find("nms xyzzy", everything) == ()


def test_of_panels_that_are_not_imported_names_and_explanations_are_known() -> None:
    fresh = find_panels()
    known = things(fresh, ())
    assert {one.kind for one in known} == {"panel", "text"}
    assert {one.panel for one in known if one.kind == "text"} == set(fresh.entries)
    fresh.load("roi")
    assert {one.panel for one in things(fresh, ()) if one.kind == "control"} == {"roi"}


def test_a_panels_name_does_not_bring_all_that_it_has(registry: Registry) -> None:
    found = find("openpose", things(registry, ACTIONS))
    assert found[0].thing.kind == "panel"
    assert all(one.thing.kind in ("panel", "text") or "OpenPose" in " ".join(one.thing.more) for one in found)
    assert find("openpose opacity", things(registry, ACTIONS))[0].thing.panel == "pose"


def test_what_fits_is_marked() -> None:
    things_of = (Thing("panel", ("RoI Align", "感兴趣区域对齐")),)
    assert find("align", things_of)[0].marked == (4, 5, 6, 7, 8)
    assert find("ra", things_of)[0].marked == (0, 4)
    (other,) = find("区域", things_of)
    assert other.title == "RoI Align  ·  感兴趣区域对齐", "found by its other name, which is shown beside it"
    assert [other.title[i] for i in other.marked] == ["区", "域"]


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (("loss", "Loss"), ("loss", "Losses")),
        (("loss", "Losses"), ("loss", "Box losses")),
        (("box", "Second box"), ("box", "Sandboxes")),
        (("gan", "CycleGAN"), ("gan", "Organised")),
        (("ra", "RoI Align"), ("rlgn", "RoI Align")),
        (("losses", "Losses"), ("lsses", "Losses")),
    ],
)
def test_nearer_is_better(better: tuple[str, str], worse: tuple[str, str]) -> None:
    first, second = fits(*better), fits(*worse)
    assert first is not None
    assert second is not None
    assert first[0] > second[0]


@pytest.mark.parametrize(("word", "text"), [("roi", "Working resolution"), ("zn", "pizza zone"), ("域外", "区域")])
def test_letters_far_apart_do_not_fit(word: str, text: str) -> None:
    assert fits(word, text) is None


@pytest.mark.parametrize("word", ["treshold", "threshhold", "thrashold", "thershold"])
def test_one_letter_may_be_wrong(word: str) -> None:
    found = nearly_fits(word, "IoU threshold")
    assert found is not None
    assert found[1][0] == 4
    assert nearly_fits(word[:3] + "qq" + word[5:], "IoU threshold") is None
    assert nearly_fits("iuo", "IoU threshold") is None, "too short to guess"


def test_paragraphs_read_as_on_the_screen() -> None:
    markdown = "# Head\n\n**Bold** and *soft* [link](https://x.y/z) `code`\nin {n:.2f} lines.\n\n1. a * b\n2. c\n\n\n"
    assert paragraphs(markdown) == ("Head", "Bold and soft link code in … lines.", "a * b c")
    assert landmarks("Bold and soft link code in … lines.") == ("Bold and soft link code in", "lines.")
    assert landmarks("At … the mean of all … is") == ("the mean of all", "At", "is")[:1]
    assert landmarks("…") == ()


def test_a_snippet_has_the_place_in_it() -> None:
    text = " ".join(f"word{i}" for i in range(60))
    for start in (0, 100, text.index("word59")):
        cut, shift = snippet(text, start)
        assert cut[start - shift : start - shift + 5] == text[start : start + 5]
        assert len(cut) < 100
    assert snippet("short", 2) == ("short", 0)

"""The four losses as the paper writes them, with the numbers of the pictures that are there."""

from collections.abc import Iterator

from explorer.figure import Column, Layout, Pane, Row, Table, TableColumn
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cyclegan.controls import View
from explorer.panels.cyclegan.mosaic import mosaic_pane
from explorer.panels.cyclegan.numbers import Terms
from explorer.panels.cyclegan.trace import Trace
from explorer.panels.cyclegan.translation import named_pictures

Line = tuple[str, str, float | None, float]
"""Name, formula, value, weight."""


def losses_view(result: Result, view: View) -> Layout:
    """The pictures above, a table for each loss below."""
    trace: Trace = result.trace
    assert trace.terms is not None
    terms = trace.terms
    shown = trace.sides if len(trace.sides) > 1 and not trace.sides[1].frame else trace.sides[:1]
    row = [picture for side in shown for picture in named_pictures(side)]
    title = (
        tr("a: your picture, b: the built-in one")
        if shown[0].domain == "a"
        else tr("b: your picture, a: the built-in one")
    )
    if len(shown) == 1:
        title = tr("{letter}: your picture", letter=shown[0].domain)
    pictures = mosaic_pane("mosaic", title, [row], group=4)
    judges = Row((discriminator_pane(terms, "a"), discriminator_pane(terms, "b")))
    generators = Row((generator_pane(terms, "ba"), generator_pane(terms, "ab")))
    return Column((pictures, judges, generators), weights=(1.05, 0.75, 1.0))


def discriminator_pane(terms: Terms, domain: str) -> Pane:
    """Half of what real pictures and translations give."""
    letter = domain.upper()
    fake = "F(b)" if domain == "a" else "G(a)"
    real, made = (terms.real_a, terms.fake_a) if domain == "a" else (terms.real_b, terms.fake_b)
    lines: tuple[Line, ...] = (
        (tr("real pictures are to score 1"), f"(D_{letter}({domain}) − 1)²", real, 0.5),
        (tr("translations are to score 0"), f"D_{letter}({fake})²", made, 0.5),
    )
    title = tr("Loss of discriminator {letter}", letter=letter)
    return _pane(f"discriminator {domain}", title, lines, terms.discriminator(domain))


def generator_pane(terms: Terms, way: str) -> Pane:
    """Adversarial, both cycles, identity."""
    first, last = way[0].upper(), way[1].upper()
    own, judged, kept = ("G", "D_B(G(a))", "b") if way == "ab" else ("F", "D_A(F(b))", "a")
    adversarial = terms.adversarial_ab if way == "ab" else terms.adversarial_ba
    identity = terms.identity_b if way == "ab" else terms.identity_a
    lines: tuple[Line, ...] = (
        (tr("adversarial: to be taken for real"), f"({judged} − 1)²", adversarial, 1.0),
        (tr("cycle A → B → A"), "|F(G(a)) − a|", terms.cycle_a, terms.cycle_weight),
        (tr("cycle B → A → B"), "|G(F(b)) − b|", terms.cycle_b, terms.cycle_weight),
        (
            tr("identity: {letter} stays {letter}", letter=last),
            f"|{own}({kept}) − {kept}|",
            identity,
            terms.identity_weight,
        ),
    )
    title = tr("Loss of generator {first}{last}: {name}", first=first, last=last, name=f"{own}: {first} → {last}")
    return _pane(f"generator {way}", title, lines, terms.generator(way))


def _pane(key: str, title: str, lines: tuple[Line, ...], total: float | None) -> Pane:
    columns = (
        TableColumn(tr("Term")),
        TableColumn(tr("Mean of")),
        TableColumn(tr("Value"), digits=4),
        TableColumn(tr("Weight")),
        TableColumn(tr("Weight × value"), digits=4),
    )
    rows = [
        (name, formula, "–" if value is None else value, f"{weight:g}", "–" if value is None else weight * value)
        for name, formula, value, weight in lines
    ]
    rows.append((tr("sum"), "", "", "", "–" if total is None else total))
    return Pane(key, title, (Table(columns, tuple(rows), selected=len(rows) - 1, key=key),))


def missing(trace: Trace) -> Iterator[str]:
    """Why a number is not there."""
    terms = trace.terms
    if terms is None:
        return
    if trace.one_way:
        yield tr(
            "This network has one generator and no discriminator: of its losses nothing can be computed; the formulas show what it was "
            "trained with."
        )
    elif terms.real_b is None or terms.real_a is None:
        letter = "B" if terms.real_b is None else "A"
        yield tr(
            "Terms with “–” need a real picture of {letter}, and there is none here: one picture is not enough for them. "
            "Choose the built-in picture of the other domain.",
            letter=letter,
        )
    if not terms.known:
        yield tr("The weights are the authors’ usual ones: how this network was trained is not known here.")

"""The line integral of one pair, as a curve and as a formula with its numbers."""

import numpy as np

from cvcore.ops.paf.trace import FEW_AGREE, TOO_LOW
from explorer.figure import Axis, Curve, Pane, Points, Text
from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.pose.choice import decoding, pair_name, peak_name

GOOD, BAD = 2, 3
SUMMANDS = 12
"""Written out at most."""


def integral_pane(result: Result, pair: int) -> Pane:
    """Dot products along the pair, their mean, and the threshold."""
    decoded = decoding(result)
    pairs = decoded.pairs
    dots = pairs.dots[pair].numpy().astype(np.float64)
    u = np.linspace(0, 1, len(dots))
    ends = np.array([0.0, 1.0])
    mean = float(pairs.integrals[pair])
    agree = [GOOD if dot > pairs.min_dot else BAD for dot in dots.tolist()]
    marks = (
        Curve(ends, np.full(2, pairs.min_dot), colour=BAD, width=1.5, style="dashed", key="threshold"),
        Curve(ends, np.full(2, mean), colour=1, style="dashed", key="mean"),
        Curve(u, dots, colour=0, key="dots"),
        Points(np.stack((u, dots), 1), colours=agree, size=9.0, key="points"),
        Text(tr("threshold {value}", value=f"{pairs.min_dot:.2f}"), (0.0, pairs.min_dot), BAD, key="threshold words"),
        Text(f"E = {signed(mean)}", (1.04, mean), 1, key="mean words"),
    )
    first, last = (peak_name(decoded, int(end[pair])) for end in (pairs.a, pairs.b))
    low, high = min(-0.2, float(dots.min()) - 0.05), max(1.1, float(dots.max()) + 0.05)
    axes = (
        Axis(tr("u, from {first} to {last}", first=first, last=last), low=-0.03, high=1.22),
        Axis(tr("PAF · direction"), low=low, high=high),
    )
    return Pane("integral", tr("Line integral along {pair}", pair=pair_name(decoded, pair)), marks, axes=axes)


def formula(result: Result, pair: int) -> Pane:
    """E, score, and whether it can be a limb."""
    return Pane("formula", tr("In numbers"), (Text("\n".join(formula_lines(result, pair)), key="formula"),))


def formula_lines(result: Result, pair: int) -> list[str]:
    decoded, grid = decoding(result), result.trace.grid
    pairs = decoded.pairs
    dots = pairs.dots[pair].tolist()
    along = (pairs.ends[pair] - pairs.starts[pair]).numpy()
    length = float(pairs.lengths[pair])
    x, y = (along / length if length > 0 else along).tolist()
    count = len(dots)
    terms = [signed(dot) for dot in dots]
    shown = terms if count <= SUMMANDS else [*terms[: SUMMANDS - 2], "…", terms[-1]]
    integral, prior, score = (float(v[pair]) for v in (pairs.integrals, pairs.priors, pairs.scores))
    rows = grid.cells[1]
    agreeing, needed = int(pairs.agreeing[pair]), pairs.min_agreeing
    failed = int(pairs.failed[pair])
    verdict = tr("may be a limb")
    if failed & FEW_AGREE and failed & TOO_LOW:
        verdict = tr("fails: too few points agree, and the score is not above 0")
    elif failed & FEW_AGREE:
        verdict = tr("fails: too few points agree")
    elif failed & TOO_LOW:
        verdict = tr("fails: the score is not above 0")
    return [
        tr("direction v = ({x}, {y}), length {length:.1f} cells", x=signed(x), y=signed(y), length=length),
        f"E = ({' + '.join(shown)}) / {count} = {signed(integral)}".replace("+ −", "− "),
        tr(
            "score = E + min(h / (2 · length) − 1, 0) = {integral} + min({rows} / {double:.1f} − 1, 0) = {integral} − {paid:.2f} = {score}",
            integral=signed(integral),
            rows=rows,
            double=2 * length,
            paid=abs(prior),
            score=signed(score),
        ),
        tr(
            "{agreeing} of {count} points are above {threshold:g}, {needed} are needed: {verdict}.",
            agreeing=agreeing,
            count=count,
            threshold=pairs.min_dot,
            needed=needed,
            verdict=verdict,
        ),
    ]


def signed(value: float) -> str:
    """Two decimals with a true minus sign."""
    return f"{value:.2f}".replace("-", "−")

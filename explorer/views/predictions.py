"""What a network says a picture is: its likeliest classes as bars, and Grad-CAM as a map."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from explorer.figure import Axis, Bars, Mark, Pane
from explorer.i18n import language, tr
from explorer.views import networks
from explorer.views.items import Items
from explorer.views.passes import Cam
from explorer.views.positions import Positions
from explorer.views.said import plus

Array = NDArray[np.floating]
LISTED = 5
NOW, BEFORE = 0, 7
"""Colours of a prediction, and of the one it is compared with."""
CLASS = "cam_class"
"""The dimension: a class by its name. A click on its bar sets the knob of that name, and ``grad_cam``."""


def class_names(network: str) -> tuple[str, ...]:
    """Of a network, in the language chosen."""
    return networks.card(network).label_names(language())


def top_classes(now: Array, before: Array | None = None, count: int = LISTED) -> NDArray[np.intp]:
    """The likeliest classes, the highest first, and after them what was the likeliest before, if it is not among them."""
    best = np.argsort(-now, kind="stable")[:count]
    if before is not None and (first := int(before.argmax())) not in best:
        best = np.append(best, first)
    return best


def classes_pane(
    network: str,
    now: Array,
    before: Array | None = None,
    *,
    cam: Cam | None = None,
    title: str = "",
    key: str = "classes",
    count: int = LISTED,
) -> Pane:
    """The likeliest classes; where there is another prediction, its bar stands under each, and the change in percentage points
    behind the name.

    Args:
        now, before: (classes,) probabilities.
        cam: its class is marked.
    """
    names, best = class_names(network), top_classes(now, before, count)
    axes = (Axis(tr("probability"), "%", low=0.0, high=100.0), Axis(""))
    items = Items(
        CLASS, best, None if cam is None else cam.class_index, words=lambda i: names[i], value=lambda i: names[i]
    )
    if before is None:
        said = title or tr("Most likely of {count} classes", count=len(names))
        pane = items.named_bars(
            key, said, 100 * now.astype(np.float64), tr("probability"), unit="%", ends=(0.0, 100.0), mark="classes"
        )
        return replace(pane, also={"grad_cam": True})
    values = 100 * np.stack((now[best], before[best]), 1).astype(np.float64)  # (n, 2)
    labels = [label for i, (a, b) in zip(best, values, strict=True) for label in (f"{names[i]} {change(a - b)}", "")]
    bars: Mark = Bars(
        values.reshape(-1),
        tuple(labels),
        label=tr("probability"),
        colours=[NOW, BEFORE] * len(best),
        horizontal=True,
        key="classes",
    )
    both = Items(CLASS, np.repeat(best, 2), value=lambda i: names[i])
    title = title or tr("Now (blue), unchanged (grey)")
    return both.pane(key, title, (bars,), "classes", axes, also={"grad_cam": True})


def change(points: float) -> str:
    """Percentage points with their sign."""
    return "±0" if abs(points) < 0.05 else plus(round(points, 1))


def cam_pane(network: str, cam: Cam, at: Positions, label: str, key: str = "cam") -> Pane:
    """What speaks for one class, over the picture."""
    title = tr("Grad-CAM: {name}", name=class_names(network)[cam.class_index])
    return at.map(key, title, cam.map, label, ends=(0.0, None), colormap="magma", mark="cam")

"""The four views, what their places stand for, notes, the explanation's numbers, and what is saved."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from cvcore.evaluate.coco_people import found_people, people_results, person_annotation, person_category
from explorer.figure import (
    At,
    Boxes,
    Column,
    Handles,
    Layout,
    Mark,
    Note,
    Pane,
    Row,
    Segments,
    Spot,
    Table,
    TableColumn,
)
from explorer.files.coco_images import image_entry, image_number
from explorer.i18n import tr, tr_n
from explorer.panel import Link
from explorer.panels.pose.compute import Labelled, Maps, People, Trace
from explorer.panels.pose.controls import (
    EVERYTHING,
    FOUND,
    KEYPOINTS,
    PEOPLE,
    SHOWS,
    SKELETON,
    STAGES,
    TARGETS,
    K,
    View,
)
from explorer.panels.pose.marks import (
    OTHER,
    Shown,
    arrows,
    direction_pane,
    ends_of,
    heat,
    heat_mark,
    keypoint_name,
    keypoint_places,
    keypoints_of,
    limb_colour,
    limb_lines,
    limb_name,
    limbs_of,
    maps_words,
    part_name,
    person_colour,
    picture,
    picture_pane,
    skeletons,
)
from explorer.panels.pose.walk import Stepping, pair_name, step_words, walk
from explorer.panels.pose.walk import tell as tell_step
from explorer.views import networks
from explorer.views.items import Items

MASK = "#ffffff"


# -- live


def live(result: Shown, view: View) -> Layout:
    """The picture, and beside it who was found."""
    trace = result.trace
    marks: list[Mark] = list(picture(result, view))
    if view.heatmaps:
        marks.append(heat_mark(heat(trace.maps.heatmaps, view.part), trace.cells, view))
    if view.pafs:
        marks.append(arrows(trace.maps.pafs, view.part, trace.cells, view))
    if view.skeletons:
        marks += skeletons(trace.people, view)
    beside: Layout = people_pane(trace.people, view)
    if view.pafs:
        beside = Column((beside, direction_pane()), weights=(2.0, 1.0))
    shown = picture_pane(result, "people", title(view), tuple(marks), InPicture(trace.people, trace, trace.maps))
    return Row((replace(shown, again={"person": 0}), beside), weights=(3.6, 1.0))


def title(view: View) -> str:
    """What lies over the picture, of which keypoint or limb."""
    shown = [
        tr(name)
        for name, on in (("Heat maps", view.heatmaps), ("PAFs", view.pafs), ("Skeletons", view.skeletons))
        if on
    ]
    if not shown:
        return tr("Picture")
    said = " + ".join(shown)
    told = view.heatmaps or view.pafs or view.part != EVERYTHING
    return f"{said} · {part_name(view.part)}" if told else said


def people_pane(people: People, view: View) -> Pane:
    """Number, keypoints and score of everyone."""
    columns = (TableColumn(tr("Person")), TableColumn(tr("Keypoints")), TableColumn(tr("Score"), digits=2))
    rows = tuple(
        (int(number), f"{count} / 18", float(score))
        for number, count, score in zip(people.numbers, people.found(), people.scores, strict=True)
    )
    items = everyone(people, view)
    said = tr_n("{n} person", "{n} people", len(people))
    return items.pane("table", said, (Table(columns, rows, items.place, key="people"),), "people")


def everyone(people: People, view: View) -> Items:
    """The people by their numbers; a click on one who is marked takes the mark away."""
    numbers = people.numbers.tolist()
    chosen = numbers.index(view.person) if view.person in numbers else None
    return Items.all("person", len(numbers), chosen, value=lambda i: numbers[i], again=0)


# -- stages


def refinement(result: Shown, view: View) -> Layout:
    """A column for each stage."""
    trace = result.trace
    columns: list[Layout] = []
    name = part_name(view.part)
    for number, (maps, people) in trace.stages.items():
        ground = picture(result, view)
        seen = (
            *ground,
            heat_mark(heat(maps.heatmaps, view.part), trace.cells, view),
            arrows(maps.pafs, view.part, trace.cells, view, width=1.2),
        )
        said = tr_n("{n} person", "{n} people", len(people))
        maps_title = tr("Stage {number} of {count}: {part}", number=number, count=trace.stage_count, part=name)
        panes: list[Pane] = [picture_pane(result, f"maps_{number}", maps_title, seen, InPicture(None, trace, maps))]
        if view.skeletons:
            marks = (*ground, *skeletons(people, view, labels=False, width=3.0))
            panes.append(
                picture_pane(
                    result,
                    f"people_{number}",
                    tr("Stage {number}: {said}", number=number, said=said),
                    marks,
                    InPicture(None, trace, maps),
                )
            )
        columns.append(Column(tuple(panes)))
    return Row(tuple(columns))


# -- targets


def target_view(result: Shown, view: View) -> Layout:
    """Figures and loss at the left, targets in the middle, the network's maps at the right."""
    trace = result.trace
    made = trace.labelled
    if made is None:
        return picture_pane(result, "figures", tr("Picture"), picture(result, view))
    ground, name, mask = picture(result, view), part_name(view.part), masked(result, made)

    def heat_pane(key: str, title: str, of: Maps) -> Pane:
        shown = heat_mark(heat(of.heatmaps, view.part), trace.cells, view)
        return picture_pane(result, f"heat_{key}", title, (*ground, shown, *mask), InPicture(None, trace, of, made))

    def field_pane(key: str, title: str, of: Maps) -> Pane:
        drawn = arrows(of.pafs, view.part, trace.cells, view)
        return picture_pane(result, f"field_{key}", title, (*ground, drawn, *mask), InPicture(None, trace, of, made))

    wanted = (
        heat_pane("target", tr("Target S*: {part}", part=name), made.maps),
        field_pane("target", tr("Target L*: PAF"), made.maps),
    )
    given = (
        heat_pane("network", tr("Network S: {part}", part=name), trace.maps),
        field_pane("network", tr("Network L: PAF"), trace.maps),
    )
    left = Column(
        (figure_pane(result, view, made), loss_pane(made), error_pane(result, view, made)), weights=(1.5, 0.95, 1.0)
    )
    return Row((left, Column(wanted), Column(given)), weights=(1.35, 1.0, 1.0))


def masked(result: Shown, made: Labelled) -> tuple[Mark, ...]:
    """The mask's box, where there is one."""
    params = result.params
    if not params.masked:
        return ()
    return (Boxes(np.array([made.box]), (tr("W = 0"),), MASK, 2.0, "dashed", key="mask"),)


def figure_pane(result: Shown, view: View, made: Labelled) -> Pane:
    """The figures with a handle on each keypoint."""
    params = result.params
    lines = limb_lines(made.figures)
    chosen = set(limbs_of(view.part))
    marks: list[Mark] = list(picture(result, view))
    marks.append(
        Segments(
            *ends_of(made.figures, lines),
            [limb_colour(limb) if limb in chosen else OTHER for limb in lines[:, 1].tolist()],
            4.0,
            key="limbs",
        )
    )
    named = keypoints_of(view.part)
    for person, figure in enumerate(made.figures):
        for keypoint, (x, y, labelled) in enumerate(figure.tolist()):
            if labelled:
                joint = person * KEYPOINTS + keypoint
                marks.append(
                    Handles(
                        f"joints.{params.first_joint + joint}",
                        "point",
                        (x, y),
                        colour=person_colour(person + 1) if keypoint in named else 7,
                        bounds=result.frame.extent,
                        key=f"joint {joint}",
                    )
                )
    if params.masked:
        marks.append(Handles("mask", "box", made.box, tr("mask: W = 0 inside"), 7, result.frame.extent, key="mask"))
    places = InPicture(None, result.trace, made.maps, made)
    if not (made.figures[..., 2] > 0).any():
        return picture_pane(result, "figures", tr("Nobody was found: choose other figures"), tuple(marks), places)
    return picture_pane(result, "figures", tr("Drag the keypoints"), tuple(marks), places)


def loss_pane(made: Labelled) -> Pane:
    """f_S and f_L of every stage, with and without the mask."""
    columns = (
        TableColumn(tr("Stage")),
        TableColumn(tr("f_S, W = 1"), digits=1),
        TableColumn(tr("f_L, W = 1"), digits=1),
        TableColumn(tr("f_S, masked"), digits=1),
        TableColumn(tr("f_L, masked"), digits=1),
    )
    rows: list[tuple[str | float | int, ...]] = [
        (number, loss.heatmaps, loss.pafs, loss.masked_heatmaps, loss.masked_pafs)
        for number, loss in enumerate(made.targets.losses, 1)
    ]
    sums = (
        sum(loss.heatmaps for loss in made.targets.losses),
        sum(loss.pafs for loss in made.targets.losses),
        sum(loss.masked_heatmaps for loss in made.targets.losses),
        sum(loss.masked_pafs for loss in made.targets.losses),
    )
    return Pane(
        "losses", tr("Loss against these targets"), (Table(columns, (*rows, (tr("all"), *sums)), key="losses"),)
    )


def error_pane(result: Shown, view: View, made: Labelled) -> Pane:
    """Where the loss of the last stage comes from."""
    trace, errors = result.trace, made.targets.errors
    high = max(float(errors.max()), 1e-6)
    mark = heat_mark(errors, trace.cells, view, label=tr("error"), key="errors", high=high)
    marks = (*picture(result, view), mark, *masked(result, made))
    places = InPicture(None, trace, trace.maps, made)
    return picture_pane(result, "errors", tr("W(p) · error, last stage"), marks, places)


# -- words and files


def notes(result: Shown, view: View) -> Iterator[Note]:
    """What the step does, what was left out, and a kind word where nobody was found."""
    trace = result.trace
    params = result.params
    if trace.limited and params.show != TARGETS:
        yield Note(
            tr(
                "Some keypoint has more than {limit} peaks: the weakest are left out, so that the work stays bounded.",
                limit=params.max_peaks,
            ),
            "warning",
        )
    if not len(trace.people) and (params.show == PEOPLE or (params.show == TARGETS and params.figures == FOUND)):
        yield Note(
            tr(
                "No person found. People are found best when they are a third of the picture’s height or more; a greater input height or "
                "lower thresholds find more."
            )
        )
    if trace.input[1] < params.input_height:
        width, height = trace.input
        yield Note(tr("The picture is very wide: the network gets {width} × {height} px.", width=width, height=height))
    if params.show == STAGES and trace.stage_count == 1:
        yield Note(tr("This network has one stage only: nothing is refined."))
    if params.show == TARGETS and params.masked and trace.labelled is not None and params.figures == FOUND:
        yield Note(
            tr(
                "The mask lies where a person may be whom nobody labelled: there the network is neither praised nor blamed."
            )
        )


def explain(result: Shown, view: View) -> dict[str, object]:
    """What fills the explanation."""
    trace = result.trace
    params = result.params
    card = networks.card(params.network)
    rows, columns = trace.maps.size
    found: dict[str, object] = {
        "network": card.title,
        "rows": rows,
        "columns": columns,
        "keypoints": K,
        "highest": float(np.nanmax(trace.maps.heatmaps[:K])),
        "stages": trace.stage_count,
        "people": len(trace.people),
        "training": card.training_data.rstrip("."),
        "score": card.score.rstrip("."),
        "peak_threshold": params.peak_threshold,
        "samples": params.samples,
        "min_dot": params.min_dot,
        "needed": params.thresholds.min_agreeing,
        "min_keypoints": params.min_keypoints,
        "min_score": params.min_score,
        "weak_threshold": params.weak_threshold,
    }
    if trace.walked is not None:
        s = Stepping(result, trace.walked, view)
        if s.pair is not None:
            integral = float(s.decoded.pairs.integrals[s.pair])
            found |= {"pair": pair_name(s.decoded, s.pair), "integral": f"{integral:.2f}"}
    return found


def links(result: Shown, view: View) -> tuple[Link, ...]:
    """The network, layer by layer, in the Layers panel."""
    params = result.params
    return (Link(tr("Layers of the network"), "layers", {"network": params.network}),)


def files(result: Shown, view: View) -> dict[str, bytes]:
    """``people.json``: everything; ``results.json``: COCO results, which load with pycocotools' ``loadRes``; ``annotations.json``:
    a COCO data set of this picture with the people found as its annotations."""
    trace = result.trace
    params = result.params
    image = image_number(result.frame)
    people = trace.people
    made = {
        "people.json": {
            "network": params.network,
            "image": image_entry(result.frame),
            "keypoints": list(SKELETON.names),
            "limbs": [list(limb) for limb in SKELETON.limbs],
            "people": [
                {
                    "number": int(number),
                    "score": round(float(score), 5),
                    "keypoints": [[round(float(v), 3) for v in row] for row in keypoints],
                }
                for keypoints, score, number in zip(people.keypoints, people.scores, people.numbers, strict=True)
            ],
        },
        "results.json": people_results(image, found_people(torch.from_numpy(people.keypoints))),
        "annotations.json": {
            "images": [image_entry(result.frame)],
            "categories": [person_category()],
            "annotations": [
                person_annotation(
                    people.keypoints[i],
                    number=i + 1,
                    image=image,
                    score=float(people.scores[i]),
                    track=int(people.numbers[i]),
                )
                for i in range(len(people))
            ],
        },
    }
    return {name: (json.dumps(content, indent=1) + "\n").encode() for name, content in made.items()}


# -- what places stand for


@dataclass(frozen=True, slots=True, eq=False)
class InPicture:
    """The cell of the maps at a place, and whose limb or keypoint is there.

    Args:
        people: those drawn with a number, if they can be chosen.
        maps: what a pane shows of. labelled: the targets, where there are any.
    """

    people: People | None
    trace: Trace
    maps: Maps
    labelled: Labelled | None = None

    def at(self, spot: Spot) -> At | None:
        said: dict[str, Any] = {"maps": self.maps, "labels": self.labelled}
        person = None if self.people is None else person_at(self.people, spot)
        if person is not None and self.people is not None:
            said |= {"person": int(self.people.numbers[person]), "item": (spot.mark, spot.index)}
        if spot.mark.startswith("joint "):
            said["joint"] = int(spot.mark.removeprefix("joint "))
        cell = self.trace.cells.under(spot.x, spot.y)
        if cell is not None:
            said["cell"] = cell
        return said if len(said) > 2 else None

    def lit(self, at: At) -> tuple[Mark, ...]:
        return ()


def person_at(people: People, spot: Spot) -> int | None:
    """Whose limb or keypoint is under the pointer: the row among the people."""
    if spot.index is None:
        return None
    rows = {"limbs": limb_lines, "keypoints": keypoint_places}.get(spot.mark)
    if rows is not None:
        found = rows(people.keypoints)
        return int(found[spot.index, 0]) if 0 <= spot.index < len(found) else None
    return spot.index if spot.mark == "numbers" and 0 <= spot.index < len(people) else None


def tell(result: Shown, view: View, at: At) -> str:
    """The maps at the place; the keypoint, limb, pair or peak there."""
    trace = result.trace
    if trace.walked is not None:
        return tell_step(Stepping(result, trace.walked, view), at)
    said = []
    if "person" in at:
        said.append(person_words(trace.people, at["person"], *at.get("item", ("", None))))
    if "joint" in at:
        person, keypoint = divmod(at["joint"], KEYPOINTS)
        said += [tr("figure {number}", number=person + 1), keypoint_name(keypoint)]
    if "cell" in at:
        said.append(maps_words(at["maps"], view.part, at["cell"]))
        if at["labels"] is not None:
            said += label_words(at["labels"], at["maps"], view.part, at["cell"])
    return " · ".join(said)


def person_words(people: People, number: int, mark: str, index: int | None) -> str:
    """``person 2 · left elbow 0.81``"""
    said = tr("person {number}", number=number)
    if mark == "limbs" and index is not None:
        return f"{said} · {limb_name(int(limb_lines(people.keypoints)[index, 1]))}"
    if mark == "keypoints" and index is not None:
        person, keypoint = keypoint_places(people.keypoints)[index].tolist()
        return f"{said} · {keypoint_name(keypoint)} {float(people.keypoints[person, keypoint, 2]):.2f}"
    return said


def label_words(made: Labelled, maps: Maps, part: str, cell: tuple[int, int]) -> Iterator[str]:
    """Mask and error in a cell; where the target is a mean of several people's limbs, it is shorter than 1."""
    weight, error = float(made.targets.mask[cell]), float(made.targets.errors[cell])
    yield tr("W = {weight:g}, masked error {error:.3f}", weight=weight, error=error)
    for limb in limbs_of(part) if maps.pafs is made.targets.pafs else ():
        x, y = (float(maps.pafs[channel][cell]) for channel in SKELETON.paf_channels[limb])
        if 0.001 < float(np.hypot(x, y)) < 0.999:
            yield tr("{limb}: the mean of two people’s unit vectors", limb=limb_name(limb))
            return


def pick(result: Shown, view: View, spot: Spot) -> dict[str, Any] | None:
    """A click beside everyone takes the mark away; in other views people are not chosen."""
    if spot.pane != "people" or person_at(result.trace.people, spot) is not None:
        return None
    return {"person": 0} if view.person else {}


def steps(result: Shown, view: View) -> tuple[Layout, Note] | Layout:
    if result.trace.walked is None:
        return picture_pane(result, "step", tr("Picture"), picture(result, view))
    s = Stepping(result, result.trace.walked, view)
    said = tr("Step {number} of {count}.", number=s.number + 1, count=s.count)
    return walk(s), Note(f"{said} {step_words(s)}")


VIEWS = dict(zip(SHOWS, (live, steps, refinement, target_view), strict=True))

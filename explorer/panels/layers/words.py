"""What a student is warned of, why something asked for is not there, and the explanation's numbers."""

from collections.abc import Iterator

from explorer.figure import Note
from explorer.i18n import tr, tr_n
from explorer.panel import Result
from explorer.panels.layers.compute import Trace
from explorer.panels.layers.controls import Params, View
from explorer.views import networks
from explorer.views.predictions import class_names
from explorer.views.said import count


def notes(result: Result[Trace, Params], view: View) -> Iterator[Note]:
    """What a student should be warned of, in as few lines as can be."""
    trace, params = result.trace, result.params
    numbers, total = trace.statistics, len(trace.maps)
    warnings = []
    if numbers.nan or numbers.infinite:
        warnings.append(
            tr(
                "Activations: {nan} NaN, {infinite} infinite; the statistics leave them out.",
                nan=numbers.nan,
                infinite=numbers.infinite,
            )
        )
    if numbers.never.any():
        dead = int(numbers.never.sum())
        if numbers.frames > 1:
            warnings.append(
                tr_n(
                    "{n} of {count} channels was zero everywhere on all {frames} pictures: a dead unit?",
                    "{n} of {count} channels were zero everywhere on all {frames} pictures: dead units?",
                    dead,
                    count=total,
                    frames=numbers.frames,
                )
            )
        else:
            warnings.append(
                tr_n(
                    "{n} of {count} channels is zero everywhere on this picture: a dead unit?",
                    "{n} of {count} channels are zero everywhere on this picture: dead units?",
                    dead,
                    count=total,
                )
            )
    if numbers.stuck.any():
        warnings.append(
            tr_n(
                "{n} of {count} channels is saturated: at the limit {limit:g} in more than half of its cells.",
                "{n} of {count} channels are saturated: at the limit {limit:g} in more than half of their cells.",
                int(numbers.stuck.sum()),
                count=total,
                limit=numbers.limit,
            )
        )
    if warnings:
        yield Note(" ".join(warnings), "warning")
    said = []
    if params.layer and trace.layer != params.layer:
        said.append(
            tr("This network has no layer {wanted} to show; {layer} is shown.", wanted=params.layer, layer=trace.layer)
        )
    said += [note.text for note in trace.fit.notes()]
    said += list(unanswered(trace, params))
    if said:
        yield Note(" ".join(said))


def unanswered(trace: Trace, params: Params) -> Iterator[str]:
    """Why something that was asked for is not shown."""
    if not trace.is_map and (params.position is not None or params.grad_cam):
        yield tr("This layer has no map, so it has no positions and no Grad-CAM.")
    elif params.grad_cam and trace.cam is None:
        if trace.probabilities is None:
            yield tr("This network gives no class scores, so there is no Grad-CAM.")
        else:
            yield tr("No gradient reaches this layer from the class scores, so there is no Grad-CAM.")
    operation = trace.network.fields.get(trace.layer)
    if params.position is not None and isinstance(operation, str):
        yield tr(
            "The theoretical receptive field is not known: it cannot be followed through {operation}.",
            operation=operation,
        )
    if trace.position is not None and not trace.position.gradient:
        yield tr("No gradient reaches the picture from this layer, so there is no effective receptive field.")
    if trace.position is not None and trace.position.effective is not None and not trace.position.effective.any():
        yield tr("No pixel moves this unit: its activations are switched off (zero) here.")


def explain(result: Result[Trace, Params], view: View) -> dict[str, object]:
    """For the explanation's {names}."""
    trace = result.trace
    channels, height, width = trace.maps.shape
    made = networks.card(result.params.network)
    layer = trace.network.layers[trace.layer]
    field = trace.network.field(trace.layer)
    seen = f"{field.size[0]} × {field.size[1]}" if field is not None and field.size is not None else "–"
    step = f"{field.stride[0]:g}" if field is not None and field.stride is not None else "–"
    effective = trace.position is not None and trace.position.effective is not None
    cam = trace.cam
    return {
        "network": made.title,
        "training": made.training_data,
        "score": made.score,
        "layer": trace.layer,
        "type": layer.type,
        "parameters": count(layer.parameters),
        "channels": channels,
        "rows": height,
        "columns": width,
        "channel": min(view.channel, channels - 1),
        "input": f"{trace.fit.input[0]} × {trace.fit.input[1]}",
        "picture": f"{trace.fit.picture[0]} × {trace.fit.picture[1]}",
        "field": seen,
        "stride": step,
        "ninety": share(trace.position.ninety) if effective and trace.position is not None else "–",
        "zero": share(trace.statistics.layer.zero),
        "class": class_names(result.params.network)[cam.class_index] if cam is not None else "–",
    }


def share(part: float) -> str:
    """``38 %``; what is not quite none or not quite all does not look like it."""
    if 0 < part < 0.001:
        return "< 0.1 %"
    if 0.999 < part < 1:
        return "> 99.9 %"
    return f"{100 * part:.3g} %"

"""The formula of each step, filled with the numbers of the chosen channel and position."""

import numpy as np

from explorer.i18n import tr
from explorer.panel import Result
from explorer.panels.cbam import stages
from explorer.panels.cbam.block import Array, Block, Learnt
from explorer.panels.cbam.controls import View
from explorer.panels.cbam.selection import cell_of, shape_words, signed
from explorer.panels.cbam.trace import Trace

TERMS = 8
"""Of longer sums the first are written out."""


def formula(result: Result, view: View, step: str) -> str:
    """Words, the formula, and the formula with numbers, a line each."""
    trace: Trace = result.trace
    block, learnt, features = trace.block, trace.learnt, trace.features
    assert learnt is not None
    assert features is not None
    row, column = cell_of(result, view)
    c = trace.channel
    incoming = features.between if _second(block, step) else features.before
    values = incoming[c].float().numpy()
    if step == stages.INPUT:
        lines = [
            tr("The block gets the map F of the stage before it and returns one of the same shape. It adds no new features: it says "
               "which of the ones there are count, and where."),
            f"F: {shape_words(block)}",
            f"F[{c}, {row}, {column}] = {signed(float(values[row, column]))}",
        ]  # fmt: skip
    elif step in (stages.AVERAGE, stages.MAXIMUM, stages.MLP, stages.SUM, stages.CHANNEL_GATE):
        lines = _channel_lines(block, learnt, step, c, values)
    elif step in (stages.CHANNEL_MULTIPLY, stages.SPATIAL_MULTIPLY):
        lines = _multiply_lines(block, step, c, row, column, values)
    else:
        lines = _position_lines(block, learnt, step, row, column, incoming_maximum(trace, view, result, step))
    return "\n".join(lines)


def incoming_maximum(trace: Trace, view: View, result: Result, step: str) -> tuple[int, Array]:
    """Which channel is largest at the chosen position of what spatial attention gets, and all channels there."""
    assert trace.features is not None
    row, column = cell_of(result, view)
    incoming = trace.features.between if _second(trace.block, step) else trace.features.before
    column_of_channels = incoming[:, row, column].float().numpy()
    return int(column_of_channels.argmax()), column_of_channels


def _second(block: Block, step: str) -> bool:
    """Whether the step belongs to the attention that comes second."""
    if block.channels is None or block.positions is None or block.order == "parallel":
        return False
    spatial = step in (
        stages.MAPS, stages.CONVOLUTION, stages.NORM, stages.SPATIAL_GATE, stages.SPATIAL_MULTIPLY
    )  # fmt: skip
    return spatial == (block.order == "channel first") and step != stages.INPUT


def _channel_lines(block: Block, learnt: Learnt, step: str, c: int, values: Array) -> list[str]:
    channels = block.channels
    assert channels is not None
    count, rows, columns = block.shape
    if step == stages.AVERAGE:
        total, mean = float(values.sum()), float(channels.pooled["avg"][c])
        return [
            tr("The mean of each channel says how much of its pattern there is in the whole picture."),
            f"{shape_words(block)} → {count}",
            f"a[c] = 1/(h·w) Σᵢⱼ F[c, i, j]        a[{c}] = {signed(total)} / ({rows} · {columns}) = {signed(mean)}",
        ]
    if step == stages.MAXIMUM:
        at = np.unravel_index(int(values.argmax()), values.shape)
        return [
            tr("The largest value of each channel says whether its pattern is anywhere at all. A small thing moves the mean little, but "
               "the maximum a lot: that is why the paper takes both."),
            f"{shape_words(block)} → {count}",
            f"m[c] = maxᵢⱼ F[c, i, j]        m[{c}] = F[{c}, {at[0]}, {at[1]}] = {signed(float(channels.pooled['max'][c]))}",
        ]  # fmt: skip
    if step == stages.MLP:
        lines = [
            tr("Two small layers look at all channels together. Both pooled vectors go through the same ones. In the middle there are only "
               "{hidden} numbers: the reduction, {count} / {hidden} = {ratio:.3g}, keeps the layers small.",
               hidden=len(learnt.b0), count=count, ratio=count / len(learnt.b0)),
            f"{count} → {len(learnt.b0)} → {count}        b = W₁ · ReLU(W₀ · p + b₀) + b₁",
        ]  # fmt: skip
        for pool, hidden in channels.hidden.items():
            name = {"avg": "a", "max": "m"}[pool]
            lines.append(
                f"{name}: b[{c}] = {_products(learnt.w1[c], hidden)} + {_number(float(learnt.b1[c]))} "
                f"= {signed(float(channels.branches[pool][c]))}"
            )
        return lines
    if step == stages.SUM:
        parts = [float(branch[c]) for branch in channels.branches.values()]
        return [
            tr("What the averages say and what the maxima say is added, channel by channel."),
            f"{count} + {count} → {count}",
            f"s[{c}] = {' + '.join(_number(part) for part in parts)} = {signed(float(channels.logits[c]))}",
        ]
    logit, gate = float(channels.logits[c]), float(channels.gate[c])
    return [
        tr(
            "The sigmoid turns each sum into a weight between 0 and 1. Nothing makes the weights compete: all can be high."
        ),
        f"{count} → {count}",
        f"Mc[c] = 1 / (1 + e^(−s[c]))        Mc[{c}] = 1 / (1 + e^({signed(-logit)})) = {signed(gate)}",
    ]


def _multiply_lines(block: Block, step: str, c: int, row: int, column: int, values: Array) -> list[str]:
    value, shape = float(values[row, column]), shape_words(block)
    if step == stages.CHANNEL_MULTIPLY:
        assert block.channels is not None
        weight, gate = float(block.channels.weight[c]), float(block.channels.gate[c])
        lines = [
            tr("Each channel is multiplied with its weight, the same at every position: what is looked for."),
            f"{shape} → {shape}        F′[c, i, j] = Mc[c] · F[c, i, j]",
            f"F′[{c}, {row}, {column}] = {_number(weight)} · {_number(value)} = {signed(weight * value)}",
        ]
    else:
        assert block.positions is not None
        weight, gate = float(block.positions.weight[row, column]), float(block.positions.gate[row, column])
        lines = [
            tr("Each position is multiplied with its weight, the same in every channel: where it is looked for."),
            f"{shape} → {shape}        F″[c, i, j] = Ms[i, j] · F′[c, i, j]",
            f"F″[{c}, {row}, {column}] = {_number(weight)} · {_number(value)} = {signed(weight * value)}",
        ]
    if abs(weight - gate) > 1e-6:
        lines.append(tr("Switched: the weight is {weight:.4g}, the sigmoid gave {gate:.4g}.", weight=weight, gate=gate))
    return lines


def _position_lines(
    block: Block, learnt: Learnt, step: str, row: int, column: int, largest: tuple[int, Array]
) -> list[str]:
    positions = block.positions
    assert positions is not None
    count, rows, columns = block.shape
    size = f"{rows} × {columns}"
    if step == stages.MAPS:
        if len(positions.pooled) == 1:
            return [
                tr("A learnt 1 × 1 convolution makes one map of all channels."),
                f"{shape_words(block)} → 1 × {size}",
            ]
        best, values = largest
        return [
            tr(
                "Now the channels are pooled, at every position: the largest one, and the mean of all. Two maps say where anything is."
            ),
            f"{shape_words(block)} → 2 × {size}",
            f"max[{row}, {column}] = F′[{best}, {row}, {column}] = {signed(float(positions.pooled[0, row, column]))}        "
            f"mean[{row}, {column}] = {signed(float(values.sum()))} / {count} = {signed(float(positions.pooled[1, row, column]))}",
        ]
    if step == stages.CONVOLUTION:
        side = learnt.kernel.shape[-1]
        parts = window_sums(positions.pooled, learnt.kernel, row, column)
        return [
            tr("A convolution looks at {side} × {side} cells of both maps around each position, with weights that were learnt. Outside the "
               "map it reads zeros.", side=side),
            f"{len(parts)} × {size} → 1 × {size}        {len(parts)} · {side} · {side} = {learnt.kernel.size} "
            + tr("products for each position"),
            f"f[{row}, {column}] = {' + '.join(_number(part) for part in parts)} = {signed(float(positions.convolved[row, column]))}",
        ]  # fmt: skip
    if step == stages.NORM:
        gamma, beta, mean, variance, epsilon = learnt.norm
        value, out = float(positions.convolved[row, column]), float(positions.logits[row, column])
        return [
            tr("Batch norm shifts and scales the map with four numbers that training left behind. The paper does not mention it; the "
               "code of its authors has it."),
            f"1 × {size} → 1 × {size}        g = γ (f − μ) / √(σ² + ε) + β",
            f"g[{row}, {column}] = {signed(gamma)} · ({signed(value)} − {_number(mean)}) / √({signed(variance)} + {epsilon:g}) + "
            f"{_number(beta)} = {signed(out)}",
        ]  # fmt: skip
    logit, gate = float(positions.logits[row, column]), float(positions.gate[row, column])
    return [
        tr("The sigmoid turns each position into a weight between 0 and 1."),
        f"1 × {size} → 1 × {size}",
        f"Ms[i, j] = 1 / (1 + e^(−g[i, j]))        Ms[{row}, {column}] = 1 / (1 + e^({signed(-logit)})) = {signed(gate)}",
    ]


def window_sums(pooled: Array, kernel: Array, row: int, column: int) -> list[float]:
    """Of each pooled map, the sum of the products with its kernel around a position."""
    reach = kernel.shape[-1] // 2
    padded = np.pad(pooled, ((0, 0), (reach, reach), (reach, reach)))
    window = padded[:, row : row + 2 * reach + 1, column : column + 2 * reach + 1]
    return [float(total) for total in (window * kernel).sum((1, 2))]


def _products(weights: Array, values: Array) -> str:
    terms = [
        f"{_number(float(w), 3)}·{_number(float(v), 3)}" for w, v in zip(weights[:TERMS], values[:TERMS], strict=True)
    ]
    return " + ".join([*terms, "…"] if len(weights) > TERMS else terms)


def _number(value: float, digits: int = 4) -> str:
    """With brackets where it is negative, to stand in a formula."""
    return f"({signed(value, digits)})" if value < 0 else signed(value, digits)

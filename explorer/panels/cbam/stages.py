"""The operations of one block in the order in which they run."""

from explorer.panels.cbam.block import Block

(
    INPUT, AVERAGE, MAXIMUM, MLP, SUM, CHANNEL_GATE, CHANNEL_MULTIPLY, MAPS, CONVOLUTION, NORM, SPATIAL_GATE, SPATIAL_MULTIPLY
) = (
    "the map comes in",
    "average pooling",
    "maximum pooling",
    "the shared MLP",
    "the sum",
    "sigmoid of the channels",
    "the channels are weighed",
    "maximum and mean over the channels",
    "the convolution",
    "batch norm",
    "sigmoid of the positions",
    "the positions are weighed",
)  # fmt: skip


def steps_of(block: Block) -> tuple[str, ...]:
    """Of a block that has both attentions twelve; what it does not have is left out."""
    channel: list[str] = []
    if block.channels is not None:
        pools = [step for pool, step in (("avg", AVERAGE), ("max", MAXIMUM)) if pool in block.channels.pooled]
        channel = [*pools, MLP, *([SUM] if len(pools) > 1 else []), CHANNEL_GATE, CHANNEL_MULTIPLY]
    spatial = [] if block.positions is None else [MAPS, CONVOLUTION, NORM, SPATIAL_GATE, SPATIAL_MULTIPLY]
    return (INPUT, *(spatial + channel if block.order == "spatial first" else channel + spatial))

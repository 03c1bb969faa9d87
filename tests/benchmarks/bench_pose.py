"""Decoding of heat maps and PAFs to people, and the built-in network with it, on two threads.

Maps are 46 x 82 cells: 368 x 656 pixels at stride 8. The peers cannot be run beside: their times are figures noted on a machine
like the one of these targets, without the enlarging of the maps that they need first and this decoding does not.
"""

import sys
from pathlib import Path

import torch
from bench_boxes import THREADS, Times, in_turns
from torch import Tensor

from cvcore.models.openpose import light_openpose, pose_small
from cvcore.ops import paf

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.cvcore.people_for_tests import standing

HEIGHT, WIDTH = 46, 82
NOISE = 0.02
PEAKS = 2_000


def spread(count: int, g: torch.Generator) -> Tensor:
    """(P, 18, 3) people in rows over the map, in poses of their own."""
    rows = 1 if count <= 10 else 3
    columns = -(-count // rows)
    size = 3.6 / rows**0.5 * min(1.0, 10 / columns)
    people = torch.stack(
        [
            standing((i % columns + 0.5) * WIDTH / columns, (i // columns + 0.42) * HEIGHT / rows, size)
            for i in range(count)
        ]
    )
    people[..., :2] += torch.randn(count, 18, 2, generator=g) * 0.1 * size
    return people


def maps_of(count: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
    """Targets of the people, and noise as of a network."""
    people = spread(count, g)
    heatmaps, pafs = paf.heatmap_targets(people, HEIGHT, WIDTH), paf.paf_targets(people, HEIGHT, WIDTH)
    return tuple(t + NOISE * torch.randn(t.shape, generator=g) for t in (heatmaps, pafs))  # type: ignore[return-value]


def noise(g: torch.Generator) -> tuple[Tensor, Tensor, paf.Thresholds]:
    """Noise, and the threshold above which about :data:`PEAKS` peaks of it lie."""
    heatmaps, pafs = (torch.rand(n, HEIGHT, WIDTH, generator=g) for n in (19, 38))
    scores = paf.find_peaks(heatmaps[:-1], max_peaks=HEIGHT * WIDTH).scores.sort(descending=True).values
    return heatmaps, pafs * 2 - 1, paf.Thresholds(peak_threshold=float(scores[PEAKS]), max_peaks=256)


def line(case: str, times: dict[str, Times], target: float | None, peers: str) -> str:
    asked = "" if target is None else f"{target:g}"
    met = "" if target is None else "yes" if times["plain"].median <= target else "**missed**"
    return f"| {case} | {times['plain']} | {times.get('traced', '')} | {peers} | {asked} | {met} |"


def decoding(g: torch.Generator) -> list[str]:
    lines = []
    for count, target, peers in (
        (10, 3.0, "lightweight 14.7, pytorch-openpose 332"),
        (30, 6.0, "lightweight 25, pytorch-openpose 1175"),
    ):
        heatmaps, pafs = maps_of(count, g)
        found = paf.decode_trace(heatmaps, pafs)
        times = in_turns(
            {
                "plain": lambda h=heatmaps, p=pafs: paf.decode(h, p),
                "traced": lambda h=heatmaps, p=pafs: paf.decode_trace(h, p),
            },
            100,
        )
        case = f"decode, {count} people ({len(found.people)} found), {len(found.pairs):,} pairs"
        lines.append(line(case, times, target, peers))
    heatmaps, pafs, thresholds = noise(g)
    found = paf.decode_trace(heatmaps, pafs, thresholds)
    times = in_turns(
        {
            "plain": lambda: paf.decode(heatmaps, pafs, thresholds),
            "traced": lambda: paf.decode_trace(heatmaps, pafs, thresholds),
        },
        20,
    )
    case = f"decode, noise, {len(found.peaks):,} peaks, {len(found.pairs):,} pairs"
    lines.append(line(case, times, 40.0, "lightweight 332"))
    flooded = paf.decode_trace(heatmaps, pafs)
    times = in_turns({"plain": lambda: paf.decode(heatmaps, pafs)}, 20)
    case = f"decode, noise, {int(flooded.peaks.found.sum()):,} peaks, limited to {len(flooded.peaks):,}"
    lines.append(line(case, times, None, ""))
    return lines


@torch.inference_mode()
def networks() -> list[str]:
    x = torch.randn(1, 3, 256, 456).to(memory_format=torch.channels_last)
    lines = []
    for name, network, target, peers in (
        ("pose_small", pose_small(), 55.0, ""),
        ("light_openpose", light_openpose(), None, "noted: 77"),
    ):
        network = network.eval().to(memory_format=torch.channels_last)
        times = in_turns({"plain": lambda n=network: n(x)}, 20)
        lines.append(line(f"{name}, 256 x 456", times, target, peers))
    return lines


def main() -> None:
    torch.set_num_threads(THREADS)
    paf.warm_up()
    g = torch.Generator().manual_seed(0)
    print("| case, ms: median (least) | here | with trace | peers, noted | target | met |")
    print("|---|---|---|---|---|---|")
    for row in decoding(g) + networks():
        print(row, flush=True)


if __name__ == "__main__":
    main()

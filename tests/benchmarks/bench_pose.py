"""Decoding of heat maps and PAFs to people, the built-in network, and the live panel with it, on two threads.

Maps are 46 x 82 cells: 368 x 656 pixels at stride 8. The peers cannot be run beside: their times are figures noted on a machine
like the one of these targets, without the enlarging of the maps that they need first and this decoding does not.
"""

import os
import statistics
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from bench_boxes import THREADS, Times, in_turns
from torch import Tensor

from cvcore import zoo
from cvcore.assets import asset
from cvcore.models.openpose import PoseNetwork, light_openpose
from cvcore.ops import paf
from cvcore.train.pictures import read

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.cvcore.people_for_tests import standing

HEIGHT, WIDTH = 46, 82
SECONDS = 10
PEOPLE_MOVING = (
    "moving:" + str(Path(__file__).parents[2] / "assets" / "pictures" / "mexico.jpg") + "?fps=30&size=1280x720"
)
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
        complete = paf.Thresholds(weak_threshold=0.02)
        times = in_turns({"plain": lambda h=heatmaps, p=pafs, c=complete: paf.decode(h, p, c)}, 100)
        lines.append(line(f"the same, {count} people, completed from weak peaks", times, target, ""))
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
    """On a picture with people: what the votes of pose_small take depends on how many cells see somebody."""
    frame = read(asset("pictures", "mexico.jpg"))
    pose_small = zoo.load("pose_small")
    assert isinstance(pose_small, PoseNetwork)
    lines = []
    for name, network, height, target, peers in (
        ("pose_small", pose_small, 256, 55.0, ""),
        ("pose_small", pose_small, 384, None, ""),
        ("light_openpose", light_openpose(), 256, None, "noted: 77"),
    ):
        network = network.eval().to(memory_format=torch.channels_last)
        x, _ = network.preprocess(frame, height)
        wide = {256: 456, 384: 680}[height]  # of a frame of 16:9
        x = torch.nn.functional.interpolate(x, (height, wide)).contiguous(memory_format=torch.channels_last)
        times = in_turns({"plain": lambda n=network, x=x: n(x)}, 20)
        lines.append(line(f"{name}, {height} x {wide}", times, target, peers))
    return lines


def live() -> list[str]:
    """The panel at 256 px high on a 30 fps source with people: what a new user sees, then with everything switched on."""
    from bench_live import Live

    window = Live(PEOPLE_MOVING, "pose")
    window.run(120, until=lambda: window.dock.result is not None)  # on a busy machine the first result takes its time
    lines = []
    for what, fields in (
        ("skeletons", {}),
        ("skeletons, larger", {"height": 384}),
        ("heat maps, PAFs and skeletons, smoothed", {"heatmaps": True, "pafs": True, "smooth_motion": True}),
        ("stages side by side", {"show": "stages of refinement"}),
        ("step by step", {"show": "step by step"}),
        ("targets", {"show": "targets of training"}),
    ):
        window.dock.set_fields({"show": "people", "height": 256} | fields)
        window.run(2)
        computed, ages = window.collect(SECONDS)
        fps = len(computed) / SECONDS
        each, age = 1000 * statistics.median(computed), 1000 * statistics.median(ages)
        target = what == "skeletons"
        height = fields.get("height", 256)
        met = "" if not target else "yes" if fps >= 12 else "**missed**"
        how = f"{fps:.1f} fps; {each:.1f} ms of computing; {age:.0f} ms old when drawn"
        lines.append(f"| panel, {height} px high: {what} | {how} | | | {'12 fps' if target else ''} | {met} |")
    window.window.close()
    return lines


def main() -> None:
    torch.set_num_threads(THREADS)
    paf.warm_up()
    g = torch.Generator().manual_seed(0)
    print("| case, ms: median (least) | here | with trace | peers, noted | target | met |")
    print("|---|---|---|---|---|---|")
    for row in decoding(g) + networks():
        print(row, flush=True)
    with TemporaryDirectory() as home:
        os.environ["CV_EXPLORER_HOME"] = home
        for row in live():
            print(row, flush=True)


if __name__ == "__main__":
    main()

"""Heat maps and part affinity fields: the targets, and the way back from maps to people, with every decision.

The loops are compiled by numba and kept on disk; :func:`warm_up` compiles or loads them ahead of the first use.
"""

import numpy as np
import torch

from cvcore.ops.compiling import without_full_collections
from cvcore.ops.paf import voting
from cvcore.ops.paf.decoding import (
    Decoded,
    Thresholds,
    assemble,
    decode,
    decode_scored,
    decode_trace,
    find_peaks,
    match_limbs,
    score_pairs,
)
from cvcore.ops.paf.skeleton import (
    COCO_17_NAMES,
    COCO_TO_OPENPOSE,
    OPENPOSE_18,
    Skeleton,
    cells_to_pixels,
    from_coco,
    mirrored,
    pixels_to_cells,
    to_coco,
)
from cvcore.ops.paf.targets import heatmap_targets, label_mask, paf_targets
from cvcore.ops.paf.trace import Assembly, Completion, Matches, Pairs, Peaks, PoseTrace

__all__ = [
    "COCO_17_NAMES",
    "COCO_TO_OPENPOSE",
    "OPENPOSE_18",
    "Assembly",
    "Completion",
    "Decoded",
    "Matches",
    "Pairs",
    "Peaks",
    "PoseTrace",
    "Skeleton",
    "Thresholds",
    "assemble",
    "cells_to_pixels",
    "decode",
    "decode_scored",
    "decode_trace",
    "find_peaks",
    "from_coco",
    "heatmap_targets",
    "label_mask",
    "match_limbs",
    "mirrored",
    "paf_targets",
    "pixels_to_cells",
    "score_pairs",
    "to_coco",
    "warm_up",
]


def warm_up() -> None:
    """Compile the loops, or load them if they are on disk: seconds the first time, a fraction of one later.

    To be called in a worker thread before the first use, so that the first use does not wait. Safe to call again.
    """
    with without_full_collections():
        people = torch.tensor([[[4.0 + k % 4, 2.0 + k // 4, 1.0] for k in range(18)]])
        heatmaps, pafs = heatmap_targets(people, 8, 12), paf_targets(people, 8, 12)
        decode(heatmaps, pafs, Thresholds(weak_threshold=0.0))
        decode_trace(heatmaps, pafs)
        field, none, first = np.zeros((2, 1, 1), np.float32), np.zeros((0, 2), np.int64), np.zeros(1, np.int64)
        voting.voted(
            field[0], field, field, field, 1, none, 1, 0, first, 1, np.zeros(2, np.int64), none, 1, 1, 1.0, 0.5, 1, 1
        )

"""Draw the masks of dropout and stochastic depth. The frameworks draw nothing themselves.

A mask depends only on (seed, epoch, node, sample) and on how often the sample was visited before in this epoch. Batch
size, order, device and framework do not matter.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray

from netspec import Graph
from trainspec.plan.epoch import BatchPlan
from trainspec.stream import NOISE, Stream

LANE = np.uint16  # one lane of a random word decides one value of a mask: its probability is exact to 1/65,536
LANES = np.dtype(np.uint64).itemsize // np.dtype(LANE).itemsize


def draw_masks(graph: Graph, plan: BatchPlan) -> dict[str, NDArray[np.uint8]]:
    """Masks of 0 and 1 for a graph with explicit noise, by input name: uint8 `(B, H, W, C)` or `(B, C)`."""
    if not graph.draws:
        return {}
    stream = np.random.Philox(key=Stream(plan.seed, plan.epoch, NOISE).key)
    start = stream.state
    counter = start["state"]["counter"]  # a block of words, visit, sample, node
    masks = {}
    for name, op in graph.draws.items():
        channels, *cells = graph.shapes[name]
        values = channels * int(np.prod(cells))
        words = np.empty((len(plan), -(-values // LANES)), np.uint64)
        counter[3] = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        for row, (sample, visit) in enumerate(zip(plan.indices, plan.visits, strict=True)):
            counter[1], counter[2] = visit, sample
            stream.state = start
            words[row] = stream.random_raw(words.shape[1])
        lanes = words.astype("<u8", copy=False).view("<u2")[:, :values]
        kept = max(1, round(op.keep * 2 ** (8 * lanes.itemsize)))
        masks[name] = (lanes <= LANE(kept - 1)).view(np.uint8).reshape(len(plan), *cells, channels)
    return masks

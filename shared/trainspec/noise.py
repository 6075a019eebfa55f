"""Draw the noise of dropout, stochastic depth and ShakeDrop. The frameworks draw nothing themselves.

A draw depends only on (seed, epoch, node, sample) and on how often the sample was visited before in this epoch. Batch
size, order, device and framework do not matter.
"""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netspec import Graph
from netspec.ops import Keep, Law, Planned, Uniform
from trainspec.plan.epoch import BatchPlan
from trainspec.stream import NOISE, Stream

LANE = np.uint16  # one lane of a random word decides one value of a mask: its probability is exact to 1/65,536
LANES = np.dtype(np.uint64).itemsize // np.dtype(LANE).itemsize

Words = NDArray[np.uint64]


def draw_masks(graph: Graph, plan: BatchPlan) -> dict[str, NDArray[Any]]:
    """Draws for a graph with explicit noise, by input name: `(B, H, W, C)` or `(B, C)`.

    Masks are uint8, of 0 and 1. Uniform numbers are float64. Draws that the plan of a batch makes are left out.
    """
    if not graph.draws:
        return {}
    stream = np.random.Philox(key=Stream(plan.seed, plan.epoch, NOISE).key)
    start = stream.state
    counter = start["state"]["counter"]  # a block of words, visit, sample, node
    masks = {}
    for name, draw in graph.draws.items():
        if isinstance(draw.law, Planned):
            continue
        channels, *cells = draw.shape
        values = channels * int(np.prod(cells))
        lanes, of_words = LAWS[type(draw.law)]
        words = np.empty((len(plan), -(-values // lanes)), np.uint64)
        counter[3] = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])
        for row, (sample, visit) in enumerate(zip(plan.indices, plan.visits, strict=True)):
            counter[1], counter[2] = visit, sample
            stream.state = start
            words[row] = stream.random_raw(words.shape[1])
        masks[name] = of_words(draw.law, words)[:, :values].reshape(len(plan), *cells, channels)
    return masks


def kept(law: Keep, words: Words) -> NDArray[np.uint8]:
    """Zeros and ones, four of a word: `(N, words)` to `(N, 4 * words)`."""
    lanes = words.astype("<u8", copy=False).view("<u2")
    below = max(1, round(law.probability * 2 ** (8 * lanes.itemsize)))
    return (lanes <= LANE(below - 1)).view(np.uint8)


def uniform(law: Uniform, words: Words) -> NDArray[np.float64]:
    """Numbers in `low <= value < high`, one of a word: its upper 53 bits, as many as a float64 holds."""
    return law.low + (law.high - law.low) * ((words >> np.uint64(11)).astype(np.float64) * 2.0**-53)


LAWS: dict[type[Law], tuple[int, Callable[[Any, Words], NDArray[Any]]]] = {Keep: (LANES, kept), Uniform: (1, uniform)}

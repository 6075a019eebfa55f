"""PatchUp (Faramarzi et al. 2020, 2006.07794): mixes patches inside the network, and the targets with them.

It is drawn for whole batches: everything depends on (seed, epoch, number of the batch), and a partner is a position in
the batch.

The paper adds three losses. `y` are an image's targets, `z` its partner's, and `p` is the share of values outside the
patches. The targets in the patches are `b = weight * y + (1 - weight) * z`, those of the whole map `W = p * y + (1 - p)
* b`. The loss is `p * L(y) + (1 - p) * L(b) + L(W)`. A cross-entropy is linear in the targets, so this is `2 * L(W)`:
one target, and a loss of twice the weight. The authors' code has binary cross-entropies in place of cross-entropies.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from netspec import Graph
from netspec.graph import IMAGE, draw_names_of
from netspec.ops import Keep, PatchUp as PatchUpOp
from trainspec.distributions import below, beta, uniform
from trainspec.noise import LANES, kept
from trainspec.plan.epoch import BatchPlan
from trainspec.stream import PATCHUP, Stream

LOSS_WEIGHT = 2.0
CHOICE, PARTNERS, SEEDS = range(3)  # what words are for


@dataclass(frozen=True)
class PatchUp:
    """`kind`: "hard" swaps patches, "soft" mixes them. `probability`: of a batch to be mixed.

    `gamma`: the share of a map that the patches would cover if none overlapped. `block`: their side, odd. `alpha`: what
    remains of an image in soft patches is drawn from Beta(alpha, alpha). The paper's hard PatchUp has probability 0.7
    and gamma 0.5; the defaults are its soft PatchUp.
    """

    kind: Literal["soft", "hard"] = "soft"
    probability: float = field(default=1.0, metadata={"above": 0.0, "most": 1.0, "also": ("patchup_prob",)})
    gamma: float = field(default=0.75, metadata={"above": 0.0, "below": 1.0})
    block: int = field(default=7, metadata={"least": 1, "most": 1023, "also": ("block_size",)})
    alpha: float = field(default=2.0, metadata={"least": 0.01, "most": 100.0})

    def problem(self) -> str | None:
        """What is wrong with the values; None if nothing is."""
        return (
            f"block: {self.block} is even; give an odd number, since a patch has a centre"
            if self.block % 2 == 0
            else None
        )

    def seed_rate(self, height: int, width: int) -> tuple[float, int]:
        """The probability that a cell is a patch's centre, and the side of patches, at most that of the map."""
        block = min(self.block, height, width)
        block -= 1 - block % 2
        room = block**2 * (height - block + 1) * (width - block + 1)
        return min(1.0, self.gamma * height * width / room), block


@dataclass(frozen=True)
class Place:
    """Where a network mixes: the names of the draws, the map, and whether it is the image."""

    names: tuple[str, ...]
    shape: tuple[int, ...]
    is_image: bool


def places_of(graph: Graph) -> tuple[Place, ...]:
    """The places of a graph with explicit noise, in its order."""
    return tuple(
        Place(draw_names_of(node), graph.shapes[node.name], node.inputs[0] == IMAGE)
        for node in graph
        if isinstance(node.op, PatchUpOp)
    )


@dataclass(frozen=True, eq=False)
class Patches:
    """The draws of one batch: the number of the place, the partners `(B,)`, the weight, the mask `(H, W, C)`, uint8."""

    place: int
    partners: NDArray[np.int64]
    weight: float
    mask: NDArray[np.uint8]

    @property
    def share(self) -> float:
        """The partners' share of the targets."""
        return float(1 - self.mask.mean()) * (1 - self.weight)


@lru_cache(maxsize=8)
def draw_patches(
    section: PatchUp, places: tuple[Place, ...], seed: int, epoch: int, number: int, size: int
) -> Patches | None:
    """The draws of the batch `number` of `size` images; None where it is not mixed.

    A place is as likely as another one. On the image, PatchUp is CutMix with a weight from Beta(1, 1): one box for the
    batch, at the same place in all images, swapped in either kind.
    """

    def words(purpose: int, count: int) -> NDArray[np.uint64]:
        counter = np.array([0, purpose, number, 0], np.uint64)
        drawn: NDArray[np.uint64] = np.random.Philox(key=Stream(seed, epoch, PATCHUP).key, counter=counter).random_raw(
            count
        )
        return drawn

    choice = words(CHOICE, 6)
    if not places or uniform(choice[0]) >= section.probability:
        return None
    chosen = int(below(choice[1], len(places)))
    place = places[chosen]
    partners = words(PARTNERS, size).argsort(kind="stable")
    channels, height, width = place.shape
    if place.is_image:
        mask = box_mask(choice[3:], height, width)[:, :, None]
        return Patches(chosen, partners, 0.0, mask.repeat(channels, axis=2))
    rate, block = section.seed_rate(height, width)
    values = channels * height * width
    seeds = kept(Keep(rate), words(SEEDS, -(-values // LANES))[None])[0, :values].reshape(height, width, channels)
    weight = float(beta(choice[2:3], section.alpha, section.alpha)[0]) if section.kind == "soft" else 0.0
    return Patches(chosen, partners, weight, 1 - grown(seeds, block))


def box_mask(words: NDArray[np.uint64], height: int, width: int) -> NDArray[np.uint8]:
    """CutMix's box as zeros, `(H, W)`: its sides have the root of a uniform share, its centre is any pixel, clipped."""
    side = np.sqrt(uniform(words[0]))
    half_height, half_width = int(height * side) // 2, int(width * side) // 2
    row, column = int(below(words[1], height)), int(below(words[2], width))
    mask = np.ones((height, width), np.uint8)
    rows = slice(max(0, row - half_height), row + half_height)
    mask[rows, max(0, column - half_width) : column + half_width] = 0
    return mask


def grown(seeds: NDArray[np.uint8], block: int) -> NDArray[np.uint8]:
    """Every one of `(H, W, C)` as a square of ones with the side `block`: a max-pooling with stride 1."""
    height, width, _ = seeds.shape
    border = (block // 2, block // 2)
    padded = np.pad(seeds, (border, border, (0, 0)))
    rows = np.maximum.reduce([padded[i : i + height] for i in range(block)])
    squares: NDArray[np.uint8] = np.maximum.reduce([rows[:, i : i + width] for i in range(block)])
    return squares


@dataclass(frozen=True)
class Patching:
    """PatchUp in a training: what it adds to each batch. `section` is None if the recipe does without."""

    section: PatchUp | None
    places: tuple[Place, ...]

    def of(self, plan: BatchPlan) -> Patches | None:
        """The draws of a batch; None where it is not mixed."""
        if self.section is None:
            return None
        return draw_patches(self.section, self.places, plan.seed, plan.epoch, plan.number, len(plan))

    def of_epoch(self, seed: int, epoch: int, size: int, batches: int) -> Iterator[dict[str, NDArray[Any]]]:
        """The draws of every batch of an epoch as arrays, for the digest of its plan. Empty where it is not mixed."""
        for number in range(batches if self.section else 0):
            assert self.section is not None
            drawn = draw_patches(self.section, self.places, seed, epoch, number, size)
            yield (
                {}
                if drawn is None
                else {
                    "number": np.array([number, drawn.place], np.int64),
                    "partners": drawn.partners,
                    "weight": np.array([drawn.weight]),
                    "mask": np.packbits(drawn.mask),
                }
            )

    def noise(self, plan: BatchPlan) -> dict[str, NDArray[Any]]:
        """The draws of every place by input name. The mask of a place that is not chosen is all ones."""
        drawn = self.of(plan)
        noise: dict[str, NDArray[Any]] = {}
        for number, place in enumerate(self.places):
            channels, height, width = place.shape
            here = Patches(number, np.arange(len(plan)), 1.0, np.ones((height, width, channels), np.uint8))
            if drawn is not None and drawn.place == number:
                here = drawn
            arrays = here.mask[None], here.partners.reshape(-1, 1, 1, 1), np.full((1, 1, 1, 1), here.weight)
            noise |= dict(zip(place.names, arrays, strict=True))
        return noise

    def mixed(self, targets: NDArray[np.float64], plan: BatchPlan) -> NDArray[np.float64]:
        """The targets `(B, classes)` mixed with the partners'."""
        drawn = self.of(plan)
        return targets if drawn is None else (1 - drawn.share) * targets + drawn.share * targets[drawn.partners]

    def loss_weight(self, plan: BatchPlan) -> float:
        """What the loss of a batch is multiplied by."""
        return 1.0 if self.of(plan) is None else LOSS_WEIGHT

"""A recipe's section `[initialisation]`: what is changed in the weights that `init` drew.

Everything is computed in NumPy, so both frameworks begin with the same bits.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from diptych.errors import RecipeError
from netspec import Graph, without_noise
from netspec.graph import IMAGE
from netspec.init import Weights, initial_tensor, stream
from netspec.ops import Conv
from trainspec.data.dataset import Constants, Split
from trainspec.distributions import normal
from trainspec.whitening import whitening_filters

Init = Literal[
    "he_normal",
    "he_normal_fan_out",
    "he_normal_truncated",
    "glorot_uniform",
    "fan_in_uniform",
    "normal",
    "keras",
    "torch",
]


@dataclass(frozen=True)
class Start:
    """What the first weights depend on: the network, the seed and the training images.

    `constants` are `(mean, std)` per channel on the 0..1 scale.
    """

    graph: Graph
    seed: int
    images: Split = field(repr=False)
    constants: Constants

    def matching(self, match: str, key: str) -> Iterator[str]:
        """Names of tensors that match a shell pattern. Raises `RecipeError`, which names `key`, if none does."""
        found = [name for name in self.graph.params if fnmatchcase(name, match)]
        if not found:
            first = next(iter(self.graph.params))
            raise RecipeError(f"{key}: '{match}' matches no tensor of {self.graph.name}; the first one is {first}")
        return iter(found)


class Change(Protocol):
    """A change of the first weights."""

    def changed(self, weights: Weights, start: Start) -> Weights:
        """The tensors that change, by canonical name, float32."""
        ...


@dataclass(frozen=True)
class TensorTable:
    """A table `[[initialisation.tensors]]`: other first values for the tensors that it matches.

    `match` is a shell pattern of canonical names. `value` is that of all elements. With `deviation` they are drawn from
    a normal distribution of this standard deviation, with `scheme` as `init` draws them that has this name. With
    `rescale` they are multiplied to have this standard deviation (with n - 1). If several tables match a tensor, they
    apply one after the other.
    """

    match: str
    value: float | None = None
    deviation: float | None = field(default=None, metadata={"above": 0.0, "also": ("std", "stddev")})
    scheme: Init | None = field(default=None, metadata={"also": ("init",)})
    rescale: float | None = field(default=None, metadata={"above": 0.0})

    def problem(self) -> str | None:
        given = [one for one in (self.value, self.deviation, self.scheme, self.rescale) if one is not None]
        return None if len(given) == 1 else "match: give exactly one of value, deviation, scheme and rescale with it"

    def changed(self, weights: Weights, start: Start) -> Weights:
        return {
            name: self._drawn(name, weights[name], start)
            for name in start.matching(self.match, "initialisation.tensors")
        }

    def _drawn(self, name: str, tensor: NDArray[np.float32], start: Start) -> NDArray[np.float32]:
        if self.value is not None:
            return np.full_like(tensor, self.value)
        if self.deviation is not None:
            words = stream(start.seed, name).bit_generator.random_raw(tensor.size)
            return (self.deviation * normal(words).reshape(tensor.shape)).astype(np.float32)
        if self.scheme is not None:
            return initial_tensor(start.graph, name, start.seed, self.scheme)
        assert self.rescale is not None
        spread = float(np.std(tensor, ddof=1, dtype=np.float64)) if tensor.size > 1 else 0.0
        if not spread:
            raise RecipeError(f"initialisation.tensors: '{name}' is constant, so it cannot be rescaled; draw it first")
        return (tensor * (self.rescale / spread)).astype(np.float32)


@dataclass(frozen=True)
class Dirac:
    """Filter i of a convolution passes on channel i, as long as there are channels; the other filters stay as drawn.

    That is `dirac_` on the first filters, as airbench has it. It applies to kernels that match, have an odd window of
    more than one cell, and no groups.
    """

    match: str = "*"

    def changed(self, weights: Weights, start: Start) -> Weights:
        matching = set(start.matching(self.match, "initialisation.dirac.match"))
        found = {}
        for node in start.graph:
            name = f"{node.name}.weight"
            if isinstance(node.op, Conv) and node.op.groups == 1 and name in matching and _has_centre(node.op.kernel):
                kernel = weights[name].copy()
                count, (height, width) = min(kernel.shape[:2]), node.op.kernel
                kernel[:count] = 0
                kernel[range(count), range(count), height // 2, width // 2] = 1
                found[name] = kernel
        if not found:
            raise RecipeError(
                f"initialisation.dirac: no convolution of {start.graph.name} with a centre matches '{self.match}'"
            )
        return found


def _has_centre(kernel: tuple[int, int]) -> bool:
    return all(size % 2 for size in kernel) and max(kernel) > 1


@dataclass(frozen=True)
class Whiten:
    """The convolution that reads the image whitens the patches of training images (2404.00498, after tysam-code).

    Its first filters are those of `whitening_filters`, and as many follow that are their negatives. There are as many
    pairs as it has room for, from the largest eigenvalue on. Filters beyond them, and the bias, stay as they are.
    `images` are taken at equal distances, because a data set may be sorted by class; the author takes the first ones.
    """

    images: int = field(default=5000, metadata={"least": 1})
    epsilon: float = field(default=5e-4, metadata={"above": 0.0, "also": ("eps",)})

    def changed(self, weights: Weights, start: Start) -> Weights:
        quiet = without_noise(start.graph)  # PatchUp may lie between the image and the convolution
        node = next((n for n in quiet if isinstance(n.op, Conv) and n.inputs[0] == IMAGE and n.op.groups == 1), None)
        if node is None:
            raise RecipeError(f"initialisation.whiten: no convolution of {start.graph.name} reads the image")
        kernel = weights[f"{node.name}.weight"].copy()
        sizes = start.graph.input_shape[1:], kernel.shape[2:]
        if any(image < window for image, window in zip(*sizes, strict=True)):
            image, window = ("x".join(map(str, size)) for size in sizes)
            raise RecipeError(f"initialisation.whiten: images of {image} have no patch of {window} for '{node.name}'")
        if len(kernel) < 2:
            raise RecipeError(f"initialisation.whiten: '{node.name}' has one filter; whitening needs pairs")
        count = min(self.images, len(start.images))
        chosen = start.images.read(np.arange(count) * len(start.images) // count)
        filters = whitening_filters(chosen, kernel.shape[2:], start.constants, self.epsilon)[: len(kernel) // 2]
        kernel[: 2 * len(filters)] = np.concatenate([filters, -filters])
        return {f"{node.name}.weight": kernel}


@dataclass(frozen=True)
class Initialisation:
    """The changes, in the order in which they apply. One that is None is off."""

    tensors: tuple[TensorTable, ...] = ()
    dirac: Dirac | None = None
    whiten: Whiten | None = field(default=None, metadata={"also": ("whitening",)})

    @property
    def changes(self) -> tuple[Change, ...]:
        """The changes that are on."""
        return (*self.tensors, *(change for change in (self.dirac, self.whiten) if change is not None))

    @property
    def names(self) -> tuple[str, ...]:
        """The keys of the changes that are on."""
        return tuple(entry.name for entry in fields(self) if getattr(self, entry.name))

    def changed(self, weights: Weights, start: Start) -> Weights:
        """`weights` after all changes. Raises `RecipeError` for a change that the network has no place for."""
        for change in self.changes:
            weights = weights | change.changed(weights, start)
        return weights

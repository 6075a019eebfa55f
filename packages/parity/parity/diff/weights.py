"""Compares the weights of two sides, tensor by tensor, under canonical names."""

from collections.abc import Iterable
from dataclasses import dataclass

from diptych.errors import ParityError
from netspec.compare import tensor_differences
from netspec.init import Weights
from netspec.ops import Shape
from parity.diff.sides import Side


@dataclass(frozen=True)
class TensorFindings:
    """What is known of the weights of both. `differing` maps names, in the graph's order, to relative differences.

    `common` counts the tensors that both have in one shape, `reshaped` has those with two shapes. `alone` counts those
    that only A and only B have. `reason` says why nothing could be compared.
    """

    common: int = 0
    differing: tuple[tuple[str, float], ...] = ()
    reshaped: tuple[tuple[str, Shape, Shape], ...] = ()
    alone: tuple[int, int] = (0, 0)
    reason: str = ""

    @property
    def differs(self) -> bool:
        return bool(self.differing or self.reshaped or any(self.alone))

    @property
    def largest(self) -> tuple[str, float]:
        """The name and the relative difference of the tensor that differs most."""
        return max(self.differing, key=lambda item: item[1] if item[1] == item[1] else float("inf"))

    @property
    def meet(self) -> bool:
        """Whether some tensor has one name and one shape on both sides."""
        return self.common > 0


def compare_tensors(a: Side, b: Side) -> TensorFindings:
    """Compare all tensors that both have. What only one has counts only where both graphs are known."""
    if a.weights is None or b.weights is None:
        without = " and ".join(name for name, side in (("A", a), ("B", b)) if side.weights is None)
        return TensorFindings(reason=f"{without} {'have' if ' and ' in without else 'has'} none")
    names = [name for name in _order(a, b) if name in a.weights and name in b.weights]
    common = [name for name in names if a.weights[name].shape == b.weights[name].shape]
    reshaped = tuple((n, a.weights[n].shape, b.weights[n].shape) for n in names if n not in set(common))
    known = a.graph is not None and b.graph is not None
    alone = (len(a.weights) - len(names), len(b.weights) - len(names)) if known else (0, 0)
    if not common:
        return TensorFindings(
            reshaped=reshaped, alone=alone, reason="no tensor has one name and one shape on both sides"
        )
    differing = tuple((name, value) for name, value in _apart(a.weights, b.weights, common) if value != 0)
    return TensorFindings(len(common), differing, reshaped, alone)


def _order(a: Side, b: Side) -> Iterable[str]:
    known = next((side.graph.params for side in (a, b) if side.graph is not None), {})
    return [*known, *(name for name in a.weights or () if name not in known)]


def _apart(a: Weights, b: Weights, names: Iterable[str]) -> Iterable[tuple[str, float]]:
    one, other = ({name: side[name] for name in names} for side in (a, b))
    try:
        return tensor_differences(one, other).items()
    except ParityError:  # every tensor of A is zero
        return [(name, float(bool((one[name] != other[name]).any()))) for name in one]

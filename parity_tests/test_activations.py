"""Every family with another activation than its own: the same logits from all builders, in float64."""

import pytest

from family_networks import ONE_OF_A_FAMILY, is_light
from netspec import find
from netspec.ops import Activation
from netspec.reduce import reduced
from parity.check import float64_forward
from parity.subject import subject

OFFERED = ("relu", "mish", "gelu", "silu", "hard_swish", "leaky_relu")


def other(name: str, offered: list[str]) -> str:
    """The next of the activations on offer that is not the network's own; it goes to the end of the queue."""
    chosen = next(fn for fn in offered if fn != find(name).options["activation"])
    offered.append(offered.pop(offered.index(chosen)))
    return chosen


def cases() -> list[object]:
    """The lightest network of each family, the activations in turn: all of them in the quick tests, too."""
    quick, long = list(OFFERED), list(OFFERED)
    return [
        pytest.param(name, other(name, quick))
        if is_light(reduced(name))
        else pytest.param(name, other(name, long), marks=pytest.mark.long)
        for name in ONE_OF_A_FAMILY.values()
    ]


CASES = cases()


@pytest.mark.parametrize(("name", "fn"), CASES)
def test_another_activation(name: str, fn: str) -> None:
    graph = reduced(name, activation=fn)
    assert fn in {node.op.fn for node in graph if isinstance(node.op, Activation)}
    results = list(float64_forward(subject(graph)))
    assert [result.check for result in results] == ["float64", "onnx"]
    assert not [result for result in results if not result.passed]


def test_every_activation_is_tried() -> None:
    assert {case.values[1] for case in CASES if not case.marks} == set(OFFERED)

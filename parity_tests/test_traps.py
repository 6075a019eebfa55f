"""Where implementations part that agree on usual images: odd and oblong maps, one channel, two and many classes."""

from dataclasses import dataclass

import pytest

from diptych.errors import ParityError, ShapeError
from family_networks import ONE_OF_A_FAMILY, cover
from netspec import Graph, architecture, find
from netspec.graph import attributes_of
from netspec.ops import AvgPool, Conv, MaxPool
from netspec.reduce import least_image
from netspec.registry import drawing
from onnx_impl.measure import probe
from parity.check import Result, float64_forward
from parity.subject import subject

SEEDS = 5
REACH = 16  # sizes above the smallest among which they are chosen


@dataclass(frozen=True)
class Trap:
    """An image and a number of classes that are not the usual ones."""

    size: tuple[int, int]
    in_channels: int
    num_classes: int


def traps(name: str) -> list[Trap]:
    """An oblong image, and an odd size where there is one. The smallest image is that of every reduced copy."""
    sizes = [size for size in range(least_image(name), least_image(name) + REACH) if works(name, size)]
    _, second, *_, largest = sizes
    odd = next((size for size in sizes[1:] if size % 2), second)
    return [Trap((largest, second), 4, 1000), Trap((odd, odd), 1, 2)]


def works(name: str, size: int) -> bool:
    try:
        drawing(name).on(size, size, distinct_blocks=True)
    except ShapeError:
        return False
    return True


def windows_of(graph: Graph) -> set[object]:
    """What parts on odd and oblong maps: every op without its channels, and every window."""
    channels = {"out_channels", "out_features", "channels", "groups", "bias"}
    return {
        (node.op.kind, *(item for item in attributes_of(node.op).items() if item[0] not in channels))
        if isinstance(node.op, Conv | MaxPool | AvgPool)
        else node.op.kind
        for node in graph
    }


QUICK = cover(windows_of)
NAMES = dict.fromkeys([*QUICK, *ONE_OF_A_FAMILY.values()])
CASES = [(name, trap) for name in NAMES for trap in traps(name)]


def compared(graph: Graph) -> list[Result]:
    """With the first weights that say anything: NiN ends in a ReLU, which may leave two classes at zero."""
    for seed in range(SEEDS):
        one = subject(graph, probe(graph, seed))
        try:
            return list(float64_forward(one))
        except ParityError:
            continue
    raise AssertionError(f"the outputs of {graph.name} do not depend on its input, whatever the weights")


@pytest.mark.parametrize(
    ("name", "trap"),
    [
        pytest.param(
            name,
            trap,
            id=f"{name}-{trap.in_channels}x{trap.size[0]}x{trap.size[1]}-{trap.num_classes}",
            marks=() if name in QUICK and trap.size[0] != trap.size[1] else pytest.mark.long,
        )
        for name, trap in CASES
    ],
)
def test_the_same_in_all_builders(name, trap):
    graph = architecture(
        name,
        image_size=trap.size,
        in_channels=trap.in_channels,
        num_classes=trap.num_classes,
        distinct_blocks=True,
    )
    results = compared(graph)
    assert [result.check for result in results] == ["float64", "onnx"]
    assert not [result for result in results if not result.passed]


def test_every_network_at_two_sizes():
    assert {find(name).family for name, _ in CASES} == set(ONE_OF_A_FAMILY)
    for one in NAMES:
        assert len({trap.size for name, trap in CASES if name == one}) == 2

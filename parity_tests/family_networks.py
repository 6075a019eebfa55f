"""The networks that a test takes where all 127 would take too long."""

from collections.abc import Callable

from netspec import Graph
from netspec.reduce import reduced
from parity.lightest import by_weight, one_of_each_family

LIGHT = 4_000_000  # parameters: what has more takes a test seconds and gigabytes
SHALLOW = 300  # nodes: what has more takes Keras half a minute to compile


def is_light(graph: Graph) -> bool:
    """Whether a test of it in every framework takes seconds."""
    return graph.num_total <= LIGHT and len(graph.nodes) <= SHALLOW


ONE_OF_A_FAMILY = one_of_each_family()


def cover(traits: Callable[[Graph], set[object]]) -> list[str]:
    """The lightest networks that together have every trait: by weight, each that has one which none before it has."""
    seen: set[object] = set()
    chosen = []
    for name in by_weight():
        if new := traits(reduced(name)) - seen:
            chosen.append(name)
            seen |= new
    return chosen

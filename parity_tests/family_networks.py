"""The networks that a test takes where all 127 would take too long."""

from collections import Counter
from collections.abc import Callable

from netspec import Graph
from parity.lightest import by_weight, distinct, one_of_each_family

LIGHT = 4_000_000  # parameters: what has more takes a test seconds and gigabytes
SHALLOW = 300  # nodes: what has more takes Keras half a minute to compile


def is_light(graph: Graph) -> bool:
    """Whether a test of it in every framework takes seconds."""
    return graph.num_total <= LIGHT and len(graph.nodes) <= SHALLOW


def is_shallow(graph: Graph) -> bool:
    """Whether a test that compiles it takes seconds, too."""
    return is_light(graph) and len(graph.nodes) <= 100


ONE_OF_A_FAMILY = one_of_each_family()


def cover(traits: Callable[[Graph], set[object]]) -> list[str]:
    """Light networks that together have every trait, and of which none has only traits of the others.

    The lightest are looked at first, and each is taken that adds a trait. Then the heaviest are looked at first, and
    each is left out that adds none to the others.
    """
    own = {name: traits(distinct(name)) for name in by_weight()}
    counts: Counter[object] = Counter()
    chosen = []
    for name, found in own.items():
        if found - counts.keys():
            chosen.append(name)
            counts.update(found)
    for name in chosen[::-1]:
        if all(counts[trait] > 1 for trait in own[name]):
            chosen.remove(name)
            counts.subtract(own[name])
    return chosen

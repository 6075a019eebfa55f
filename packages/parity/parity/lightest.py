"""The networks to take where all would take too long."""

from functools import cache

from netspec import Graph, architecture, find, list_architectures


@cache
def distinct(name: str) -> Graph:
    """The network with every distinct block once, at its own image size.

    A reduced copy has the same blocks, but finding its image size takes longer.
    """
    return architecture(name, distinct_blocks=True)


@cache
def by_weight() -> list[str]:
    """All networks, the one with the fewest parameters in its distinct blocks first."""
    return sorted(list_architectures(), key=lambda name: distinct(name).num_total)


def one_of_each_family() -> dict[str, str]:
    """The lightest network of each family, by family."""
    return {find(name).family: name for name in reversed(by_weight())}

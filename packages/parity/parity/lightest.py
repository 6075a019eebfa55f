"""The networks to take where all would take too long."""

from functools import cache

from netspec import find, list_architectures
from netspec.reduce import reduced


@cache
def by_weight() -> list[str]:
    """All networks, the one with the fewest parameters in its reduced copy first."""
    return sorted(list_architectures(), key=lambda name: reduced(name).num_total)


def one_of_each_family() -> dict[str, str]:
    """The lightest network of each family, by family."""
    return {find(name).family: name for name in reversed(by_weight())}

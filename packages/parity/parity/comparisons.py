"""Which graphs of which networks are compared."""

from collections.abc import Iterable, Sequence

from netspec import Graph
from netspec.reduce import least_image, reduced
from netspec.registry import architecture, list_architectures, matching
from parity.check import Comparison
from parity.examples import EXAMPLES, example

HEAVY_MACS = 2_000_000_000  # above this, a named network is compared in float64 as a reduced copy

OPS = tuple(f"op.{name}" for name in EXAMPLES)
NAMES = (*OPS, *list_architectures())


def default_comparisons(*, native: bool = False) -> list[Comparison]:
    """Every op, and every network as a reduced copy. Networks that reduce to the same graph share it."""
    ops = [Comparison(graph, graph, graph, native) for graph in map(_op, OPS)]
    return ops + reduced_comparisons(list_architectures(), native=native)


def reduced_comparisons(names: Iterable[str], *, native: bool = False) -> list[Comparison]:
    """Networks as reduced copies. Those that reduce to the same graph share it."""
    return [Comparison(architecture(name), copy if native else None, copy, native) for name, copy in _reduced(names)]


def full_comparisons(*, native: bool = False) -> list[Comparison]:
    """Every op, and every network at full size in float32, as a reduced copy in float64."""
    comparisons = [Comparison(graph, graph, graph, native) for graph in map(_op, OPS)]
    for name, copy in _reduced(list_architectures()):
        network = architecture(name)
        comparisons.append(Comparison(network, network, copy, native))
    return comparisons


def named_comparisons(patterns: Sequence[str], *, native: bool = False, given: bool = False) -> list[Comparison]:
    """All matches at full size. Heavy networks are compared without native exports, and in float64 as a reduced copy.

    `given` weights fit only the whole network. With them a heavy network is compared in float64 on a small image.
    """
    comparisons = []
    for name in matching(patterns, NAMES, "network or op"):
        network = _op(name) if name in OPS else architecture(name)
        heavy, light = network.macs > HEAVY_MACS, network
        if heavy:
            light = _on_a_small_image(network) if given else reduced(name)
        comparisons.append(Comparison(network, network, light, native or not heavy))
    return comparisons


def _op(name: str) -> Graph:
    return example(name.removeprefix("op."))


def _on_a_small_image(network: Graph) -> Graph:
    """The whole network at its reduced copy's image size, or at its own if its dense layers depend on the size."""
    small = architecture(network.name, image_size=least_image(network.name))
    return small if small.params == network.params else network


def _reduced(names: Iterable[str]) -> Iterable[tuple[str, Graph]]:
    """Names with their reduced copies. Equal copies are one object."""
    first: dict[object, Graph] = {}
    for name in names:
        graph = reduced(name)
        yield name, first.setdefault((graph.input_shape, graph.nodes, graph.outputs), graph)

"""The code that the results of a long run depend on."""

from collections.abc import Iterable

from diptych.sources import Place, sources
from netspec import Graph, explicit_noise

SHARED = ("deploy", "diptych", "netspec", "trainspec", "parity")


def digest_of_code(roots: Iterable[Place], graphs: Iterable[Graph], builders: Iterable[str]) -> str:
    """A digest of `roots` and all that they depend on. A builder's handler counts only if one of the graphs uses it."""
    kinds = sorted({node.op.kind for graph in graphs for node in explicit_noise(graph)})
    handlers = [(f"{package}.ops", kind) for package in builders for kind in kinds]
    return sources(*SHARED, *builders).digest(*roots, *handlers)

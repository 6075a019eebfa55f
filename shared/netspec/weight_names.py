"""Canonical names for the tensors of other programs, which add to names."""

from collections.abc import Mapping
from itertools import dropwhile
from typing import TypeVar

from diptych.errors import WeightsError
from netspec.graph import Graph

WRAPPERS = ("module", "_orig_mod")  # added to names by DataParallel and torch.compile
COUNTERS = ("num_batches_tracked", "n_averaged")  # of PyTorch's batch norms and averages; not weights
T = TypeVar("T")


def canonical_names(graph: Graph, tensors: Mapping[str, T], source: str) -> dict[str, T]:
    """The tensors under canonical names: without the additions of wrappers, and without PyTorch's counters.

    Raises `WeightsError` if two tensors then have the same name.
    """
    found: dict[str, T] = {}
    for name, tensor in tensors.items():
        canonical = name if name in graph.params else _unwrapped(name)
        if canonical in found:
            raise WeightsError(f"{canonical!r} of {graph.name} is in {source} twice, once as {name!r}")
        if canonical in graph.params or not canonical.endswith(COUNTERS):
            found[canonical] = tensor
    return found


def _unwrapped(name: str) -> str:
    """A name without the additions of wrappers; the name itself if it has nothing else."""
    inner = dropwhile(WRAPPERS.__contains__, name.split("."))
    return ".".join(part for part in inner if part != "_orig_mod") or name


def names_in_file(graph: Graph, tensors: Mapping[str, T], source: str) -> dict[str, T]:
    """`canonical_names` of a file, which may hold a module that has the network as a part, as Lightning's `model`.

    A beginning that all names have is left out if they are then names of the graph.
    """
    found = canonical_names(graph, tensors, source)
    parts = next(iter(found), "").split(".")
    deepest = max((name.count(".") for name in graph.params), default=0)
    for depth in range(max(0, len(parts) - 1 - deepest), len(parts)):
        start = "".join(f"{part}." for part in parts[:depth])
        if all(name.startswith(start) and name[len(start) :] in graph.params for name in found):
            return {name[len(start) :]: tensor for name, tensor in found.items()}
    return found

"""A network in parts, as its author drew it: block calls and the nodes between them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from netspec.graph import BlockCall, Graph, Node, Structure, structure


@dataclass(frozen=True)
class Part:
    """Consecutive nodes of one stage: those of one block call, or those outside all block calls."""

    call: BlockCall | None
    nodes: tuple[Node, ...]

    @property
    def name(self) -> str:
        return self.call.scope if self.call else self.nodes[0].name

    @property
    def stage(self) -> str:
        return stage_of(self.name)

    @property
    def structure(self) -> Structure:
        """Equal for two parts if one repeats the other."""
        return structure(self.nodes, self.name)


def stage_of(path: str) -> str:
    """The first component of a dotted path, without a trailing `_` and number: VGG's conv1_2 is in conv1."""
    return re.sub(r"(?<=.)_\d+$", "", path.partition(".")[0])


def outermost(calls: Sequence[BlockCall]) -> list[BlockCall]:
    """The calls that are inside no other call. In `calls`, each call comes before those inside it."""
    found: list[BlockCall] = []
    for call in calls:
        if call.nodes and not (found and call.nodes[0] in set(found[-1].nodes)):
            found.append(call)
    return found


def inside(call: BlockCall, calls: Sequence[BlockCall]) -> list[BlockCall]:
    """The calls in `calls` that were made inside `call`."""
    nodes = set(call.nodes)
    return [other for other in calls if other is not call and other.nodes and nodes.issuperset(other.nodes)]


def parts(graph: Graph) -> list[Part]:
    """All nodes in order, split by outermost block call and stage."""
    owners = {name: call for call in outermost(graph.blocks) for name in call.nodes}

    def place(node: Node) -> tuple[str, str]:
        owner = owners.get(node.name)
        return (owner.scope, "") if owner else ("", stage_of(node.name))

    divided = [tuple(nodes) for _, nodes in groupby(graph, place)]
    return [Part(owners.get(nodes[0].name), nodes) for nodes in divided]

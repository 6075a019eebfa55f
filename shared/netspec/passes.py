"""Functions that turn one graph into another."""

from collections.abc import Collection
from dataclasses import replace

from netspec.graph import Graph, Node, at_inference, attributes_of, draw_names_of
from netspec.ops import BatchNorm, FrozenBatchNorm, NoisyOp


def without_noise(graph: Graph) -> Graph:
    """The graph without ops that draw random numbers. Their fixed part, as a scale, remains under their name.

    Frozen batch norms become plain ones again.
    """
    through: dict[str, str] = {}  # a removed node -> its input
    nodes = []
    for node in graph:
        op, sources = at_inference(node)
        inputs = tuple(through.get(source, source) for source in sources)
        if op is None:
            through[node.name] = inputs[0]
        else:
            nodes.append(Node(node.name, op, inputs))
    outputs = tuple(through.get(output, output) for output in graph.outputs)
    return replace(graph, nodes=tuple(nodes), outputs=outputs)


def explicit_noise(graph: Graph) -> Graph:
    """The graph with an input for each draw (`Graph.draws`), so that all builders use the same ones."""
    nodes = tuple(
        Node(node.name, node.op, (node.inputs[0], *draw_names_of(node))) if isinstance(node.op, NoisyOp) else node
        for node in graph
    )
    return replace(graph, nodes=nodes)


def frozen_norms(graph: Graph, names: Collection[str]) -> Graph:
    """The graph in which the batch norms `names` use and keep their running statistics in training, too."""
    nodes = tuple(
        replace(node, op=FrozenBatchNorm(**attributes_of(node.op)))
        if node.name in names and isinstance(node.op, BatchNorm)
        else node
        for node in graph
    )
    return replace(graph, nodes=nodes)


def without_heads(graph: Graph) -> Graph:
    """The graph without auxiliary heads: only the logits and the nodes that they need."""
    needed = graph.ancestors(graph.outputs[:1])
    nodes = tuple(node for node in graph if node.name in needed)
    return replace(graph, nodes=nodes, outputs=graph.outputs[:1], loss_weights=())


def inference(graph: Graph) -> Graph:
    """The graph for deployment: no noise and no auxiliary heads."""
    return without_heads(without_noise(graph))

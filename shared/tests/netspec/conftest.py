"""What the tests of netspec share: small graphs, drawn as an author draws them."""

from collections.abc import Callable

import pytest

from netspec import Graph, Node, Tensor, functional as f, ops, trace

Draw = Callable[[Tensor], Tensor]


@pytest.fixture
def draw() -> Callable[..., Graph]:
    """`draw(function, shape)`: the graph `net` that the function draws, ended by a dense layer if `classes`."""

    def make(function: Draw, shape: tuple[int, ...] = (3, 12, 10), classes: int = 0) -> Graph:
        def network(image: Tensor) -> Tensor:
            x = function(image)
            return f.linear(f.global_avg_pool(x), classes, name="classifier") if classes else x

        return trace("net", shape, network)

    return make


@pytest.fixture
def small(draw) -> Graph:
    """A convolution, batch norm, dropout, pooling and a dense layer with a bias."""

    def network(x: Tensor) -> Tensor:
        x = f.conv_bn(x, 4, 3, name="conv")
        x = f.dropout(f.max_pool(x, 2), 0.5)
        return f.linear(f.flatten(x), 5, name="fc")

    return draw(network, (3, 8, 8))


@pytest.fixture
def join() -> Callable[..., Graph]:
    """`join(('a', 'b'), ('b', 'image'), ...)`: ReLUs by name with what each reads; the last is the output."""

    def make(*edges: tuple[str, ...], outputs: tuple[str, ...] | None = None) -> Graph:
        nodes = tuple(Node(name, ops.Activation("relu"), sources) for name, *sources in edges)
        nodes = tuple(Node(node.name, node.op, tuple(node.inputs)) for node in nodes)
        return Graph("net", (3, 8, 8), nodes, (edges[-1][0],) if outputs is None else outputs)

    return make

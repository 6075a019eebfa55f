"""A graph that is none is refused, with the name of the node."""

import pytest

from diptych.errors import GraphError, ShapeError
from netspec import Graph, Node, explicit_noise, ops

relu = ops.Activation("relu")


def graph_of(*nodes: Node, outputs: tuple[str, ...] | None = None, shape=(3, 8, 8)) -> Graph:
    return Graph("net", shape, nodes, (nodes[-1].name,) if outputs is None else outputs)


def test_a_dangling_input(join):
    with pytest.raises(GraphError, match="'b' reads 'nowhere'"):
        join(("a", "image"), ("b", "nowhere"))


def test_a_cycle_is_spelt_out(join):
    with pytest.raises(GraphError, match="cycle") as caught:
        join(("a", "image"), ("b", "d"), ("c", "b"), ("d", "c"))
    path = str(caught.value).rpartition(": ")[2].split(" <- ")
    assert path[0] == path[-1]
    assert set(path) == {"b", "c", "d"}


def test_a_node_that_reads_itself(join):
    with pytest.raises(GraphError, match="cycle: a <- a"):
        join(("a", "a"))


def test_an_input_that_comes_later(join):
    with pytest.raises(GraphError, match="a reads b, which comes later"):
        join(("a", "b"), ("b", "image"))


def test_two_nodes_of_one_name(join):
    with pytest.raises(GraphError, match="two nodes are named 'a'"):
        join(("a", "image"), ("a", "a"))


@pytest.mark.parametrize("name", ["", "image", "noise.a", "a..b", ".a", "a.", "a b", "a/b"])
def test_what_cannot_name_a_node(join, name):
    with pytest.raises(GraphError, match="is not a valid name for a node") as caught:
        join((name, "image"))
    assert f"'{name}'" in str(caught.value)


def test_no_outputs(join):
    with pytest.raises(GraphError, match="no outputs"):
        join(("a", "image"), outputs=())


def test_an_output_that_is_no_node(join):
    with pytest.raises(GraphError, match="output 'b' is not a node"):
        join(("a", "image"), outputs=("b",))


@pytest.mark.parametrize(
    ("op", "count"), [(relu, 0), (relu, 2), (ops.Add(), 1), (ops.Mul(), 3), (ops.Concat(), 1), (ops.Dropout(0.5), 3)]
)
def test_a_wrong_number_of_inputs(op, count):
    with pytest.raises(GraphError, match=f"'a' .* cannot take {count} inputs"):
        graph_of(Node("a", op, ("image",) * count))


def test_a_shape_that_does_not_fit_names_the_node():
    with pytest.raises(ShapeError, match=r"'fc'.*vector"):
        graph_of(Node("a", relu, ("image",)), Node("fc", ops.Linear(3), ("a",)))


@pytest.mark.parametrize("shape", [(3,), (3, 8), (3, 0, 8), (1, 3, 8, 8)])
def test_an_image_is_three_sizes(shape):
    with pytest.raises(GraphError, match="C, H, W"):
        graph_of(Node("a", relu, ("image",)), shape=shape)


def test_named_inputs_are_the_image_and_the_draws():
    plain = graph_of(Node("d", ops.Dropout(0.5), ("image",)), Node("s", ops.StochasticDepth(0.5), ("d",)))
    assert plain.inputs == {"image": (3, 8, 8)}
    noisy = explicit_noise(plain)
    assert list(noisy.inputs.items()) == [("image", (3, 8, 8)), ("noise.d", (3, 8, 8)), ("noise.s", (1, 1, 1))]


def test_several_draws_have_names_of_their_own():
    noisy = explicit_noise(graph_of(Node("s", ops.ShakeDrop(0.5), ("image",))))
    assert list(noisy.inputs) == ["image", "noise.s.gate", "noise.s.alpha", "noise.s.beta"]
    assert noisy.nodes[0].inputs == tuple(noisy.inputs)


def test_two_draws_of_one_name():
    graph = graph_of(Node("s", ops.ShakeDrop(0.5), ("image",)), Node("s.gate", ops.Dropout(0.5), ("s",)))
    with pytest.raises(GraphError, match=r"two draws are named 'noise\.s\.gate'"):
        explicit_noise(graph)


@pytest.mark.parametrize("inputs", [("image", "noise.s.gate"), ("image", "noise.s.alpha", "noise.s.gate")])
def test_draws_come_in_their_order_and_all_together(inputs):
    with pytest.raises((GraphError, ShapeError), match="'s'"):
        graph_of(Node("s", ops.ShakeDrop(0.5), inputs))


@pytest.mark.parametrize("source", ["noise.other", "noise.a.b"])
def test_a_draw_belongs_to_its_own_node(source):
    with pytest.raises(GraphError, match=f"'a' reads '{source}'"):
        graph_of(Node("a", ops.Dropout(0.5), ("image", source)))


def test_only_an_op_that_draws_may_read_noise(join):
    with pytest.raises(GraphError, match=r"'a' reads 'noise\.a'"):
        join(("a", "noise.a"))


def test_a_draw_is_the_second_input():
    with pytest.raises(GraphError, match="'a'"):
        graph_of(Node("a", ops.Dropout(0.5), ("noise.a", "image")))


def test_a_draw_alone_is_no_input():
    with pytest.raises(GraphError, match=r"'a' reads 'noise\.a'"):
        graph_of(Node("a", ops.Dropout(0.5), ("noise.a",)))


def test_counts_are_sums_over_nodes(small):
    assert small.num_trainable == 4 * 27 + 8 + 5 * 64 + 5
    assert small.num_total == small.num_trainable + 8
    assert small.macs == 4 * 64 * 27 + 5 * 64


def test_macs_are_those_on_the_way_to_the_logits():
    head, side = Node("a", ops.Conv(2, (1, 1)), ("image",)), Node("b", ops.Conv(5, (1, 1)), ("image",))
    assert graph_of(head, side, outputs=("a", "b")).macs == 2 * 3 * 64
    assert graph_of(head, side, outputs=("b", "a")).macs == 5 * 3 * 64


def test_a_graph_is_immutable(small):
    with pytest.raises(AttributeError):
        small.nodes = ()


def test_a_node_that_no_output_needs(join):
    """PyTorch and ONNX would compute it, and Keras drops it."""
    with pytest.raises(GraphError, match="no output needs 'b'; leave it out"):
        join(("a", "image"), ("b", "a"), outputs=("a",))


def test_a_node_named_like_a_parameter():
    conv = Node("a", ops.Conv(4, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1), 1, False), ("image",))
    with pytest.raises(GraphError, match="a node and a parameter are named 'a.weight'"):
        graph_of(conv, Node("a.weight", relu, ("a",)))


def test_draws_are_inputs_of_all_nodes_or_of_none():
    first, second = (Node(name, ops.Dropout(0.5), (source,)) for name, source in (("a", "image"), ("b", "a")))
    whole = explicit_noise(graph_of(first, second))
    with pytest.raises(GraphError, match="some nodes have their draws as inputs, but not all"):
        graph_of(whole.nodes[0], second)
    with pytest.raises(GraphError, match="'b' reads a, not noise.b"):
        graph_of(whole.nodes[0], Node("b", ops.Dropout(0.5), ("a", "a")))


def test_an_average_over_a_negative_padding():
    pool = ops.AvgPool((3, 3), (1, 1), (2, 2, 2, 2), (-1, -1, -1, -1))
    with pytest.raises(ShapeError, match="must not be negative"):
        graph_of(Node("a", pool, ("image",)))

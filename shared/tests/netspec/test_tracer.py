"""Names that a tracer gives, and the table of blocks."""

import pytest

from diptych.errors import GraphError, ShapeError
from netspec import block, functional as f, trace


def names(graph):
    return [node.name for node in graph]


@block
def residual(x, channels, stride=1):
    y = f.conv_bn(x, channels, 3, stride, name="conv1")
    if stride > 1:
        x = f.max_pool(x, 1, stride)
    return f.relu(f.add(y, f.pad_channels(x, channels)))


@block
def stage(x, channels):
    x = residual(x, channels, 2, name="block0")
    return residual(x, channels, name="block1")


def test_a_weightless_op_is_named_after_its_input_and_its_kind(draw):
    graph = draw(lambda x: f.max_pool(f.relu(f.conv(x, 4, 3, name="conv1")), 2))
    assert names(graph) == ["conv1", "conv1.relu", "conv1.relu.max_pool"]


def test_on_the_image_it_is_named_after_its_kind_alone(draw):
    assert names(draw(f.relu)) == ["relu"]


def test_names_in_scopes(draw):
    graph = draw(lambda x: stage(x, 4, name="stage1"))
    first = names(graph)[:7]
    assert first == [
        "stage1.block0.conv1",
        "stage1.block0.conv1.bn",
        "stage1.block0.conv1.bn.relu",
        "stage1.block0.max_pool",  # its input lies outside the block
        "stage1.block0.max_pool.pad_channels",
        "stage1.block0.conv1.bn.relu.add",
        "stage1.block0.conv1.bn.relu.add.relu",
    ]
    assert names(graph)[7:] == [name.replace("block0", "block1") for name in first if "pool" not in name]


def test_a_block_puts_what_it_draws_under_its_name(draw):
    graph = draw(lambda x: stage(f.conv(x, 4, 3, name="stem"), 4, name="stage1"))
    assert all(name.startswith("stage1.") for name in names(graph)[1:])


def test_inserting_a_layer_renames_no_weights(draw):
    def network(x, extra):
        x = f.conv_bn(x, 4, 3, name="conv1")
        x = f.conv_bn(x, 4, 3, name="extra") if extra else x
        x = f.relu(x) if extra else x
        return f.max_pool(f.relu(f.conv(x, 4, 3, name="conv2")), 2)

    before, after = (draw(lambda x, extra=extra: network(x, extra)) for extra in (False, True))
    assert set(names(before)) < set(names(after))


def test_two_of_a_kind_on_one_input_need_a_name(draw):
    def twins(x):
        x = f.conv(x, 4, 3, name="conv")
        return f.add(f.relu(x), f.relu(x))

    with pytest.raises(GraphError, match=r"two nodes are named 'conv\.relu'.*name="):
        draw(twins)


def test_an_op_with_weights_needs_a_name(draw):
    with pytest.raises(GraphError, match=r"conv on 'image' owns weights and needs name="):
        draw(lambda x: f.conv(x, 4, 3, name=None))


def test_a_shape_that_does_not_fit_names_the_path(draw):
    with pytest.raises(ShapeError, match=r"s\.fc"):
        draw(lambda x: block(lambda x: f.linear(x, 3, name="fc"))(x, name="s"))


def test_authors_see_shapes_while_they_draw(draw):
    seen = []

    def look(x):
        y = f.conv(x, 4, 3, 2, name="conv")
        seen.extend([(x.channels, x.height, x.width), y.shape])
        return y

    draw(look, (3, 12, 10))
    assert seen == [(3, 12, 10), (4, 6, 5)]


def test_blocks_are_remembered_with_arguments_and_scope(draw):
    graph = draw(lambda x: stage(x, 4, name="stage1"))
    assert [(call.function, call.scope, dict(call.arguments)) for call in graph.blocks] == [
        ("stage", "stage1", {"channels": 4}),
        ("residual", "stage1.block0", {"channels": 4, "stride": 2}),
        ("residual", "stage1.block1", {"channels": 4}),
    ]


def test_a_block_knows_its_nodes_and_no_others(draw):
    """The pool behind it is named after its output, and so stands in its scope."""
    graph = draw(lambda x: f.max_pool(stage(x, 4, name="stage1"), 2))
    outer, first, second = graph.blocks
    assert names(graph)[-1] == "stage1.block1.conv1.bn.relu.add.relu.max_pool"
    assert list(outer.nodes) == names(graph)[:-1] == [*first.nodes, *second.nodes]


def test_blocks_are_outside_equality_and_digest():
    def plain(x):
        y = f.conv(x, 4, 3, name="a.conv")
        return f.relu(y)

    def blocked(x):
        return block(lambda x: f.relu(f.conv(x, 4, 3, name="conv")))(x, name="a")

    one, other = trace("net", (3, 8, 8), plain), trace("net", (3, 8, 8), blocked)
    assert one == other
    assert one.digest == other.digest
    assert len(other.blocks) == 1


def test_ops_that_do_nothing_are_left_out(draw):
    graph = draw(lambda x: f.relu(f.pad_channels(f.stochastic_depth(f.dropout(x, 0.0), 1.0), 3)))
    assert names(graph) == ["relu"]

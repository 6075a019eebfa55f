"""Reduced copies keep every distinct block and waste no part of a window."""

import pytest

from netspec import architecture, block, functional as f, list_architectures, trace
from netspec.ops import Conv, Flatten, StochasticDepth
from netspec.reduce import least_image, reduced
from netspec.registry import find


def shapes_of_ops(graph):
    """Every kind of op with the attributes that do not depend on the size of the image."""
    return {
        (
            node.op.kind,
            getattr(node.op, "kernel", None),
            getattr(node.op, "stride", None),
            getattr(node.op, "groups", 1),
        )
        for node in graph
    }


@pytest.mark.parametrize("name", list_architectures())
def test_nothing_distinct_is_lost(name):
    small, full = reduced(name), architecture(name, image_size=least_image(name))
    assert small.input_shape[1] <= find(name).input_shape[1]
    assert set(small.nodes[0].inputs) == {"image"}
    assert small.params.keys() <= full.params.keys()
    assert shapes_of_ops(small) == shapes_of_ops(full)
    kept = {call.function for call in small.blocks}
    assert kept == {call.function for call in full.blocks}


def test_repeats_go_whatever_their_survival():
    @block
    def residual(x, channels, survival):
        return f.add(x, f.stochastic_depth(f.conv(x, channels, 3, name="conv"), survival))

    def network(x):
        x = f.conv(x, 4, 1, name="stem")
        for i in range(5):
            x = residual(x, 4, 0.9 - i / 10, name=f"block{i}")
        x = f.conv(x, 8, 1, name="wider")
        for i in range(5, 8):
            x = residual(x, 8, 0.9 - i / 10, name=f"block{i}")
        return f.classify(x, 3)

    graph = trace("net", (3, 8, 8), network, distinct_blocks=True)
    assert [call.scope for call in graph.blocks] == ["block0", "block5"]
    assert [node.op.survival for node in graph if isinstance(node.op, StochasticDepth)] == pytest.approx([0.9, 0.4])
    assert len(trace("net", (3, 8, 8), network).blocks) == 8


def test_a_block_that_reads_otherwise_is_another():
    @block
    def pair(x, order):
        one, two = f.conv(x, 3, 1, name="one"), f.conv(x, 3, 1, name="two")
        return f.concat(*((one, two) if order else (two, one)))

    def network(x):
        for i, order in enumerate((True, False, True)):
            x = pair(x, order, name=f"pair{i}")
        return f.classify(x, 3)

    assert [call.scope for call in trace("net", (3, 8, 8), network, distinct_blocks=True).blocks] == ["pair0", "pair1"]


def test_every_tap_meets_a_pixel():
    """The stride-2 convolution of the last stage: on a 2x2 map the first row of its window would see padding only."""
    graph = reduced("resnet20")
    last = next(node for node in graph if node.name == "stage3.block0.conv1")
    assert isinstance(last.op, Conv)
    assert graph.input_shapes(last)[0][1:] == (3, 3)
    assert least_image("resnet20") == 5


@pytest.mark.parametrize(("name", "pixels"), [("lenet5", 4), ("alexnet", 4), ("vgg19", 4), ("vgg19_cifar", 1)])
def test_a_map_of_several_pixels_is_flattened_where_the_network_flattens_one(name, pixels):
    graph = reduced(name)
    (flatten,) = (node for node in graph if isinstance(node.op, Flatten))
    _, height, width = graph.input_shapes(flatten)[0]
    assert height * width == pixels


def test_a_repeat_that_shrinks_the_map_stays():
    @block
    def halved(x, channels):
        return f.max_pool(f.conv(x, channels, 3, name="conv"), 2)

    def network(x):
        for i in range(3):
            x = halved(x, 4, name=f"block{i}")
        return f.classify(x, 3)

    assert len(trace("net", (4, 16, 16), network, distinct_blocks=True).blocks) == 3

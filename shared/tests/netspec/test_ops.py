"""Shape, parameter and MAC rules: by hand, and against a loop over every cell."""

from functools import partial
from inspect import getdoc

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

from diptych.errors import GraphError, ShapeError
from netspec import Node, ops
from netspec.ops import VOCABULARY

CASES = {  # op, shapes of its inputs -> shape of its output, parameters, MACs
    "conv": (ops.Conv(64, (3, 3), padding=(1, 1, 1, 1)), [(3, 8, 6)], (64, 8, 6), 1792, 64 * 8 * 6 * 27),
    "conv without bias": (ops.Conv(4, (1, 1), bias=False), [(3, 8, 6)], (4, 8, 6), 12, 4 * 8 * 6 * 3),
    "conv by groups": (ops.Conv(8, (3, 3), (2, 2), groups=4), [(4, 9, 7)], (8, 4, 3), 8 * 9 + 8, 8 * 12 * 9),
    "conv, one-sided pads": (ops.Conv(2, (2, 2), (2, 2), (0, 1, 0, 1)), [(1, 5, 5)], (2, 3, 3), 10, 2 * 9 * 4),
    "conv dilated": (ops.Conv(2, (3, 1), dilation=(2, 1)), [(1, 7, 7)], (2, 3, 7), 8, 2 * 21 * 3),
    "linear": (ops.Linear(10), [(84,)], (10,), 850, 840),
    "linear without bias": (ops.Linear(10, bias=False), [(84,)], (10,), 840, 840),
    "batch norm of a map": (ops.BatchNorm(), [(16, 4, 4)], (16, 4, 4), 64, 0),
    "batch norm of a vector": (ops.BatchNorm(), [(16,)], (16,), 64, 0),
    "frozen batch norm": (ops.FrozenBatchNorm(1e-3), [(16, 4, 4)], (16, 4, 4), 64, 0),
    "instance norm": (ops.InstanceNorm(), [(16, 4, 4)], (16, 4, 4), 32, 0),
    "lrn": (ops.LocalResponseNorm(), [(16, 4, 4)], (16, 4, 4), 0, 0),
    "max pool": (ops.MaxPool((3, 3), (2, 2), (1, 1, 1, 1)), [(16, 7, 8)], (16, 4, 4), 0, 0),
    "subsampling": (ops.MaxPool((1, 1), (2, 2)), [(16, 7, 8)], (16, 4, 4), 0, 0),
    "avg pool": (ops.AvgPool((2, 2), (2, 2), overhang=(0, 1, 0, 0)), [(16, 7, 8)], (16, 4, 4), 0, 0),
    "global avg pool": (ops.GlobalAvgPool(), [(16, 7, 8)], (16,), 0, 0),
    "global avg pool, map": (ops.GlobalAvgPool(keepdims=True), [(16, 7, 8)], (16, 1, 1), 0, 0),
    "blur pool": (ops.BlurPool(), [(16, 7, 8)], (16, 4, 4), 0, 0),
    "activation": (ops.Activation("gelu"), [(16, 7, 8)], (16, 7, 8), 0, 0),
    "scale": (ops.Scale(0.1), [(16,)], (16,), 0, 0),
    "dropout": (ops.Dropout(0.5), [(16, 7, 8)], (16, 7, 8), 0, 0),
    "dropout with noise": (ops.Dropout(0.5), [(16, 7, 8), (16, 7, 8)], (16, 7, 8), 0, 0),
    "stochastic depth": (ops.StochasticDepth(0.5), [(16, 7, 8), (1, 1, 1)], (16, 7, 8), 0, 0),
    "shake drop": (ops.ShakeDrop(0.5), [(16, 7, 8)], (16, 7, 8), 0, 0),
    "shake drop with noise": (ops.ShakeDrop(0.5), [(16, 7, 8), *[(1, 1, 1)] * 3], (16, 7, 8), 0, 0),
    "patch up": (ops.PatchUp(), [(16, 7, 8)], (16, 7, 8), 0, 0),
    "patch up with noise": (ops.PatchUp(), [(16, 7, 8)] * 2 + [(1, 1, 1)] * 2, (16, 7, 8), 0, 0),
    "add": (ops.Add(), [(16, 7, 8)] * 3, (16, 7, 8), 0, 0),
    "mul": (ops.Mul(), [(16, 7, 8), (16, 1, 1)], (16, 7, 8), 0, 0),
    "concat": (ops.Concat(), [(16, 7, 8), (3, 7, 8), (1, 7, 8)], (20, 7, 8), 0, 0),
    "concat of vectors": (ops.Concat(), [(16,), (3,)], (19,), 0, 0),
    "radix softmax": (ops.RadixSoftmax(2, 2), [(16, 1, 1)], (16, 1, 1), 0, 0),
    "slice channels": (ops.SliceChannels(2, 5), [(16, 7, 8)], (3, 7, 8), 0, 0),
    "pad channels": (ops.PadChannels(3), [(16, 7, 8)], (19, 7, 8), 0, 0),
    "space to depth": (ops.SpaceToDepth(4), [(3, 8, 4)], (48, 2, 1), 0, 0),
    "flatten": (ops.Flatten(), [(16, 7, 8)], (896,), 0, 0),
}

REFUSED = {
    "conv on a vector": (ops.Conv(4, (1, 1)), [(3,)]),
    "conv larger than the map": (ops.Conv(4, (5, 5)), [(3, 4, 9)]),
    "groups that do not divide the input": (ops.Conv(4, (1, 1), groups=2), [(3, 4, 4)]),
    "groups that do not divide the output": (ops.Conv(3, (1, 1), groups=2), [(4, 4, 4)]),
    "no output channels": (ops.Conv(0, (1, 1)), [(3, 4, 4)]),
    "conv with a kernel of nothing": (ops.Conv(4, (0, 1)), [(3, 4, 4)]),
    "conv in no groups": (ops.Conv(4, (1, 1), groups=0), [(3, 4, 4)]),
    "conv with stride and dilation": (ops.Conv(4, (3, 3), (2, 1), dilation=(1, 2)), [(3, 9, 9)]),
    "linear onto nothing": (ops.Linear(0), [(3,)]),
    "linear on a map": (ops.Linear(4), [(3, 4, 4)]),
    "instance norm on a vector": (ops.InstanceNorm(), [(3,)]),
    "instance norm of one cell": (ops.InstanceNorm(), [(3, 1, 1)]),
    "lrn over an even number": (ops.LocalResponseNorm(4), [(16, 4, 4)]),
    "lrn over nothing": (ops.LocalResponseNorm(-1), [(16, 4, 4)]),
    "lrn on a vector": (ops.LocalResponseNorm(), [(3,)]),
    "max pool larger than the map": (ops.MaxPool((2, 2), (2, 2)), [(3, 4, 1)]),
    "blur pool of one row": (ops.BlurPool(), [(3, 1, 8)]),
    "add of two shapes": (ops.Add(), [(3, 4, 4), (3, 4, 5)]),
    "mul of two shapes": (ops.Mul(), [(3, 4, 4), (3, 4, 1)]),
    "concat of two sizes": (ops.Concat(), [(3, 4, 4), (3, 4, 5)]),
    "radix softmax of a map": (ops.RadixSoftmax(2), [(4, 2, 1)]),
    "radix softmax that does not divide": (ops.RadixSoftmax(2, 2), [(6, 1, 1)]),
    "radix softmax of no splits": (ops.RadixSoftmax(0), [(6, 1, 1)]),
    "slice beyond the channels": (ops.SliceChannels(2, 17), [(16, 7, 8)]),
    "empty slice": (ops.SliceChannels(2, 2), [(16, 7, 8)]),
    "no channels to pad with": (ops.PadChannels(-2), [(16, 7, 8)]),
    "space to depth by nothing": (ops.SpaceToDepth(0), [(3, 4, 5)]),
    "space to depth that does not tile": (ops.SpaceToDepth(2), [(3, 4, 5)]),
    "flatten of a vector": (ops.Flatten(), [(3,)]),
    "one draw of three": (ops.ShakeDrop(0.5), [(3, 4, 4), (1, 1, 1)]),
    "patches of a vector": (ops.PatchUp(), [(16,), (16,), (1,), (1,)]),
    "noise of another shape": (ops.StochasticDepth(0.5), [(3, 4, 4), (3, 4, 4)]),
}


@pytest.mark.parametrize(("op", "inputs", "shape", "params", "macs"), CASES.values(), ids=CASES)
def test_rules_by_hand(op, inputs, shape, params, macs):
    assert op.shape(*inputs) == shape
    assert sum(param.size for param in op.params(*inputs)) == params
    assert op.macs(*inputs) == macs


def test_every_op_has_a_case():
    assert {case[0].kind for case in CASES.values()} == set(VOCABULARY)


@pytest.mark.parametrize(("op", "inputs"), REFUSED.values(), ids=REFUSED)
def test_refuses(op, inputs):
    with pytest.raises(ShapeError):
        op.shape(*inputs)


@pytest.mark.parametrize(
    ("op", "value"),
    [
        (ops.Activation, "swoosh"),
        (partial(ops.Activation, "relu"), 0.2),
        (ops.Dropout, 1.0),
        (ops.Dropout, -0.1),
        (ops.StochasticDepth, 0.0),
        (ops.StochasticDepth, 1.5),
        (ops.ShakeDrop, 0.0),
        (ops.ShakeDrop, 1.5),
    ],
)
def test_refuses_impossible_attributes(op, value):
    with pytest.raises(GraphError, match=str(value)):
        op(value)


@pytest.mark.parametrize("kind", VOCABULARY)
def test_an_op_says_what_it_means(kind):
    text = getdoc(VOCABULARY[kind]) or ""
    assert len(text) > 20
    assert not text.startswith(VOCABULARY[kind].__name__ + "("), "dataclass's own signature is no docstring"


def test_statistics_are_no_trainable_parameters():
    kinds = {param.kind: param.trainable for param in ops.BatchNorm().params((4,))}
    assert kinds == {"gamma": True, "beta": True, "mean": False, "variance": False}


def test_ops_are_immutable_values():
    assert Node("a", ops.Conv(4, (3, 3)), ("image",)) == Node("a", ops.Conv(4, (3, 3)), ("image",))
    with pytest.raises(AttributeError):
        ops.Scale(2.0).factor = 3.0


def test_whole_numbers_become_floats():
    assert repr(ops.Scale(2)) == repr(ops.Scale(2.0))
    assert repr(ops.LocalResponseNorm(5, k=2)) == repr(ops.LocalResponseNorm(5, k=2.0))


pairs = st.tuples(st.integers(1, 4), st.integers(1, 4))
pads = st.tuples(*[st.integers(0, 3)] * 4)


@given(st.tuples(st.integers(1, 12), st.integers(1, 12)), pairs, pads, pairs, pairs)
def test_windows_are_the_positions_inside_the_padded_map(size, kernel, padding, stride, dilation):
    assume(stride == (1, 1) or dilation == (1, 1))
    op = ops.Conv(1, kernel, stride, padding, dilation)
    padded = size[0] + padding[0] + padding[1], size[1] + padding[2] + padding[3]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    counts = tuple(
        sum(1 for start in range(0, total, s) if start + r <= total)
        for total, s, r in zip(padded, stride, reach, strict=True)
    )
    if 0 in counts:
        with pytest.raises(ShapeError):
            op.shape((1, *size))
    else:
        assert op.shape((1, *size)) == (1, *counts)
        assert op.macs((1, *size)) == counts[0] * counts[1] * kernel[0] * kernel[1]


@given(st.tuples(st.integers(1, 9), st.integers(1, 9)), pairs, pads, pairs, pads, st.booleans())
def test_divisors_count_the_cells_of_each_window(size, kernel, padding, stride, overhang, counted):
    op = ops.AvgPool(kernel, stride, padding, overhang, counted)
    total = op.total_padding
    assume(size[0] + total[0] + total[1] >= kernel[0] > max(total[:2]))
    assume(size[1] + total[2] + total[3] >= kernel[1] > max(total[2:]))

    def counts(row: int, column: int) -> bool:
        top, bottom, left, right = padding if counted else (0, 0, 0, 0)
        return -top <= row < size[0] + bottom and -left <= column < size[1] + right

    _, height, width = op.shape((1, *size))
    expected = np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            top, left = i * stride[0] - total[0], j * stride[1] - total[2]
            expected[i, j] = sum(counts(top + u, left + v) for u in range(kernel[0]) for v in range(kernel[1]))
    np.testing.assert_array_equal(op.divisors((1, *size)), expected)


@pytest.mark.parametrize("padding", [(2, 0, 0, 0), (0, 2, 0, 0), (0, 0, 3, 0), (0, 0, 0, 3)])
@pytest.mark.parametrize("pool", [ops.MaxPool, ops.AvgPool, partial(ops.AvgPool, (2, 3), (1, 1), (0, 0, 0, 0))])
def test_a_window_of_a_pool_does_not_see_only_padding(pool, padding):
    """PyTorch and onnxruntime refuse it, and its largest value is minus infinity."""
    op = pool(padding) if isinstance(pool, partial) else pool((2, 3), (1, 1), padding)
    with pytest.raises(ShapeError, match="pads below its kernel 2x3"):
        op.shape((4, 8, 8))

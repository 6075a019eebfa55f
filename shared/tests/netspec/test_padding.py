"""Padding becomes explicit numbers while a graph is traced."""

import pytest
from hypothesis import assume, given, strategies as st

from netspec import functional as f, trace


def op_of(function, shape=(3, 12, 10)):
    return trace("net", shape, function).nodes[-1].op


@pytest.mark.parametrize(
    ("kernel", "dilation", "padding"),
    [(1, 1, (0, 0, 0, 0)), (3, 1, (1, 1, 1, 1)), (5, 1, (2, 2, 2, 2)), (3, 2, (2, 2, 2, 2)), ((1, 7), 1, (0, 0, 3, 3))],
)
def test_conv_pads_half_its_kernel(kernel, dilation, padding):
    assert op_of(lambda x: f.conv(x, 4, kernel, dilation=dilation, name="c")).padding == padding


@pytest.mark.parametrize(("given_", "padding"), [(0, (0, 0, 0, 0)), (2, (2, 2, 2, 2)), ((0, 2), (0, 0, 2, 2))])
def test_given_padding_is_symmetric(given_, padding):
    assert op_of(lambda x: f.conv(x, 4, 5, padding=given_, name="c")).padding == padding
    assert op_of(lambda x: f.max_pool(x, 5, padding=given_)).padding == padding
    assert op_of(lambda x: f.avg_pool(x, 5, padding=given_)).padding == padding


def test_a_pool_strides_by_its_kernel():
    assert op_of(lambda x: f.max_pool(x, (2, 3))).stride == (2, 3)
    assert op_of(lambda x: f.avg_pool(x, 2)).stride == (2, 2)
    assert op_of(lambda x: f.avg_pool(x, 2, 1)).stride == (1, 1)


def test_ceil_mode_hangs_over_below_and_to_the_right():
    assert op_of(lambda x: f.max_pool(x, 2, 2, ceil=True), (1, 5, 4)).padding == (0, 1, 0, 0)
    op = op_of(lambda x: f.avg_pool(x, 2, 2, ceil=True), (1, 4, 5))
    assert (op.padding, op.overhang) == ((0, 0, 0, 0), (0, 0, 0, 1))


def pytorch_ceil_size(size: int, kernel: int, stride: int, padding: int) -> int:
    """The rule in the documentation of `torch.nn.MaxPool2d`: rounded up, and "sliding windows are allowed to
    go off-bounds if they start within the left padding or the input"."""
    out = -(-(size + 2 * padding - kernel) // stride) + 1
    return out - 1 if (out - 1) * stride >= size + padding else out


@given(st.tuples(st.integers(1, 20), st.integers(1, 20)), st.integers(1, 5), st.integers(1, 5), st.integers(0, 2))
def test_ceil_mode_has_pytorchs_sizes(size, kernel, stride, padding):
    assume(padding <= kernel // 2)
    assume(min(size) + 2 * padding >= kernel)
    expected = tuple(pytorch_ceil_size(n, kernel, stride, padding) for n in size)
    for pool in (f.max_pool, f.avg_pool):
        graph = trace("net", (1, *size), lambda x, pool=pool: pool(x, kernel, stride, padding=padding, ceil=True))
        assert graph.shapes[graph.outputs[0]] == (1, *expected)


@given(size=st.integers(1, 20), kernel=st.integers(1, 5), stride=st.integers(1, 5))
def test_ceil_mode_adds_no_cell_that_no_window_reads(size, kernel, stride):
    assume(size >= kernel)
    op = op_of(lambda x: f.avg_pool(x, kernel, stride, ceil=True), (1, size, size))
    _, height, _ = op.shape((1, size, size))
    if op.overhang[1]:
        assert (height - 1) * stride + kernel == size + op.overhang[1]
    assert op.overhang[1] < stride

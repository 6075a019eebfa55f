"""Small networks that cover every op of the vocabulary and its attributes.

Each example has the op between a convolution and a dense layer, so it is compared like a network: forward, gradients,
ONNX. A test fails if an op of the vocabulary has no example.
"""

from collections.abc import Callable
from functools import partial

from netspec import Graph, functional as f, ops, trace
from netspec.ops import ACTIVATIONS, VOCABULARY
from netspec.tracer import Tensor

Example = Callable[[Tensor], Tensor]


def _stem(x: Tensor) -> Tensor:
    return f.conv(x, 8, 3, name="stem")


def _activation(x: Tensor, fn: str) -> Tensor:
    """Scales the values so that they reach 3 and 6, where ReLU6 and the hard functions bend."""
    return f.activation(f.scale(x, 4.0), fn)


def _frozen(x: Tensor, op: ops.FrozenBatchNorm) -> Tensor:
    """Frozen norms come from a pass, so there is no function that draws them."""
    return x.tracer.emit(op, x, name="op")


def _split_attention(x: Tensor, radix: int, groups: int) -> Tensor:
    """Weights for `8 / radix` channels, applied split by split as ResNeSt does."""
    weights = f.radix_softmax(f.global_avg_pool(x, keepdims=True), radix, groups)
    width = x.channels // radix
    parts = [
        f.mul(
            f.slice_channels(x, i * width, (i + 1) * width, name=f"x{i}"),
            f.slice_channels(weights, i * width, (i + 1) * width, name=f"weight{i}"),
            name=f"part{i}",
        )
        for i in range(radix)
    ]
    return f.add(*parts) if radix > 1 else parts[0]


EXAMPLES: dict[str, Example] = {
    "conv.stride": lambda x: f.conv(x, 6, 3, 2, name="op"),
    "conv.rectangular": lambda x: f.conv(x, 6, (1, 5), (2, 1), padding=(0, 2), name="op"),
    "conv.unpadded": lambda x: f.conv(x, 6, 4, 3, padding=0, bias=False, name="op"),
    "conv.dilation": lambda x: f.conv(x, 6, 3, dilation=2, name="op"),
    "conv.groups": lambda x: f.conv(x, 12, 3, 2, groups=4, bias=False, name="op"),
    "conv.depthwise": lambda x: f.conv(x, 8, 5, 2, groups=8, name="op"),
    "conv.depthwise_uneven": lambda x: f.conv(x, 8, 3, (2, 1), groups=8, name="op"),
    "linear": lambda x: f.linear(f.flatten(x), 12, bias=False, name="op"),
    "batch_norm.map": lambda x: f.batch_norm(x, epsilon=1e-3, fraction=0.01, name="op"),
    "batch_norm.vector": lambda x: f.batch_norm(f.global_avg_pool(x), name="op"),
    "frozen_batch_norm.map": lambda x: _frozen(x, ops.FrozenBatchNorm(1e-3, 0.01)),
    "frozen_batch_norm.vector": lambda x: _frozen(f.global_avg_pool(x), ops.FrozenBatchNorm()),
    "instance_norm": lambda x: f.instance_norm(x, name="op"),
    # more channels than any comparison has images: otherwise nobody would see a loop over images instead of channels
    "local_response_norm": lambda x: f.local_response_norm(f.conv(x, 12, 1, name="wide"), 5, alpha=0.5, k=2),
    "max_pool.overlapping": lambda x: f.max_pool(x, 3, 2, padding=1),
    "max_pool.ceil": lambda x: f.max_pool(x, 3, 2, ceil=True),
    "max_pool.subsample": lambda x: f.max_pool(x, 1, 2),
    "avg_pool.counted": lambda x: f.avg_pool(x, 3, 2, padding=1),
    "avg_pool.uncounted": lambda x: f.avg_pool(x, 3, 1, padding=1, count_include_pad=False),
    # 25/12 is not a binary fraction
    "avg_pool.uneven": lambda x: f.avg_pool(x, 5, 1, padding=2, count_include_pad=False),
    "avg_pool.ceil": lambda x: f.avg_pool(x, 2, 2, ceil=True, count_include_pad=False),
    "avg_pool.counted_ceil": lambda x: f.avg_pool(x, 3, 2, padding=1, ceil=True),
    "global_avg_pool": lambda x: f.global_avg_pool(x),
    "blur_pool": lambda x: f.blur_pool(x),
    **{f"activation.{fn}": partial(_activation, fn=fn) for fn in ACTIVATIONS if fn != "leaky_relu"},
    "activation.leaky_relu": lambda x: f.activation(x, "leaky_relu", slope=0.2),
    "activation.leaky_relu_flat": lambda x: f.activation(x, "leaky_relu"),
    "scale": lambda x: f.add(f.scale(x, 0.17), f.scale(x, 2, name="twice")),
    "dropout.map": lambda x: f.dropout(x, 0.3),
    "dropout.vector": lambda x: f.dropout(f.flatten(x), 0.5),
    "stochastic_depth": lambda x: f.add(f.stochastic_depth(x, 0.6), x),
    "shake_drop": lambda x: f.add(f.shake_drop(x, 0.6), x),
    "patch_up": lambda x: f.patch_up(x),
    "add": lambda x: f.add(x, f.relu(x), f.activation(x, "tanh")),
    "mul": lambda x: f.mul(x, f.activation(x, "sigmoid")),
    "mul.excite": lambda x: f.mul(x, f.activation(f.global_avg_pool(x, keepdims=True), "sigmoid")),
    "concat": lambda x: f.concat(x, f.relu(x), f.max_pool(x, 3, 1, padding=1)),
    "radix_softmax.two": lambda x: _split_attention(x, 2, 1),
    "radix_softmax.groups": lambda x: _split_attention(x, 2, 2),
    "radix_softmax.one": lambda x: _split_attention(x, 1, 1),
    "slice_channels": lambda x: f.slice_channels(x, 2, 7),
    "pad_channels": lambda x: f.pad_channels(x, 11),
    "space_to_depth": lambda x: f.space_to_depth(f.conv(x, 5, (3, 2), padding=(1, 0), name="even"), 2),
    "flatten": lambda x: f.flatten(x),
}


def example(name: str) -> Graph:
    """The graph `op.<name>` on 3x10x13: height and width differ, and windows of ceil mode hang over one side."""

    def network(image: Tensor) -> Tensor:
        x = EXAMPLES[name](_stem(image))
        return f.linear(x if len(x.shape) == 1 else f.flatten(x, name="flat"), 5, name="classifier")

    return trace(f"op.{name}", (3, 10, 13), network)


def uncovered() -> set[str]:
    """Ops of the vocabulary without an example."""
    return set(VOCABULARY) - {node.op.kind for name in EXAMPLES for node in example(name)}

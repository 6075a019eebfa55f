"""Short names for tables and diagrams: of ops, with the numbers of channels kept apart, and of places."""

from netspec.ops import (
    Activation,
    Add,
    AvgPool,
    BatchNorm,
    BlurPool,
    Conv,
    Dropout,
    FrozenBatchNorm,
    InstanceNorm,
    Linear,
    LocalResponseNorm,
    MaxPool,
    Mul,
    Op,
    PadChannels,
    Scale,
    Shape,
    SliceChannels,
    SpaceToDepth,
)

_SHORT = {
    BatchNorm: "BN",
    FrozenBatchNorm: "frozen BN",
    InstanceNorm: "IN",
    LocalResponseNorm: "LRN",
    Add: "add",
    Mul: "multiply",
}
_ACTIVATIONS = {"relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "leaky ReLU", "silu": "SiLU", "gelu": "GELU"}


def size_of(shape: Shape) -> str:
    return "x".join(map(str, shape))


def wording(op: Op) -> tuple[str, tuple[int, ...]]:
    """Words with a `{}` for each number of channels, and those numbers, which differ from stage to stage."""
    match op:
        case Conv(out_channels=channels, groups=groups) if groups > 1 and groups == channels:
            return f"depthwise {size_of(op.kernel)}, {{}}{_steps(op)}", (channels,)
        case Conv(out_channels=channels, groups=groups) if groups > 1:
            return f"conv {size_of(op.kernel)}, {{}} in {{}} groups{_steps(op)}", (channels, groups)
        case Conv(out_channels=channels):
            return f"conv {size_of(op.kernel)}, {{}}{_steps(op)}", (channels,)
        case Linear(out_features=features):
            return "linear, {}", (features,)
        case MaxPool(kernel=(1, 1)):
            return f"subsample{_steps(op)}".replace(",", ""), ()
        case MaxPool() | AvgPool():
            return f"{_words(op.kind)} {size_of(op.kernel)}{_steps(op)}", ()
        case BlurPool():
            return f"blur pool{_steps(op)}", ()
        case Activation(fn=fn):
            return _ACTIVATIONS.get(fn, _words(fn)), ()
        case Scale(factor=factor):
            return f"scale {factor:g}", ()
        case Dropout(rate=rate):
            return f"dropout {rate:g}", ()
        case PadChannels(channels=channels):
            return "pad channels, {}", (channels,)
        case SliceChannels(start=start, stop=stop):
            return "slice, {}", (stop - start,)
        case SpaceToDepth(block=block):
            return f"space to depth {block}", ()
    return _SHORT.get(type(op), _words(op.kind)), ()


def label(op: Op) -> str:
    """`conv 3x3, 64, /2`: kernel, channels and stride."""
    words, channels = wording(op)
    return words.format(*channels)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _steps(op: Conv | MaxPool | AvgPool | BlurPool) -> str:
    """Stride and dilation, if they are not 1."""
    stride, dilation = op.stride, op.dilation if isinstance(op, Conv) else (1, 1)
    across = f", /{_side(stride)}" if stride != (1, 1) else ""
    return across + (f", dilation {_side(dilation)}" if dilation != (1, 1) else "")


def _side(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else size_of(pair)


def letter(number: int) -> str:
    """The letters that name the things in a list: A, B, ... Z, AA, AB, ..."""
    before, place = divmod(number, 26)
    return (letter(before - 1) if before else "") + chr(ord("A") + place)

"""Puts the preparation of images into a model: uint8 `(N, H, W, C)` of any size in, logits out.

The rules are those of `deploy.images`: a fractional box in the middle of the image (`PIL.ImageOps.fit`), or the whole
image, is resized by Pillow's bilinear filter with antialiasing. Pillow weighs the columns of each output pixel by a
triangle, rounds, and does the same with the rows. Both are products with a matrix that depends on the image's size
only, so the graph computes the two matrices from the shape of its input. The weights are multiples of 2**-22, as
Pillow's, and the products are in float64, which is exact.

So the pixels are Pillow's. From version 13 on, Pillow begins with the rows if these shrink by more than twice as many
pixels as the columns (its pull request 9549), and so does the graph. Older versions begin with the columns of all
images: of such tall ones a pixel differs by 1 at most, since both orders round to within a half before the last step.
ONNX's own `Resize` gives other pixels: it does not round between the two steps.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from deploy.contract import RESIZE_RULE, RESIZE_RULES
from deploy.inspection import Inspected
from deploy.normalisation import normalisation
from diptych.errors import ExportError
from onnx_impl.rewritten import rewritten

BITS = 22  # of Pillow's weights: PRECISION_BITS
PREPARED = "preprocess.prepared"  # the value that was the model's input


class Prefix:
    """Adds nodes before those of a graph. Their names begin with `name`."""

    def __init__(self, name: str = "preprocess") -> None:
        self.name = name
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def __call__(self, op: str, *inputs: Any, output: str = "", **attributes: Any) -> str:
        """Append a node and return the name of its value. An input that is not a name is a constant."""
        names = [part if isinstance(part, str) else self.constant(part) for part in inputs]
        output = output or f"{self.name}.{op}{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, names, [output], output, **attributes))
        return output

    def constant(self, value: Any) -> str:
        array = np.asarray(value, np.int64) if isinstance(value, int | list) else np.asarray(value)
        name = f"{self.name}.constant{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(array, name)
        return name

    def double(self, value: str) -> str:
        return self("Cast", value, to=TensorProto.DOUBLE)


def takes_images(inspected: Inspected) -> bytes:
    """The model of a checked file with the preparation inside, as the bytes of a file with a content hash.

    The input `image` is uint8 `(N, H, W, C)`, N images of one size; the output is that of the model. Raises
    `ExportError` for metadata that do not say how images are prepared.
    """
    contract = inspected.contract
    if contract.missing:
        raise ExportError(f"its metadata do not say how images are prepared (no {', '.join(contract.missing)})")
    model = onnx.load_model_from_string(inspected.content)
    body, channels = model.graph, inspected.input_shape[0]
    prefix = Prefix()
    pixels = resized(prefix, "image", contract.image_size, contract.resize_rule)
    offset, scale = (part.reshape(-1, 1, 1) for part in normalisation(contract.mean, contract.std))
    prefix("Mul", prefix("Sub", pixels, offset), scale, output=PREPARED)
    for node in body.node:
        node.input[:] = [PREPARED if name == "image" else name for name in node.input]
    nodes = [*prefix.nodes, *body.node]
    del body.node[:], body.input[:]
    body.node.extend(nodes)
    body.initializer.extend(prefix.constants.values())
    body.input.append(helper.make_tensor_value_info("image", TensorProto.UINT8, ("N", "H", "W", channels)))
    return rewritten(model)


def resized(prefix: Prefix, image: str, size: tuple[int, int], rule: str = RESIZE_RULE) -> str:
    """float32 `(N, C, *size)`, whole numbers, of uint8 `(N, H, W, C)` under the name `image`, by a rule of a file."""
    lengths = [prefix("Gather", prefix("Shape", image), axis) for axis in (1, 2)]
    height, width = (prefix.double(length) for length in lengths)
    box_height, box_width = BOXES[rule](prefix, height, width, size[1] / size[0])
    rows = weights(prefix, lengths[0], height, box_height, size[0])
    columns = weights(prefix, lengths[1], width, box_width, size[1], pixels_axis=0)
    planes = prefix.double(prefix("Transpose", image, perm=(0, 3, 1, 2)))
    shrink = [prefix("Sub", length, pixels) for length, pixels in zip(lengths, size, strict=True)]
    tall = prefix("Greater", shrink[0], prefix("Mul", prefix("Max", shrink[1], 0), 2))
    rows_first = _branch("rows_first", (rows, planes), (None, columns))
    columns_first = _branch("columns_first", (planes, columns), (rows, None))
    return prefix("Cast", prefix("If", tall, then_branch=rows_first, else_branch=columns_first), to=TensorProto.FLOAT)


def _largest_box(prefix: Prefix, height: str, width: str, aspect: float) -> tuple[str, str]:
    """Height and width of the box with the proportions of the new size, as large as the image allows."""
    box_height = prefix("Min", height, prefix("Div", width, np.float64(aspect)))
    return box_height, prefix("Min", width, prefix("Mul", height, np.float64(aspect)))


def _inner_box(prefix: Prefix, height: str, width: str, aspect: float) -> tuple[str, str]:
    """The largest box within the middle 7/8 of the image."""
    inner_height, inner_width = (prefix("Mul", side, np.float64(7 / 8)) for side in (height, width))
    return _largest_box(prefix, inner_height, inner_width, aspect)


BOXES: dict[str, Callable[[Prefix, str, str, float], tuple[str, str]]] = {  # by the rule
    RESIZE_RULES["crop"]: _largest_box,
    RESIZE_RULES["margin"]: _inner_box,
    RESIZE_RULES["squash"]: lambda prefix, height, width, aspect: (height, width),
}


def _branch(name: str, *products: tuple[str | None, str | None]) -> onnx.GraphProto:
    """A graph of two matrix products, each rounded; None means the result of the first one."""
    inner = Prefix(f"preprocess.{name}")
    result = ""
    for one, other in products:
        result = rounded(inner, inner("MatMul", one or result, other or result))
    value = helper.make_tensor_value_info(result, TensorProto.DOUBLE, (None,) * 4)
    return helper.make_graph(inner.nodes, name, [], [value], list(inner.constants.values()))


def weights(prefix: Prefix, length: str, true: str, box: str, size: int, pixels_axis: int = 1) -> str:
    """float64 `(size, length)`: how much each pixel of a line of `length` counts for each of `size` new ones.

    With `pixels_axis` 0 it is `(length, size)`: the image is multiplied by it from the right.
    `true` is the length as float64, and `box` the part in the middle that is resized. The triangle around the centre of
    a new pixel is as wide as two new pixels, and at least as two old ones: Pillow's `precompute_coeffs`.
    """
    start = prefix("Mul", prefix("Sub", true, box), np.float64(0.5))
    first, last = (prefix("Cast", end, to=TensorProto.FLOAT) for end in (start, prefix("Add", start, box)))
    scale = prefix("Div", prefix.double(prefix("Sub", last, first)), np.float64(size))  # its box is float32
    new = np.expand_dims(np.arange(size) + 0.5, pixels_axis)
    centres = prefix("Add", prefix("Mul", scale, new), prefix.double(first))
    pixels = prefix("Add", prefix.double(prefix("Range", np.int64(0), length, np.int64(1))), np.float64(0.5))
    pixels = prefix("Unsqueeze", pixels, [1 - pixels_axis])
    distances = prefix("Abs", prefix("Sub", pixels, centres))
    support = prefix("Max", scale, np.float64(1))
    triangle = prefix("Max", prefix("Sub", np.float64(1), prefix("Div", distances, support)), np.float64(0))
    total = prefix("ReduceSum", triangle, [pixels_axis], keepdims=1)
    whole = rounded(prefix, prefix("Mul", prefix("Div", triangle, total), np.float64(2**BITS)))
    return prefix("Mul", whole, np.float64(2**-BITS))


def rounded(prefix: Prefix, value: str) -> str:
    """Halves go up, as in Pillow; ONNX's `Round` takes them to the even number."""
    return prefix("Floor", prefix("Add", value, np.float64(0.5)))

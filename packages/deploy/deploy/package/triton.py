"""What Triton Inference Server reads beside a model: `config.pbtxt` and the file of class names.

A package, and the variant in it, becomes a model when it is copied into Triton's model repository. The server calls the
model as the folder is called, so the configuration gives no name. `dims` leave the batch out, since `max_batch_size` is
above 0.
"""

from collections.abc import Sequence

from deploy.contract import Contract
from deploy.errors import ModelError

LABELS, CONFIG = "labels.txt", "config.pbtxt"
MOST_BATCH = 64


def labels(classes: Sequence[str], source: object) -> bytes:
    """Class names, one a line, UTF-8. Raises `ModelError` for a name with a line break."""
    for name in classes:
        if name.splitlines() != [name]:
            raise ModelError(f"{source}: the class {name[:80]!r} has a line break in its name; rename it")
    return "".join(f"{name}\n" for name in classes).encode("utf-8", "backslashreplace")


def config(contract: Contract, channels: int) -> bytes:
    """Of a model that takes normalised float32 `(N, C, H, W)`. Requests that arrive together are batched."""
    return _config("TYPE_FP32", (channels, *contract.image_size), len(contract.classes), "dynamic_batching { }\n")


def uint8_config(contract: Contract, channels: int) -> bytes:
    """Of a model that takes uint8 `(N, H, W, C)` of any size. Images of unequal sizes cannot be batched."""
    return _config("TYPE_UINT8", (-1, -1, channels), len(contract.classes), "")


def _config(kind: str, dims: Sequence[int], classes: int, batching: str) -> bytes:
    text = f"""backend: "onnxruntime"
max_batch_size: {MOST_BATCH}
input [ {{ name: "image" data_type: {kind} dims: [ {", ".join(map(str, dims))} ] }} ]
output [
  {{ name: "logits" data_type: TYPE_FP32 dims: [ {classes} ] label_filename: "{LABELS}" }}
]
{batching}"""
    return text.encode()

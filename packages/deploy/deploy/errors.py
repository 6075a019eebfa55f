"""What people do wrong, as one family of exceptions; `python -m deploy` turns one into a line and exit status 2."""

import re

LONGEST = 300  # characters of a reason
_CODE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")  # before every message of onnxruntime's


class DeployError(Exception):
    """Something the user gave cannot be used as it is."""


class ModelError(DeployError):
    """A file is not an ONNX model that can be used."""


class ImageError(DeployError):
    """A file or an array is not an image that can be used."""


def first_line(error: Exception) -> str:
    """What other people's code says is wrong, in a line, or what kind of error it is when it says nothing."""
    lines = (line.strip() for line in _CODE.sub("", str(error)).splitlines())
    return next(filter(None, lines), "")[:LONGEST] or type(error).__name__

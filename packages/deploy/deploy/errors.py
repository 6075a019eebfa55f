"""Errors that a user can cause. `python -m deploy` reports one in a line and ends with exit status 2."""

import re

LONGEST = 300  # characters of a reason
_CODE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")  # the prefix of onnxruntime's messages


class DeployError(Exception):
    """Something the user gave cannot be used as it is."""


class ModelError(DeployError):
    """A file is not an ONNX model that can be used."""


class ImageError(DeployError):
    """A file or an array is not an image that can be used."""


class ArchiveError(DeployError):
    """A file is not an archive that can be read."""


class WriteError(DeployError):
    """A file or folder cannot be written: no room, no permission."""


def first_line(error: Exception) -> str:
    """The first line of another library's error message, or the name of its class if it has no message."""
    lines = (line.strip() for line in _CODE.sub("", str(error)).splitlines())
    return next(filter(None, lines), "")[:LONGEST] or type(error).__name__

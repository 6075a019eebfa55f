"""Errors that a user can cause, as one family of exceptions. `diptych.errors` has those of training and networks.

Every `__main__` turns a `DiptychError` into one line on stderr and exit status 2 (`deploy.shell.run`). Any other
exception that escapes is a bug of ours and keeps its traceback. A message says what was wrong, where, and what to do.
"""

import re

LONGEST = 300  # characters of a reason
_PREFIX = re.compile(  # of onnxruntime's messages: the error's number, and where in its source it was raised
    r"\[ONNXRuntimeError\] : \d+ : \w+ : "
    r"|/\S+\.(?:cc|h):\d+ [^()]*\([^()]*\)(?: const)?(?: \[with [^\]]*\])? "
)


class DiptychError(Exception):
    """Something that the user gave cannot be used as it is."""


DeployError = DiptychError  # for those who use `deploy` alone


class UsageError(DiptychError):
    """A command line or an argument has no meaning."""


class DataError(DiptychError):
    """A data set, archive or image cannot be read or obtained."""


class ModelError(DataError):
    """A file is not an ONNX model that can be used."""


class ImageError(DataError):
    """A file or an array is not an image that can be used."""


class ArchiveError(DataError):
    """A file is not an archive that can be read."""


class StorageError(DiptychError):
    """A file or folder cannot be written: no room, no permission."""


def first_line(error: Exception) -> str:
    """The first line of another library's error message, or the name of its class if it has no message."""
    lines = (line.strip() for line in _PREFIX.sub(" ", str(error)).splitlines())
    return next(filter(None, lines), "")[:LONGEST] or type(error).__name__

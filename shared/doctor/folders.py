"""Whether a folder can be used, or made where it is missing."""

import errno
import os
import stat
from pathlib import Path

from diptych.reading import is_absent
from doctor.finding import Finding

ADVICE = {  # by the number of an error; what else to do follows it
    errno.ENOTDIR: "move {path} away, ",
    errno.ENOENT: "move {path} away, ",
    errno.EACCES: "make it readable, ",
}


def nearest(folder: Path) -> Path:
    """`folder`, or its nearest parent that is there. Raises `OSError` where no folder can be made of it."""
    there = next(path for path in (folder, *folder.absolute().parents) if not is_absent(path))
    try:
        kind = os.stat(there).st_mode
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "it is a link to nothing", there) from None
    if not stat.S_ISDIR(kind):
        raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", there)
    return there


def unusable(subject: str, error: OSError, move: str) -> Finding:
    """The finding for an error of `nearest`. `move` says how to choose another folder: "or set ..."."""
    advice = ADVICE.get(error.errno or 0, "").format(path=error.filename)
    return Finding(
        subject,
        f"{error.filename} cannot be used ({error.strerror or error})",
        advice + (move if advice else move.removeprefix("or ")),
    )

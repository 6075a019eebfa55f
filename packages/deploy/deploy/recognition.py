"""Tells images from other files, by content. Training, evaluation and prediction judge alike.

A file is an image, or not an image, or it is unusable: an image in another format, a file with the name of an image but
without its content, or a file that cannot be read.
"""

import stat
from pathlib import Path, PurePosixPath

from deploy.encoded import READ
from deploy.errors import ImageError
from deploy.images import SUFFIXES, file_format
from deploy.shell import printable

NO_IMAGE = "not images"
NOT_READ = (
    *(".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", ".jp2"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".ico", ".svg", ".psd", ".qoi"),
)


def judge(place: str, name: str, found: str) -> tuple[bool, str]:
    """Whether the file `name` with the format `found` (`deploy.encoded.format_of`) is an image; and why it is unusable.

    The reason is a sentence with `place` and the name. It is empty for an image and for a file that is not an image.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if found in READ:
        return True, ""
    if found or suffix in NOT_READ:
        kind = f" ({found})" if found else ""
        return False, f"{place}{printable(name)} is not JPEG, PNG or WebP{kind}; convert or remove it"
    if suffix in SUFFIXES:
        shown = f"{place}{printable(name)}"
        return False, f"{shown} cannot be read as an image (its content is not that of an image); remove it"
    return False, ""


def judge_file(folder: Path, name: str) -> tuple[bool, str]:
    """`judge` for a file in `folder`. Only an ordinary file, or one with an image's suffix, is opened."""
    file = folder / name
    try:
        may_be_image = PurePosixPath(name).suffix.lower() in SUFFIXES or stat.S_ISREG(file.stat().st_mode)
        found = file_format(file) if may_be_image else ""
    except (ImageError, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error).removeprefix(f"{file}: ")
        return False, f"{folder}/{printable(name)}: {reason}; repair or remove it"
    return judge(f"{folder}/", name, found)

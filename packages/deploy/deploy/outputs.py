"""Arguments of a command line that are files or folders to write. They are refused before any work is done."""

from collections.abc import Callable
from pathlib import Path

from deploy.files import cannot_write, check_file, check_folder
from deploy.options import path


def output_file(text: str) -> Path:
    """An argument that is a file to write. Raises `WriteError` where it cannot be written, before any work is done."""
    return _writable(path(text), check_file)


def output_folder(text: str) -> Path:
    """An argument that is a folder to write into. Raises `WriteError` where it cannot be, before any work is done."""
    return _writable(path(text), check_folder)


def _writable(found: Path, check: Callable[[Path], None]) -> Path:
    try:
        check(found)
    except OSError as error:
        raise cannot_write(found, error) from None
    return found

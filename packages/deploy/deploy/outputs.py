"""Arguments of a command line that are files or folders to write. They are refused before any work is done."""

from pathlib import Path

from deploy.files import check_file, check_folder
from deploy.options import path


def output_file(text: str) -> Path:
    """An argument that is a file to write. Raises `StorageError` where it cannot be, before any work is done."""
    found = path(text)
    check_file(found)
    return found


def output_folder(text: str) -> Path:
    """An argument that is a folder to write into. Raises `StorageError` where it cannot be, before any work is done."""
    found = path(text)
    check_folder(found)
    return found

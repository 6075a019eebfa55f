"""Decoded images kept on disk. The cache may vanish, be damaged or be unwritable: it costs time, never a run."""

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netspec.errors import StorageError
from netspec.files import make_folder, replacing

Notice = Callable[[str], None]


def cache_folder() -> Path:
    """`$DIPTYCH_CACHE`, or `~/.cache/diptych`."""
    return Path(os.environ.get("DIPTYCH_CACHE") or Path.home() / ".cache" / "diptych")


def cached(
    name: str, make: Callable[[], Mapping[str, NDArray[np.generic]]], notice: Notice
) -> Mapping[str, NDArray[np.generic]]:
    """The arrays that `make` returns, from the cache entry `name` where it is whole."""
    path = cache_folder() / "decoded" / f"{name}.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {key: archive[key] for key in archive.files}  # reading checks zip's CRCs
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        pass  # absent, or damaged: made again
    arrays = make()
    try:
        make_folder(path.parent)
        with replacing(path) as file:
            np.savez(file, allow_pickle=False, **arrays)
    except StorageError as error:
        notice(f"the decoded images are not kept for the next run: {error}")
    return arrays

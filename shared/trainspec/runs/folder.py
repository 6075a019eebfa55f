"""The name of the folder that a training makes: what it trains, and when."""

import time
from pathlib import Path

from deploy.files import make_folder, writing


def new_folder(out: Path, *parts: str) -> Path:
    """Make `<out>/<parts>-<time>`, or `...-2` and so on if it exists: two trainings may begin in the same second.

    Raises `StorageError`.
    """
    name = "-".join((*parts, time.strftime("%Y%m%d-%H%M%S")))
    make_folder(out)
    number = 1
    while True:
        folder = out / (name if number == 1 else f"{name}-{number}")
        with writing(folder):
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return folder

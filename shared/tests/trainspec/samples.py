"""Small images, and folders and archives of them."""

import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image


def encoded(seed: int, size: tuple[int, int] = (12, 10), kind: str = "PNG") -> bytes:
    """A random image as the bytes of a file."""
    pixels = np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def class_files(classes: str = "ab", count: int = 10) -> dict[str, bytes]:
    """`<class>/<number>.png`, each with an image of its own."""
    return {
        f"{name}/{number}.png": encoded(100 * number + ord(name), kind="PNG")
        for name in classes
        for number in range(count)
    }


def split_files() -> dict[str, bytes]:
    """A set that comes divided: `train/` and `test/`, with the same classes in both."""
    return {f"{split}/{name}": content for split in ("train", "test") for name, content in class_files().items()}


def write_folder(root: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return root


def write_tar(path: Path, files: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] | None = None) -> Path:
    """A tar (gz by its suffix); `change` may spoil the last member's header."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for number, (name, content) in enumerate(files.items(), 1):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if change and number == len(files):
                change(member)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path

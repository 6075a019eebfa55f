"""A manifest: which images of a folder are for training, validation and test, with the SHA-256 of each file.

A JSON file with `schema`, `name`, `root`, `seed` and `splits`: for `train`, `validation` and `test`, by class and path,
the SHA-256. `root`, the folder of the images, is relative to the manifest. Paths are inside `root`.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Self

from deploy.class_folders import Placed
from deploy.contract import normal_form
from deploy.files import is_file_name, write_bytes
from deploy.shell import printable
from diptych.errors import DataError
from diptych.reading import read_bytes
from trainspec.data.layout import problem_of_class, untrained

SCHEMA = 1
SUFFIX = ".json"
MOST = 1 << 29  # bytes of a file: about 3 million images
SPLITS = ("train", "validation", "test")
SHA256 = re.compile(r"[0-9a-f]{64}")

Files = Mapping[str, Mapping[str, Mapping[str, str]]]  # by split, class and path: the SHA-256


@dataclass(frozen=True)
class Manifest:
    """The files of a split. `root` is the folder with the images. `seed` drew the split."""

    name: str
    root: Path
    seed: int
    splits: Files

    def placed(self, split: str) -> list[Placed]:
        """The images of a split, sorted by path."""
        classes = self.splits[split]
        return sorted(
            (Placed(split, name, path) for name, paths in classes.items() for path in paths),
            key=lambda place: place.path,
        )

    @property
    def classes(self) -> list[str]:
        """The names of the classes, in alphabetical order."""
        return sorted({name for classes in self.splits.values() for name in classes})

    @property
    def sha256(self) -> dict[str, str]:
        """The SHA-256 of each file, by its path."""
        classes = (classes for split in self.splits.values() for classes in split.values())
        return {path: sha256 for paths in classes for path, sha256 in paths.items()}

    def write(self, path: Path) -> None:
        """Write the manifest, whole or not at all. Raises `StorageError`."""
        table = {
            "schema": SCHEMA,
            "name": self.name,
            "root": Path(os.path.relpath(self.root.resolve(), path.resolve().parent)).as_posix(),
            "seed": self.seed,
            "splits": self.splits,
        }
        text = json.dumps(table, indent=1, ensure_ascii=False, sort_keys=False) + "\n"
        write_bytes(path, text.encode("utf-8", "backslashreplace"))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a manifest. Raises `DataError`, in one line, for any other file."""
        try:
            table = json.loads(read_bytes(path, DataError, most=MOST))
        except (ValueError, RecursionError):
            raise DataError(f"{path}: not a manifest (not JSON); make one with: nox -s split -- FOLDER") from None
        try:
            if table["schema"] != SCHEMA:
                raise ValueError(f"its schema is {str(table['schema'])[:40]}, this version reads {SCHEMA}")
            name, root, seed, splits = (table[key] for key in ("name", "root", "seed", "splits"))
            if not (isinstance(name, str) and isinstance(root, str) and type(seed) is int and "\0" not in root):
                raise ValueError("name, root or seed has another type")
            named = {split: _named(classes) for split, classes in splits.items()}
            found = cls(name, path.resolve().parent / root, seed, named)
            found._check()
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            reason = f"{error} is missing" if isinstance(error, LookupError) else printable(str(error))[:200]
            raise DataError(f"{path}: not a manifest ({reason}); make one with: nox -s split -- FOLDER") from None
        return found

    def _check(self) -> None:
        """Raise `ValueError` or `TypeError` for entries that a split never has."""
        if set(self.splits) != set(SPLITS):
            raise ValueError(f"its splits are not {', '.join(SPLITS)}")
        seen: set[str] = set()
        for path, sha256 in self._entries():
            if not SHA256.fullmatch(sha256):
                raise ValueError(f"{path} has no SHA-256")
            outside = PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive or ".." in path.split("/")
            if not is_file_name(path):
                raise ValueError(f"{path!a} is not a path")
            if outside:
                raise ValueError(f"{path} is outside the folder")
            if path in seen:
                raise ValueError(f"{path} is there twice")
            seen.add(path)
        if problem := next(filter(None, map(problem_of_class, self.classes)), ""):
            raise ValueError(f"a class has a name that {problem}")
        if name := untrained(self.classes, {name for name, paths in self.splits["train"].items() if paths}):
            raise ValueError(f"its class {name} has no image for training")
        if len(self.classes) < 2:
            raise ValueError("it has less than two classes")
        if not all(any(self.splits[split].values()) for split in ("validation", "test")):
            raise ValueError("its validation or test split is empty")

    def _entries(self) -> Iterator[tuple[str, str]]:
        for classes in self.splits.values():
            for paths in classes.values():
                yield from paths.items()


def _named(classes: Mapping[str, Mapping[str, str]]) -> dict[str, Mapping[str, str]]:
    """The classes of a split, with names as folders have them. Raises `ValueError` where two are then the same."""
    found = {normal_form(name): paths for name, paths in classes.items()}
    if len(found) < len(classes):
        raise ValueError("a class is there twice, in two Unicode forms")
    return found


def is_manifest(path: Path) -> bool:
    """Whether `path` has the suffix of a manifest."""
    return path.suffix.lower() == SUFFIX

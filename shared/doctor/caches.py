"""The project's caches: how large they are, and how to remove them. Runs and results are not caches."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from diptych.errors import DiptychError, StorageError
from doctor.data import files_of
from doctor.finding import Finding, gigabytes
from doctor.place import Place
from trainspec.data import PUBLISHED
from trainspec.data.cache import cache_folder

TOOLS = (".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis")
SOURCES = ("shared", "packages", "parity_tests", "examples")


@dataclass(frozen=True)
class Cache:
    """What is kept in these files and folders."""

    what: str
    paths: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes of all files, without following links."""
        total = 0
        for path in self.files():
            with suppress(FileNotFoundError):  # another program has removed it meanwhile
                total += path.lstat().st_size
        return total

    def files(self) -> Iterator[Path]:
        for path in self.paths:
            if path.is_symlink() or not path.is_dir():
                yield path
            else:
                for folder, _, names in os.walk(path):
                    yield from (Path(folder) / name for name in names)

    def remove(self) -> None:
        """Raises `StorageError` where something cannot be removed."""
        for path in self.paths:
            try:
                if path.is_symlink() or not path.is_dir():
                    path.unlink()
                else:
                    shutil.rmtree(path)
            except OSError as error:
                raise StorageError(f"{path} cannot be removed: {error.strerror}") from None


def check(place: Place) -> Iterator[Finding]:
    """The size of each cache."""
    try:
        found = caches(place)
    except DiptychError as error:
        yield Finding("caches", str(error), "set DIPTYCH_CACHE to a folder")
        return
    for one in found:
        try:
            text = f"{gigabytes(one.size)} in {one.paths[0].parent if len(one.paths) > 1 else one.paths[0]}"
        except OSError as error:
            yield Finding(one.what, f"{error.filename} cannot be read ({error.strerror})", "nox -s doctor -- --clean")
            continue
        yield Finding(one.what, text, facts={"paths": [str(path) for path in one.paths], "bytes": one.size})
    if not found:
        yield Finding("caches", "none")


def caches(place: Place) -> list[Cache]:
    """The caches that there are. Raises `StorageError` for a user without a home folder."""
    files = [path for name in PUBLISHED for path, _ in files_of(name)]
    downloads = (path.with_name(f"{path.name}{end}") for path in files for end in ("", ".part"))
    compiled = [path for name in SOURCES for path in sorted((place.root / name).rglob("__pycache__"))]
    if place.is_checkout:  # elsewhere it is Python's own
        compiled.append(place.root / "__pycache__")
    found = (
        Cache("downloaded data sets", _present(downloads)),
        Cache("decoded images", _present([cache_folder() / "decoded"])),
        Cache("caches of tools", _present(place.root / name for name in TOOLS)),
        Cache("compiled Python", _present(compiled)),
    )
    return [one for one in found if one.paths]


def _present(paths: Iterator[Path] | list[Path]) -> tuple[Path, ...]:
    return tuple(path for path in paths if os.path.lexists(path))

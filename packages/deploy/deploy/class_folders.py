"""Reads labelled images: a folder, or an archive, with a folder of images for each class.

The paths are `<class>/<image>` or `test/<class>/<image>`, as in training, and that may be inside one more folder. In a
set with splits, `test` is read. Hidden files and files that are not images are left out.
"""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from deploy.archives import is_archive, open_archive, read_archive
from deploy.encoded import HEAD, READ, format_of
from deploy.errors import DeployError, ImageError
from deploy.images import MAX_BYTES, file_format, read_file
from deploy.options import nearest

SPLITS = ("train", "test", "val", "validation")
DEEPEST = 4  # folders: one more than any set has, so links cannot lead in circles
_SYSTEM = ("__MACOSX",)


@dataclass(frozen=True)
class ClassFolders:
    """The images of a set: `classes` by their path inside `place`. `split` is empty in a set without splits."""

    place: Path
    split: str
    classes: dict[str, str]

    def numbers(self, names: Sequence[str]) -> dict[str, int]:
        """The number of each image's class among a model's class names, by the image's path.

        Names are compared in Unicode's form NFC. Raises `DeployError` for a folder that is not one class of the model.
        """
        known: dict[str, list[int]] = {}
        for number, name in enumerate(names):
            known.setdefault(unicodedata.normalize("NFC", name), []).append(number)
        folders = {
            name: known.get(unicodedata.normalize("NFC", name), []) for name in sorted(set(self.classes.values()))
        }
        unknown = [name for name, numbers in folders.items() if not numbers]
        if unknown:
            more = f" ({len(unknown)} of {len(folders)} class folders are unknown)" if len(unknown) > 1 else ""
            hint = nearest(unknown[0], names)
            raise DeployError(f"{self.place}: the model has no class '{unknown[0]}'{more}{hint}; rename the folder")
        for name, numbers in folders.items():
            if len(numbers) > 1:
                raise DeployError(
                    f"{self.place}: the model has {len(numbers)} classes named '{name}', so this folder is ambiguous"
                )
        return {path: folders[name][0] for path, name in self.classes.items()}

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """`(path, content)` of each image, one at a time. Raises `DeployError` for a file that cannot be read."""
        if is_archive(self.place):
            wanted = read_archive(self.place, lambda name: _path(name) in self.classes, MAX_BYTES)
            yield from ((_path(name), content) for name, content in wanted)
        else:
            yield from ((path, read_file(self.place / path)) for path in self.classes)


def find_classes(place: Path) -> ClassFolders:
    """The images below `place`, a folder or an archive. Their first bytes are read. Raises `DeployError`."""
    try:
        paths = sorted(_in_archive(place) if is_archive(place) else _in_folder(place))
    except OSError as error:
        raise DeployError(f"{error.filename or place}: cannot be read: {error.strerror or error}") from None
    if not paths:
        raise DeployError(f"{place}: no images found; expected <class>/<image> or test/<class>/<image>")
    parts = {path: PurePosixPath(path).parts for path in paths}
    tops = {part[0] for part in parts.values()}
    if len(tops) == 1 and not tops & set(SPLITS) and all(len(part) > 2 for part in parts.values()):
        parts = {path: part[1:] for path, part in parts.items()}
        tops = {part[0] for part in parts.values()}
    split = ""
    if tops <= set(SPLITS):
        if "test" not in tops:
            raise DeployError(f"{place}: has {', '.join(sorted(tops))} but no test; give the folder of one split")
        split = "test"
        parts = {path: part[1:] for path, part in parts.items() if part[0] == split}
    wrong = next((path for path, part in parts.items() if len(part) != 2), None)
    if wrong is not None:
        raise DeployError(
            f"{place}: {wrong} is not in a class folder; expected <class>/<image> or test/<class>/<image>"
        )
    return ClassFolders(place, split, {path: part[0] for path, part in parts.items()})


def _in_folder(place: Path) -> Iterator[str]:
    if not place.is_dir():
        raise DeployError(f"{place}: {'not a folder or an archive' if place.exists() else 'no such folder'}")
    for folder, folders, names in os.walk(place, onerror=_refuse, followlinks=True):
        deep = len(Path(folder).relative_to(place).parts) >= DEEPEST
        folders[:] = [] if deep else [name for name in folders if _is_kept(name)]
        for name in filter(_is_kept, names):
            try:
                found = file_format(Path(folder, name))
            except ImageError:
                continue
            if found in READ:
                yield Path(folder, name).relative_to(place).as_posix()


def _in_archive(place: Path) -> Iterator[str]:
    with open_archive(place) as members:
        for member in members:
            path = _path(member.name)
            kept = not member.is_folder and all(map(_is_kept, PurePosixPath(path).parts))
            if kept and format_of(member.read(HEAD)) in READ:
                yield path


def _path(name: str) -> str:
    return PurePosixPath(name).as_posix()


def _is_kept(name: str) -> bool:
    return not name.startswith(".") and name not in _SYSTEM


def _refuse(error: OSError) -> None:
    raise error

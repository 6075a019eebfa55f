"""Reads labelled images: a folder, or an archive, with a folder of images for each class.

The paths are `<class>/<image>` or `test/<class>/<image>`, and that may be inside one more folder. In a set with splits,
`test` is read. Hidden files and files that are not images are left out; an unusable image is an error. Training finds
splits and classes by the same function, `place_images`.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path, PurePosixPath

from deploy.archives import is_archive, open_archive, read_archive
from deploy.contract import normal_form
from deploy.encoded import HEAD, format_of
from deploy.errors import DataError
from deploy.images import MAX_BYTES, read_file
from deploy.options import nearest
from deploy.recognition import NO_IMAGE, judge, judge_file
from deploy.shell import printable
from deploy.walking import reason_of_part, walk

SPLIT_FOLDERS = {
    "train": "train",
    "test": "test",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
}
EXPECTED = (
    "expected <class>/<image>, or <split>/<class>/<image> where <split> is "
    f"{', '.join([*SPLIT_FOLDERS][:-1])} or {[*SPLIT_FOLDERS][-1]}"
)


@dataclass(frozen=True)
class Placed:
    """The split and class of an image. `split` is empty in a set without splits. `path` is its path inside the set.

    The class has the name of its folder, in the form that `normal_form` gives.
    """

    split: str
    class_name: str
    path: str


@dataclass(frozen=True)
class ClassFolders:
    """The images of a set: `classes` by their path inside `place`. `split` is empty in a set without splits.

    `left_out` is how many files were left out, by reason.
    """

    place: Path
    split: str
    classes: dict[str, str]
    left_out: Counter[str] = field(default_factory=Counter)

    def numbers(self, names: Sequence[str]) -> dict[str, int]:
        """The number of each image's class among a model's class names, by the image's path.

        Raises `DataError` for a folder that is not one class of the model.
        """
        known: dict[str, list[int]] = {}
        for number, name in enumerate(names):
            known.setdefault(normal_form(name), []).append(number)
        folders = {name: known.get(name, []) for name in sorted(set(self.classes.values()))}
        unknown = [name for name, numbers in folders.items() if not numbers]
        if unknown:
            more = f" ({len(unknown)} of {len(folders)} class folders are unknown)" if len(unknown) > 1 else ""
            hint = nearest(unknown[0], names)
            raise DataError(f"{self.place}: the model has no class '{unknown[0]}'{more}{hint}; rename the folder")
        for name, numbers in folders.items():
            if len(numbers) > 1:
                raise DataError(
                    f"{self.place}: the model has {len(numbers)} classes named '{name}', so this folder is ambiguous; "
                    "export it with names that differ"
                )
        return {path: folders[name][0] for path, name in self.classes.items()}

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """`(path, content)` of each image, one at a time. Raises `DataError` for a file that cannot be read."""
        if is_archive(self.place):
            wanted = read_archive(self.place, lambda name: _path(name) in self.classes, MAX_BYTES)
            yield from ((_path(name), content) for name, content in wanted)
        else:
            yield from ((path, read_file(self.place / path)) for path in self.classes)


def find_classes(place: Path) -> ClassFolders:
    """The images below `place`, a folder or an archive. Their first bytes are read. Raises `DataError`."""
    left_out: Counter[str] = Counter()
    try:
        paths = sorted(_in_archive(place, left_out) if is_archive(place) else _in_folder(place, left_out))
    except OSError as error:
        raise DataError(f"{error.filename or place}: cannot be read: {error.strerror or error}") from None
    if not paths:
        raise DataError(f"{place}: no images found; expected <class>/<image> or test/<class>/<image>")
    if twice := next((one for one, other in pairwise(paths) if one == other), None):
        raise DataError(f"{place}: two files are named {printable(twice)}; remove one")
    _, placed = place_images(place, paths)
    splits = {each.split for each in placed}
    split = "" if "" in splits else "test"
    if split not in splits:
        raise DataError(f"{place}: has {', '.join(sorted(splits))} but no test; give the folder of one split")
    classes = {each.path: each.class_name for each in placed if each.split == split}
    return ClassFolders(place, split, classes, left_out)


def place_images(place: Path, paths: Sequence[str]) -> tuple[PurePosixPath, list[Placed]]:
    """The folder with the splits or the classes, and where each image lies. `paths`, at least one, are inside `place`.

    The folder is the top of the set, or the only folder in it. Raises `DataError` for an image that is not in a class
    folder, and for class folders beside splits.
    """
    names = [PurePosixPath(path) for path in paths]
    tops = {name.parts[0] for name in names}
    wrapped = len(tops) == 1 and not any(map(split_of, tops)) and all(len(name.parts) > 2 for name in names)
    root = PurePosixPath(*tops) if wrapped else PurePosixPath()
    inside = [name.relative_to(root).parts for name in names]
    deep = {parts[0] for parts in inside if len(parts) == 3 and split_of(parts[0])}
    for one, other in combinations(sorted(deep), 2):
        if split_of(one) == split_of(other):
            raise DataError(f"{place}: {one}/ and {other}/ are both there; keep one of them")
    splits = {name.lower() for name in deep} | {"train", "test"}  # "valid" beside "invalid" is a class
    placed = [_placed(place, path, parts, splits) for path, parts in zip(paths, inside, strict=True)]
    if len({bool(each.split) for each in placed}) > 1:
        raise DataError(f"{place}: class folders both beside and inside train/; move all of them into train/")
    return root, placed


def split_of(folder: str) -> str:
    """The split that a folder of this name holds, in any case (`Train`); empty if it is the name of none."""
    return SPLIT_FOLDERS.get(folder.lower(), "")


def _placed(place: Path, path: str, parts: tuple[str, ...], splits: Collection[str]) -> Placed:
    is_split = parts[0].lower() in splits
    if len(parts) == 3 and is_split:
        return Placed(split_of(parts[0]), normal_form(parts[1]), path)
    if len(parts) == 2 and is_split:
        hint = f"{parts[0]}/ is the name of a split: rename it if it is a class"
        raise DataError(f"{place}: {printable(path)} is not in a class folder; {hint}")
    if len(parts) == 2:
        return Placed("", normal_form(parts[0]), path)
    raise DataError(f"{place}: {printable(path)} is not in a class folder; {EXPECTED}")


def _in_folder(place: Path, left_out: Counter[str]) -> Iterator[str]:
    if not os.path.isdir(place):
        raise DataError(f"{place}: {'not a folder or an archive' if os.path.exists(place) else 'no such folder'}")
    for entry in walk(place):
        if entry.reason:
            left_out[entry.reason] += 1
        elif not entry.is_folder:
            yield from _image(entry.name, judge_file(place, entry.name), left_out)


def _in_archive(place: Path, left_out: Counter[str]) -> Iterator[str]:
    with open_archive(place) as members:
        for member in members:
            path = _path(member.name)
            if reason := next(filter(None, map(reason_of_part, PurePosixPath(path).parts)), ""):
                left_out[reason] += 1
            elif not member.is_folder:
                yield from _image(path, judge(f"{place}: ", path, format_of(member.read(HEAD))), left_out)


def _image(path: str, judged: tuple[bool, str], left_out: Counter[str]) -> Iterator[str]:
    """`path` if it is an image. Raises `DataError` for an unusable one: without it, the scores would be others."""
    is_image, fault = judged
    if fault:
        raise DataError(fault)
    if is_image:
        yield path
    else:
        left_out[NO_IMAGE] += 1


def _path(name: str) -> str:
    return PurePosixPath(name).as_posix()

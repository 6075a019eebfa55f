"""The published data sets in the cache folder, against their published SHA-256."""

from collections.abc import Iterator
from pathlib import Path

from diptych.errors import DiptychError
from diptych.reading import is_absent
from doctor.finding import Finding, gigabytes, quoted
from doctor.folders import nearest, unusable
from doctor.place import Place
from trainspec.data import PUBLISHED, find_data
from trainspec.data.cache import cache_folder
from trainspec.data.download import Source
from trainspec.data.form import Form

MOVE_CACHE = "or set DIPTYCH_CACHE to another folder"


def check(place: Place) -> Iterator[Finding]:
    """The embedded digits, then every published set: found, not here yet, or damaged."""
    yield _digits()
    try:
        nearest(cache_folder())
    except DiptychError as error:
        yield Finding("data sets", str(error), "set DIPTYCH_CACHE to a folder")
    except OSError as error:
        yield unusable("data sets", error, MOVE_CACHE)
    else:
        for name in PUBLISHED:
            yield from of_set(name)


def of_set(name: str) -> Iterator[Finding]:
    """The findings for the files of a published set."""
    files = files_of(name)
    try:
        nearest(files[0][0].parent)
    except OSError as error:
        yield unusable(name, error, MOVE_CACHE)
        return
    if all(is_absent(path) and is_absent(part_of(path)) for path, _ in files):
        size = sum(source.size or 0 for _, source in files)
        yield Finding(name, f"not here: --data {name} downloads {size / 1e6:,.0f} MB")
    else:
        yield from (of_file(name, path, source) for path, source in files)


def files_of(name: str) -> list[tuple[Path, Source]]:
    """Where the files of a published set are kept. Raises `StorageError` for a user without a home folder."""
    published = PUBLISHED[name]
    return [(cache_folder() / published.folder / source.file_name, source) for source in published.sources]


def part_of(path: Path) -> Path:
    """Where a file is while it is downloaded."""
    return path.with_name(f"{path.name}.part")


def of_file(name: str, path: Path, source: Source) -> Finding:
    """The finding for a published file."""
    size = f"{source.size / 1e6:,.1f} MB" if source.size else "the files"
    part = part_of(path)
    if is_absent(path):
        begun = f"; {gigabytes(part.stat().st_size)} of it are" if part.is_file() else ""
        return Finding(name, f"not here{begun}: --data {name} downloads {size}")
    try:
        whole = source.is_whole(path)
    except DiptychError as error:
        return Finding(name, str(error), f"remove {path}; the next --data {name} downloads it again")
    if whole:
        return Finding(name, f"as published: {path}", facts={"path": str(path), "sha256": source.sha256})
    text = f"{path} is damaged: its SHA-256 is not the published one"
    return Finding(name, text, f"rm {quoted(path)}; the next --data {name} downloads it again")


def _digits() -> Finding:
    try:
        data = find_data("digits", notice=lambda text: None).load(Form(8), 0)
    except Exception as error:  # whatever a damaged file makes NumPy raise
        return Finding("digits", f"cannot be read ({error})", "git checkout shared/trainspec/data/embedded")
    return Finding("digits", f"embedded: {data.summary()}")

"""Packages as they would be found with one of their files changed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from diptych.sources import sources


@contextmanager
def changed_source(folder: Path, file: str, before: str, after: str) -> Iterator[None]:
    """While it lasts, `package/place/in/it` has `after` in place of `before`, in a copy of the package in `folder`."""
    spec = import_module(file.partition("/")[0]).__spec__
    (original,) = spec.submodule_search_locations
    copy = shutil.copytree(original, folder / "changed" / spec.name, ignore=shutil.ignore_patterns("__pycache__"))
    source = copy.parent / file
    text = source.read_text()
    assert text.count(before) >= 1, f"{file} has no {before}"
    source.write_text(text.replace(before, after))
    sources.cache_clear()
    with patch.object(spec, "submodule_search_locations", [str(copy)]):
        yield
    sources.cache_clear()

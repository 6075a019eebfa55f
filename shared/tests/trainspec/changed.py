"""Packages as they would be found with one of their files changed."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from diptych.sources import digest_of_sources


@contextmanager
def changed_source(folder: Path, file: str) -> Iterator[None]:
    """While it lasts, `package/place/in/it` has one byte more, in a copy of the package under `folder`."""
    spec = import_module(file.partition("/")[0]).__spec__
    (original,) = spec.submodule_search_locations
    copy = shutil.copytree(original, folder / "changed" / spec.name, ignore=shutil.ignore_patterns("__pycache__"))
    with (copy.parent / file).open("a") as source:
        source.write("\n")
    digest_of_sources.cache_clear()
    with patch.object(spec, "submodule_search_locations", [str(copy)]):
        yield
    digest_of_sources.cache_clear()

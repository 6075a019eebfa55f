"""What code made a figure."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

SUFFIXES = (".py", ".toml", ".json")
RECIPES = "recipes"  # their TOML files: a figure that depends on one says so itself


@cache
def digest_of_sources(*packages: str) -> str:
    """SHA-256 over the modules and tables of import packages, none of which is imported for it."""
    digest = hashlib.sha256()
    for package in packages:
        spec = find_spec(package)
        assert spec is not None, f"no package {package}"
        for folder in map(Path, spec.submodule_search_locations or ()):
            for path in sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES):
                place = path.relative_to(folder)
                if path.suffix != ".toml" or RECIPES not in place.parts:
                    digest.update(repr((package, place.as_posix(), path.read_bytes())).encode())
    return digest.hexdigest()

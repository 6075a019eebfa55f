"""Makes one readable script of modules of this package, so that a folder needs no file of ours beside it.

The script holds the source of each module as text and imports from there. There is no second copy to maintain: a script
is made anew from the modules whenever a package is written.
"""

import ast
import importlib.util
from collections.abc import Iterator

from deploy import __version__
from deploy.errors import DiptychError

PACKAGE = __name__.partition(".")[0]

_SCRIPT = '''#!/usr/bin/env python3
"""{purpose}

Needs Python 3.11 on Linux or macOS, numpy, Pillow (10.1 or newer) and onnxruntime, and no other file of Diptych.
diptych-deploy {version} wrote it. Its licence is the file LICENSE, beside it. Its modules follow unchanged. The end of
the file says how they are imported and what is run.
"""

SOURCES, PACKAGES = {{}}, {packages}
{sources}

import importlib.abc  # noqa: E402
import importlib.util  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402


class Modules(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the modules above, instead of those that may be installed."""

    def find_spec(self, name, path=None, target=None):
        return importlib.util.spec_from_loader(name, self) if name in SOURCES else None

    def get_source(self, name):
        return SOURCES[name]

    def get_code(self, name):
        return compile(SOURCES[name], f"{{__file__}} {{name}}", "exec")

    def is_package(self, name):
        return name in PACKAGES


def main(argv):
    from deploy.errors import DeployError

    try:
        from {entry} import main

        return main(Path(__file__).resolve().parent, argv)
    except ModuleNotFoundError as error:
        if error.name == "fcntl":
            raise DeployError("this script locks files by fcntl; run it on Linux or macOS") from None
        if str(error.name).partition(".")[0] not in ("numpy", "PIL", "google", "onnxruntime"):
            raise
        raise DeployError(f"{{error.name}} is missing; pip install numpy Pillow protobuf onnxruntime") from None


sys.meta_path.insert(0, Modules())

if __name__ == "__main__":
    from deploy import shell

    shell.run(main)
'''


def script(entry: str, purpose: str) -> bytes:
    """The script that runs `main(folder, argv)` of the module `entry`, where `folder` is the one of the script."""
    modules = needed(entry)
    sources = "\n\n".join(f"SOURCES[{name!r}] = {_literal(text)}" for name, text in sorted(modules.items()))
    packages = {name for name in modules if any(other.startswith(f"{name}.") for other in modules)}
    written = _SCRIPT.format(
        purpose=purpose, version=__version__, packages=sorted(packages), sources=sources, entry=entry
    )
    return written.encode()


def needed(entry: str) -> dict[str, str]:
    """The source of a module of this package and of all modules of it that it imports, by name."""
    found: dict[str, str] = {}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        if name in found or not _exists(name):
            continue
        found[name] = source = _source(name)
        waiting += [parent for parent in (name.rpartition(".")[0],) if parent]
        for node in _imported(ast.parse(source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == PACKAGE:
                waiting += [str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names if alias.name.partition(".")[0] == PACKAGE]
    return found


def _imported(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a module that are run: what only a type checker reads is left out."""
    for node in ast.iter_child_nodes(tree):
        if not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            yield node
            yield from _imported(node)


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a name of a module that is not a package
        return False


def _source(name: str) -> str:
    spec = importlib.util.find_spec(name)
    text = spec.loader.get_source(name) if spec and hasattr(spec.loader, "get_source") else None  # type: ignore[union-attr]
    if text is None:
        raise DiptychError(f"{name}: its source is not installed, so no script can be made of it")
    return str(text)


def _literal(text: str) -> str:
    """`text` as a raw string over several lines where that is possible."""
    raw = f"r'''{text}'''"
    return raw if "'''" not in text and not text.endswith(("\\", "'")) else repr(text)

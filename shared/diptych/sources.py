"""Fingerprints of the source that a result depends on, and no more: a changed help text keeps stored rows valid.

Source is read, never imported. A top-level definition depends on the names in it: definitions of its own module,
imported names, attributes of imported modules, and data files. Lookups at run time are not seen (handlers in a table,
modules loaded by `import_module`); the caller names those itself. Comments, docstrings and layout do not count.
"""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

DATA = (".toml", ".json")
BODY = ""  # the name for a module's statements that define nothing

Place = tuple[str, str]  # a module and a name in it


@dataclass
class Module:
    """A module's statements, grouped by the names that they define."""

    name: str
    path: Path
    definitions: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for statement in parsed(self.path.read_bytes()):
            self._sort(statement)

    def _sort(self, statement: ast.stmt) -> None:
        match statement:
            case ast.Import() | ast.ImportFrom():
                self.imports |= imported(statement)
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), body=body):  # where a lazy package lists its names
                for inner in body:
                    self._sort(inner)
            case _:
                for name in defined(statement) or [BODY]:
                    self.definitions.setdefault(name, []).append(statement)


class Sources:
    """The modules of import packages."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages
        self._modules: dict[str, Module | None] = {}
        self._read: dict[Place, tuple[frozenset[Place], str]] = {}
        self._closures: dict[Place, frozenset[Place]] = {}

    def digest(self, *roots: Place) -> str:
        """SHA-256 (hex) over the `roots` and all they depend on. Raises `LookupError` for an unknown root."""
        for module, name in roots:
            found = self._module(module)
            if found is None or name not in found.definitions:
                raise LookupError(f"there is no {name} in {module}")
        reached = sorted(set().union(*(self.reached(root) for root in roots)))
        text = repr([(place, self._inspected(place)[1]) for place in reached])
        return hashlib.sha256(text.encode()).hexdigest()

    def reached(self, root: Place) -> frozenset[Place]:
        """A definition and everything that it depends on."""
        if root not in self._closures:
            found, waiting = {root}, [root]
            while waiting:
                new = self._inspected(waiting.pop())[0] - found
                found |= new
                waiting += new
            self._closures[root] = frozenset(found)
        return self._closures[root]

    def _inspected(self, place: Place) -> tuple[frozenset[Place], str]:
        """The definitions that a definition refers to, and its text without comments, docstrings and layout."""
        if place not in self._read:
            module = self._module(place[0])
            assert module is not None
            statements = module.definitions.get(place[1], [])
            files = [path.read_text() for one in statements for path in data_files(module, one)]
            text = "".join([*map(bare, statements), *files])
            found = {reached for one in statements for reached in self._named(module, one)}
            if BODY in module.definitions:
                found.add((module.name, BODY))
            self._read[place] = frozenset(found), text
        return self._read[place]

    def _named(self, module: Module, statement: ast.stmt) -> Iterator[Place]:
        """The definitions that a statement names, in any module."""
        local, chains = names_in(statement)
        for chain in chains:
            yield from self._resolved(module, chain, local)

    def _resolved(self, module: Module, chain: tuple[str, ...], local: dict[str, Place]) -> Iterator[Place]:
        name, *rest = chain
        if name in local:
            yield from self._found(local[name], rest)
        elif name in module.definitions:
            yield module.name, name
        elif name in module.imports:
            yield from self._found(module.imports[name], rest)

    def _found(self, place: Place, rest: list[str]) -> Iterator[Place]:
        """The definitions that an imported name leads to; for a module, the attribute that is used."""
        owner, name = place
        if self._module(inner := f"{owner}.{name}".rstrip(".")):
            if rest:
                yield from self._found((inner, rest[0]), rest[1:])
        elif (module := self._module(owner)) and name:
            yield from self._resolved(module, (name, *rest), {})

    def _module(self, name: str) -> Module | None:
        if name not in self._modules:
            path = self._path(name)
            self._modules[name] = Module(name, path) if path else None
        return self._modules[name]

    def _path(self, name: str) -> Path | None:
        package, *inner = name.split(".")
        spec = find_spec(package) if package in self.packages else None
        for folder in map(Path, (spec and spec.submodule_search_locations) or ()):
            place = folder.joinpath(*inner)
            for path in (place / "__init__.py", place.with_suffix(".py")):
                if path.is_file():
                    return path
        return None


@cache
def sources(*packages: str) -> Sources:
    """The sources of these packages, read once."""
    return Sources(packages)


@cache
def parsed(content: bytes) -> tuple[ast.stmt, ...]:
    """The statements of a module. Those of equal content are the same objects, whatever else has changed."""
    return tuple(ast.parse(content).body)


def imported(statement: ast.Import | ast.ImportFrom) -> dict[str, Place]:
    """The names that an import defines, each with its module and the name there; empty for a whole module."""
    if isinstance(statement, ast.ImportFrom):
        return {one.asname or one.name: (statement.module or "", one.name) for one in statement.names}
    return {one.asname or one.name.partition(".")[0]: _module_of(one) for one in statement.names}


def _module_of(one: ast.alias) -> Place:
    return (one.name if one.asname else one.name.partition(".")[0], BODY)


def defined(statement: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    if not isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return []
    return [node.id for target in targets if target for node in ast.walk(target) if isinstance(node, ast.Name)]


@cache
def names_in(statement: ast.stmt) -> tuple[dict[str, Place], frozenset[tuple[str, ...]]]:
    """What a statement imports, and the names and attributes in it, as `("a", "b", "c")` for `a.b.c`."""
    local: dict[str, Place] = {}
    chains: set[tuple[str, ...]] = set()
    for node in ast.walk(statement):
        if isinstance(node, ast.Import | ast.ImportFrom):
            local |= imported(node)
        elif isinstance(node, ast.Name):
            chains.add((node.id,))
        elif isinstance(node, ast.Attribute) and (chain := dotted(node)):
            chains.add(chain)
    return local, frozenset(chains)


def dotted(node: ast.Attribute) -> tuple[str, ...]:
    """The names of `a.b.c`; empty if the expression does not begin with a name."""
    names: list[str] = []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        names.append(inner.attr)
        inner = inner.value
    return (inner.id, *reversed(names)) if isinstance(inner, ast.Name) else ()


def data_files(module: Module, statement: ast.stmt) -> Iterable[Path]:
    """Files beside the module that a statement names."""
    values = (node.value for node in ast.walk(statement) if isinstance(node, ast.Constant))
    names = {Path(value).name for value in values if isinstance(value, str) and value.endswith(DATA)}
    return [path for name in sorted(names) if (path := module.path.with_name(name)).is_file()]


@cache
def bare(statement: ast.stmt) -> str:
    """A statement's structure, without docstrings, comments and layout."""
    copy = ast.parse(ast.unparse(statement))
    for node in ast.walk(copy):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                    node.body = rest
    return ast.dump(copy)

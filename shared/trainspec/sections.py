"""Convert TOML tables to frozen dataclasses and back. Unknown keys are refused.

The type of a field says how it is read. A dataclass is a section. `Section | None` can be switched on and off with true
and false. For a union of `Tagged` dataclasses, the key `kind` of the section chooses one of them. `tuple[Section, ...]`
is a list of tables. Everything else is a plain value.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from typing import Any, ClassVar, TypeVar, get_args, get_origin, get_type_hints

from deploy.options import closest
from diptych.errors import RecipeError
from trainspec.values import checked, one_of, plain, to_toml

Section = TypeVar("Section")
KIND = "kind"


class Tagged:
    """A dataclass for one of several forms of a section. Each form has its own fields."""

    kind: ClassVar[str]


@dataclass(frozen=True)
class Reader:
    """Reads tables into sections. Every message begins with `origin`.

    With `together`, the values of a section are also checked against one another. Without it, a tagged section without
    `kind` accepts the keys of all kinds.
    """

    root: Any
    origin: str
    together: bool

    def read(self, section: Any, table: Mapping[str, Any], path: str) -> Any:
        """An instance of the dataclass `section` from `table`. In messages, `path` is put before each key."""
        known = {field.name: field for field in fields(section)}
        types = get_type_hints(section)
        for key in table:
            if key not in known:
                raise RecipeError(f"{self.origin}: unknown key {path}{key}; {self._hint(f'{path}{key}', path)}")
        for key, field in known.items():
            if _required(field) and key not in table:
                raise RecipeError(f"{self.origin}: {path}{key} is missing")
        instance = section(**{key: self._field(known[key], types[key], value, path) for key, value in table.items()})
        problem = getattr(instance, "problem", lambda: None)() if self.together else None
        if problem:
            raise RecipeError(f"{self.origin}: {path}{problem}")
        return instance

    def _field(self, field: Field[Any], type_: Any, value: Any, path: str) -> Any:
        name, value = f"{path}{field.name}", plain(value)
        found = sections_in(type_)
        if not found:
            return checked(value, type_, field.metadata, f"{self.origin}: {name}")
        if get_origin(type_) is tuple:
            return self._list(found[0], value, name)
        may_be_off = type(None) in get_args(type_)
        if may_be_off and isinstance(value, bool):
            return found[0]() if value else None
        if not isinstance(value, Mapping):
            switch = ", or true or false" if may_be_off else ""
            is_kind = value is not None and value in [getattr(one, KIND, None) for one in found]
            instead = f'{name}.{KIND} = "{value}"' if is_kind else f"[{name}]{switch}"
            raise RecipeError(f"{self.origin}: {name} is a section, not a value; write {instead}")
        if issubclass(found[0], Tagged):
            return self._tagged({one.kind: one for one in found}, field, value, name)
        return self.read(found[0], value, f"{name}.")

    def _list(self, section: Any, value: Any, name: str) -> Any:
        if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
            raise RecipeError(f"{self.origin}: {name} is a list of sections; write [[{name}]]")
        return tuple(self.read(section, item, f"{name}[{place}].") for place, item in enumerate(value, 1))

    def _tagged(self, kinds: Mapping[str, Any], field: Field[Any], table: Mapping[str, Any], name: str) -> Any:
        own = {key: value for key, value in table.items() if key != KIND}
        if KIND not in table and not self.together:
            for key, value in own.items():
                owners = _kinds_with(kinds, key) or list(kinds)
                self.read(kinds[owners[0]], {key: value}, f"{name}.")
            return None
        usual = field.default_factory().kind if callable(field.default_factory) else next(iter(kinds))
        kind = one_of(table.get(KIND, usual), list(kinds), f"{self.origin}: {name}.{KIND}")
        for key in own:
            owners = _kinds_with(kinds, key)
            if owners and kind not in owners:
                raise RecipeError(
                    f"{self.origin}: {name}.{key} belongs to {name}.kind {' or '.join(owners)}, not to {kind}"
                )
        return self.read(kinds[kind], own, f"{name}.")

    def _hint(self, name: str, path: str) -> str:
        """Suggest a known key: one with the same last part, one that people call so, or one with a similar name."""
        names, path = dict(_keys(self.root)), re.sub(r"\[\d+\]", "", path)  # without the place in a list of sections
        last = name.rpartition(".")[2]
        called = [key for key, also in names.items() if last.lower() in (key.rpartition(".")[2], *also)]
        called = [key for key in called if key.startswith(path)] or called
        alike = [key for key in names if key.startswith(path)]
        if close := called or closest(name, alike, 1) or closest(name, list(names), 1):
            return f"did you mean {' or '.join(close)}?"
        return f"known: {', '.join(key for key in alike if '.' not in key.removeprefix(path))}"


def from_table(section: type[Section], table: Mapping[str, Any], origin: str, *, together: bool = True) -> Section:
    """An instance of the dataclass `section` from `table`. Missing values are the defaults.

    With `together`, the values of a section are also checked against one another.

    Raises `RecipeError`, in one line that begins with `origin` (a file or an option), for an unknown key (with the
    nearest known one), a missing key without a default, a value of the wrong type, and an impossible value.
    """
    found: Section = Reader(section, origin, together).read(section, table, "")
    return found


def sections_in(type_: Any) -> list[Any]:
    """The dataclasses in a field's type. The list is empty for a plain value."""
    return [one for one in (type_, *get_args(type_)) if is_dataclass(one)]


def to_table(section: Any) -> dict[str, Any]:
    """The instance as nested dictionaries, as `from_table` reads them.

    None is left out, because TOML does not have it. An empty mapping and an empty list of sections are left out, too.
    """
    table: dict[str, Any] = {KIND: section.kind} if isinstance(section, Tagged) else {}
    types = get_type_hints(type(section))
    for field in fields(section):
        value = getattr(section, field.name)
        if is_dataclass(value):
            table[field.name] = to_table(value)
        elif isinstance(value, tuple):
            if value or not sections_in(types[field.name]):
                table[field.name] = [to_table(item) if is_dataclass(item) else item for item in value]
        elif value is not None and value != {}:
            table[field.name] = value
    return table


def flat(table: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The values of a table and of its sections by `section.key`. A list of tables is one value."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        values |= flat(value, f"{path}{key}.") if isinstance(value, Mapping) else {f"{path}{key}": value}
    return values


def differences(before: Any, after: Any) -> dict[str, tuple[Any, Any]]:
    """The values of two recipes that differ, by `section.key`; None where a recipe does not have one."""
    old, new = flat(to_table(before)), flat(to_table(after))
    return {key: (old.get(key), new.get(key)) for key in old | new if old.get(key) != new.get(key)}


def table_to_toml(table: Mapping[str, Any], path: str = "") -> str:
    """A table as TOML. `path` is its own name with a dot at the end."""
    text = "".join(f"{key} = {to_toml(value)}\n" for key, value in table.items() if not _tables(value))
    for key, value in table.items():
        opening, closing = ("[", "]") if isinstance(value, Mapping) else ("[[", "]]")
        for inner in _tables(value):
            text += f"\n{opening}{path}{key}{closing}\n{table_to_toml(inner, f'{path}{key}.')}"
    return text


def merged(base: Mapping[str, Any], over: Mapping[str, Any], section: Any = None) -> dict[str, Any]:
    """`base` with its values replaced by those in `over`, section by section. Both are tables of `section`.

    Where `over` chooses a kind, keys of `base` that this kind does not have are dropped. True leaves a section that is
    on as it is.
    """
    result = dict(base)
    types = get_type_hints(section) if section else {}
    for key, value in over.items():
        old = result.get(key)
        if value is True and isinstance(old, Mapping) and (section is None or type(None) in get_args(types.get(key))):
            continue
        if not (isinstance(old, Mapping) and isinstance(value, Mapping)):
            result[key] = value
            continue
        found = sections_in(types.get(key))
        chosen = next((one for one in found if issubclass(one, Tagged) and one.kind == value.get(KIND)), None)
        if chosen:
            old = {name: item for name, item in old.items() if name in _names(chosen)}
        result[key] = merged(old, value, found[0] if found and not issubclass(found[0], Tagged) else None)
    return result


def _tables(value: Any) -> Sequence[Mapping[str, Any]]:
    """The tables in a value: itself, the items of a list of tables, or none."""
    if isinstance(value, Mapping):
        return [value]
    return value if isinstance(value, list) and value and isinstance(value[0], Mapping) else []


def _names(section: Any) -> set[str]:
    return {field.name for field in fields(section)}


def _kinds_with(kinds: Mapping[str, Any], key: str) -> list[str]:
    """The kinds of a tagged section that have a key."""
    return [kind for kind, section in kinds.items() if key in _names(section)]


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _keys(section: Any, path: str = "") -> Iterator[tuple[str, Sequence[str]]]:
    """Every key of a section and of its inner sections: `(dotted name, other names that people use)`."""
    types = get_type_hints(section)
    for field in fields(section):
        name = f"{path}{field.name}"
        yield name, field.metadata.get("also", ())
        for inner in sections_in(types[field.name]):
            yield from _keys(inner, f"{name}.")

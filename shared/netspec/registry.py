"""The registry of networks, by name."""

import importlib
import pkgutil
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from inspect import Parameter, signature
from numbers import Real
from operator import index
from pathlib import Path
from sys import float_info
from typing import Any

import numpy as np

from deploy.options import nearest as nearest
from diptych.errors import GraphError, ShapeError, UnknownNameError
from diptych.reading import is_absent, read_bytes
from netspec.graph import Graph
from netspec.ops import Shape
from netspec.serialize import from_json
from netspec.tracer import Heads, Tensor, trace


@dataclass(frozen=True)
class Entry:
    """One network of the zoo, drawn by `function(image, classes, *arguments, **options)`."""

    name: str
    family: str
    paper: str
    input_shape: Shape
    classes: int
    function: Callable[..., Heads]
    arguments: tuple[Any, ...]
    defaults: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def origin(self) -> str:
        """The row of the origins' own tables for this network; empty if there is none."""
        return origin_rows().get(self.name, "")

    @property
    def options(self) -> dict[str, Any]:
        """Names and defaults of the options a user may choose: the function's keyword-only parameters."""
        parameters = signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is Parameter.KEYWORD_ONLY} | dict(self.defaults)


_SYNONYMS = {"swish": "silu", "leaky": "leaky_relu"}  # other names of activations
_ARCHITECTURES: dict[str, Entry] = {}


@cache
def origin_rows() -> dict[str, str]:
    """Rows of the origins' own tables, by architecture."""
    return tomllib.loads(Path(__file__).with_name("origin_rows.toml").read_text())


class Variant:
    """A row of a family's table: the function's `arguments`, and what differs from the family or the function.

    `image_size` is pixels per side, `classes` a number, and `defaults` are defaults of options.
    """

    def __init__(
        self, *arguments: Any, image_size: int | None = None, classes: int | None = None, **defaults: Any
    ) -> None:
        self.arguments = arguments
        self.image_size = image_size
        self.classes = classes
        self.defaults = defaults


def family(
    title: str,
    function: Callable[..., Heads],
    variants: Mapping[str, Variant | tuple[Any, ...]],
    *,
    paper: str,
    input_shape: Shape,
    classes: int,
) -> None:
    """Register a paper's table: each row is a network, drawn by `function(image, classes, *arguments)`.

    A row is a tuple of arguments, or a `Variant` if it sets more than arguments. `input_shape` and `classes` are the
    paper's own. The family `title` has a file of the same name; `function` may be that of another family. Raises
    `ValueError` for a name that is already registered.
    """
    for name, row in variants.items():
        if name in _ARCHITECTURES:
            raise ValueError(f"two architectures are named '{name}'")
        variant = row if isinstance(row, Variant) else Variant(*row)
        shape = (input_shape[0], *(variant.image_size or size for size in input_shape[1:]))
        _ARCHITECTURES[name] = Entry(
            name, title, paper, shape, variant.classes or classes, function, variant.arguments, variant.defaults
        )


def _all() -> dict[str, Entry]:
    """Every architecture, after importing the family files: family by family, in the order of their tables."""
    from netspec import architectures

    for module in pkgutil.iter_modules(architectures.__path__):
        importlib.import_module(f"{architectures.__name__}.{module.name}")
    # sorted, since the order of registration depends on which file imports which
    return dict(sorted(_ARCHITECTURES.items(), key=lambda item: item[1].family))


def list_architectures(pattern: str = "*", family: str = "*") -> list[str]:
    """Names that match a wildcard pattern: families in alphabetical order, each in the order of its table."""
    return [name for name, entry in _all().items() if fnmatchcase(name, pattern) and fnmatchcase(entry.family, family)]


def find(name: str) -> Entry:
    """The registered architecture. Raises `UnknownNameError` with the nearest names."""
    if not isinstance(name, str):
        raise UnknownNameError(f"an architecture is chosen by its name, not by {name!r}")
    try:
        return _all()[name]
    except KeyError:
        raise UnknownNameError(f"no architecture '{name}'{nearest(name, _all())}") from None


def matching(patterns: Iterable[str], names: Sequence[str], kind: str = "network") -> list[str]:
    """The `names` that match one of the wildcard patterns, in the order of `names`.

    Raises `UnknownNameError` with the nearest names for a pattern that matches nothing.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            lower = pattern.lower()
            hint = f"; did you mean {lower}?" if any(fnmatchcase(name, lower) for name in names) else ""
            raise UnknownNameError(f"no {kind} matches '{pattern}'{hint or nearest(pattern, names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


@dataclass(frozen=True)
class Drawing:
    """A network with its classes, channels and options chosen, but not its image size."""

    title: str
    channels: int
    function: Callable[[Tensor], Heads]

    def on(self, height: int, width: int, *, distinct_blocks: bool = False) -> Graph:
        """Its graph. Raises `ShapeError` for an image size that the network cannot take."""
        return trace(self.title, (self.channels, height, width), self.function, distinct_blocks=distinct_blocks)


def drawing(name: str, /, *, num_classes: int | None = None, in_channels: int | None = None, **options: Any) -> Drawing:
    """The network without an image size; the paper's values are the defaults. Raises as `architecture` does."""
    entry = find(name)
    chosen = _chosen(entry, options)
    title = f"{name}({', '.join(f'{key}={value}' for key, value in chosen.items())})" if chosen else name
    classes = _whole(name, "classes", entry.classes if num_classes is None else num_classes)
    channels = _whole(name, "channels", entry.input_shape[0] if in_channels is None else in_channels)

    def draw(image: Tensor) -> Heads:
        return entry.function(image, classes, *entry.arguments, **(entry.options | chosen))

    return Drawing(title, channels, draw)


def architecture(
    name: str,
    /,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    distinct_blocks: bool = False,
    **options: Any,
) -> Graph:
    """The graph of a network; the paper's values are the defaults. `image_size` is pixels, or `(H, W)`.

    `distinct_blocks` drops every block identical to an earlier one, as in `trace`.

    Raises `UnknownNameError` for an unknown name or option, and `GraphError` for an option's value that is impossible.
    Raises `ShapeError` for an image size that the network cannot take, and says which is the smallest that it can.
    """
    network = drawing(name, num_classes=num_classes, in_channels=in_channels, **options)
    native = find(name).input_shape[1:]
    sizes = native if image_size is None else image_size if isinstance(image_size, tuple | list) else [image_size] * 2
    if len(sizes) != 2:
        raise ShapeError(f"{name}: image_size is one number or (height, width), not {image_size!r}")
    height, width = (_whole(name, "pixels", size) for size in sizes)
    try:
        return network.on(height, width, distinct_blocks=distinct_blocks)
    except GraphError as error:  # of an option's value
        raise GraphError(f"{network.title}: {error}") from None
    except ShapeError as error:
        try:
            smallest = smallest_image(lambda size: network.on(size, size), max(*native, height, width))
        except ShapeError:  # the size is not the cause
            raise ShapeError(f"{network.title}: {error}") from None
        refused = f"{network.title} cannot take images of {height}x{width}: {error}"
        raise ShapeError(f"{refused}; the smallest image size is {smallest}x{smallest}") from None


def _whole(name: str, what: str, value: Any) -> int:
    """A whole number of at least 1; NumPy integers are accepted."""
    try:
        number = 0 if isinstance(value, bool) else index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ShapeError(f"{name} needs at least one class, channel and pixel, in whole numbers, not {value!r} {what}")
    return number


def _chosen(entry: Entry, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that differ from their defaults, in the network's order: equal choices give equal graphs."""
    defaults = entry.options
    for option in given:
        if option not in defaults:
            hint = nearest(option, defaults) if defaults else "; it has no options"
            raise UnknownNameError(f"{entry.name} has no option '{option}'{hint}")
    values = {key: _value(entry.name, key, given[key], default) for key, default in defaults.items() if key in given}
    return {key: value for key, value in values.items() if value != defaults[key]}


def _value(name: str, option: str, value: Any, default: Any) -> Any:
    """An option's value in its default's type. Whole numbers are accepted for floats; nan and infinity are not."""
    kind, value = type(default), value.item() if isinstance(value, np.generic) else value
    accepted: Any = Real if kind is float else kind
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, accepted):
        wanted = f"must be a {kind.__name__} (default {default})"
        raise UnknownNameError(f"{name}: option {option} {wanted}, not {value!r:.40}")
    if kind is str:
        return _SYNONYMS.get(value, value)
    if not abs(value) <= float_info.max:  # nan is refused too: it compares as false
        shown = value if isinstance(value, float) else "one of so many digits"
        raise UnknownNameError(f"{name}: option {option} must be a finite number (default {default}), not {shown}")
    return kind(value)


def smallest_image(build: Callable[[int], Graph], largest: int, gap: int = 8) -> int:
    """The smallest square size for which `build(size)` works.

    Sizes that work may have gaps between them (TResNet takes multiples of 4), but no gap is longer than `gap`.
    """

    def works(size: int) -> bool:
        try:
            build(size)
        except ShapeError:
            return False
        return True

    found = next(filter(works, range(largest, 0, -1)), None)
    if found is None:
        raise ShapeError(f"no image size up to {largest} works")
    below = 0
    while found - below > 1:
        middle = (below + found) // 2
        below, found = (below, middle) if works(middle) else (middle, found)
    while smaller := next(filter(works, range(found - 1, max(0, found - gap - 2), -1)), None):
        found = smaller
    return found


def resolve(model: str | Graph, /, **options: Any) -> Graph:
    """The graph for `model`: a graph, a `.json` file of one, or an architecture's name with its options."""
    if isinstance(model, str) and model.endswith(".json"):
        if is_absent(model):
            raise UnknownNameError(f"no file {model}")
        model = from_json(read_bytes(model, GraphError), model)
    if isinstance(model, Graph):
        given = [key for key, value in options.items() if value is not None]
        if given:
            raise UnknownNameError(f"{model.name} is a finished graph: {', '.join(given)} cannot be changed")
        return model
    return architecture(model, **options)

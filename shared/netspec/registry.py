"""The networks there are, by name."""

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

from deploy.options import nearest as nearest
from diptych.errors import GraphError, ShapeError, UnknownNameError
from diptych.reading import is_absent, read_bytes
from netspec.graph import Graph
from netspec.ops import Shape
from netspec.serialize import from_json
from netspec.tracer import Heads, Tensor, trace


@dataclass(frozen=True)
class Entry:
    """One row of the zoo: `function(image, classes, *arguments, **options)` draws it."""

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
        """The row of the origins' own tables that this network answers to, or nothing."""
        return origin_rows().get(self.name, "")

    @property
    def options(self) -> dict[str, Any]:
        """Names and defaults of what a user may choose: the function's keyword-only parameters."""
        parameters = signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is Parameter.KEYWORD_ONLY} | dict(self.defaults)


_SYNONYMS = {"swish": "silu", "leaky": "leaky_relu"}  # what people also call activations
_ARCHITECTURES: dict[str, Entry] = {}


@cache
def origin_rows() -> dict[str, str]:
    """Rows of the origins' own tables, by architecture."""
    return tomllib.loads(Path(__file__).with_name("origin_rows.toml").read_text())


class Variant:
    """A row of a family's table: the function's `arguments`, and what it has other than its family or the function.

    `image_size` is pixels of a side, `classes` a number, and `defaults` are those of options.
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
    """Register a paper's table: each row is a network by its name, drawn by `function(image, classes, *arguments)`.

    A row is a tuple of arguments, or a `Variant` where a row of the table has more to say. `input_shape` and `classes`
    are the paper's own. The family `title` has a file of its name; the function may be that of another family.
    Raises `ValueError` for a name that another network has.
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
    """Every architecture, once the family files have been read: family by family, as their tables have them."""
    from netspec import architectures

    for module in pkgutil.iter_modules(architectures.__path__):
        importlib.import_module(f"{architectures.__name__}.{module.name}")
    # sorted, since the order of registration depends on which file imports which
    return dict(sorted(_ARCHITECTURES.items(), key=lambda item: item[1].family))


def list_architectures(pattern: str = "*", family: str = "*") -> list[str]:
    """Names that match a wildcard pattern: families by the alphabet, each in the order of its table."""
    return [name for name, entry in _all().items() if fnmatchcase(name, pattern) and fnmatchcase(entry.family, family)]


def find(name: str) -> Entry:
    """The registered architecture. Raises `UnknownNameError` with the nearest names."""
    if not isinstance(name, str):
        raise UnknownNameError(f"an architecture goes by its name, not by {name!r}")
    try:
        return _all()[name]
    except KeyError:
        raise UnknownNameError(f"no architecture '{name}'{nearest(name, _all())}") from None


def matching(patterns: Iterable[str], names: Sequence[str], kind: str = "network") -> list[str]:
    """Those of `names` that match one of the wildcard patterns, in their order.

    Raises `UnknownNameError` with the nearest names for a pattern that nothing matches.
    """
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            lower = pattern.lower()
            hint = f"; did you mean {lower}?" if any(fnmatchcase(name, lower) for name in names) else ""
            raise UnknownNameError(f"no {kind} matches '{pattern}'{hint or nearest(pattern, names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


@dataclass(frozen=True)
class Drawing:
    """A network with its classes, channels and options, but without an image size."""

    title: str
    channels: int
    function: Callable[[Tensor], Heads]

    def on(self, height: int, width: int, *, distinct_blocks: bool = False) -> Graph:
        """Its graph. Raises `ShapeError` for an image size that it cannot take."""
        return trace(self.title, (self.channels, height, width), self.function, distinct_blocks=distinct_blocks)


def drawing(name: str, *, num_classes: int | None = None, in_channels: int | None = None, **options: Any) -> Drawing:
    """The network before its image; what is left out is the paper's own. Raises as `architecture` does."""
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
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    distinct_blocks: bool = False,
    **options: Any,
) -> Graph:
    """The graph of a network; what is left out is the paper's own. `image_size` is pixels, or `(H, W)`.

    `distinct_blocks` leaves out every block that one before it equals, as `trace` says.

    Raises `UnknownNameError` for a name or an option that is not there, and `ShapeError` for an image size
    that the network cannot take, with the smallest that it can.
    """
    network = drawing(name, num_classes=num_classes, in_channels=in_channels, **options)
    native = find(name).input_shape[1:]
    sizes = native if image_size is None else image_size if isinstance(image_size, tuple | list) else [image_size] * 2
    if len(sizes) != 2:
        raise ShapeError(f"{name} takes images of a size or of (height, width), not {image_size!r}")
    height, width = (_whole(name, "pixels", size) for size in sizes)
    try:
        return network.on(height, width, distinct_blocks=distinct_blocks)
    except ShapeError as error:
        try:
            smallest = smallest_image(lambda size: network.on(size, size), max(*native, height, width))
        except ShapeError:  # the size is not to blame
            raise ShapeError(f"{network.title}: {error}") from None
        refused = f"{network.title} cannot take images of {height}x{width}: {error}"
        raise ShapeError(f"{refused}; the smallest that it takes is {smallest}x{smallest}") from None


def _whole(name: str, what: str, value: Any) -> int:
    """A whole number of at least 1; NumPy's will do."""
    try:
        number = 0 if isinstance(value, bool) else index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise ShapeError(f"{name} needs at least one class, channel and pixel, in whole numbers, not {value!r} {what}")
    return number


def _chosen(entry: Entry, given: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are not at their defaults, in the network's order: equal choices make equal names and graphs."""
    defaults = entry.options
    for option in given:
        if option not in defaults:
            hint = nearest(option, defaults) if defaults else "; it has none"
            raise UnknownNameError(f"{entry.name} has no option '{option}'{hint}")
    values = {key: _value(entry.name, key, given[key], default) for key, default in defaults.items() if key in given}
    return {key: value for key, value in values.items() if value != defaults[key]}


def _value(name: str, option: str, value: Any, default: Any) -> Any:
    """An option's value in its default's type: a whole number will do for a float, but nan and infinity will not."""
    kind = type(default)
    accepted: Any = Real if kind is float else kind
    if isinstance(value, bool) != (kind is bool) or not isinstance(value, accepted):
        raise UnknownNameError(f"{name} takes a {kind.__name__} for {option}, as {default}, not {value!r}")
    if kind is str:
        return _SYNONYMS.get(value, value)
    if not abs(value) <= float_info.max:  # which nan is not either
        raise UnknownNameError(f"{name} takes a finite number for {option}, as {default}, not {value}")
    return kind(value)


def smallest_image(build: Callable[[int], Graph], largest: int, gap: int = 8) -> int:
    """The least square size for which `build(size)` works out.

    Sizes that work may have others between them (TResNet takes multiples of 4), but no more than `gap` in a row.
    """

    def works(size: int) -> bool:
        try:
            build(size)
        except ShapeError:
            return False
        return True

    found = next(filter(works, range(largest, 0, -1)), None)
    if found is None:
        raise ShapeError(f"no size up to {largest} works out")
    below = 0
    while found - below > 1:
        middle = (below + found) // 2
        below, found = (below, middle) if works(middle) else (middle, found)
    while smaller := next(filter(works, range(found - 1, max(0, found - gap - 2), -1)), None):
        found = smaller
    return found


def resolve(model: str | Graph, **options: Any) -> Graph:
    """What builders and commands accept: a graph, a `.json` file of one, or an architecture's name and options."""
    if isinstance(model, str) and model.endswith(".json"):
        if is_absent(model):
            raise UnknownNameError(f"no file {model}")
        model = from_json(read_bytes(model, GraphError), model)
    if isinstance(model, Graph):
        given = [key for key, value in options.items() if value is not None]
        if given:
            raise UnknownNameError(f"{model.name} is a finished graph: {', '.join(given)} cannot be chosen any more")
        return model
    return architecture(model, **options)

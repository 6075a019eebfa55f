"""The network that a training command trains: a registered architecture, a graph from a file, or a run's network."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from deploy.files import is_folder
from diptych.errors import RecipeError, ShapeError, UnknownNameError
from netspec import Graph, architecture, find, list_architectures
from netspec.registry import resolve
from trainspec.data import DataSet
from trainspec.data.form import square
from trainspec.recipes import COLLECTIONS, Recipe, with_data

SLUG = 60  # most letters of a graph's name in the name of a run's folder


@dataclass(frozen=True)
class Network:
    """The network to train. `name` is used for folders and recipes, `family` for recipes. `size` is its native size.

    `graph` is set for a finished graph, as from a file or a run. `source` names where it comes from, and `notes` say
    what there is not used.
    """

    name: str
    family: str
    size: int
    graph: Graph | None = None
    source: str = ""
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str | Graph) -> Self:
        """Read a value of ARCH, or a graph.

        Raises `UnknownNameError` for an unknown name, `GraphError` or `ShapeError` for a graph that cannot be used.
        """
        if isinstance(text, Graph):
            return cls._finished(text, text.name, ())
        if text in list_architectures() or not (text.endswith(".json") or is_folder(text)):
            entry = find(text)
            return cls(text, entry.family, max(entry.input_shape[1:]))
        is_run = is_folder(text)
        file = str(Path(text) / "graph.json") if is_run else text
        notes = (f"only the network of {text} is used; --weights {text} takes its weights, too",) if is_run else ()
        return cls._finished(resolve(file), file, notes)

    @classmethod
    def _finished(cls, graph: Graph, file: str, notes: tuple[str, ...]) -> Self:
        size = square(graph.input_shape[1:], file, ShapeError)
        if len(shape := graph.shapes[graph.outputs[0]]) != 1:
            raise ShapeError(f"{file}: its output is a map {shape}, not a vector of logits; end it with flatten")
        base = graph.name.partition("(")[0]  # without its options
        family = find(base).family if base in list_architectures() else ""
        slug = re.sub(r"[^\w.]+", "-", base, flags=re.ASCII).strip("-.")[:SLUG] or "graph"
        return cls(slug, family, size, graph, file, notes)

    def check_recipe(self, which: str | Recipe) -> None:
        """Raise `RecipeError` where `which` is a collection and the network does not have a family in the zoo."""
        if not self.family and isinstance(which, str) and which in COLLECTIONS:
            raise RecipeError(
                f"{self.source}: {self.name} is not in the zoo, so there is no recipe; give --recipe FILE"
            )

    def fitted(self, recipe: Recipe, given: Mapping[str, Any]) -> tuple[Recipe, tuple[str, ...]]:
        """The recipe fitted to this network, with an image size; and notes on values that a finished graph ignores.

        `given` are the user's own values. For a finished graph, raises `UnknownNameError` where they choose options of
        the network, and `ShapeError` where they choose another image size.
        """
        if self.graph is None:
            return with_data(recipe, image_size=recipe.data.image_size or self.size), ()
        forms = [key for key in given if key.startswith("network.") or key == "regularisation.dropout"]
        if forms:
            raise UnknownNameError(f"{self.source} is a finished graph: {', '.join(forms)} cannot be changed")
        channels = self.graph.input_shape[0]
        for key, own, what in (("image_size", self.size, "pixels"), ("channels", channels, "channels")):
            if (asked := given.get(f"data.{key}", own)) != own:
                raise ShapeError(f"{self.source} takes images of {own} {what}, but data.{key} is {asked}")
        unused = [f"network.{key}" for key in recipe.network]
        unused += ["regularisation.dropout"] if recipe.regularisation.dropout is not None else []
        notes = (f"the graph is taken as it is: the recipe's {', '.join(unused)} is not used",) if unused else ()
        return (
            replace(
                with_data(recipe, image_size=self.size, channels=1 if channels == 1 else 3),
                network={},
                regularisation=replace(recipe.regularisation, dropout=None),
            ),
            (*self.notes, *notes),
        )

    def draw(self, data: DataSet, recipe: Recipe) -> Graph:
        """The graph for the classes and images of `data`.

        Raises `UnknownNameError` for an option that the architecture does not have, `ShapeError` where a finished graph
        does not fit the data.
        """
        if self.graph is None:
            return network_for(self.name, data, recipe)
        channels, outputs = self.graph.input_shape[0], self.graph.shapes[self.graph.outputs[0]]
        if channels != data.image_shape[2]:
            raise ShapeError(
                f"{self.source} takes images with {channels} channels, but {data.label} has {data.image_shape[2]}"
            )
        if outputs != (len(data.classes),):
            raise ShapeError(
                f"{self.source} has {outputs[0]} classes, but {data.label} has {len(data.classes)}; give --data D"
            )
        return self.graph

    def sketch(self, recipe: Recipe) -> Graph:
        """The graph before the data are known: it may differ in the number of its classes.

        Raises `UnknownNameError` for an option that the architecture does not have, `ShapeError` for an image size.
        """
        size = recipe.data.image_size or self.size
        return self.graph or _architecture(self.name, recipe, None, (size, size, recipe.data.channels))


def network_for(name: str, data: DataSet, recipe: Recipe, *, distinct_blocks: bool = False) -> Graph:
    """The registered network for the classes and images of `data`, with the recipe's options.

    With `distinct_blocks`, it has every distinct block only once. Raises `UnknownNameError` for an option that the
    architecture does not have.
    """
    return _architecture(name, recipe, len(data.classes), data.image_shape, distinct_blocks=distinct_blocks)


def _architecture(
    name: str,
    recipe: Recipe,
    classes: int | None,
    image_shape: tuple[int, int, int],
    *,
    distinct_blocks: bool = False,
) -> Graph:
    dropout, patchup = recipe.regularisation.dropout, True if recipe.patchup else None
    options: dict[str, Any] = {}
    for key, option, value in (("regularisation.dropout", "dropout", dropout), ("patchup", "patchup", patchup)):
        if value is not None and option not in find(name).options:
            raise UnknownNameError(f"{key}: {name} has no option '{option}'; leave it out")
        options |= {} if value is None else {option: value}
    options |= recipe.network
    height, width, channels = image_shape
    return architecture(
        name,
        num_classes=classes,
        in_channels=channels,
        image_size=(height, width),
        distinct_blocks=distinct_blocks,
        **options,
    )

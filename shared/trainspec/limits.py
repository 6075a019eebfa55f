"""Refuse for both frameworks what only one of them accepts, in a sentence and before either is loaded."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deploy import files
from deploy.options import LONGEST_PATH, longest_name
from diptych.errors import RecipeError, ShapeError, StorageError
from netspec import Graph
from netspec.limits import check_onnx_size
from netspec.ops import PatchUp
from trainspec.optim import settings, trained_graph
from trainspec.recipes.recipe import Recipe
from trainspec.sections import to_table

STEPS = 2**31  # Keras counts steps in int32
LONGEST_FILE = 100  # bytes of the longest path inside a run's folder, temporary files included
FLOAT32 = 3e38  # PyTorch raises on a factor beyond its largest number


def check_sketch(graph: Graph, recipe: Recipe) -> None:
    """Refuse what no data make right: patterns of parameters that match none, PatchUp where it cannot be or as an
    option of the network.

    Raises `RecipeError`.
    """
    patched = any(isinstance(node.op, PatchUp) for node in graph)
    if "patchup" in recipe.network:  # its table says how to mix
        raise RecipeError("network.patchup: leave it out; the table [patchup] switches it on")
    if recipe.patchup and not patched:
        raise RecipeError(f"patchup: {graph.name} has no PatchUp layer; leave the table out")
    if patched and recipe.accumulate > 1:
        raise RecipeError(
            f"accumulate: {graph.name} mixes images of the whole batch (PatchUp), so a batch cannot be split; leave "
            "one of them out"
        )
    if all(group.is_frozen for group in settings(graph, recipe)):
        raise RecipeError(f"parameters: every parameter of {graph.name} is frozen for the whole training")


def check_limits(graph: Graph, recipe: Recipe, images: int) -> None:
    """Refuse a training on `images` images that only one framework could run, or that could not be exported.

    Raises `ShapeError` or `RecipeError`, and `ExportError` for a model that is too large for an ONNX file.
    """
    check_onnx_size(graph)
    if not graph.num_trainable:
        raise ShapeError(f"{graph.name} has no parameter to train; PyTorch's optimizers refuse it")
    batch = recipe.batch_of(images)
    if batch % recipe.accumulate:
        raise RecipeError(f"accumulate: {batch} training images cannot be split into {recipe.accumulate} equal parts")
    if batch == recipe.accumulate and (lonely := _norms_over_one_value(trained_graph(graph, recipe))):
        part = "in a batch" if batch == 1 else f"in each of the {batch} parts of a batch"
        remedy = "take a batch of 2 or more" if batch == 1 else "lower accumulate"
        raise ShapeError(
            f"{graph.name}: with one image {part} '{lonely[0]}' would normalise a single value, which has no "
            f"variance; {remedy}, or take larger images"
        )
    steps = recipe.steps(images // batch)
    if steps >= STEPS:
        raise RecipeError(
            f"epochs = {recipe.epochs:g}: {steps:,} steps, but Keras counts fewer than {STEPS:,}; give fewer epochs"
        )
    check_sketch(graph, recipe)
    for transform in recipe.augmentation.transforms:
        if problem := transform.problem_on(*graph.input_shape[1:]):
            raise RecipeError(f"augmentation.{transform.kind}.{problem}")
    for key, number in numbers(to_table(recipe)):
        if abs(number) > FLOAT32:
            raise RecipeError(f"{key} = {number:g} is beyond what float32 holds; give one that is nearer to 0")


def numbers(value: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Every float in a table and in its inner tables, with its dotted key."""
    match value:
        case dict():
            for name, item in value.items():
                yield from numbers(item, f"{key}.{name}" if key else name)
        case list():
            for item in value:
                yield from numbers(item, key)
        case float():
            yield key, value


def check_folder(out: Path, *names: str) -> None:
    """Raise `StorageError` where a run's folder cannot be made: no permission, or too long a name or path."""
    longest = longest_name(out)
    length = len(os.fsencode("-".join((*names, "framework", "20991231-235959-99"))))
    if length > longest:
        raise StorageError(
            f"{out}: the name of the run's folder would have {length} bytes, and {longest} are possible; "
            f"shorten the longest of {', '.join(name[:40] for name in names)}"
        )
    if (length := len(os.fsencode(out.absolute())) + length + LONGEST_FILE) > LONGEST_PATH:
        raise StorageError(
            f"{out}: the paths of the run's files would have {length} bytes; {LONGEST_PATH} are possible, shorten --out"
        )
    files.check_folder(out)


def _norms_over_one_value(graph: Graph) -> list[str]:
    """The batch norms that see a single value per channel in one image."""
    names = []
    for node in graph:
        if node.op.kind == "batch_norm":
            _, *cells = graph.input_shapes(node)[0]
            if set(cells) <= {1}:
                names.append(node.name)
    return names

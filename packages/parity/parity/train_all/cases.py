"""What `train_all` trains: every network by its modern recipe, or every original recipe with its network.

A modern recipe is only a start: the same 16 of the embedded digits in every step, at the smallest size that leaves no
part of a network's windows idle. With more images, augmentation, dropout or stochastic depth, the loss of the deeper
networks (EfficientNet, ResNeSt) is as often higher as lower after twenty steps.

An original recipe keeps all that it says, at its own image size: augmentation, mixing, dropout, stochastic depth. Its
20 steps are 4 epochs over 16 images of each class, so the first and the last 5 steps are of the same images.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from netspec import Graph, find, list_architectures, without_noise
from netspec.reduce import least_image
from parity.train_all.rows import Columns
from trainspec.augment import VOCABULARY
from trainspec.data import ArraySplit, DataSet, Form, FoundData, digits
from trainspec.data.images import resize_arrays
from trainspec.network import network_for
from trainspec.recipes import COLLECTIONS, Recipe, find_recipe, override, read_recipe
from trainspec.recipes.find import shipped_recipes
from trainspec.recipes.header import Facts

MODERN, ORIGINAL = COLLECTIONS
STEPS = 20
BATCH = 16
EPOCHS = 4  # of an original recipe's training
OF_A_CLASS = 16  # images of each class for an original recipe
SMALL = 32  # pixels
MOST_MACS = 500_000_000  # an original recipe trains a reduced copy of a larger network


@dataclass(frozen=True)
class Case:
    """A training of a few steps. `name`: what the user chooses it by. `peak`: the highest rate in the recipe's file."""

    name: str
    network: str
    peak: float
    recipe: Recipe
    data: DataSet
    graph: Graph
    reduced: bool = False

    @property
    def scaled(self) -> str:
        """The highest rate of the recipe's file, and of the small batch."""
        return f"{self.peak:g} → {self.recipe.schedule.peak:.3g}"


def small_recipe(name: str) -> Recipe:
    """The network's modern recipe for the digits, for small batches of the smallest images."""
    recipe = find_recipe(name, find(name).family, digits.NAME)
    values = {
        "batch": BATCH,
        "epochs": STEPS,  # of one step each
        "precision": "fp32",
        "data.name": digits.NAME,
        "data.image_size": least_image(name, **recipe.network),
        "schedule.peak": recipe.schedule.peak * BATCH / recipe.batch,
        **{f"augmentation.{kind}": False for kind in VOCABULARY},
    }
    return override(recipe, values, name)


@cache
def few_images(size: int) -> DataSet:
    """A batch of the digits, without images for validation and testing."""
    data = digits.load_digits(Form(size), seed=0)
    return _only(data, np.arange(BATCH))


def modern_case(name: str, found: FoundData | None = None) -> Case:
    """A network by its modern recipe. It is always trained on the digits."""
    recipe = small_recipe(name)
    data = few_images(least_image(name, **recipe.network))
    graph = without_noise(network_for(name, data, recipe))
    peak = find_recipe(name, find(name).family, digits.NAME).schedule.peak
    return Case(name, name, peak, recipe, data, graph)


def original_names() -> list[str]:
    """The original recipes, without the collection's name."""
    return [name.removeprefix(f"{ORIGINAL}/") for name in shipped_recipes() if name.startswith(f"{ORIGINAL}/")]


@cache
def images_of_all_classes(found: FoundData, size: int) -> DataSet:
    """The first `OF_A_CLASS` training images of each class: an archive may be sorted by class. Only these are enlarged
    above `SMALL`: all images of a data set may not fit into memory."""
    data = found.load(Form(min(size, SMALL)), 0)
    labels = data.train.labels
    few = _only(data, np.concatenate([np.flatnonzero(labels == one)[:OF_A_CLASS] for one in range(len(data.classes))]))
    return replace(few, train=ArraySplit(resize_arrays(few.train.array(), Form(size)), few.train.labels))


def original_case(name: str, found: FoundData) -> Case:
    """An original recipe, with the network that its header's command names. The schedule is scaled with the length,
    the rate with the batch."""
    file = shipped_recipes()[f"{ORIGINAL}/{name}"]
    facts, recipe = Facts.of(file), read_recipe(file)
    assert facts  # of every shipped recipe, as a test sees to
    size = recipe.data.image_size or max(find(facts.network).input_shape[1:])
    data = images_of_all_classes(found, size)
    batch = len(data.train) * EPOCHS // STEPS
    schedule, share = recipe.schedule, batch / recipe.batch
    values = {"batch": batch, "epochs": EPOCHS, "precision": "fp32", "data.name": data.name, "data.image_size": size}
    scale = {"peak": share, "floor": share, "warmup_epochs": EPOCHS / recipe.epochs}
    values |= {f"schedule.{key}": getattr(schedule, key) * by for key, by in scale.items() if hasattr(schedule, key)}
    small = override(recipe, values, name)
    reduced = network_for(facts.network, data, small).macs > MOST_MACS
    graph = network_for(facts.network, data, small, distinct_blocks=reduced)
    return Case(name, facts.network, schedule.peak, small, data, graph, reduced)


def _only(data: DataSet, chosen: NDArray[np.int64]) -> DataSet:
    """`data` with the chosen training images, and none for validation and testing."""
    none = np.arange(0)
    return replace(
        data, train=data.train.take(chosen), validation=data.validation.take(none), test=data.test.take(none)
    )


@dataclass(frozen=True)
class Collection:
    """What is trained of a collection of recipes: the names to choose from in order, the case of a name, and the table
    of the results: its title, the words above it, and its columns that describe a case."""

    names: Callable[[], list[str]]
    case: Callable[[str, FoundData], Case]
    title: str
    intro: str
    columns: Columns


CASES = {
    MODERN: Collection(
        list_architectures,
        modern_case,
        "A few training steps of every network",
        f"""\
Made by `nox -s train_all`: {STEPS} steps of each network by its modern recipe, in fp32. Every step uses the first
{BATCH} training images of the {digits.LABEL}, without augmentation, dropout and stochastic depth.
Both frameworks start from the same weights. The recipe's rate is scaled with the batch. `image`: the smallest size, in
pixels, that leaves no part of a window idle.""",
        {"network": lambda row: row.name, "image": lambda row: str(row.image_size)},
    ),
    ORIGINAL: Collection(
        original_names,
        original_case,
        "A few training steps by every original recipe",
        f"""\
Made by `nox -s train_all -- --recipe original --data D`: {STEPS} steps by each original recipe, in fp32, with all
that the recipe says: augmentation, mixing, dropout, stochastic depth. They are {EPOCHS} epochs over {OF_A_CLASS} images
of each class. Both frameworks start from the same weights and draw the same plans. The schedule is scaled with the
length of the training, the rate with the batch; `rate` shows the recipe's highest and what became of it. `image`: the
recipe's size in pixels. `reduced`: the network has more than {MOST_MACS / 1e9:g} GMACs, and each of its distinct blocks
is there once.""",
        {
            "recipe": lambda row: row.name,
            "network": lambda row: f"{row.network}, reduced" if row.reduced else row.network,
            "image": lambda row: str(row.image_size),
            "data": lambda row: row.data,
            "batch": lambda row: str(row.batch),
            "rate": lambda row: row.rate,
        },
    ),
}

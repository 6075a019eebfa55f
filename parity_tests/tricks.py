"""Every trick that a recipe can choose, read from the registries, with the settings for a short training of it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache, partial
from typing import Any, get_args

from netspec import Graph, trace
from netspec.architectures.lenet import lenet
from netspec.architectures.preresnet_cifar import basic, bottleneck
from netspec.architectures.pyramidnet import pyramidnet_cifar
from netspec.architectures.resnetv2_cifar import resnetv2_cifar
from netspec.ops import ACTIVATIONS, VOCABULARY as OPS, NoisyOp
from netspec.reduce import reduced
from parity.noise_task import RECIPE
from trainspec.augment import VOCABULARY as TRANSFORMS
from trainspec.averages import AnyAverage
from trainspec.initialisation import Init, Initialisation
from trainspec.optimizers import AnyOptimizer
from trainspec.recipes import Recipe, override, read_recipe
from trainspec.recipes.find import shipped_recipes
from trainspec.recipes.header import Facts
from trainspec.schedules import AnySchedule

STEPS = 10  # in epochs of two
BASE = override(RECIPE, {"batch": 8, "epochs": 5, "schedule.peak": 0.02, "schedule.milestones": [1.5, 3.0]})
EXTRA: dict[str, dict[str, Any]] = {  # what an item needs beside its kind
    "schedule.step": {"schedule.milestones": [2.0], "schedule.gamma": 0.3},
    "optimizer.sgd": {"optimizer.momentum": 0.7},
    "optimizer.adam": {"schedule.peak": 1e-4},
    "optimizer.adamw": {"schedule.peak": 1e-4},
    "optimizer.rmsprop": {"schedule.peak": 1e-3},
    "augmentation.cutout": {"augmentation.cutout.side": 4},  # less than the image
    "initialisation.tensors": {"initialisation.tensors": [{"match": "*.weight", "deviation": 0.05}]},
    "average.ema": {"average.decay": 0.7, "average.power": 1.0},
    "average.lookahead": {"average.every": 3},  # the last step is not a multiple
}
VARIANTS: dict[str, dict[str, Any]] = {  # items without a registry
    "recipe.accumulate": {"accumulate": 2},
    "recipe.epochs": {"epochs": 4.75, "schedule.kind": "cosine"},
    "optimizer.clip_norm": {"optimizer.clip_norm": 0.5},
    "optimizer.decay_norms_and_biases": {"optimizer.decay_norms_and_biases": True},
    "optimizer.nesterov": {"optimizer.nesterov": False},
    "schedule.per": {"schedule.kind": "htd", "schedule.per": "epoch", "schedule.warmup_epochs": 2},
    "regularisation.label_smoothing": {"regularisation.label_smoothing": 0.3},
    "parameters": {
        "parameters": [
            {"match": "*.norm2.*", "freeze": True},
            {"match": "*.bias", "rate_factor": 2.0, "decay_factor": 0.5, "until": 1.5},
        ]
    },
}


def resnet(**options: Any) -> Graph:
    """`resnetv2_35b_cifar` with every distinct block of its four stages."""
    return reduced("resnetv2_35b_cifar", num_classes=10, **options)


def short_resnet(**options: Any) -> Graph:
    """`resnetv2_35b_cifar` with two stages of one and two blocks: TensorFlow compiles it in a third of the time."""
    return trace("resnetv2", (3, 12, 12), lambda x: resnetv2_cifar(x, 10, bottleneck, 16, 64, (1, 2), **options))


@dataclass(frozen=True)
class Trick:
    """`settings` are put into the base recipe; `options` are those of the network.

    `without` is the recipe that does the same without the trick.
    """

    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    network: Callable[..., Graph] = short_resnet
    base: Recipe = field(default=BASE, hash=False)
    without: Recipe = field(default=BASE, hash=False)

    @property
    def recipe(self) -> Recipe:
        return override(self.base, dict(self.settings))

    @property
    def graph(self) -> Graph:
        return self.network(**self.options)

    @property
    def in_full(self) -> "Trick":
        """The same with every distinct block of the network."""
        return replace(self, network=resnet) if self.network is short_resnet else self


def small_pyramid(**options: Any) -> Graph:
    """A PyramidNet of one block in each stage. Those of the zoo have too many blocks, no two of them equal."""
    return trace("pyramid", (3, 12, 12), lambda x: pyramidnet_cifar(x, 10, basic, 12, 1, **options))


def small_lenet(**options: Any) -> Graph:
    """LeNet-5 on images of 16 pixels: the smallest network with a choice of activations."""
    return trace("lenet", (3, 16, 16), lambda x: lenet(x, 10, 6, 16, **options))


NOISE = {
    "dropout": Trick(options={"dropout": 0.3}),
    "stochastic_depth": Trick(options={"stochastic_depth": 0.5}),
    "shake_drop": Trick(options={"shakedrop": 0.5}, network=small_pyramid),
    "patch_up": Trick({"patchup.gamma": 0.6}, {"patchup": True}),
}


def registered() -> Iterator[tuple[str, Trick]]:
    """Every registered item by its name."""
    for section, union in (("schedule", AnySchedule), ("optimizer", AnyOptimizer), ("average", AnyAverage)):
        for kind in get_args(union):
            name = f"{section}.{kind.kind}"
            yield name, Trick({f"{section}.kind": kind.kind, **EXTRA.get(name, {})})
    for kind in TRANSFORMS:
        name = f"augmentation.{kind}"
        yield name, Trick({"augmentation.crop": False, "augmentation.flip": False, **EXTRA.get(name, {name: True})})
    for kind, op in OPS.items():
        if issubclass(op, NoisyOp):
            yield f"op.{kind}", NOISE[kind]
    for fn in ACTIVATIONS:
        yield f"activation.{fn}", Trick(options={"activation": fn}, network=small_lenet)
    for scheme in get_args(Init):
        yield f"init.{scheme}", Trick({"init": scheme})
    for change in fields(Initialisation):
        name = f"initialisation.{change.name}"
        yield name, Trick(EXTRA.get(name, {name: True}))


TRICKS = {
    **dict(registered()),
    **{name: Trick(settings) for name, settings in VARIANTS.items()},
    "patchup.hard": Trick({"patchup.kind": "hard", "patchup.probability": 0.7}, {"patchup": True}),
}


# With 8 images, ten steps of PyTorch alone make 1e-8 of a change of 1e-15: the last norms have statistics of 32 values.
# The rate stays that of 8 images.
BATCHES = {"mobilenet_v2": 32}


def of_origin_3() -> Iterator[tuple[str, Trick]]:
    """Every recipe that extends the one of origin 3's table, made short, on a copy of its network."""
    shipped = shipped_recipes()
    plain = read_recipe(shipped["original/resnetv2_cifar"])
    for name, file in shipped.items():
        if name.startswith("original/") and 'extends = "resnetv2_cifar.toml"' in file.read_text():
            recipe, facts = read_recipe(file), Facts.of(file)
            batch = BATCHES.get(facts.network, BASE.batch)
            small = {"batch": batch, "epochs": BASE.epochs, "precision": BASE.precision}
            scaled = recipe.schedule.peak * BASE.batch / recipe.batch
            short = {**small, "schedule.peak": scaled, "schedule.warmup_epochs": 1.0}
            cutout = {"augmentation.cutout.side": 4} if recipe.augmentation.cutout else {}
            settings, without = {**short, **cutout}, override(plain, short)
            yield name.partition("/")[2], Trick(settings, recipe.network, copy_of(facts.network), recipe, without)


@cache
def copy_of(network: str) -> Callable[..., Graph]:
    """Builds a network with every distinct block. Tricks with equal ones share a trainer."""
    return partial(reduced, network, num_classes=10)


COMBINATIONS = {
    **dict(of_origin_3()),
    "SD, EMA, AdamW, clipped, mixup": Trick(
        {
            "augmentation.mixup.per": "sample",
            "optimizer.kind": "adamw",
            "optimizer.clip_norm": 1.0,
            "schedule.peak": 1e-4,
            "average.kind": "ema",
        },
        {"stochastic_depth": 0.7},
    ),
    "airbench": Trick(
        {
            "schedule.kind": "triangle",
            "schedule.peak": 2e-3,  # the biases have 64 times as much
            "average.kind": "lookahead",
            "average.power": 3.0,
            "augmentation.flip.mode": "alternating",
            "augmentation.crop.border": "reflect",
            "parameters": [{"match": "*.norm*.bias", "rate_factor": 64.0, "decay_factor": 1 / 64}],
        },
        {"activation": "gelu"},
    ),
}

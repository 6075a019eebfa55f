"""Work out what is trained, on which data and how, before any framework is loaded."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deploy.commands import option
from deploy.contract import COLOR_RULES, RESIZE_RULES, Contract
from deploy.errors import ModelError
from deploy.files import check_outside
from deploy.options import name_or_path
from deploy.shell import say
from diptych.errors import RecipeError, UsageError
from netspec import Graph, explicit_noise, initial_weights
from netspec.init import Weights
from netspec.weights import deployed_hash
from trainspec.data import CHOICES, DataSet, find_data
from trainspec.data.cifar import TRAINED as CIFAR_TRAINED
from trainspec.estimate import cpu_seconds, in_words
from trainspec.initialisation import Start
from trainspec.limits import check_folder, check_limits, check_sketch
from trainspec.network import Network
from trainspec.noise import draw_masks
from trainspec.notices import Notices
from trainspec.optim import Group, settings
from trainspec.patchup import Patching, places_of
from trainspec.plan import Batch, BatchPlan, EpochPlan, HostImages, draw_epoch, one_hot, visited
from trainspec.recipes import TRAIN_OPTIONS, Recipe, TrainOptions, with_data
from trainspec.recipes.options import OWN
from trainspec.remarks import remarks
from trainspec.runs.events import check_installed
from trainspec.warm_start import Given, WarmStart

if TYPE_CHECKING:
    from trainspec.resumption import Resumption
    from trainspec.runs import Run


@dataclass(frozen=True, eq=False)
class Task:
    """A network, its initial weights, its data and its recipe. `data_choice` finds the data set again.

    `budget` is in seconds. `threads` is the number of CPU threads; None means all cores that the process may use.
    `deterministic` is None where the device decides.
    `warm_start` is None where the initial weights were drawn.
    `precision` is the one that a resumed run has had; None means that of the recipe.
    """

    architecture: str
    graph: Graph
    weights: Weights = field(repr=False)
    data: DataSet = field(repr=False)
    data_choice: str
    recipe: Recipe
    budget: float | None = None
    threads: int | None = None
    deterministic: bool | None = None
    recipe_name: str = OWN
    warm_start: WarmStart | None = None
    precision: str | None = None

    @property
    def batch_size(self) -> int:
        return self.recipe.batch_of(len(self.data.train))

    @property
    def steps_per_epoch(self) -> int:
        """Only whole batches count: batch norm cannot use a last batch of one image, and all steps count the same."""
        return len(self.data.train) // self.batch_size

    @property
    def constants(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """`(mean, std)` per channel on the 0..1 scale."""
        return self.recipe.augmentation.constants(self.data)

    def plan(self, epoch: int) -> EpochPlan:
        """The random draws of epoch `epoch` (from 0)."""
        place = self.recipe.seed, epoch
        patches = partial(self.patching.of_epoch, *place, self.batch_size, self.steps_per_epoch)
        labels, balance = self.data.train.labels, self.recipe.data.balance
        order = visited(*place, labels, balance) if balance else None
        return draw_epoch(*place, len(labels), self.recipe.augmentation.transforms, patches, order)

    @cached_property
    def noisy(self) -> Graph:
        """The graph that is trained. Its noise comes with the batch."""
        return explicit_noise(self.graph)

    @cached_property
    def patching(self) -> Patching:
        """PatchUp's part in the batches."""
        return Patching(self.recipe.patchup, places_of(self.noisy))

    @cached_property
    def data_digest(self) -> str:
        """SHA-256 of what tells the data from others: the images of all splits, and their labels, in order."""
        parts = self.data.fingerprint, self.data.train.digest, self.data.validation.digest
        return hashlib.sha256("".join(parts).encode()).hexdigest()

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The trainable parameters, in groups that the optimizer treats alike."""
        return settings(self.graph, self.recipe)

    @cached_property
    def images(self) -> HostImages:
        """The training images, as NumPy makes them."""
        return HostImages(self.data.train, self.recipe.augmentation.transforms, *self.constants)

    @property
    def host_only(self) -> bool:
        """Whether NumPy makes the images of each batch, on a GPU too."""
        return self.data.train.whole or bool(self.recipe.augmentation.host_only)

    def batch(self, plan: BatchPlan) -> Batch:
        """The batch of `plan`, made by NumPy."""
        return Batch(self.images.batch(plan), *self.beside(plan))

    def beside(self, plan: BatchPlan) -> tuple[NDArray[np.float64], dict[str, NDArray[Any]], float]:
        """What belongs to the images of a batch: targets, noise, and the weight of the loss."""
        return self.targets(plan), self.noise(plan), self.patching.loss_weight(plan)

    def noise(self, plan: BatchPlan) -> dict[str, NDArray[Any]]:
        """The noise of the batch, by input name."""
        return draw_masks(self.noisy, plan) | self.patching.noise(plan)

    def targets(self, plan: BatchPlan) -> NDArray[np.float64]:
        """The soft targets of the batch, float64 `(B, classes)`: smoothed, and mixed as the images are."""
        targets = self._smoothed(plan)
        for mixing in self.recipe.augmentation.mixing:
            share = mixing.share(plan.draws[mixing.kind], *self.data.image_shape[:2])[:, None]
            targets = share * targets + (1 - share) * self._smoothed(plan.partners[mixing.kind])
        return self.patching.mixed(targets, plan)

    def _smoothed(self, plan: BatchPlan) -> NDArray[np.float64]:
        labels = self.data.train.labels[plan.indices]
        return one_hot(labels, len(self.data.classes), self.recipe.regularisation.label_smoothing)

    def check_contract(self) -> None:
        """Raise `RecipeError` where no model could be exported: before the training, not after it."""
        (classes,) = self.graph.shapes[self.graph.outputs[0]]
        channels, height, width = self.graph.input_shape
        try:
            contract = Contract.read(self.contract.properties().items(), "the model of this training")
            contract.check_graph(channels, (height, width), classes, "the model of this training")
        except ModelError as error:
            raise RecipeError(f"{error}; nothing would be exported") from None

    def metadata(self, weights: Weights) -> dict[str, str]:
        """The metadata for an ONNX file of the network. Lists are written as JSON."""
        return replace(self.contract, weights_sha256=deployed_hash(self.graph, weights)).properties()

    @property
    def contract(self) -> Contract:
        """What an ONNX file of the network says, whatever its weights are."""
        mean, std = self.constants
        height, width = self.graph.input_shape[1:]
        return Contract(
            classes=self.data.classes,
            mean=mean,
            std=std,
            image_size=(height, width),
            resize_rule=RESIZE_RULES[self.recipe.data.resize],
            color_rule=COLOR_RULES.get(len(mean), ""),
            architecture=self.graph.name,
            graph_digest=self.graph.digest,
            data=self.data.label,
            data_fingerprint=self.data.fingerprint,
        )


@dataclass(frozen=True)
class Asked:
    """How a run was requested: the `command` that was typed, `notes` for readers, and where the folder goes (`out`).

    `tensorboard`: whether the figures are also written for TensorBoard. `resumption`: the run that goes on. `opened` is
    called with the run when its folder is there.
    """

    command: str = ""
    notes: tuple[str, ...] = ()
    out: Path = Path("runs")
    tensorboard: bool = False
    resumption: "Resumption | None" = None
    opened: "Callable[[Run], None]" = lambda run: None


def first_weights(graph: Graph, recipe: Recipe, data: DataSet) -> Weights:
    """The weights that a training begins with: drawn by `init`, then changed as `initialisation` says.

    Raises `RecipeError` for a change that the network has no place for.
    """
    start = Start(graph, recipe.seed, data.train, recipe.augmentation.constants(data))
    return recipe.initialisation.changed(initial_weights(graph, recipe.seed, recipe.init), start)


ARCH = option(
    "network",
    type=name_or_path,
    metavar="ARCH",
    help="an architecture's name; or a .json file of a graph, or a RUN, to train its network anew",
)
TASK_OPTIONS = (ARCH, *TRAIN_OPTIONS)


def prepare(source: str | Graph | None, options: TrainOptions, command: str = "") -> tuple[Task, Asked]:
    """Find the data and the recipe, and draw or read the initial weights. Notices about the data are printed at once.

    `source` is an architecture's name, a `.json` file of a graph, a run's folder, or a graph. Raises a `DiptychError`
    for anything that cannot be used, before a run's folder is made.
    """
    notice = Notices()
    if source is None:
        raise UsageError("give ARCH, the network to train, or --resume RUN (see --help)")
    network = Network.read(source)
    network.check_recipe(options.source)
    options.check(network.name, network.family)
    if options.tensorboard:
        check_installed()
    given = Given.at(options.weights, notice) if options.weights else None

    def recipe_for(data_name: str) -> tuple[Recipe, tuple[str, ...]]:
        return network.fitted(options.recipe_for(network.name, network.family, data_name), options.overrides)

    def estimate(data_name: str) -> str:
        recipe, _ = recipe_for(data_name)
        return in_words(cpu_seconds(network.sketch(recipe), recipe, CIFAR_TRAINED))

    found = find_data(options.data, notice=notice, estimate=estimate)
    recipe, unused = recipe_for(found.name)
    for text in unused:
        notice(text)
    notice.tell_length(options.budget, options.overrides)
    named = options.written(network.name, network.family, found.name).data.name
    if named not in (None, found.name):
        notice(f"the recipe names the data {named}, but this trains on {found.label}; --data chooses other data")
    out = options.out or Path("runs")
    check_folder(out, network.name, found.name)
    if options.data is not None and options.data not in CHOICES:
        check_outside(out, options.data)
    check_sketch(network.sketch(recipe), recipe)  # before the images are read
    say(f"data       {found.label}")
    data = found.load(recipe.data.form(recipe.data.image_size or network.size), recipe.seed)
    recipe.augmentation.constants(data)  # raises where the recipe's own are for other images
    recipe = with_data(recipe, storage=data.storage)
    say(f"images     {data.summary()}")
    graph = network.draw(data, recipe)
    check_limits(graph, recipe, len(data.train))
    weights = first_weights(graph, recipe, data)
    warm_start = WarmStart.read(given, graph, recipe, weights, data.classes, notice) if given else None
    task = Task(
        architecture=network.name,
        graph=graph,
        weights=warm_start.weights if warm_start else weights,
        data=data,
        data_choice=options.data or found.name,
        recipe=recipe,
        budget=options.budget,
        threads=options.threads,
        deterministic=options.deterministic,
        recipe_name=options.recipe_name(network.name, network.family, found.name),
        warm_start=warm_start,
    )
    task.check_contract()
    for remark in remarks(task):
        notice(remark)
    return task, Asked(command, (*notice.texts, *data.notes), out, options.tensorboard)

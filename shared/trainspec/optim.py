"""Work out the settings of a training step from the recipe and the step's place. Trainers only apply them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from deploy.options import nearest
from diptych.errors import RecipeError
from netspec import Graph, frozen_norms
from netspec.ops import BatchNorm
from trainspec.averages import Averaging
from trainspec.optimizers import Optimizer, ParameterTable
from trainspec.recipes import Recipe
from trainspec.schedules import Place

UPDATES = "updates"  # the slot for the number of a parameter's updates


@dataclass(frozen=True)
class GroupSettings:
    """What a step does to a group of parameters. A frozen parameter keeps its value and its optimizer state."""

    rate: float
    decay: float
    frozen: bool = False


@dataclass(frozen=True)
class StepSettings:
    """What a step needs besides its batch: the schedule's learning rate, and the settings of every group.

    `average` is None where the step leaves the average alone, or the recipe does not have one.
    """

    rate: float
    groups: tuple[GroupSettings, ...]
    average: Averaging | None = None


@dataclass(frozen=True)
class Group:
    """Parameters that the optimizer treats alike, by canonical name. `tables`: the recipe's tables that match them."""

    names: tuple[str, ...]
    decay: float
    tables: tuple[ParameterTable, ...] = ()

    @property
    def freezes(self) -> bool:
        """Whether the group may be frozen at some step."""
        return any(table.freeze for table in self.tables)

    @property
    def is_frozen(self) -> bool:
        """Whether the group is frozen in every step."""
        changes = {0.0, *(table.until for table in self.tables if table.until is not None)}  # in epochs
        return all(self.at(0.0, epochs).frozen for epochs in changes)

    def at(self, rate: float, epochs: float) -> GroupSettings:
        """The group's settings after `epochs` epochs, with `rate` as the schedule's rate."""
        chosen: dict[str, float] = {}
        for table in self.tables:
            if table.until is None or epochs < table.until:
                values = {"rate": table.rate_factor, "decay": table.decay_factor, "freeze": table.freeze}
                chosen |= {key: value for key, value in values.items() if value is not None}
        rate_factor, decay_factor = chosen.get("rate", 1.0), chosen.get("decay", 1.0)
        return GroupSettings(rate * rate_factor, self.decay * decay_factor, bool(chosen.get("freeze", False)))


def settings(graph: Graph, recipe: Recipe) -> tuple[Group, ...]:
    """The groups of a graph's trainable parameters, in the graph's order.

    Weight decay applies to kernels. It applies to norms and biases only with `decay_norms_and_biases`. Raises
    `RecipeError` with the nearest names for a table that does not match any parameter.
    """
    optimizer = recipe.optimizer
    trainable = {name: param for name, param in graph.params.items() if param.trainable}
    groups: dict[tuple[float, tuple[ParameterTable, ...]], list[str]] = {}
    for name, param in trainable.items():
        decayed = param.kind == "kernel" or optimizer.decay_norms_and_biases
        tables = tuple(table for table in recipe.parameters if fnmatchcase(name, table.match))
        groups.setdefault((optimizer.weight_decay if decayed else 0.0, tables), []).append(name)
    for table in recipe.parameters:
        names = trainable if table.anew is None else graph.params
        if not any(fnmatchcase(name, table.match) for name in names):
            raise RecipeError(
                f"parameters: '{table.match}' matches no trainable parameter of {graph.name}"
                f"{nearest(table.match, patterns_of(names))}"
            )
    return tuple(Group(tuple(names), decay, tables) for (decay, tables), names in groups.items())


def patterns_of(names: Iterable[str]) -> list[str]:
    """Patterns of the scopes of dotted `names`, the outer ones first, then the names: `stem.*`, `stem.conv.weight`."""
    parts = [name.split(".") for name in names]
    depths = range(1, max(map(len, parts), default=0))
    scopes = (".".join((*path[:depth], "*")) for depth in depths for path in parts if depth < len(path))
    return list(dict.fromkeys((*scopes, *map(".".join, parts))))


def frozen_norms_of(graph: Graph, groups: Sequence[Group]) -> frozenset[str]:
    """The batch norms with a weight and a bias that are frozen in every step. They also keep their statistics."""
    frozen = {name for group in groups if group.is_frozen for name in group.names}
    norms = (node.name for node in graph if isinstance(node.op, BatchNorm))
    return frozenset(norm for norm in norms if {f"{norm}.weight", f"{norm}.bias"} <= frozen)


def trained_graph(graph: Graph, recipe: Recipe) -> Graph:
    """The graph in which the batch norms that the recipe freezes are frozen. Trainers build it."""
    return frozen_norms(graph, frozen_norms_of(graph, settings(graph, recipe)))


def slot_names(optimizer: Optimizer) -> tuple[str, ...]:
    """The slots of an optimizer's state; an array's name is `<slot>.<parameter>`."""
    return (*optimizer.slots, UPDATES) if optimizer.counts else optimizer.slots


def step_settings(recipe: Recipe, groups: Sequence[Group], place: Place) -> StepSettings:
    """The settings of a step."""
    rate = recipe.schedule.rate(place)
    average = recipe.average.at(place) if recipe.average else None
    return StepSettings(rate, tuple(group.at(rate, place.epochs) for group in groups), average)

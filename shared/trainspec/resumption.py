"""Work out how a run goes on, before any framework is loaded. The run's folder says almost all of it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from deploy.commands import Option, option
from deploy.options import path
from deploy.runs import LOCK
from deploy.shell import say
from diptych.errors import DataError, GraphError, RecipeError, UsageError, WeightsError
from diptych.reading import sha256_of
from netspec import Graph, list_architectures
from netspec.init import Weights
from netspec.weights import weights_hash
from trainspec.checkpoints.file import FOLDER, Checkpoint, CheckpointError, name_of, newest, steps_in
from trainspec.checkpoints.snapshot import (
    CHANGEABLE,
    best_of,
    check_network,
    check_recipe,
    check_same,
    fixed_values,
    graph_digest,
)
from trainspec.data import CHOICES, DataSet, find_data
from trainspec.judging import Recorded, check_classes, check_graph
from trainspec.network import Network
from trainspec.notices import Notices
from trainspec.pace import used_seconds
from trainspec.recipes import Recipe, TrainOptions, override, with_data
from trainspec.runs import Run
from trainspec.runs.events import FOLDER as EVENTS, check_installed
from trainspec.runs.reading import FINISHED, read_graph
from trainspec.sections import differences, flat, to_table
from trainspec.state import TrainState
from trainspec.task import ARCH, TASK_OPTIONS, Asked, Task, first_weights
from trainspec.warm_start import Given, WarmStart

RESUMABLE_OPTIONS = (  # of the command that trains
    Option(ARCH.names, {**ARCH.settings, "nargs": "?"}),
    *TASK_OPTIONS[1:],
    option(
        "--resume",
        metavar="RUN",
        type=path,
        help="go on with a run from its newest checkpoint, in either framework; --epochs, --budget, --threads, "
        "--deterministic, --tensorboard, the place of --data and --set checkpoint.* may be changed",
    ),
)


NEEDED = ("recipe", "device", "precision", "threads", "notes")  # of run.json


@dataclass(frozen=True, eq=False)
class Resumption:
    """A run that goes on, from `checkpoint`, or from its beginning if it has none.

    `skipped`: what is wrong with the other checkpoints. `changed`: what was asked to be otherwise, as `[before, now]`.
    `moved`: the data are in another place than before.
    """

    run: Run
    checkpoint: Checkpoint | None
    skipped: tuple[str, ...]
    changed: Mapping[str, Any]
    moved: bool = False


def resume(network: str | Graph | None, options: TrainOptions, command: str = "") -> tuple[Task, Asked]:
    """The task of the run `options.resume`, and where it goes on. Prints what was skipped.

    Of the options, data may have moved; epochs, budget, threads, determinism, TensorBoard and checkpoints may change;
    anything else that is given must be as in the run. Raises a `DiptychError` where that is not so, and for a run that
    runs or is finished.
    """
    notice, folder = Notices(), options.resume
    assert folder is not None
    run = Run.open(folder)
    if run.state == "running":
        raise DataError(f"{folder} is still running; wait for its end, or remove {folder / LOCK} if no process has it")
    run.check_recorded(NEEDED, "train again")
    _check_kept(run, options)
    checkpoint, damaged = newest(folder / FOLDER)
    skipped = _skipped(folder, checkpoint, damaged)
    for problem in skipped:
        notice(f"skipped {problem}")
    if damaged and checkpoint is None:
        raise CheckpointError(f"{folder} has no good checkpoint; train again")
    facts = run.facts
    budget = facts.get("budget_seconds")
    notice.tell_length(options.budget or budget, options.overrides)
    if run.state == FINISHED:
        _check_longer(run, checkpoint, options)
    graph = read_graph(folder)
    check_graph(run, graph)
    data = _data(run, options, graph)
    recipe = _recipe(run, network, options, graph, data)
    if checkpoint:
        check_network(graph, checkpoint, folder)
        weights = {name: checkpoint.tensors[name] for name in graph.params}
    else:
        weights = _first_weights(run, graph, recipe, data, options.weights)
    task = Task(
        architecture=graph.name.partition("(")[0],
        graph=graph,
        weights=weights,
        data=data,
        data_choice=options.data or facts.get("data_choice", facts["data"]),
        recipe=recipe,
        budget=options.budget or budget,
        threads=options.threads or facts["threads"],
        deterministic=facts.get("deterministic") if options.deterministic is None else options.deterministic,
        recipe_name=facts["recipe"],
        precision=facts["precision"],
    )
    if checkpoint:
        check_same(task, checkpoint, folder)
    _check_length(task, run, checkpoint)
    task.check_contract()
    changed: dict[str, Any] = {key: list(pair) for key, pair in differences(run.recipe, recipe).items()}
    changed |= {} if task.budget == budget else {"budget": [budget, task.budget]}
    done, logged = checkpoint.step if checkpoint else 0, run.steps
    where = f"from {name_of(done)}" if checkpoint else "from its beginning: it has no checkpoint"
    notice(f"{folder} goes on {where}" + (f"; steps {done + 1} to {logged} are trained again" if logged > done else ""))
    resumption = Resumption(run, checkpoint, skipped, changed, moved=options.data is not None)
    return task, Asked(command, tuple(notice.texts), folder.parent, options.tensorboard, resumption)


def _skipped(folder: Path, checkpoint: Checkpoint | None, damaged: Mapping[int, str]) -> tuple[str, ...]:
    """What is wrong with the `damaged` checkpoints of a run, and which of them had the best weights."""
    best = best_of(steps_in(folder / FOLDER), checkpoint.content) if checkpoint else None
    lost = "; it had the best weights so far on the held-out images, which are lost"
    return tuple(f"{problem}{lost if step == best else ''}" for step, problem in damaged.items())


def _check_kept(run: Run, options: TrainOptions) -> None:
    """Raise `UsageError` for another place or other first weights than the run's, and where TensorBoard is missing."""
    if options.out is not None and options.out.resolve() != run.folder.resolve().parent:
        raise UsageError(f"--out {options.out}: {run.folder} goes on in its own folder; leave --out out")
    if options.weights is not None:
        sha256 = sha256_of(Given.at(options.weights, say).file, WeightsError)
        if run.facts.get("weights", {}).get("sha256") != sha256:
            raise UsageError(f"--weights {options.weights}: {run.folder} did not begin with this file; leave it out")
    if (run.folder / EVENTS).is_dir():
        check_installed(run.folder)
    elif options.tensorboard:
        check_installed()


def _data(run: Run, options: TrainOptions, graph: Graph) -> DataSet:
    """The data of the run. Raises `DataError` where they are others, or cannot be found."""
    recorded = Recorded.of(run)
    if options.data in CHOICES and options.data != recorded.name:  # before it is downloaded
        raise DataError(f"{run.folder}: it trains on {recorded.label}, not on {options.data}; train again")
    found = recorded.find() if options.data is None else find_data(options.data, notice=say)
    data = found.load(run.recipe.data.form(graph.input_shape[1]), run.recipe.seed)
    check_classes(recorded.classes, data, recorded.source)
    trained = run.facts.get("train_fingerprint", data.train_fingerprint)
    if (recorded.fingerprint, trained) != (data.fingerprint, data.train_fingerprint):
        raise DataError(f"{run.folder}: the images of {data.label} are not those that the run began with; train again")
    return data


def _recipe(run: Run, network: str | Graph | None, options: TrainOptions, graph: Graph, data: DataSet) -> Recipe:
    """The run's recipe with what may change. Raises `RecipeError` or `GraphError` where another training is asked."""
    given = options.overrides
    asked = override(run.recipe, given)
    if network is not None or options.recipe is not None:
        base = graph.name.partition("(")[0]
        named = Network.read(network or (base if base in list_architectures() else graph))
        written = options if named.family or options.recipe is not None else replace(options, recipe=run.recipe)
        full, _ = named.fitted(written.recipe_for(named.name, named.family, data.name), given)
        drawn = named.draw(data, full) if network is not None else graph
        if graph_digest(drawn) != graph_digest(graph):
            raise GraphError(f"{run.folder}: its network is {graph.name}, not the {drawn.name} that is asked")
        asked = full
    elif options.frozen != run.recipe.parameters[len(run.recipe.parameters) - len(options.frozen) :]:
        asked = replace(asked, parameters=(*asked.parameters, *options.frozen))  # which the check below refuses
    if asked.data.storage == "auto":
        asked = with_data(asked, storage=data.storage)
    check_recipe(fixed_values(run.recipe), with_data(asked, name=data.name), run.folder)
    wanted = flat(to_table(override(run.recipe, given)))  # a section may have been given as a table
    chosen = [key for key in CHANGEABLE if any(f"{key}.".startswith(f"{name}.") for name in given)]
    return override(run.recipe, {key: wanted[key] for key in chosen})


def _first_weights(run: Run, graph: Graph, recipe: Recipe, data: DataSet, file: Path | None) -> Weights:
    """The weights that the run began with, if need be with those in `file`. Raises `CheckpointError` for others."""
    weights = first_weights(graph, recipe, data)
    if file:
        weights = WarmStart.read(Given.at(file, say), graph, recipe, weights, data.classes, say).weights
    if run.facts.get("first_weights") != weights_hash(weights):
        raise CheckpointError(
            f"{run.folder} has no checkpoint, and did not begin with these weights; give --weights, or train again"
        )
    return weights


def _check_longer(run: Run, checkpoint: Checkpoint | None, options: TrainOptions) -> None:
    """Raise `UsageError` where a finished run is not asked to be longer, or has no checkpoint to go on from."""
    if checkpoint is None:
        raise UsageError(f"{run.folder} is finished, and has no checkpoint to go on from; train again")
    budget, given = run.facts.get("budget_seconds"), options.overrides
    epochs = override(run.recipe, {key: given[key] for key in ("epochs",) if key in given}).epochs
    if (options.budget or 0.0) > (budget or 0.0) or (budget is None and epochs > run.recipe.epochs):
        return
    raise UsageError(f"{run.folder} is finished; give more --{'budget' if budget else 'epochs'} to train it further")


def _check_length(task: Task, run: Run, checkpoint: Checkpoint | None) -> None:
    """Raise `UsageError` or `RecipeError` where more is done than is asked. An unfinished run may have all steps."""
    if task.budget is None:
        done = max(checkpoint.step if checkpoint else 0, run.steps)
        if task.recipe.steps(task.steps_per_epoch) < done:
            raise RecipeError(
                f"{run.folder}: epochs = {task.recipe.epochs:g}, but {done / task.steps_per_epoch:g} epochs are done; "
                "give more"
            )
    elif checkpoint and task.budget != run.facts.get("budget_seconds"):
        used = used_seconds(TrainState.from_json(checkpoint.content["state"]), checkpoint.content["pace"])
        if task.budget <= used:
            raise UsageError(f"{run.folder}: --budget {task.budget:g}s, but {used:.1f} s are used; give more")

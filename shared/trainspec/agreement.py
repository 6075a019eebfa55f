"""Report how closely two runs of one recipe agree. The report does not judge them."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from deploy.arguments import checked
from diptych.errors import DataError
from netspec import Graph
from netspec.compare import largest_difference, relative_norm
from netspec.init import Weights
from trainspec.judging import read_run
from trainspec.predictions import read_predictions, share_equal
from trainspec.runs import Run
from trainspec.sections import differences

Facts = Mapping[str, Any]  # those of a run's `run.json`


@dataclass(frozen=True)
class Agreement:
    """How closely two runs agree. Losses are in nats.

    `plans` are the epochs that both have, and `equal_plans` those with equal plan digests. `loss_difference` is the
    largest of the first `losses` steps, None if there are none. `tensor` is the one that differs most, by
    `weight_difference`; `drift` is the norm of the difference of each tensor, relative to the norm of the first one.
    """

    equal_plans: int
    plans: int
    losses: int
    loss_difference: float | None
    tensor: str
    weight_difference: float
    drift: dict[str, float]


@checked
def compare_runs(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> Iterator[str]:
    """One line each on batches, first losses, weights and predictions, after one on recipes that differ.

    Raises `DataError` for different networks and for one run given twice.

    A run that is not finished is compared as it is, and a note says so.

    One network at two image sizes, or with and without auxiliary heads, counts as two if its weights differ in shape.
    """
    sides = read_run(Path(one), unfinished=True), read_run(Path(other), unfinished=True)
    if os.path.samefile(one, other):
        raise DataError(f"{other} is given twice: name two runs")
    found = agreement_of(*sides)
    if apart := settings_apart(sides[0][0], sides[1][0]):
        yield f"recipes      differ in {'; '.join(apart)}"
    yield f"batches      equal plan digests in {found.equal_plans} of {found.plans} epochs"
    if found.loss_difference is not None:  # it is None if a run was interrupted in its first step
        yield f"losses       differ by {found.loss_difference:.2g} in the first {found.losses} steps"
    difference = found.weight_difference
    yield (
        f"weights      differ by {difference:.2g} at most, in '{found.tensor}'"
        if difference
        else ("weights      are equal")
    )
    runs = [run for run, _, _ in sides]
    files = [run.folder / f"predictions-{run.facts['framework']}.npy" for run in runs]
    images = {run.facts.get("data_fingerprint") for run in runs} - {None}
    if len(images) > 1:
        yield "predictions  not compared: the runs have different test images"
    elif all(map(os.path.lexists, files)):
        predictions = [read_predictions(file) for file in files]
        yield f"predictions  agree on {share_equal(*predictions):.3f} % of {len(predictions[0]):,} test images"


def settings_apart(one: Run, other: Run) -> list[str]:
    """The values in which the recipes of two runs differ, and the weights that they began with if these differ."""
    values = [f"{key} {a} and {b}" for key, (a, b) in differences(one.recipe, other.recipe).items()]
    begun = [run.facts.get("first_weights") for run in (one, other)]
    if None not in begun and begun[0] != begun[1]:
        values.append("the first weights")
    return values


def agreement_of(one: tuple[Run, Graph, Weights], other: tuple[Run, Graph, Weights]) -> Agreement:
    """Compare two runs that `read_run` has read. Raises `DataError` for different networks."""
    (run_a, graph_a, weights_a), (run_b, graph_b, weights_b) = one, other
    a, b = run_a.folder, run_b.folder
    if graph_a.digest != graph_b.digest:
        forms = [f"{graph.name} with {graph.shapes[graph.outputs[0]][0]} classes" for graph in (graph_a, graph_b)]
        raise DataError(f"{a} is a run of {forms[0]}, but {b} is one of {forms[1]}: they cannot be compared")
    shapes_a, shapes_b = ({name: param.shape for name, param in graph.params.items()} for graph in (graph_a, graph_b))
    for name in shapes_a | shapes_b:
        shape_a, shape_b = (shapes.get(name, "absent") for shapes in (shapes_a, shapes_b))
        if shape_a != shape_b:
            raise DataError(f"'{name}' is {shape_a} in {a} and {shape_b} in {b}: their weights cannot be compared")
    classes = [run.facts.get("classes") for run in (run_a, run_b)]
    if None not in classes and classes[0] != classes[1]:
        raise DataError(f"{a} and {b} are runs with different classes: they cannot be compared")
    drift = {name: relative_norm(weights_a[name], weights_b[name]) for name in weights_a}
    plans, losses = compare_plans(run_a.facts, run_b.facts), compare_losses(run_a.facts, run_b.facts)
    return Agreement(*plans, *losses, *largest_difference(weights_a, weights_b), drift)


def compare_plans(one: Facts, other: Facts) -> tuple[int, int]:
    """How many epochs of two runs, by their `run.json`, have equal plan digests, and how many epochs both have."""
    pairs = _pairs(one, other, "plan_digests")
    return sum(a == b for a, b in pairs), len(pairs)


def compare_losses(one: Facts, other: Facts) -> tuple[int, float | None]:
    """How many of the first losses both runs have, and their largest difference in nats; None if there are none."""
    apart = [abs(a - b) for a, b in _pairs(one, other, "first_losses")]
    return len(apart), float(np.max(apart)) if apart else None


def _pairs(one: Facts, other: Facts, key: str) -> list[tuple[Any, Any]]:
    return list(zip(one.get(key, []), other.get(key, []), strict=False))

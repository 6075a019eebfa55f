"""Report how closely two runs of one recipe agree. The report does not judge them."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from diptych.errors import DataError
from netspec.init import Weights
from trainspec.evaluation import agreement, read_predictions
from trainspec.judging import read_run


def compare_runs(one: Path, other: Path) -> Iterator[str]:
    """One line each on batches, first losses, weights and predictions. Raises `DataError` for different networks.

    A run that is not finished is compared as it is, and a note says so.

    One network at two image sizes, or with and without auxiliary heads, counts as two if its weights differ in shape.
    """
    run_a, graph_a, weights_a = read_run(one, unfinished=True)
    run_b, graph_b, weights_b = read_run(other, unfinished=True)
    if graph_a.digest != graph_b.digest:
        raise DataError(
            f"{one} is a run of {graph_a.name}, but {other} is one of {graph_b.name}: they cannot be compared"
        )
    shapes_a, shapes_b = ({name: param.shape for name, param in graph.params.items()} for graph in (graph_a, graph_b))
    for name in shapes_a | shapes_b:
        shape_a, shape_b = (shapes.get(name, "absent") for shapes in (shapes_a, shapes_b))
        if shape_a != shape_b:
            raise DataError(
                f"'{name}' is {shape_a} in {one} and {shape_b} in {other}: their weights cannot be compared"
            )
    classes = [run.facts.get("classes") for run in (run_a, run_b)]
    if None not in classes and classes[0] != classes[1]:
        raise DataError(f"{one} and {other} are runs with different classes: they cannot be compared")
    pairs = list(zip(run_a.facts["plan_digests"], run_b.facts["plan_digests"], strict=False))
    yield f"batches      equal plan digests in {sum(a == b for a, b in pairs)} of {len(pairs)} epochs"
    losses = np.array(list(zip(*(run.facts.get("first_losses", []) for run in (run_a, run_b)), strict=False)), float)
    if len(losses):  # empty if a run was interrupted in its first step
        yield f"losses       differ by {np.abs(losses[:, 0] - losses[:, 1]).max():.1e} in the first {len(losses)} steps"
    name, difference = largest_difference(weights_a, weights_b)
    yield f"weights      differ by {difference:.1e} at most, in '{name}'" if difference else "weights      are equal"
    files = [folder / f"predictions-{run.facts['framework']}.npy" for folder, run in ((one, run_a), (other, run_b))]
    images = {run.facts.get("data_fingerprint") for run in (run_a, run_b)} - {None}
    if len(images) > 1:
        yield "predictions  not compared: the runs have different test images"
    elif all(map(os.path.lexists, files)):
        predictions = [read_predictions(file) for file in files]
        yield f"predictions  agree on {agreement(*predictions):.3f} % of {len(predictions[0]):,} test images"


def largest_difference(one: Weights, other: Weights) -> tuple[str, float]:
    """The name of the tensor that differs most between two sets of weights, and its largest difference."""
    apart = {name: float(np.abs(one[name] - other[name]).max(initial=0)) for name in one}
    name = max(apart, key=apart.__getitem__)
    return name, apart[name]

"""What a trained network is judged on: the very data that it was trained on, or what the user names in their place.

One guard for every evaluation. A run and an ONNX file record their classes, in order, and a fingerprint of the test
images; data of other classes are always refused, other images only where nobody asked for them.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from deploy.shell import say
from diptych.errors import DataError, DiptychError, GraphError, WeightsError
from diptych.reading import check_file, read_bytes
from netspec import Graph, from_json, load_weights
from netspec.init import Weights
from trainspec.data import CHOICES, PUBLISHED, DataSet, FoundData, digits, find_data
from trainspec.runs import Run
from trainspec.runs.reading import FINISHED

LABELS = {digits.LABEL: (digits.NAME,)} | {cifar.label: (cifar.name,) for cifar in PUBLISHED.values()}  # to choices
ENDS = {  # how a run that is not finished stands, and what can be done
    "running": "is still running; wait for its end",
    "interrupted": "was interrupted before its end; train again",
    "failed": "failed before its end; train again",
    "killed": "was killed before its end; train again",
}


@dataclass(frozen=True)
class Recorded:
    """What `source`, a run or an ONNX file, says of the data that it was trained on.

    `places` find the data set again, the likeliest first; `classes` and `fingerprint` are None where it does not say.
    """

    source: str
    label: str
    places: tuple[str, ...] = ()
    name: str | None = None
    classes: tuple[str, ...] | None = None
    fingerprint: str | None = None

    @classmethod
    def of(cls, run: Run) -> Self:
        facts = run.facts
        beside = [str(run.folder.resolve() / facts["data_path"])] if "data_path" in facts else []
        return cls(
            str(run.folder),
            facts["data_label"],
            tuple(beside + [facts[key] for key in ("data_choice",) if key in facts]),
            facts["data"],
            tuple(facts["classes"]) if "classes" in facts else None,
            facts.get("data_fingerprint"),
        )

    @classmethod
    def of_model(
        cls, path: Path, classes: Sequence[str], label: str, fingerprint: str = "", *, unfinished: bool = False
    ) -> Self:
        """Of an ONNX file, or the one in a run's folder, with what its metadata say of its data.

        The run beside it says where data of that label are. Raises `DataError` where that run is not finished, unless
        `unfinished`.
        """
        folder = path.resolve() if path.is_dir() else path.resolve().parent
        for place in (folder, folder.parent):  # a run's model.onnx, and the exports in its folder `proof`
            try:
                run = Run.open(place)
            except DiptychError:
                continue
            if run.facts["data_label"] == label:
                check_finished(run, unfinished=unfinished)
                found = cls.of(run)
                return replace(
                    found, source=str(path), classes=tuple(classes), fingerprint=fingerprint or found.fingerprint
                )
        return cls(str(path), label, LABELS.get(label, ()), None, tuple(classes), fingerprint or None)

    def find(self) -> FoundData:
        """The data set where it was. Raises `DataError` where it is not there any more."""
        for place in self.places:
            try:
                found = find_data(place, notice=say)
            except DiptychError:
                continue
            if self.name in (None, found.name):
                return found
        if not self.label:
            raise DataError(f"{self.source}: names no data set; give --data D")
        tried = f"not at {' or '.join(dict.fromkeys(self.places))}" if self.places else "not found"
        raise DataError(f"{self.source}: the data that it was trained on ({self.label}) are {tried}; give --data D")

    def load(self, asked: str | None, image_size: int, seed: int) -> DataSet:
        """The data set that is judged on: `asked`, as `--data` has it, or the recorded one.

        Raises `DataError` for other classes, and for other images where the recorded data set was.
        """
        found = self.find() if asked is None else find_data(asked, notice=say)
        data = found.load(image_size, seed)
        check_classes(self.classes, data, self.source)
        if self.fingerprint is None:
            say(f"note       {self.source} does not record its images: not checked that those of {data.label} are they")
        elif data.fingerprint != self.fingerprint:
            if asked is None:
                raise DataError(
                    f"{self.source}: the test images of {found.label} are not those of its training any more; "
                    f"name them with --data to judge it on them all the same"
                )
            say(f"note       judged on other images than those that {self.source} recorded: those of {data.label}")
        return data


def data_facts(data: DataSet, choice: str, constants: tuple[Sequence[float], ...], folder: Path) -> dict[str, Any]:
    """What the run in `folder` records of its data; a path is kept relative to the folder, so that both may move."""
    mean, std = constants
    facts: dict[str, Any] = {
        "data_choice": choice,
        "classes": list(data.classes),
        "data_fingerprint": data.fingerprint,
        "mean": list(mean),
        "std": list(std),
    }
    if choice not in CHOICES:
        facts["data_path"] = os.path.relpath(os.path.realpath(os.path.expanduser(choice)), folder.resolve())
    return facts


def check_classes(recorded: Sequence[str] | None, data: DataSet, source: str) -> None:
    """Raise `DataError` unless the classes of `data` are those that `source` has recorded, in their order."""
    if recorded is None or tuple(recorded) == data.classes:
        return
    if len(recorded) != len(data.classes):
        raise DataError(f"{source} knows {len(recorded)} classes, {data.label} has {len(data.classes)}: other data")
    known, found = next(pair for pair in zip(recorded, data.classes, strict=True) if pair[0] != pair[1])
    order = "in another order" if set(recorded) == set(data.classes) else "other ones"
    raise DataError(f"{source}: the classes of {data.label} are {order}: '{found}' where it has '{known}'")


def check_finished(run: Run, *, unfinished: bool) -> None:
    """Raise `DataError` for a run that is not finished, or where `unfinished` is wanted print a line that says so."""
    if (state := run.state) != FINISHED:
        end = ENDS.get(state, f"has the status '{state}'; train again")
        if not unfinished:
            raise DataError(f"{run.folder} {end}, or give --unfinished to take what it has")
        say(f"note       {run.folder} {end.partition(';')[0]}: these are not the weights of a finished training")


def read_run(folder: Path, *, unfinished: bool = False) -> tuple[Run, Graph, Weights]:
    """A run's network and trained weights.

    Raises `DataError`, `GraphError` or `WeightsError` where they are missing, damaged or do not fit one another, and
    for a run that is not finished: what it has is not what its recipe makes. `unfinished` takes it, and says so.
    """
    run = Run.open(folder)
    check_finished(run, unfinished=unfinished)
    graph = from_json(read_bytes(folder / "graph.json", GraphError), str(folder / "graph.json"))
    _check_graph(run, graph)
    return run, graph, load_weights(graph, check_file(folder / "weights.safetensors", WeightsError))


def _check_graph(run: Run, graph: Graph) -> None:
    """Raise `GraphError` for the graph of another run."""
    file, recorded = run.folder / "graph.json", run.facts["architecture"]
    if graph.name != recorded:
        raise GraphError(f"{file} is the network {graph.name}, but run.json says {recorded}")
    if len(graph.input_shape) != 3 or graph.input_shape[1] != graph.input_shape[2]:
        raise GraphError(f"{file} takes images of the shape {graph.input_shape}; data sets are read as squares")
    size = run.recipe.data.image_size
    if size not in (None, graph.input_shape[1]):
        raise GraphError(f"{file} takes images of {graph.input_shape[1]} pixels, but recipe.toml says {size}")
    classes = run.facts.get("classes")
    if classes is not None and graph.shapes[graph.outputs[0]] != (len(classes),):
        raise GraphError(f"{file} does not have an output for each of the {len(classes)} classes in run.json")


def constants_of(run: Run, data: DataSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """`(mean, std)` that the run was trained with: recorded, because they are those of its own training images.

    A line says where other data have others. Raises `DataError` where they do not fit the images.
    """
    facts: Mapping[str, Any] = run.facts
    if "mean" not in facts or "std" not in facts:
        return run.recipe.augmentation.constants(data)
    mean, std = tuple(map(float, facts["mean"])), tuple(map(float, facts["std"]))
    if not len(mean) == len(std) == data.image_shape[2] or min(std) <= 0:
        raise DataError(f"{run.folder}: not the folder of a run: mean or std in run.json do not fit the images")
    if (mean, std) != run.recipe.augmentation.constants(data):
        say(f"note       normalised as {run.folder} recorded; the training images of {data.label} have another mean")
    return mean, std

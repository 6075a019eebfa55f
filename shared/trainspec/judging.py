"""The data that a trained network is judged on: those of its training, or those that the user names instead.

Every evaluation passes this check. A run and an ONNX file record their classes, in order, and a fingerprint of the test
images. Data with other classes are always refused. Other images are refused unless the user asked for them.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from deploy.contract import Contract, normal_form
from deploy.errors import ModelError
from deploy.inspection import inspect, read_model
from deploy.runs import package_of
from deploy.shell import say
from diptych.errors import DataError, DiptychError, GraphError, WeightsError
from diptych.reading import check_file, is_absent
from netspec import Graph, load_weights
from netspec.init import Weights
from netspec.weights import deployed_hash
from trainspec.data import CHOICES, PUBLISHED, DataSet, Form, FoundData, digits, find_data
from trainspec.data.dataset import Constants
from trainspec.data.form import square
from trainspec.runs import Run
from trainspec.runs.reading import FINISHED, read_graph

LABELS = {digits.LABEL: (digits.NAME,)} | {found.label: (found.name,) for found in PUBLISHED.values()}  # to choices
SHOWN = 12  # digits of a fingerprint in a file's name
ENDS = {  # by the state of an unfinished run: what happened, and what to do
    "running": "is still running; wait for its end",
    "interrupted": "was interrupted before its end; train --resume goes on with it",
    "failed": "failed before its end; train again, or go on with --resume",
    "killed": "was killed before its end; train --resume goes on with it",
}


@dataclass(frozen=True)
class Recorded:
    """What `source`, a run or an ONNX file, says about its training data.

    `places` are where to look for the data set, the likeliest first. `classes` and `fingerprint` are None where they
    are not recorded. `seed` is that of the run, which decides the validation split; 0 where no run is known.
    """

    source: str
    label: str
    places: tuple[str, ...] = ()
    name: str | None = None
    classes: tuple[str, ...] | None = None
    fingerprint: str | None = None
    seed: int = 0

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
            run.recipe.seed,
        )

    @classmethod
    def of_model(
        cls, path: Path, classes: Sequence[str], label: str, fingerprint: str = "", *, unfinished: bool = False
    ) -> Self:
        """For an ONNX file, or for the one in the folder `path`. The other arguments come from the file's metadata.

        If a run beside the file has the same data label, it says where the data are. Raises `DataError` where that run
        is not finished, unless `unfinished`.
        """
        folder = path.resolve() if os.path.isdir(path) else path.resolve().parent
        shipped = package_of(folder / "model.onnx")
        # A run's model.onnx, the exports in its folder `proof`, and the package in its folder.
        for place in (folder, folder.parent, *([shipped.parent] if shipped else [])):
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
        """Find the data set where it was. Raises `DataError` where it is gone, or is there and cannot be used."""
        problem: DiptychError | None = None
        for place in self.places:
            try:
                found = find_data(place, notice=say)
            except DiptychError as error:
                if problem is None and (place in CHOICES or not is_absent(place)):
                    problem = error
                continue
            if self.name in (None, found.name):
                return found
        if problem is not None:
            raise DataError(f"{self.source}: its training data ({self.label}) cannot be used: {problem}") from problem
        if not self.label:
            raise DataError(f"{self.source}: names no data set; give --data D")
        tried = f"not found at {' or '.join(dict.fromkeys(self.places))}" if self.places else "not found"
        raise DataError(f"{self.source}: its training data ({self.label}) were {tried}; give --data D")

    def load(self, asked: str | None, form: Form) -> DataSet:
        """Load the data set to judge on: `asked`, a value of `--data`, or the recorded one.

        Where the images of the training were kept, `form.storage`, does not matter: the pixels are the same.
        Raises `DataError` where the classes differ, or where the recorded data set now has other test images.
        """
        found = self.find() if asked is None else find_data(asked, notice=say)
        data = found.load(replace(form, storage="auto"), self.seed)
        check_classes(self.classes, data, self.source)
        if self.fingerprint is None:
            say(f"note       {self.source} has no fingerprint of its images: those of {data.label} were not checked")
        elif self.others(data, asked):
            if asked is None:
                raise DataError(
                    f"{self.source}: the test images of {found.label} have changed since the training; "
                    "give --data to evaluate on them anyway"
                )
            say(f"note       evaluated on the images of {data.label}, which are not those that {self.source} recorded")
        return data

    def others(self, data: DataSet, asked: str | None) -> str:
        """The start of the fingerprint of `data` if they may be other images than the recorded ones; else empty.

        Without a recorded fingerprint, those that were `asked` for may be.
        """
        same = asked is None if self.fingerprint is None else self.fingerprint == data.fingerprint
        return "" if same else data.fingerprint[:SHOWN]


def data_facts(data: DataSet, choice: str, constants: tuple[Sequence[float], ...], folder: Path) -> dict[str, Any]:
    """What the run in `folder` records about its data. A path is stored relative to `folder`, so both can be moved."""
    mean, std = constants
    facts: dict[str, Any] = {
        "data_choice": choice,
        "classes": list(data.classes),
        "data_fingerprint": data.fingerprint,
        "train_fingerprint": data.train_fingerprint,
        "train_images": len(data.train),
        "validation_images": len(data.validation),
        "mean": list(mean),
        "std": list(std),
    }
    if choice not in CHOICES:
        facts["data_path"] = os.path.relpath(os.path.realpath(os.path.expanduser(choice)), folder.resolve())
    return facts


def same_names(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether both have the same classes in the same order. An older run may have the other Unicode form of a name."""
    return [*map(normal_form, one)] == [*map(normal_form, other)]


def check_classes(recorded: Sequence[str] | None, data: DataSet, source: str) -> None:
    """Raise `DataError` unless `data` has the classes that `source` recorded, in the same order."""
    if recorded is None or same_names(recorded, data.classes):
        return
    if len(recorded) != len(data.classes):
        raise DataError(
            f"{source} has {len(recorded)} classes, but {data.label} has {len(data.classes)}; give --data D"
        )
    pairs = zip(recorded, data.classes, strict=True)
    known, found = next((one, other) for one, other in pairs if normal_form(one) != normal_form(other))
    is_same_set = {*map(normal_form, recorded)} == {*map(normal_form, data.classes)}
    order = "in another order" if is_same_set else "other ones"
    raise DataError(f"{source}: the classes of {data.label} are {order}: '{found}' where it has '{known}'")


def check_finished(run: Run, *, unfinished: bool | None, notice: Callable[[str], None] = say) -> None:
    """Raise `DataError` for a run that is not finished. With `unfinished`, call `notice` with a note instead.

    `unfinished` is None where no option allows such a run.
    """
    if (state := run.state) != FINISHED:
        end = ENDS.get(state, f"has the status '{state}'; train again")
        if not unfinished:
            anyway = "" if unfinished is None else ", or give --unfinished to use it anyway"
            raise DataError(f"{run.folder} {end}{anyway}")
        notice(f"note       {run.folder} {end.partition(';')[0]}: these are not the weights of a finished training")


def read_run(
    folder: Path, *, unfinished: bool | None = None, notice: Callable[[str], None] = say
) -> tuple[Run, Graph, Weights]:
    """Read a run's network and its trained weights.

    Raises `DataError`, `GraphError` or `WeightsError` where files are missing, damaged or do not fit one another. Also
    raises for a run that is not finished, because its weights are not what the recipe makes. With `unfinished`, such a
    run is read, and `notice` is called with a note. False means that the user can ask for it by `--unfinished`.
    """
    run = Run.open(folder)
    check_finished(run, unfinished=unfinished, notice=notice)
    graph = read_graph(folder)
    check_graph(run, graph)
    return run, graph, load_weights(graph, check_file(folder / "weights.safetensors", WeightsError))


def read_whole(
    folder: Path, *, unfinished: bool = False, notice: Callable[[str], None] = say
) -> tuple[Run, Graph, Weights]:
    """`read_run`, where its `model.onnx` was made from its weights. Raises `DataError` where it was not.

    A file that cannot be used at all is passed over: the commands that need it say so.
    """
    run, graph, weights = read_run(folder, unfinished=unfinished, notice=notice)
    file = folder / "model.onnx"
    with suppress(ModelError):
        check_made_from(run, inspect(read_model(file, unfinished=True), file).contract, graph, weights)
    return run, graph, weights


def check_made_from(run: Run, contract: Contract, graph: Graph, weights: Weights) -> None:
    """Raise `DataError` where the `model.onnx` of a run, with this contract, was made from other weights."""
    if run.state != FINISHED:  # it may have been killed between the two
        return
    if contract.weights_sha256 not in ("", deployed_hash(graph, weights)):
        raise DataError(
            f"{run.folder}: model.onnx was not made from weights.safetensors; restore the one that was changed"
        )


def check_graph(run: Run, graph: Graph) -> None:
    """Raise `GraphError` where `graph` does not fit what the run recorded."""
    file, recorded = run.folder / "graph.json", run.facts["architecture"]
    if graph.name != recorded:
        raise GraphError(f"{file} is the network {graph.name}, but run.json says {recorded}")
    size, recorded = square(graph.input_shape[1:], file, GraphError), run.recipe.data.image_size
    if recorded not in (None, size):
        raise GraphError(f"{file} takes images of {size} pixels, but recipe.toml says {recorded}")
    classes = run.facts.get("classes")
    if classes is not None and graph.shapes[graph.outputs[0]] != (len(classes),):
        raise GraphError(f"{file} does not have an output for each of the {len(classes)} classes in run.json")


def recorded_constants(run: Run, channels: int) -> Constants | None:
    """`(mean, std)` of the run's training, as `run.json` has them; None if it does not.

    Raises `DataError` where they are not for images of so many `channels`.
    """
    facts: Mapping[str, Any] = run.facts
    if "mean" not in facts or "std" not in facts:
        return None
    mean, std = tuple(map(float, facts["mean"])), tuple(map(float, facts["std"]))
    if not len(mean) == len(std) == channels or min(std) <= 0:
        raise DataError(f"{run.folder}: the run is damaged: mean or std in run.json do not fit the images")
    return mean, std


def constants_of(run: Run, data: DataSet) -> Constants:
    """`(mean, std)` of the run's training. They are read from the run, because they belong to its training images.

    Those of `data` may be others: of another seed, which holds other images out. Raises `DataError` where they do not
    fit the images.
    """
    return recorded_constants(run, data.image_shape[2]) or run.recipe.augmentation.constants(data)

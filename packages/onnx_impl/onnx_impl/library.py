"""What both framework packages offer, defined once: their commands, and the same as functions that return values."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from importlib import import_module
from json import dumps
from pathlib import Path
from typing import Any

from deploy.commands import Command, option, run_command
from deploy.shell import say, to_stderr
from deploy.views import views_of
from diptych.stopping import between_steps
from netspec import Graph
from netspec.options import EXPORT_OPTIONS
from trainspec.certificate import certify_export, finite
from trainspec.evaluation import (
    RUN_OPTIONS,
    Evaluation,
    evaluate_run,
    judge,
)
from trainspec.predictions import check_place, read_against, report
from trainspec.recipes import Recipe, TrainOptions
from trainspec.recipes.options import text_of
from trainspec.resumption import RESUMABLE_OPTIONS, resume
from trainspec.runs import Run
from trainspec.task import prepare
from trainspec.trainer import Framework
from trainspec.training import train

JSON = option(
    "--json",
    action="store_true",
    help="print the run's folder, status and figures as one line of JSON, and everything else on standard error",
)


@dataclass(frozen=True)
class Library:
    """A framework's package. `load` imports the framework, which takes seconds, so everything else is checked first.

    `exporter` is the name of its own exporter to ONNX. `check` raises a `DiptychError` if the framework cannot be used
    as it is set up. `while_exporting` are environment variables that are set before the framework is imported for an
    export. `newest_opset` is that of its exporter, where onnxruntime runs newer ones.
    """

    package: str
    title: str
    exporter: str
    load: Callable[[], Framework]
    check: Callable[[], None] = lambda: None
    while_exporting: Mapping[str, str] = field(default_factory=dict)
    newest_opset: int | None = None

    def train(
        self,
        network: str | os.PathLike[str] | Graph | None = None,
        *,
        data: str | os.PathLike[str] | None = None,
        recipe: str | os.PathLike[str] | Recipe | None = None,
        epochs: float | None = None,
        seed: int | None = None,
        precision: str | None = None,
        budget: str | float | None = None,
        threads: int | None = None,
        deterministic: bool | None = None,
        weights: str | os.PathLike[str] | None = None,
        freeze: str | Sequence[str] = (),
        out: str | os.PathLike[str] | None = None,
        tensorboard: bool = False,
        settings: Mapping[str, Any] | None = None,
        resume: str | os.PathLike[str] | None = None,
    ) -> Run:
        """Train, evaluate and export a network into a run's folder.

        `network` is an architecture's name, a `.json` file of a graph, a run, or a graph. `data` is a name (`cifar10`,
        `cifar100`, `mnist`, `fashion_mnist`, `digits`) or a folder or archive of class folders; None chooses one that
        fits the machine. `recipe` is a collection (by default `modern`), the name of one in it, a TOML file or a
        `Recipe`; `settings` changes single values, as `{"optimizer.momentum": 0.8}`. `budget` is `"10m"` or seconds.
        `deterministic`: same seed, same machine, same bits; by default on a CPU. `weights` is a file or a run to start
        from. `freeze` are patterns of parameters that are not trained, as `["stem*"]`. `out` is where the run's folder
        is made, by default `runs`. `tensorboard`: also write the figures for TensorBoard, into the run's folder.
        `resume` is a run of either framework that goes on from its newest checkpoint; then `network` can be left out.
        A run is a `Run` or its folder.

        In the main thread, Ctrl-C and other signals end it after the current step, with a checkpoint, and raise
        KeyboardInterrupt; a second one ends the process.

        After it the process keeps what a training sets: the number of threads and determinism (in PyTorch also
        `fill_uninitialized_memory = False`). The framework's global random state is another one. Where that matters,
        train in a process of its own.

        Raises the matching `DiptychError` for an argument that cannot be used, before anything is written.
        """
        options = TrainOptions.of(
            settings or {},
            {"epochs": epochs, "seed": seed, "precision": precision},
            data=data,
            recipe=recipe,
            budget=budget,
            threads=threads,
            deterministic=deterministic,
            weights=weights,
            freeze=freeze,
            out=out,
            tensorboard=tensorboard,
            resume=resume,
        )
        source = network if isinstance(network, Graph | None) else text_of("network", network)
        with between_steps():
            return self._train(source, options, command=f"{self.package}.train({_shown(source)})")

    def evaluate(
        self,
        run: str | os.PathLike[str],
        data: str | os.PathLike[str] | None = None,
        *,
        tta: str = "none",
        unfinished: bool = False,
    ) -> Evaluation:
        """The accuracy of a run's weights on its test split, or on that of `data`, in float32.

        `run` is a `Run` or its folder. `tta` is a kind of test-time augmentation: `none`, `mirror` or `mirror_shift`.
        `unfinished` also accepts a run that did not reach its end. Raises a `DiptychError` for arguments that cannot be
        used.
        """
        self.check()
        views_of(tta)  # refuses an unknown one before any work
        folder = Path(text_of("run", run))
        data = None if data is None else text_of("data", data)
        judged = judge(folder, data, unfinished=unfinished)
        return evaluate_run(judged, self.load(), tta)

    def main(self, argv: Sequence[str]) -> int | None:
        """The package's command line."""
        commands = (
            Command(
                "train",
                "train, evaluate and export a network into a run's folder",
                (*RESUMABLE_OPTIONS, JSON),
                self._run_train,
            ),
            Command("evaluate", "the accuracy of a run's weights over its test split", RUN_OPTIONS, self._run_evaluate),
            Command(
                "export",
                f"write an ONNX file by {self.exporter} and verify it against {self.title}",
                EXPORT_OPTIONS,
                self._run_export,
            ),
        )
        return run_command(self.package, f"Networks in {self.title}.", commands, argv)

    def _train(
        self,
        network: str | Graph | None,
        options: TrainOptions,
        command: str,
        opened: Callable[[Run], None] = lambda run: None,
    ) -> Run:
        self.check()
        task, asked = (resume if options.resume else prepare)(network, options, command)
        return train(task, self.load(), replace(asked, opened=opened))

    def _run_train(self, network: str | None, json: bool, **values: Any) -> None:
        command = shlex.join(["python", "-m", self.package, *sys.argv[1:]])
        runs: list[Run] = []
        try:
            with between_steps(), to_stderr() if json else nullcontext():
                self._train(network, TrainOptions.read(**values), command, runs.append)
        except KeyboardInterrupt:
            if json and runs and runs[0].folder.is_dir():  # it is not there if nothing is kept
                say(_as_json(runs[0]))
            raise
        if json:
            say(_as_json(runs[0]))

    def _run_evaluate(
        self, run: Path, data: str | None, predictions: Path | None, tta: str, unfinished: bool, against: Path | None
    ) -> None:
        self.check()
        with between_steps():
            judged = judge(run, data, unfinished=unfinished)
            check_place(predictions, run)
            read_against(against, len(judged.split))  # checked before the framework is loaded
            framework = self.load()
            evaluation = evaluate_run(judged, framework, tta)
            report(evaluation, run, framework.name, predictions, against)

    def _run_export(self, network: str, opset: int | None, **values: Any) -> None:
        from deploy.certificate import check_export
        from onnx_impl.export_request import request  # here, since it imports onnx, which no other command needs
        from onnx_impl.model import NEWEST_OPSET, check_opset

        self.check()
        if opset is not None:
            check_opset(opset, self.newest_opset or NEWEST_OPSET)
        with between_steps():
            name = self.package.removesuffix("_impl")
            what = request(network, name, **values)
            check_export(what.path)
            for variable, value in self.while_exporting.items():
                os.environ.setdefault(variable, value)
            self.load()
            package, export = import_module(self.package), import_module(f"{self.package}.export")
            model, opset = package.build(what.graph, weights=what.weights), export.OPSET if opset is None else opset
            difference = package.export_onnx(model, what.path, opset=opset, metadata=what.metadata)
            certify_export(what.graph, what.weights, what.path, name, difference)
            say(f"{what.path}: opset {opset}, differs from {self.title} by {difference}")


def _as_json(run: Run) -> str:
    figures = {name: finite(figure) for name, figure in run.figures.items()}
    return dumps({"run": str(run.folder), "status": run.state, "figures": figures})


def _shown(network: str | Graph | None) -> str:
    return network.name if isinstance(network, Graph) else repr(network)

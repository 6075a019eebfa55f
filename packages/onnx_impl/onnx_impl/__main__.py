"""`python -m onnx_impl evaluate | export | package | quantize`: networks as ONNX files, without a framework."""

import os
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from shlex import quote
from typing import Any

from deploy import shell
from deploy.__main__ import JSON, RUNTIME, SCORES
from deploy.commands import Command, option, run_command
from deploy.options import name_or_path, path
from deploy.outputs import output_file, output_folder
from deploy.shell import say, to_stderr
from diptych.stopping import between_steps

PACKAGE_OPTIONS = (
    option("model", type=path, metavar="RUN", help="the folder of a run, or an ONNX file"),
    option("--out", type=output_folder, metavar="FOLDER", help="default: the folder `package` beside the file"),
    option("--uint8", action="store_true", help="add the variant that takes uint8 images of any size"),
    option("--web", action="store_true", help="add it and a page that runs it in a browser; takes a runtime from npm"),
    option("--runtime", type=path, metavar="FOLDER", help="take the files of onnxruntime-web for --web from here"),
    option("--unfinished", action="store_true", help="also take a RUN that did not reach its end"),
)
QUANTIZE_OPTIONS = (
    option("model", type=path, metavar="RUN", help="the folder of a run, or an ONNX file"),
    option(
        "--data", type=name_or_path, metavar="D", help="a data set; default: the one that the run or the file names"
    ),
    option("--to", choices=("int8", "float16"), default="int8", help="8-bit integers (default), or float16"),
    option("--limit", type=float, default=1.0, metavar="POINTS", help="points of top-1 that may be lost (1.0)"),
    option("--images", type=int, metavar="N", help="training images that calibrate the ranges of INT8 (256)"),
    option(
        "--reduce-range", action="store_true", default=None, help="7-bit weights; default: if this processor needs it"
    ),
    option("--force", action="store_true", help="also write a file that loses more or is slower"),
    option(
        "--out", type=output_file, metavar="FILE", help="default: NAME.int8.onnx or NAME.float16.onnx beside NAME.onnx"
    ),
    option("--unfinished", action="store_true", help="also take a RUN that did not reach its end"),
)

# Slow imports are inside the functions: Ctrl-C is handled only once `shell.run` has started.


def main(argv: Sequence[str]) -> int | None:
    from netspec.options import EXPORT_OPTIONS
    from trainspec.evaluation import EVALUATE_OPTIONS

    model = option("model", type=path, metavar="MODEL.onnx", help="an ONNX file, or the folder of a run")
    fold = option("--fold", action="store_true", help="fold each batch norm into the layer before it")
    commands = (
        Command(
            "evaluate",
            "the accuracy of an ONNX file over a test split",
            (model, *EVALUATE_OPTIONS, JSON, SCORES, *RUNTIME),
            run_evaluate,
        ),
        Command(
            "export",
            "write an ONNX file and verify it against ONNX's reference evaluator",
            (*EXPORT_OPTIONS, fold),
            run_export,
        ),
        Command("package", "write a folder that a server takes as it is", PACKAGE_OPTIONS, run_package),
        Command("quantize", "write a smaller file, if it loses little and is faster", QUANTIZE_OPTIONS, run_quantize),
    )
    return run_command("onnx_impl", "Networks as ONNX models, with no framework.", commands, argv)


@between_steps()
def run_evaluate(
    model: Path,
    data: str | None,
    predictions: Path | None,
    tta: str,
    unfinished: bool,
    against: Path | None,
    json: bool,
    out: Path | None,
    **settings: Any,
) -> None:
    from deploy.answers import notes_of
    from deploy.evaluation import show
    from deploy.files import check_outside
    from deploy.model import load_model
    from deploy.runs import package_of
    from onnx_impl.evaluation import evaluate_loaded, predictor
    from trainspec.predictions import check_place, report

    folder, by = (model, "onnx") if os.path.isdir(model) else (model.parent, predictor(model.name))
    place = None if package_of(folder / model.name) else folder
    check_place(predictions, place)
    if out is not None and data is not None:
        check_outside(out, data)
    loaded = load_model(model, unfinished=unfinished, **settings)
    with to_stderr() if json else nullcontext():
        evaluation = evaluate_loaded(loaded, data, tta=tta, unfinished=unfinished, against=against)
        share = report(evaluation, place, by, predictions, against)
    images: dict[str, object] = {"data": data or loaded.contract.data, "split": "test", "tta": tta}
    if share is not None:
        images |= {"against": str(against), "equal_predictions_percent": share}
    notes = notes_of(loaded, unfinished=unfinished)
    show(loaded, images, evaluation.scores, notes, as_json=json, out=out)


@between_steps()
def run_export(network: str, opset: int | None, fold: bool, **values: Any) -> None:
    from deploy.certificate import check_export
    from onnx_impl.export import export_onnx
    from onnx_impl.export_request import request
    from onnx_impl.model import DEFAULT_OPSET
    from trainspec.certificate import certify_export

    what, opset = request(network, "onnx", **values), DEFAULT_OPSET if opset is None else opset
    check_export(what.path)
    difference = export_onnx(
        what.graph, what.weights, what.path, opset=opset, fold_batch_norm=fold, metadata=what.metadata
    )
    certify_export(what.graph, what.weights, what.path, "onnx.reference", difference)
    say(f"{what.path}: opset {opset}, differs from its reference by {difference}")


@between_steps()
def run_package(model: Path, web: bool, **settings: Any) -> None:
    from deploy.package.onnxruntime_web import ADDRESS, SERVE
    from onnx_impl.packaging import package

    folder = package(model, web=web, notice=say, **settings)
    say(f"{folder}: written; on the machine that will run it, check it with: python {quote(str(folder / 'verify.py'))}")
    if web:
        say(f"{folder / 'web'}: {SERVE} --directory {quote(str(folder))}, then open {ADDRESS}")


@between_steps()
def run_quantize(model: Path, **settings: Any) -> None:
    from onnx_impl.quantization import quantize

    say(f"{quantize(model, notice=say, **settings)}: written")


if __name__ == "__main__":
    shell.run(main)

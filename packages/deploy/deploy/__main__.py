"""`python -m deploy COMMAND`: runs ONNX files on images. Every command is described here and runs elsewhere."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deploy import shell
from deploy.commands import Command, option, run_command
from deploy.errors import ModelError
from deploy.options import image, path
from deploy.outputs import output_file, output_folder
from deploy.views import VIEWS

DESCRIPTION = (
    "Runs an ONNX file on images. onnxruntime's telemetry is off; set ORT_DISABLE_TELEMETRY=0 to have it. Each command "
    "has a --help of its own. Where onnx_impl is installed, its commands `package` and `quantize` run here too."
)

MODEL = option("model", type=path, metavar="MODEL.onnx", help="an ONNX file, or the folder of a run or a package")
JSON = option("--json", action="store_true", help="print one line of JSON")
RUNTIME = (
    option(
        "--provider", metavar="P", help="provider that must run: cuda, cpu, ...; default: CUDA if it runs, else the CPU"
    ),
    option("--threads", type=int, metavar="N", help="threads per operator; default: the cores of this container"),
)
SCORES = option(
    "--out", type=output_folder, metavar="FOLDER", help="folder for scores.json, confusion.csv and confusion.png"
)
TTA = option("--tta", choices=tuple(VIEWS), default="none", help="test-time augmentation: mean logits of several views")
ELSEWHERE = {"package": "onnx_impl", "quantize": "onnx_impl"}  # they need onnx and the other packages
UNFINISHED = option("--unfinished", action="store_true", help="also take a RUN that did not reach its end")


def main(argv: Sequence[str]) -> int | None:
    return run_command("deploy", DESCRIPTION, COMMANDS, argv, ELSEWHERE)


def predict(model: Path, images: Sequence[Path | str], top: int, json: bool, **settings: Any) -> None:
    from deploy.answers import predict_files

    if top < 1:
        raise ModelError(f"--top {top}: give at least 1")
    predict_files(model, images, top=top, as_json=json, **settings)


def evaluate(model: Path, folder: Path, json: bool, **settings: Any) -> None:
    from deploy.evaluation import evaluate_command

    evaluate_command(model, folder, as_json=json, **settings)


def benchmark(**values: Any) -> None:
    from deploy.benchmarking import benchmark_command

    benchmark_command(**values)


def verify(folder: Path, provider: str | None) -> None:
    from deploy.package.verification import checks

    for line in checks(folder, provider=provider):
        shell.say(line)


COMMANDS = (
    Command(
        "predict",
        "the most probable classes of images",
        (
            MODEL,
            option(
                "images",
                nargs="+",
                type=image,
                metavar="IMAGE",
                help="JPEG, PNG or WebP files, folders of them at any depth, or - for one on standard input",
            ),
            option("--top", type=int, default=5, metavar="K", help="how many classes to name (5)"),
            JSON,
            *RUNTIME,
            TTA,
            UNFINISHED,
        ),
        predict,
    ),
    Command(
        "evaluate",
        "top-1, top-5, each class and the confusion matrix over class folders",
        (
            MODEL,
            option(
                "folder",
                type=path,
                metavar="FOLDER",
                help="<class>/<image> or test/<class>/<image>, or a zip, tar or tar.gz of that",
            ),
            JSON,
            SCORES,
            *RUNTIME,
            TTA,
            UNFINISHED,
        ),
        evaluate,
    ),
    Command(
        "benchmark",
        "latency percentiles and throughput by batch size, threads and provider",
        (
            MODEL,
            option("--batch", nargs="+", type=int, default=(1, 8, 32), metavar="N", help="batch sizes (1 8 32)"),
            option("--threads", nargs="+", type=int, metavar="N", help="numbers of threads; default: all cores"),
            option("--provider", nargs="+", metavar="P", help="providers that must run; default: the one of predict"),
            option("--seconds", type=float, default=2.0, metavar="S", help="seconds for each combination (2)"),
            option("--json", type=output_file, metavar="FILE", help="write the timings as JSON"),
            option("--plot", type=output_file, metavar="FILE", help="plot the timings as PNG or SVG"),
            option("--beside", nargs="+", type=path, metavar="FILE", help="timings of other runs or runtimes, as JSON"),
            UNFINISHED,
        ),
        benchmark,
    ),
    Command(
        "verify",
        "check a package on this machine",
        (
            option("folder", type=path, metavar="FOLDER", help="the folder that `package` wrote"),
            option("--provider", metavar="P", help="provider that must run: cuda, cpu, ..."),
        ),
        verify,
    ),
)


if __name__ == "__main__":
    shell.run(main)

"""`python -m deploy predict MODEL.onnx IMAGE ...`: what is on the images, with probabilities."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn

from deploy.answers import predict_files
from deploy.errors import DeployError, ModelError


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one line, like every other."""

    def error(self, message: str) -> NoReturn:
        raise ModelError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str]) -> None:
    parser = Parser(
        prog="deploy",
        description="What is on images, by an ONNX file. onnxruntime's telemetry is off; set ORT_DISABLE_TELEMETRY=0 "
        "to have it.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    predict = commands.add_parser("predict", help="the most probable classes of images")
    predict.add_argument("model", metavar="MODEL.onnx", help="an ONNX file, or the folder of a run")
    predict.add_argument(
        "images", nargs="+", metavar="IMAGE", help="JPEG, PNG or WebP files, or folders of them at any depth"
    )
    predict.add_argument("--top", type=int, default=5, metavar="K", help="how many classes to name (5)")
    predict.add_argument("--json", action="store_true", help="answer with one line of JSON")
    predict.add_argument(
        "--provider", metavar="P", help="one that must run, as cuda or cpu; default: CUDA where it runs, then the CPU"
    )
    predict.add_argument("--threads", type=int, metavar="N", help="threads of one operator; default: onnxruntime's")
    options = parser.parse_args(argv)
    if options.top < 1:
        raise ModelError(f"--top {options.top}: give at least 1")
    lines = predict_files(
        options.model,
        options.images,
        top=options.top,
        provider=options.provider,
        threads=options.threads,
        as_json=options.json,
    )
    for line in lines:
        print(_printable(line))


def _printable(line: str) -> str:
    """Without anything that a terminal obeys: names come out of files."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in line)
    return shown.encode(sys.stdout.encoding or "ascii", "backslashreplace").decode(sys.stdout.encoding or "ascii")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DeployError as error:
        print(f"error: {_printable(' '.join(str(error).split()))}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None

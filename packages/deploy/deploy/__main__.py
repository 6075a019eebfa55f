"""`python -m deploy predict MODEL.onnx IMAGE ...`: prints the most probable classes of images."""

from collections.abc import Sequence

from deploy import shell
from deploy.answers import predict_files
from deploy.errors import ModelError
from deploy.options import Parser, path
from deploy.package.verification import verify as verify_package
from deploy.views import VIEWS


def main(argv: Sequence[str]) -> None:
    parser = Parser(
        prog="python -m deploy",
        description="What is on images, by an ONNX file. onnxruntime's telemetry is off; set ORT_DISABLE_TELEMETRY=0 "
        "to have it.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    predict = commands.add_parser("predict", help="the most probable classes of images")
    predict.add_argument("model", type=path, metavar="MODEL.onnx", help="an ONNX file, or the folder of a run")
    predict.add_argument(
        "images", nargs="+", type=path, metavar="IMAGE", help="JPEG, PNG or WebP files, or folders of them at any depth"
    )
    predict.add_argument("--top", type=int, default=5, metavar="K", help="how many classes to name (5)")
    predict.add_argument("--json", action="store_true", help="answer with one line of JSON")
    predict.add_argument(
        "--provider", metavar="P", help="one that must run, as cuda or cpu; default: CUDA where it runs, then the CPU"
    )
    predict.add_argument("--threads", type=int, metavar="N", help="threads of one operator; default: onnxruntime's")
    predict.add_argument(
        "--tta", choices=tuple(VIEWS), default="none", help="test-time augmentation: mean logits of several views"
    )
    predict.add_argument("--unfinished", action="store_true", help="also take a RUN that did not reach its end")
    verify = commands.add_parser("verify", help="check a package on this machine")
    verify.add_argument("folder", type=path, metavar="FOLDER", help="the folder that `package` wrote")
    verify.add_argument("--provider", metavar="P", help="one that must run, as cuda or cpu")
    options = parser.parse_args(argv)
    if options.command == "verify":
        for line in verify_package(options.folder, provider=options.provider):
            shell.say(line)
        return
    if options.top < 1:
        raise ModelError(f"--top {options.top}: give at least 1")
    lines = predict_files(
        options.model,
        options.images,
        top=options.top,
        provider=options.provider,
        threads=options.threads,
        as_json=options.json,
        unfinished=options.unfinished,
        tta=options.tta,
    )
    for line in lines:
        shell.say(line)


if __name__ == "__main__":
    shell.run(main)

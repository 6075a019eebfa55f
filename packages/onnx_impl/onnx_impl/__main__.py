"""`python -m onnx_impl evaluate | export`: networks as ONNX files, with no framework."""

import argparse
from collections.abc import Sequence

from deploy.shell import say
from diptych import cli
from diptych.stopping import between_steps

# What takes long to import is imported in the functions: Ctrl-C is answered from `cli.run` on.


def main(argv: Sequence[str]) -> None:
    from diptych.cli import Parser
    from netspec.options import add_export_options, name_or_path, path
    from trainspec.evaluation import add_evaluate_options

    parser = Parser(prog="onnx_impl", description="Networks as ONNX models, with no framework.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    evaluate = commands.add_parser("evaluate", help="the accuracy of an ONNX file over a test split")
    evaluate.add_argument("model", type=path, metavar="MODEL.onnx")
    evaluate.add_argument(
        "--data", type=name_or_path, metavar="D", help="as for training; default: what the file names"
    )
    add_evaluate_options(evaluate)
    evaluate.set_defaults(run=run_evaluate)
    export = commands.add_parser("export", help="write an ONNX file and verify it against ONNX's reference evaluator")
    add_export_options(export)
    export.add_argument("--fold", action="store_true", help="fold batch norm into the layer in front of it")
    export.set_defaults(run=run_export)
    options = parser.parse_args(argv)
    options.run(options)


@between_steps()
def run_evaluate(options: argparse.Namespace) -> None:
    from onnx_impl.evaluate import evaluate_file

    evaluate_file(options)


@between_steps()
def run_export(options: argparse.Namespace) -> None:
    from onnx_impl.chosen import chosen
    from onnx_impl.export import export_onnx
    from onnx_impl.model import DEFAULT_OPSET

    what, opset = chosen(options, "onnx"), options.opset or DEFAULT_OPSET
    difference = export_onnx(
        what.graph, what.weights, what.path, opset=opset, fold_batch_norm=options.fold, metadata=what.metadata
    )
    say(f"{what.path}: opset {opset}, differs from its reference by {difference}")


if __name__ == "__main__":
    cli.run(main)

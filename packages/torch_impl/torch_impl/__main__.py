"""`python -m torch_impl train | evaluate | export`: networks in PyTorch."""

import argparse
from collections.abc import Sequence

from deploy.shell import say
from diptych import cli
from diptych.stopping import between_steps

# What takes long to import is imported in the functions: Ctrl-C is answered from `cli.run` on.


def main(argv: Sequence[str]) -> int | None:
    from diptych.cli import Parser
    from netspec.options import add_export_options
    from trainspec.evaluation import add_run_options
    from trainspec.task import add_task_options

    parser = Parser(prog="torch_impl", description="Networks in PyTorch.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser("train", help="train, evaluate and export a network into a run's folder")
    add_task_options(train)
    train.set_defaults(run=run_train)
    evaluate = commands.add_parser("evaluate", help="the accuracy of a run's weights over its test split")
    add_run_options(evaluate)
    evaluate.set_defaults(run=run_evaluate)
    export = commands.add_parser("export", help="write an ONNX file by torch.onnx and verify it against the module")
    add_export_options(export)
    export.set_defaults(run=run_export)
    options = parser.parse_args(argv)
    status: int | None = options.run(options)
    return status


@between_steps()
def run_train(options: argparse.Namespace) -> None:
    from trainspec.task import read_task

    task = read_task(options, "torch_impl")
    from torch_impl.trainer import TORCH
    from trainspec.training import train

    train(task, TORCH)


@between_steps()
def run_evaluate(options: argparse.Namespace) -> None:
    from trainspec.evaluation import evaluate_run, judge

    judged = judge(options)
    from torch_impl.trainer import TORCH

    evaluate_run(judged, options, TORCH)


@between_steps()
def run_export(options: argparse.Namespace) -> None:
    from onnx_impl.chosen import chosen

    what = chosen(options, "torch")
    import torch_impl
    from torch_impl.export import OPSET

    model, opset = torch_impl.build(what.graph, weights=what.weights), options.opset or OPSET
    difference = torch_impl.export_onnx(model, what.path, opset=opset, metadata=what.metadata)
    say(f"{what.path}: opset {opset}, differs from PyTorch by {difference}")


if __name__ == "__main__":
    cli.run(main)

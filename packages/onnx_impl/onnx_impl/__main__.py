"""`python -m onnx_impl export`: a network as a verified ONNX file, with no framework."""

import argparse
from collections.abc import Sequence

import netspec
from netspec import cli
from netspec.options import Parser, add_export_options, network_of, out_of


def main(argv: Sequence[str]) -> None:
    parser = Parser(prog="onnx_impl", description="Networks as ONNX models, with no framework.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    export = commands.add_parser("export", help="write an ONNX file and verify it against ONNX's reference evaluator")
    add_export_options(export, "onnx")
    export.add_argument("--fold", action="store_true", help="fold batch norm into the layer in front of it")
    export.set_defaults(run=run_export)
    options = parser.parse_args(argv)
    options.run(options)


def run_export(options: argparse.Namespace) -> None:
    graph = network_of(options)
    from onnx_impl.export import export_onnx
    from onnx_impl.measure import probe
    from onnx_impl.model import DEFAULT_OPSET

    weights = netspec.load_weights(graph, options.weights) if options.weights else probe(graph)
    path, opset = out_of(options, graph, "onnx"), options.opset or DEFAULT_OPSET
    difference = export_onnx(graph, weights, path, opset=opset, fold_batch_norm=options.fold)
    print(f"{path}: opset {opset}, differs from its reference by {difference}")


if __name__ == "__main__":
    cli.run(main)

"""`python -m torch_impl export`: a network through PyTorch's own ONNX exporter."""

import argparse
from collections.abc import Sequence

from netspec import cli
from netspec.options import Parser, add_export_options, network_of, out_of


def main(argv: Sequence[str]) -> None:
    parser = Parser(prog="torch_impl", description="Networks in PyTorch.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    export = commands.add_parser("export", help="write an ONNX file by torch.onnx and verify it against the module")
    add_export_options(export, "torch")
    export.set_defaults(run=run_export)
    options = parser.parse_args(argv)
    options.run(options)


def run_export(options: argparse.Namespace) -> None:
    graph = network_of(options)
    import torch_impl
    from onnx_impl.measure import probe
    from torch_impl.export import OPSET

    model = torch_impl.build(graph, weights=options.weights or probe(graph))
    path, opset = out_of(options, graph, "torch"), options.opset or OPSET
    difference = torch_impl.export_onnx(model, path, opset=opset)
    print(f"{path}: opset {opset}, differs from PyTorch by {difference}")


if __name__ == "__main__":
    cli.run(main)

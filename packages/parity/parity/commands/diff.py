"""`diff`: says where two networks differ."""

import argparse
from collections.abc import Sequence

from deploy.options import Parser, name_or_path
from deploy.outputs import output_file
from parity.commands.judging import for_judging

DESCRIPTION = """Says where two networks differ: in attributes, structure, weights and values, in this order.

Each of A and B is an architecture with options (resnet20:num_classes=100,activation=mish), the folder of a run, a graph
(.json), a weight file (.safetensors) or an ONNX file (.onnx). Both run on the same images: a run in its framework, an
ONNX file in onnxruntime, everything else in PyTorch; in float64 unless one is an ONNX file. A side without weights has
those of the other, and probe weights where there are none. The exit status is 0 if they are equal, 1 if not, and 2 if
it cannot be said."""


def main(argv: Sequence[str]) -> int:
    for_judging()
    parser = Parser(
        prog="python -m parity diff", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("a", type=name_or_path, metavar="A", help="what to compare: see above")
    parser.add_argument("b", type=name_or_path, metavar="B", help="likewise")
    parser.add_argument(
        "--out", type=output_file, metavar="FILE.html", help="write a page with a diagram and a table of nodes"
    )
    parser.add_argument("--json", action="store_true", help="print the facts as JSON")
    parser.add_argument("--unfinished", action="store_true", help="also take a run that did not reach its end")
    options = parser.parse_args(argv)

    from parity.diff.command import run

    return run(options.a, options.b, out=options.out, json=options.json, unfinished=options.unfinished)

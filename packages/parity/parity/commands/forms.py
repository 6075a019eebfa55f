"""`forms`: every ONNX file that trained networks can become, judged over the whole test split."""

import argparse
from collections.abc import Sequence

from deploy.options import Parser, name_or_path, path
from deploy.outputs import output_file
from parity.commands.judging import for_judging

DESCRIPTION = """Makes every ONNX file that a trained network can become, and judges each over the whole test split.

The float32 files of three exporters, folded batch norms, uint8 images, float16, and INT8 with 7 and 8 bits: size,
accuracy, agreement with what the framework answered after the training, and time beside model.onnx, in turns."""


def main(argv: Sequence[str]) -> int:
    for_judging()
    parser = Parser(
        prog="python -m parity forms", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=path, metavar="RUN", help="the folder of a finished run")
    parser.add_argument(
        "--data", type=name_or_path, metavar="D", help="the data set of the runs; default: the one that each names"
    )
    parser.add_argument(
        "--out", type=output_file, default="results/forms.md", metavar="FILE", help="the table (results/forms.md)"
    )
    options = parser.parse_args(argv)

    from parity.forms import write_forms

    write_forms(options.runs, options.out, options.data)
    return 0

"""`python -m deploy predict MODEL.onnx IMAGE ...`: what is on the images, with probabilities."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from deploy.errors import DeployError, ModelError
from deploy.images import read_image
from deploy.predict import Model


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes are one line, like every other."""

    def error(self, message: str) -> NoReturn:
        raise ModelError(f"{message} (see {self.prog} --help)")


def main(argv: Sequence[str]) -> None:
    parser = Parser(prog="deploy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    predict = commands.add_parser("predict", help="the most probable classes of images")
    predict.add_argument("model", type=Path, metavar="MODEL.onnx")
    predict.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="JPEG, PNG or WebP files")
    predict.add_argument("--top", type=int, default=5, metavar="K", help="how many classes to name (5)")
    options = parser.parse_args(argv)
    if options.top < 1:
        raise ModelError(f"--top {options.top}: give at least 1")
    model = Model(options.model)
    batches = [(path, read_image(path, model.image_size)) for path in options.images]  # all, before any is answered
    for path, image in batches:
        print(path)
        for prediction in model.predict(image[None], options.top)[0]:
            print(f"  {100 * prediction.probability:6.2f} %  {prediction.name}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except DeployError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None

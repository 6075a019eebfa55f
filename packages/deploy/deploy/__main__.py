"""`python -m deploy predict MODEL.onnx IMAGE ...`: what is on the images, with probabilities."""

from collections.abc import Sequence

from deploy import shell
from deploy.errors import ModelError
from deploy.images import read_image
from deploy.options import Parser, path
from deploy.predict import Model


def main(argv: Sequence[str]) -> None:
    parser = Parser(prog="deploy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    predict = commands.add_parser("predict", help="the most probable classes of images")
    predict.add_argument("model", type=path, metavar="MODEL.onnx")
    predict.add_argument("images", nargs="+", type=path, metavar="IMAGE", help="JPEG, PNG or WebP files")
    predict.add_argument("--top", type=int, default=5, metavar="K", help="how many classes to name (5)")
    options = parser.parse_args(argv)
    if options.top < 1:
        raise ModelError(f"--top {options.top}: give at least 1")
    model = Model(options.model)
    batches = [(name, read_image(name, model.image_size)) for name in options.images]  # all, before any is answered
    for name, image in batches:
        shell.say(name)
        for prediction in model.predict(image[None], options.top)[0]:
            shell.say(f"  {100 * prediction.probability:6.2f} %  {prediction.name}")


if __name__ == "__main__":
    shell.run(main)

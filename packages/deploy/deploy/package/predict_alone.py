"""What `predict.py` in a package does: `python -m deploy predict` with the package for a model."""

from collections.abc import Sequence
from pathlib import Path

from deploy.answers import predict_files
from deploy.errors import ModelError
from deploy.options import Parser, image
from deploy.package.manifest import MODEL, read_manifest


def main(folder: Path, argv: Sequence[str]) -> None:
    parser = Parser(prog="predict.py", description="The most probable classes of images.")
    parser.add_argument("images", nargs="+", type=image, metavar="IMAGE", help="JPEG, PNG or WebP files, folders, or -")
    parser.add_argument("--top", type=int, default=5, metavar="K", help="how many classes to name (5)")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    parser.add_argument("--provider", metavar="P", help="provider that must run: cuda, cpu, ...")
    parser.add_argument("--threads", type=int, metavar="N", help="threads per operator")
    options = parser.parse_args(argv)
    if options.top < 1:
        raise ModelError(f"--top {options.top}: give at least 1")
    read_manifest(folder)  # there must be one; the model is compared with it when it is loaded
    predict_files(
        folder / MODEL,
        options.images,
        top=options.top,
        provider=options.provider,
        threads=options.threads,
        as_json=options.json,
    )

"""The command-line options that say which network is meant, the same in every command."""

import re
from collections.abc import Sequence
from typing import Any

from deploy.commands import option
from deploy.options import name_or_path, path
from deploy.outputs import output_file
from diptych.errors import UsageError


def image_size(text: str) -> int | tuple[int, int]:
    height, by, width = text.partition("x")
    return (int(height), int(width)) if by else int(height)


def numbers(text: str) -> tuple[float, ...]:
    """Numbers separated by commas."""
    return tuple(float(part) for part in text.split(","))


FORM_OPTIONS = (  # which form of a network is meant
    option("--num-classes", type=int, metavar="N", help="default: the paper's"),
    option("--in-channels", type=int, metavar="C", help="default: the paper's"),
    option(
        "--image-size", type=image_size, metavar="PX", help="96, or 96x128 for height x width; default: the paper's"
    ),
    option(
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="an option of the architecture, for example dropout=0.2",
    ),
)
EXPORT_OPTIONS = (  # of the three export commands
    option(
        "network",
        type=name_or_path,
        metavar="ARCH",
        help="an architecture's name, a .json file of a graph, or a RUN: the folder of one, with its trained weights",
    ),
    *FORM_OPTIONS,
    option(
        "--weights",
        type=path,
        metavar="FILE",
        help="a .safetensors or .pt file; default: the weights of a RUN, or random probe weights",
    ),
    option("--opset", type=int, metavar="N", help="ONNX opset; default: what the exporter is best at"),
    option(
        "--out",
        type=output_file,
        metavar="FILE",
        help="default: exports/ARCH-FRAMEWORK.onnx, or proof/FRAMEWORK.onnx in the folder of a run",
    ),
    option("--unfinished", action="store_true", help="also take a RUN that did not reach its end"),
    option(
        "--preset",
        metavar="P",
        help="how images are prepared, written into the file for predictions: imagenet or cifar10",
    ),
    option("--classes", type=path, metavar="FILE", help="names of the classes, one a line, UTF-8"),
    option("--mean", type=numbers, metavar="R,G,B", help="mean per channel on the 0..1 scale"),
    option("--std", type=numbers, metavar="R,G,B", help="standard deviation per channel on the 0..1 scale"),
)


def form_of(
    num_classes: int | None = None,
    in_channels: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    option: Sequence[str] = (),
) -> dict[str, Any]:
    """The chosen form of a network, as arguments of `netspec.architecture`. Raises `UsageError`."""
    given = {"num_classes": num_classes, "in_channels": in_channels, "image_size": image_size}
    options = dict(map(_pair, option))
    if wrong := next((key for key in options if key in given), None):
        raise UsageError(f"--option {wrong}: not an option of a network; give --{wrong.replace('_', '-')}")
    return {key: value for key, value in given.items() if value is not None} | options


_WORD = re.compile(r"([^:()]*)(?::(.*)|\((.*)\))?", re.DOTALL)


def network_of(text: str) -> tuple[str, dict[str, Any]]:
    """A network and its form in one word: `resnet20:num_classes=100,activation=mish`.

    Returns the name and the arguments of `netspec.architecture`, which checks them. A graph's own name,
    `resnet20(activation=mish)`, is read likewise. Raises `UsageError` for a word of another form.
    """
    match = _WORD.fullmatch(text)
    if not match:
        raise UsageError(f"a network is written NAME or NAME:KEY=VALUE,..., not '{text}'")
    name, after, inside = match.groups()
    form = dict(_pair(part.strip(), f"'{name}:'") for part in (after or inside or "").split(",") if part.strip())
    if isinstance(size := form.get("image_size"), str):
        try:
            form["image_size"] = image_size(size)
        except ValueError:
            raise UsageError(f"{name} takes images of PX or HxW pixels, not '{size}'") from None
    return name, form


def _pair(text: str, where: str = "--option") -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise UsageError(f"{where} takes KEY=VALUE, not '{text}'")
    if key == "distinct_blocks":
        raise UsageError(f"{where} distinct_blocks: only tests have it; leave it out")
    for read in (int, float):
        try:
            return key, read(value)
        except ValueError:
            continue
    return key, {"true": True, "false": False}.get(value.lower(), value)

"""What an exported file says of its images if there is no run: presets, and files of class names."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from deploy.contract import COLOR_RULES, RESIZE_RULE, RESIZE_RULES, Contract
from diptych.errors import DataError, UnknownNameError, UsageError
from netspec import Graph
from netspec.registry import nearest
from onnx_impl.model import contract_of
from trainspec.data.cifar import MEAN, STD

MOST_BYTES = 1 << 24  # limit for a file of names


@dataclass(frozen=True)
class Preset:
    """Mean and standard deviation per channel on the 0..1 scale, the classes if they are few, and the resize rule."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: tuple[str, ...] = ()
    resize_rule: str = RESIZE_RULE


PRESETS = {
    "imagenet": Preset(  # the values of torchvision and timm
        (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), resize_rule=RESIZE_RULES["margin"]
    ),
    "cifar10": Preset(
        tuple(value / 255 for value in MEAN),
        tuple(value / 255 for value in STD),
        ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    ),
}


def describe(
    graph: Graph,
    preset: str | None = None,
    classes: Path | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
) -> Contract:
    """The metadata of a network's file; if nothing is chosen, only the network's own entries.

    Explicit values override the preset's. Without names the classes are `class 0`, `class 1`, ... Raises
    `UnknownNameError` for an unknown preset, `UsageError` if the mean or the deviation is missing, and `DataError` for
    values that do not fit the network.
    """
    if preset is not None and preset not in PRESETS:
        raise UnknownNameError(f"no preset '{preset}'{nearest(preset, PRESETS)}")
    contract = contract_of(graph)
    if preset is None and classes is None and mean is None and std is None:
        return contract
    chosen = PRESETS[preset] if preset else Preset((), ())
    means, deviations = tuple(mean or chosen.mean), tuple(std or chosen.std)
    if not means or not deviations:
        raise UsageError("a file for predictions needs --mean and --std, or --preset, besides its classes")
    for option, values in (("--mean", means), ("--std", deviations)):
        if not all(0 <= value <= 1 for value in values):
            shown = ",".join(f"{value:g}" for value in values)
            raise UsageError(f"{option} {shown}: give values on the 0..1 scale; divide those of 0..255 by 255")
    count = graph.shapes[graph.outputs[0]][0]
    names = read_names(classes) if classes else chosen.classes or tuple(f"class {place}" for place in range(count))
    color = COLOR_RULES.get(len(means), "")
    contract = replace(
        contract, classes=names, mean=means, std=deviations, resize_rule=chosen.resize_rule, color_rule=color
    )
    contract = Contract.read(contract.properties().items(), graph.name)
    contract.check_graph(graph.input_shape[0], contract.image_size, count, graph.name)
    return contract


def read_names(path: Path) -> tuple[str, ...]:
    """Class names from a UTF-8 file, one per line. Raises `DataError`."""
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise DataError(f"{path}: not a file of class names")
        if os.path.isfile(path) and path.stat().st_size > MOST_BYTES:
            raise DataError(f"{path}: too large for a file of class names")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from None
    except ValueError as error:  # not UTF-8, or a NUL in the name
        raise DataError(f"{path}: class names are UTF-8 text, one a line ({error})") from None
    names = tuple(line.removesuffix("\r") for line in text.removesuffix("\n").split("\n"))
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise DataError(f"{path}: line {number} is empty; one class name a line")
    return names

"""`model_card.md`: the manifest in words."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.contract import PROBE_WEIGHTS, Contract
from deploy.machine import describe_machine
from deploy.package.onnxruntime_web import ADDRESS, SERVE
from deploy.runs import FINISHED
from deploy.shell import printable
from deploy.timings import Timing

NAMED = 20  # classes
_MARKUP = re.compile(r"(^\d*)([-+.)])(?=\s|$)|([\\`*_\[\]|~#$])")  # the first part: what begins a list


def card(facts: Mapping[str, Any], contract: Contract, timings: Sequence[Timing], extra: bool, page: bool) -> bytes:
    """The card of a model with these facts.

    `extra`: it comes with the variant that takes uint8 images. `page`: it comes with a page for browsers.
    """
    height, width = contract.image_size
    classes = ", ".join(map(plain, contract.classes[:NAMED])) + (", ..." if len(contract.classes) > NAMED else "")
    lines = [
        f"# {plain(contract.architecture or 'Model')}",
        "",
        f"An image classifier of {len(contract.classes)} classes: {classes}.",
        "",
        "## Accuracy",
        "",
        *_unfinished(facts["training"]),
        _accuracy(facts["accuracy"]),
        *([f"The float32 network: {_accuracy(facts['float32_accuracy'])}"] if facts.get("float32_accuracy") else []),
        *_compression(facts["compression"]),
        "",
        "## Speed",
        "",
        *_speed(timings),
        "",
        "## What it was trained on",
        "",
        f"The data set {plain(contract.data)}." if contract.data else "The file does not say.",
        *([f"Its weights are {PROBE_WEIGHTS}: its answers mean nothing."] if contract.weights == PROBE_WEIGHTS else []),
        "",
        "## Preparation of images",
        "",
        f"`preprocess.json` has all steps. The image is resized to {height} x {width} ({contract.resize_rule}) and "
        f"normalised by mean {_numbers(contract.mean)} and deviation {_numbers(contract.std)} of 0..1.",
        *(["`uint8/` has the same model with these steps inside: it takes uint8 `(N, H, W, C)`."] if extra else []),
        "",
        "## Use",
        "",
        "- `python predict.py IMAGE ...` names the classes of images.",
        "- `python verify.py` checks all files, and that this machine computes what it should.",
        *([f"- `{SERVE}` in this folder: {ADDRESS} answers in a browser."] if page else []),
        f"- Triton: copy this folder{' (or its `uint8/`)' * extra} into a model repository of its own. Triton takes "
        "every folder in a repository for a model.",
        "- `model.onnx` has one input `image`, float32 `(N, C, H, W)`, and one output `logits` `(N, classes)`.",
        "",
        "## Limits",
        "",
        "It names one of its classes for any image, also for one that shows none of them. Its probabilities are those "
        "of the training data; they are not calibrated for other images.",
        "",
        "## Licence",
        "",
        f"The file `LICENSE` is that of the scripts{' and the page' * page}. The model and its data have licences of "
        "their own.",
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "backslashreplace")


def plain(text: object) -> str:
    """A text from metadata in one line, so that Markdown and HTML show its characters and nothing else."""
    return html.escape(_MARKUP.sub(r"\1\\\2\3", printable(" ".join(str(text).split()))), quote=False)


def _unfinished(training: object) -> list[str]:
    """A sentence about a training that did not reach its end."""
    return [] if training in (None, FINISHED) else [f"Its training did not reach its end ({plain(training)}).", ""]


def _accuracy(accuracy: Mapping[str, Any] | None) -> str:
    if accuracy is None:
        return "Not measured: the file was packaged without a run that measured it."
    low, high = accuracy["interval"]
    return (
        f"Top-1 {accuracy['top1']:.2f} % of {accuracy['images']:,} images ({low:.2f} to {high:.2f} % at "
        f"{100 * accuracy['level']:.0f} %), on {plain(accuracy['measured'])}."
    )


def _speed(timings: Sequence[Timing]) -> list[str]:
    machine = describe_machine()
    rows = [
        (each.by, each.provider, each.threads, each.batch, f"{each.p50:.2f}", f"{each.p95:.2f}",
         f"{each.mean:.2f}", f"{each.images_per_second:,.0f}")
        for each in timings
    ]  # fmt: skip
    head = ("runtime", "provider", "threads", "batch", "median, ms", "95th percentile, ms", "mean, ms", "images/s")
    table = (head, (":--", ":--", *["--:"] * (len(head) - 2)), *rows)
    return [
        f"On {machine['cpu']}, {machine['cores']} cores; `benchmark.json` has more. Measure it where it will run.",
        "",
        *(f"| {' | '.join(map(str, row))} |" for row in table),
    ]


def _compression(compression: Mapping[str, Any] | None) -> list[str]:
    facts = (f"- {plain(key.replace('_', ' '))}: {plain(value)}" for key, value in (compression or {}).items())
    return ["", "Compressed:", "", *facts] if compression else []


def _numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)

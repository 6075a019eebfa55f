"""The command `predict`: takes images, folders of images and standard input, prints lines or JSON."""

import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deploy import runtime
from deploy.contract import PROBE_WEIGHTS
from deploy.errors import DiptychError, ImageError
from deploy.inputs import ImageSource, find_images
from deploy.model import LoadedModel
from deploy.package.manifest import training_of
from deploy.predict import Classifier, Prediction
from deploy.progress import counted
from deploy.runs import FINISHED
from deploy.shell import say

STDIN = "-"  # in place of a path: an image on standard input


def predict_files(
    model: str | os.PathLike[str],
    images: Sequence[str | os.PathLike[str]],
    *,
    top: int = 5,
    provider: str | None = None,
    threads: int | None = None,
    as_json: bool = False,
    unfinished: bool = False,
    tta: str = "none",
) -> None:
    """Print the answer for each image as soon as it is there. Batches bound the memory.

    `model` is an ONNX file or the folder of a run or package, `images` are files, folders and `-`, `tta` is test-time
    augmentation as in `Classifier`. An image that turns out to be unreadable has its error for an answer.

    Raises `DiptychError`: for what cannot be used at all before the first line, and for unreadable images at the end.
    """
    classifier = Classifier(model, provider=provider, threads=threads, unfinished=unfinished, tta=tta)
    names, left_out = _find(images)
    notes = [f"left out, {reason}: {count:,}" for reason, count in sorted(left_out.items())]
    notes += notes_of(classifier.model, unfinished=unfinished)
    answers = counted(classifier.attempts(map(_source, names), top), "images", len(names), streams=True)
    faults = []
    pairs = zip(names, answers, strict=True)
    lines = _json(classifier, notes, pairs) if as_json else _text(classifier, notes, pairs)
    try:
        for text, answer in lines:
            say(text, end="" if as_json else "\n")
            if isinstance(answer, ImageError):
                faults.append(answer)
    finally:  # also where the model fails
        if as_json:
            say()
    if faults:
        others = f" ({len(faults):,} of {len(names):,} images cannot be read)" if len(names) > 1 else ""
        raise ImageError(f"{faults[0]}{others}")


def notes_of(model: LoadedModel, *, unfinished: bool = False) -> list[str]:
    """What a user should know about the answers of a model."""
    notes = runtime.notes(model.passed_over)
    if unfinished:
        notes.append(f"{model.source} may come from an unfinished training")
    elif (training := training_of(Path(model.source), model.contract.compression)) not in ("", FINISHED):
        notes.append(f"{model.source} is of a training that did not reach its end ({training})")
    if model.contract.weights == PROBE_WEIGHTS:
        notes.append(f"{model.source} has {PROBE_WEIGHTS}: its answers mean nothing")
    return notes


def _find(images: Sequence[str | os.PathLike[str]]) -> tuple[list[str], Counter[str]]:
    """The names of all images in the order given, and how many files of the folders were left out, by reason."""
    names: list[str] = []
    left_out: Counter[str] = Counter()
    for image in images:
        if image != STDIN:
            found, others = find_images([image])
            names += map(os.fspath, found)
            left_out += others
        elif STDIN in names:
            raise ImageError("-: given twice, but standard input is one image")
        elif sys.stdin is None:  # the shell has closed it: <&-
            raise ImageError("-: standard input is closed; pass an image with < FILE or through a pipe")
        elif sys.stdin.isatty():
            raise ImageError("-: standard input is a terminal; pass an image with < FILE or through a pipe")
        else:
            names.append(STDIN)
    return names, left_out


def _source(name: str) -> ImageSource:
    return sys.stdin.buffer if name == STDIN else Path(name)


Answer = list[Prediction] | ImageError
Lines = Iterator[tuple[str, Answer]]


def _text(classifier: Classifier, notes: Sequence[str], answers: Iterator[tuple[str, Answer]]) -> Lines:
    yield f"{classifier.model.source}: {classifier.running}", []
    yield from ((f"note: {note}", []) for note in notes)
    for name, answer in answers:
        yield name, answer
        if isinstance(answer, ImageError):
            yield f"  {str(answer).removeprefix(f'{name}: ')}", []
            continue
        yield from ((f"  {100 * prediction.probability:6.2f} %  {prediction.name}", []) for prediction in answer)


def _json(classifier: Classifier, notes: Sequence[str], answers: Iterator[tuple[str, Answer]]) -> Lines:
    """One JSON object in parts, so that not all answers are kept."""
    model = classifier.model
    head = {"model": model.source, "provider": model.provider, "threads": model.threads, "notes": notes}
    yield f'{_dumped(head)[:-1]}, "images": [', []
    try:
        for number, (name, answer) in enumerate(answers):
            yield f"{', ' * bool(number)}{_dumped({'image': name, **_fields(answer)})}", answer
    except DiptychError as error:  # of the model; what has been printed must still be JSON
        yield f'], "error": {_dumped(str(error))}}}', []
        raise
    yield "]}", []


def _fields(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, ImageError):
        return {"error": str(answer)}
    return {"predictions": [{"name": each.name, "probability": each.probability} for each in answer]}


def _dumped(value: Any) -> str:
    return json.dumps(value)  # ASCII only, so that a name with an escape or a lone surrogate is valid JSON too

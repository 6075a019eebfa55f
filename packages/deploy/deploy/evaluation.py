"""The command `evaluate`: how right a model is over class folders or an archive of them."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deploy.answers import notes_of
from deploy.archives import SUFFIXES
from deploy.arguments import checked
from deploy.class_folders import ClassFolders, find_classes
from deploy.files import check_outside, write_together
from deploy.model import LoadedModel
from deploy.picture import draw_confusion
from deploy.predict import Classifier, batches
from deploy.progress import counted
from deploy.scores import Scores, score
from deploy.shell import say

WIDEST = 12  # classes of a confusion matrix that is printed


@checked
def evaluate(model: Classifier | str | os.PathLike[str], folder: str | os.PathLike[str]) -> Scores:
    """The scores of a model over class folders, or a zip, tar or tar.gz of them. A batch at a time is in memory.

    `model` is a classifier, or the path of one. Raises `DiptychError` for a model that cannot be used, for folders that
    are not its classes, and for an image that cannot be read.
    """
    classifier = model if isinstance(model, Classifier) else Classifier(model)
    return _evaluate(classifier, find_classes(Path(folder)))


def _evaluate(classifier: Classifier, folders: ClassFolders) -> Scores:
    numbers = folders.numbers(classifier.classes)

    def answers() -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        contents = counted(folders.contents(), "images", len(numbers))
        for batch in batches(contents, classifier.model.batch):
            images = np.stack([classifier.prepare(content, f"{folders.place}/{path}") for path, content in batch])
            yield classifier.logits(images), np.array([numbers[path] for path, _ in batch], np.int64)

    return score(answers(), classifier.classes)


def evaluate_command(
    model: Path,
    folder: Path,
    *,
    as_json: bool = False,
    out: Path | None = None,
    unfinished: bool = False,
    **settings: Any,
) -> None:
    """`show` the scores of `model` over `folder`."""
    if out is not None:
        check_outside(out, folder)
    classifier = Classifier(model, unfinished=unfinished, **settings)
    folders = find_classes(folder)
    scores = _evaluate(classifier, folders)
    notes = notes_of(classifier.model, unfinished=unfinished)
    trained_on = classifier.contract.data
    name = folder.resolve().name
    if not folders.split and trained_on and name in (trained_on, *(trained_on + suffix for suffix in SUFFIXES)):
        notes.append(f"the model was trained on images of {trained_on}; evaluate_onnx takes those that were held out")
    notes += [f"left out, {reason}: {count:,}" for reason, count in sorted(folders.left_out.items())]
    images = {"data": str(folder), "split": folders.split, "tta": classifier.tta}
    show(classifier.model, images, scores, notes, as_json=as_json, out=out)


def show(
    model: LoadedModel,
    images: Mapping[str, Any],
    scores: Scores,
    notes: list[str],
    *,
    as_json: bool = False,
    out: Path | None = None,
) -> None:
    """Print the scores of `model` and on what it runs, as text or as JSON, and write them into the folder `out`.

    `images` says for JSON of which they are. The files are `scores.json`, `confusion.csv` and `confusion.png`.
    """
    head = {"model": model.source, "provider": model.provider, "threads": model.threads, "notes": notes}
    facts = {**head, **images, **scores.fields()}
    if out is not None:
        _write(out, facts, scores)
    if as_json:
        say(json.dumps(facts))
        return
    say(f"{model.source}: {model.running}")
    for note in notes:
        say(f"note: {note}")
    for line in lines(scores):
        say(line)


def lines(scores: Scores) -> Iterator[str]:
    """The figures as lines of text. With many classes, the most frequent confusions replace the matrix."""
    for name, right, value in (("top-1", scores.right, scores.top1), ("top-5", scores.in_top5, scores.top5)):
        low, high = scores.interval(right)
        yield f"{name} {value:.2f} % of {scores.images:,} images (95 % interval {low:.2f} to {high:.2f})"
    yield f"loss {scores.loss:.4f}"
    width = max(map(len, scores.classes))
    yield f"{'class':{width}}   images   recall  precision"
    for each in scores.per_class:
        yield f"{each.name:{width}}  {each.images:7,}  {_shown(each.recall)}    {_shown(each.precision)}"
    if len(scores.classes) <= WIDEST:
        yield "confusion matrix (rows: true classes; columns: answers; in the order above)"
        for name, row in zip(scores.classes, scores.confusion.tolist(), strict=True):
            yield f"{name:{width}}  {' '.join(f'{count:6,}' for count in row)}"
        return
    yield "most frequent confusions (true class, answer, images)"
    for true, answer, images in scores.confused(WIDEST):
        yield f"{scores.classes[true]:{width}}  {scores.classes[answer]:{width}}  {images:7,}"


def _shown(percent: float | None) -> str:
    return f"{'-':>8}" if percent is None else f"{percent:6.2f} %"


def _write(out: Path, facts: dict[str, Any], scores: Scores) -> None:
    """Write the files of `show`. What is not written is a note in `facts`, and is removed: it would be of other scores.

    Raises `StorageError`.
    """
    notes, table, picture = facts["notes"], "confusion.csv", "confusion.png"
    files = {}
    if scores.has_matrix:
        files[table] = scores.confusion_csv().encode("utf-8", "backslashreplace")
        missing = draw_confusion(drawn := BytesIO(), picture, scores)
        notes += missing
        files |= {} if missing else {picture: drawn.getvalue()}
    else:
        notes.append(f"{table} and {picture} are not written: a model of {len(scores.classes):,} classes is too large")
    write_together(out, files | {"scores.json": f"{json.dumps(facts)}\n".encode("ascii")})
    for name in {table, picture} - files.keys():
        with suppress(OSError):
            (out / name).unlink(missing_ok=True)

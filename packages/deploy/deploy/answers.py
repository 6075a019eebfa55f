"""The command `predict`: takes images and folders of images, gives lines or JSON."""

import json
import os
from collections.abc import Iterator, Sequence

from deploy.contract import PROBE_WEIGHTS
from deploy.inputs import find_images
from deploy.predict import Classifier, Prediction


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
) -> Iterator[str]:
    """Yields the lines of the answer. All images are classified before the first line; batches bound the memory.

    `model` is an ONNX file or the folder of a run, `images` are files and folders, `tta` is test-time
    augmentation as in `Classifier`. Raises `DeployError`.
    """
    classifier = Classifier(model, provider=provider, threads=threads, unfinished=unfinished, tta=tta)
    paths, passed = find_images(images)
    answers = classifier(paths, top)
    notes = [f"left out of the folders, since they are not images: {passed}"] if passed else []
    if unfinished:
        notes.append(f"{model} may be of a training that did not reach its end")
    if classifier.contract.weights == PROBE_WEIGHTS:
        notes.append(f"{model} has {PROBE_WEIGHTS}: its answers mean nothing")
    if as_json:
        yield _json(classifier, [os.fspath(path) for path in paths], answers, notes)
        return
    yield f"{model}: {classifier.provider}"
    yield from (f"note: {note}" for note in notes)
    for path, answer in zip(paths, answers, strict=True):
        yield os.fspath(path)
        yield from (f"  {100 * prediction.probability:6.2f} %  {prediction.name}" for prediction in answer)


def _json(
    classifier: Classifier, paths: Sequence[str], answers: Sequence[Sequence[Prediction]], notes: Sequence[str]
) -> str:
    images = [
        {"image": path, "predictions": [{"name": each.name, "probability": each.probability} for each in answer]}
        for path, answer in zip(paths, answers, strict=True)
    ]
    # ASCII only, so that a name with an escape or a lone surrogate is valid JSON too
    return json.dumps(
        {"model": classifier.model.source, "provider": classifier.provider, "notes": notes, "images": images}
    )

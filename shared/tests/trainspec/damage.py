"""What may have happened to a run's folder: every way is a name and a function that does it."""

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from netspec import architecture, initial_weights, save_weights
from trainspec.runs.reading import METRICS, NEEDED, READ_WHERE_PRESENT

Change = Callable[[Path], Any]
FILES = (
    "run.json",
    "metrics.jsonl",
    "recipe.toml",
    "graph.json",
    "weights.safetensors",
    "model.onnx",
    "predictions.npy",
)
DEEP = "[" * 50_000
JUNK = {
    "null": "null",
    "true": "true",
    "a number": "7",
    "nan": "NaN",
    "infinity": "-Infinity",
    "a huge number": "1" + "0" * 400,
    "thousands of digits": "9" * 5000,
    "no text": '""',
    "a text": '"x"',
    "a lone surrogate": '"\\ud800"',
    "a NUL": '"a\\u0000b"',
    "an escape": '"\\u001b[31m"',
    "a path out": '"../../../../etc"',
    "a list": "[]",
    "a list of lists": "[[1], [2]]",
    "an object": '{"a": {"b": []}}',
    "lists without end": DEEP,
}
TEXTS = {  # in place of any text file
    "empty": b"",
    "one line": b"\n",
    "not text": bytes(range(256)),
    "UTF-16": '{"schema": 1}'.encode("utf-16"),
    "a list": b"[1, 2]",
    "a number": b"1",
    "lists without end": DEEP.encode(),
    "a name of all": b"null",
}
RECIPES = {
    "an unknown key": "epoch = 3",
    "another type": 'epochs = "3"',
    "a number without end": "epochs = " + "9" * 5000,
    "a huge number": "seed = 1" + "0" * 400,
    "nan": "[schedule]\npeak = nan",
    "a date": "epochs = 2020-01-01",
    "a path out": 'extends = "../../recipe.toml"',
    "another size": "[data]\nimage_size = 40",
    "tables without end": "a = " + "{b = " * 20_000,
    "arrays without end": "a = " + DEEP,
}


def _write(name: str, content: bytes | str) -> Change:
    return lambda folder: (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


def _set(key: str, text: str) -> Change:
    def change(folder: Path) -> None:
        facts = json.loads((folder / "run.json").read_text())
        rest = json.dumps({name: value for name, value in facts.items() if name != key})
        (folder / "run.json").write_text(f"{rest[:-1]}, {json.dumps(key)}: {text}}}")

    return change


def _drop(key: str) -> Change:
    def change(folder: Path) -> None:
        facts = json.loads((folder / "run.json").read_text())
        facts.pop(key, None)
        (folder / "run.json").write_text(json.dumps(facts))

    return change


def _metric(key: str, text: str | None) -> Change:
    def change(folder: Path) -> None:
        *lines, last = (folder / "metrics.jsonl").read_text().splitlines()
        rest = json.dumps({name: value for name, value in json.loads(last).items() if name != key})
        lines.append(rest if text is None else f"{rest[:-1]}, {json.dumps(key)}: {text}}}")
        (folder / "metrics.jsonl").write_text("\n".join(lines))

    return change


def _cut(name: str, part: float) -> Change:
    def change(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * part)])

    return change


def _flip(name: str, part: float) -> Change:
    def change(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[int(len(content) * part)] ^= 0x55
        (folder / name).write_bytes(content)

    return change


def _replaced(name: str, kind: str) -> Change:
    def change(folder: Path) -> None:
        path = folder / name
        path.unlink()
        if kind == "a folder":
            path.mkdir()
        elif kind == "a FIFO":
            os.mkfifo(path)
        elif kind == "a link to itself":
            path.symlink_to(path)
        elif kind == "a dangling link":
            path.symlink_to("nowhere")
        elif kind == "a device":
            path.symlink_to("/dev/zero")
        elif kind == "gigabytes":
            with path.open("wb") as file:
                file.truncate(3 << 30)

    return change


def _graph(**values: Any) -> Change:
    def change(folder: Path) -> None:
        graph = json.loads((folder / "graph.json").read_text())
        (folder / "graph.json").write_text(json.dumps(graph | values))

    return change


def _array(array: Any) -> Change:
    return lambda folder: np.save(folder / "predictions.npy", array, allow_pickle=True)


def _other_weights(folder: Path) -> None:
    graph = architecture("nin")
    save_weights(graph, initial_weights(graph), folder / "weights.safetensors")


def ways() -> Iterator[tuple[str, Change]]:
    """All of them, in order."""
    for key in (*NEEDED, *READ_WHERE_PRESENT, "schema"):
        yield f"run.json without {key}", _drop(key)
        for name, text in JUNK.items():
            yield f"run.json: {key} is {name}", _set(key, text)
    for status in ("running", "interrupted", "failed", "killed"):
        yield f"a run that is {status}", _set("status", json.dumps(status))
    yield "an unknown fact", _set("later", '{"a": 1}')
    yield "classes in another order", _set("classes", json.dumps(list("1023456789")))
    yield "classes that miss one", _set("classes", json.dumps(list("012345678")))
    yield "other images", _set("data_fingerprint", json.dumps("0" * 64))
    yield "data that are gone", _set("data_choice", '"nowhere/at/all"')
    for key in METRICS:
        yield f"metrics.jsonl without {key}", _metric(key, None)
        for name in ("null", "nan", "a text", "a huge number", "an object"):
            if (name, key) != ("a text", "plan_digest"):
                yield f"metrics.jsonl: {key} is {name}", _metric(key, JUNK[name])
    for name in ("run.json", "metrics.jsonl", "recipe.toml", "graph.json"):
        for what, content in TEXTS.items():
            yield f"{name} is {what}", _write(name, content)
    for what, text in RECIPES.items():
        yield f"recipe.toml: {what}", _write("recipe.toml", text)
    for name in FILES:
        for kind in ("nothing", "a folder", "a FIFO", "a link to itself", "a dangling link", "a device", "gigabytes"):
            yield f"{name} is {kind}", _replaced(name, kind)
        for part in (0.1, 0.5, 0.9, 0.999):
            yield f"{name} cut at {part}", _cut(name, part)
            yield f"{name} flipped at {part}", _flip(name, part)
    for what, graph in {
        "another network": {"name": "nin"},
        "a path": {"name": "../../lenet5"},
        "another size": {"input_shape": [3, 64, 64]},
        "a flat image": {"input_shape": [3]},
        "no square": {"input_shape": [3, 32, 48]},
        "no nodes": {"nodes": []},
        "two outputs": {"outputs": ["conv1", "conv2"]},
    }.items():
        yield f"graph.json: {what}", _graph(**graph)
    yield "graph.json of another network", _write("graph.json", architecture("nin").to_json())
    yield "weights of another network", _other_weights
    for what, array in {
        "fewer": np.arange(9),
        "floats": np.zeros(360),
        "objects": np.array([{}] * 360),
        "texts": np.array(["a"] * 360),
        "a table": np.zeros((360, 1), int),
        "one number": np.int64(3),
        "none": np.zeros(0, int),
    }.items():
        yield f"predictions: {what}", _array(array)
    yield (
        "an empty folder",
        lambda folder: [shutil.rmtree(path) if path.is_dir() else path.unlink() for path in list(folder.iterdir())],
    )


def some(count: int, seed: int = 0) -> list[tuple[str, Change]]:
    """`count` of them, drawn."""
    everything = list(ways())
    return random.Random(seed).sample(everything, min(count, len(everything)))

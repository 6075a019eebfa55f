"""Damaged ONNX files: one line or the right answer, never a traceback, a crash, a hang or NaN."""

import math
import os
import random
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from deploy import Classifier, ModelError
from deploy.contract import CONTENT_HASH, RESIZE_RULE, Contract
from deploy.inspection import with_content_hash
from deploy.model import load_model
from deploy.package.writing import write_package
from netspec import functional as f, trace
from onnx_damage import BYTES, HOSTILE, METADATA, STRUCTURE, says, without
from onnx_impl import export_onnx
from onnx_impl.measure import probe
from trainspec.data import Form, digits

FILES = 500
MEMORY = 4 * 2**30  # bytes that a command may fill


def network(x, width: int, norm: bool):
    x = f.conv_bn(x, width, 3, name="stem") if norm else f.relu(f.conv(x, width, 3, name="stem"))
    return f.linear(f.flatten(f.max_pool(x, 2)), 10, name="fc")


@pytest.fixture(scope="module")
def packed(bases, tmp_path_factory) -> Path:
    """The package of a good file, small enough to damage its model often."""
    folder = tmp_path_factory.mktemp("packed")
    (folder / "m.onnx").write_bytes(bases[0])
    return write_package(folder / "m.onnx")


@pytest.fixture(scope="module")
def bases(tmp_path_factory) -> list[bytes]:
    """Two good files for the digits, as exports write them."""
    folder, data, found = tmp_path_factory.mktemp("bases"), digits.load_digits(Form(8), 0), []
    for name, width in (("small", 4), ("wider", 12)):
        graph = trace(name, (3, 8, 8), partial(network, width=width, norm=True))
        contract = Contract(data.classes, data.mean, data.std, (8, 8), RESIZE_RULE, data=data.label)
        export_onnx(graph, probe(graph), folder / "m.onnx", metadata=contract.properties())
        found.append((folder / "m.onnx").read_bytes())
    return found


def damaged(base: bytes, name: str, seal: str, chance: random.Random) -> bytes:
    """A damaged file whose content hash is left as it was (`kept`), made anew (`sealed`) or taken out (`bare`)."""
    if name in BYTES:
        model = onnx.load_from_string(base)
        without(CONTENT_HASH)(model, chance)
        return BYTES[name](base if seal == "kept" else model.SerializeToString(), chance)
    model = onnx.load_from_string(base)
    if seal == "bare":
        without(CONTENT_HASH)(model, chance)
    elif seal == "sealed":
        says(CONTENT_HASH, "0" * 64)(model, chance)
    made = (METADATA | STRUCTURE | HOSTILE)[name](model, chance)
    content = made if isinstance(made, bytes) else model.SerializeToString()
    try:
        return with_content_hash(content) if seal == "sealed" else content
    except ValueError:  # the damage took the hash away
        return content


def cases(count: int) -> list[tuple[str, str, int]]:
    """Names of damage with how their hash is treated and a seed: every class once, then again with other seeds."""
    found = []
    for seed in range(count):
        for name in (*METADATA, *STRUCTURE, *BYTES):
            found.append((name, ("bare", "sealed", "kept")[(seed + len(found)) % 3], seed))
        if seed == 0:
            found += [(name, "bare", seed) for name in HOSTILE]
        if len(found) >= count:
            break
    return found[:count]


QUICK = [case for case in cases(400) if case[0] not in BYTES and case[0] not in HOSTILE][::6]


@pytest.mark.parametrize(("name", "seal", "seed"), QUICK, ids=str)
def test_damage_is_a_sentence(bases, tmp_path, name, seal, seed):
    """In this process, but for what only the runtime can judge."""
    path = tmp_path / "m.onnx"
    path.write_bytes(damaged(bases[seed % 2], name, seal, random.Random(seed)))
    problem, answer = "", []
    try:
        (answer,) = Classifier(path)(np.full((8, 8, 3), 99, np.uint8), top=10)
    except ModelError as error:
        problem = str(error)
    assert (str(path) in problem and len(problem) < 1000) or (answer and not problem), problem
    assert problem or seal != "kept", "a file that does not have its own hash was believed"
    assert all(math.isfinite(each.probability) for each in answer)


@pytest.mark.parametrize("name", ["Expand", "ConstantOfShape"])
def test_what_only_the_runtime_can_judge_is_tried_in_a_child(bases, tmp_path, name):
    path = tmp_path / "m.onnx"
    path.write_bytes(damaged(bases[0], name, "bare", random.Random(0)))
    with pytest.raises(ModelError, match=f"cannot run it on 1 images.*{name}|memory"):
        Classifier(path)


def test_every_flipped_byte_is_refused(bases, tmp_path):
    """Wherever it lies: at 300 places over the whole file, and each bit of the hash and its key."""
    path, size = tmp_path / "m.onnx", len(bases[0])
    places = [(place, place % 8) for place in np.linspace(0, size - 1, 300).astype(int)]
    places += [(place, bit) for place in range(size - 90, size) for bit in range(8)]
    for place, bit in places:
        content = bytearray(bases[0])
        content[place] ^= 1 << bit
        path.write_bytes(content)
        with pytest.raises(ModelError):
            Classifier(path, isolate=False)


def in_turns(packed: Path, *names: str) -> Iterator[tuple[Path, bytes]]:
    """Each of these files of a package, with the bytes that it has again behind the loop."""
    for name in names:
        kept = (packed / name).read_bytes()
        try:
            yield packed / name, kept
        finally:
            (packed / name).write_bytes(kept)


@pytest.mark.parametrize("place", ["", "model.onnx"])
def test_damage_in_a_package_is_seen_by_its_manifest(bases, packed, monkeypatch, place):
    """The folder or the file, for every command, before onnxruntime or a child sees the model: 500 files."""
    for started in ("runtime.load", "try_model"):
        monkeypatch.setattr(f"deploy.model.{started}", lambda *given, **settings: pytest.fail("it was started"))
    for model, _ in in_turns(packed, "model.onnx"):
        for number, (name, seal, seed) in enumerate(cases(FILES)):
            model.write_bytes(damaged(bases[seed % 2], name, seal, random.Random(number)))
            with pytest.raises(ModelError, match=r"model\.onnx: was changed"):
                load_model(packed / place)
    monkeypatch.undo()
    assert Classifier(packed / place).contract.data


def test_a_package_needs_no_child(packed, monkeypatch):
    monkeypatch.setattr("deploy.model.try_model", lambda *given: pytest.fail("a child was started"))
    for path in (packed, packed / "model.onnx"):
        assert Classifier(path)(packed / "preprocessing" / "image.png")


def test_a_manifest_that_was_changed_vouches_for_nothing(packed):
    for file, kept in in_turns(packed, "manifest.json"):
        for place in np.linspace(0, len(kept) - 1, 100).astype(int):
            file.write_bytes(kept[:place] + bytes([kept[place] ^ 1]) + kept[place + 1 :])
            with pytest.raises(ModelError, match=r"manifest\.json: (was changed|has schema)"):
                Classifier(packed)
        for content in (b"", b"{", kept[:-1], kept * 2):
            file.write_bytes(content)
            with pytest.raises(ModelError, match=r"manifest\.json: was changed"):
                Classifier(packed)


@pytest.mark.parametrize("text", ["{}", "[]", "3", '{"name": "a web application", "icons": []}'])
def test_a_manifest_of_another_program_is_not_ours(bases, tmp_path, text):
    (tmp_path / "model.onnx").write_bytes(bases[0])
    (tmp_path / "manifest.json").write_text(text)
    assert Classifier(tmp_path).contract.data


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def outcome(folder, case: tuple[str, str, int], argv: list[str]) -> tuple[str, str]:
    """How a command ended (`refused`, `answered` or `wrong`), and what there was to see."""
    done = subprocess.run(
        [sys.executable, "-m", *argv], cwd=folder, capture_output=True, text=True, errors="replace", check=False,
        timeout=300, preexec_fn=limited, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    lines = done.stderr.splitlines()
    shown = f"{case} {' '.join(argv)}: status {done.returncode}: {done.stdout[-300:]} {done.stderr[-600:]}"
    if done.returncode == 2 and len(lines) == 1 and lines[0].startswith("error: ") and lines[0].isprintable():
        return "refused", shown
    answer = done.stdout.lower()
    odd = done.returncode or lines or case[1] == "kept" or "nan" in answer or "inf" in answer or "\x1b" in answer
    return "wrong" if odd else "answered", shown


@pytest.mark.long
def test_damaged_files_given_to_all_commands(bases, tmp_path):
    """Each command in a process of its own with limits."""
    pixels = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    for name in ("3", "7"):
        (tmp_path / "folders" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "folders" / name / "image.png")
    ends: list[tuple[str, str]] = []

    def try_one(number: int, case: tuple[str, str, int]) -> None:
        name, seal, _ = case
        file = tmp_path / f"{number}.onnx"
        file.write_bytes(damaged(bases[number % 2], name, seal, random.Random(number)))
        predict = ["deploy", "predict", file.name, "image.png", "--json"]
        evaluate = ["deploy", "evaluate", file.name, "folders", "--json"]
        evaluate_onnx = ["onnx_impl", "evaluate", file.name, "--predictions", f"{number}.npy"]
        ends.extend(outcome(tmp_path, case, argv) for argv in (predict, evaluate, evaluate_onnx))

    tried = cases(FILES)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(try_one, range(len(tried)), tried))
    counts = Counter(end for end, _ in ends)
    print(f"{len(tried)} files, {len({name for name, *_ in tried})} classes of damage: {dict(counts)}")
    assert counts.total() == 3 * FILES
    assert not counts["wrong"], "\n".join(shown for end, shown in ends if end == "wrong")

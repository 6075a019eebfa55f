"""Chapters of the README with commands in order: every command runs as it is written, by its session of nox."""

import importlib.util
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from urllib.request import urlopen

import pytest
from PIL import Image

from browser import runtime_folder
from trainspec.data import Form, digits

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@dataclass(frozen=True)
class Chapter:
    """The commands of a chapter: those in its blocks, in order, and then those in its sentences."""

    listed: tuple[str, ...]
    in_words: tuple[str, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        return (*self.listed, *self.in_words)

    @classmethod
    def read(cls, title: str) -> "Chapter":
        text = re.search(rf"^##+ {re.escape(title)}\n(.*?)^##+ ", README, re.DOTALL | re.MULTILINE)[1]
        blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
        listed = (line for block in blocks for line in block.splitlines())
        found = (" ".join(part.split()) for part in re.findall(r"`((?:nox -s|python)\s[^`]*)`", text))
        return cls(tuple(listed), tuple(found))


PRODUCTION, PROOF = map(Chapter.read, ("From training to production", "When are two networks the same?"))
PAGE = ("nox -s package -- RUN --web --out page", "python -m http.server --directory page")  # needs npm and the network
MADE = (  # by the commands, in the folder where they run or in that of the run
    "RUN/package/uint8/1/model.onnx", "RUN/package/benchmark.json", "RUN/model.int8.onnx", "scores/scores.json",
    "scores/confusion.csv", "scores/confusion.png", "own.json", "own.png",
)  # fmt: skip


def sessions() -> ModuleType:
    """The noxfile, with this Python for every environment."""
    spec = importlib.util.spec_from_file_location("noxfile", ROOT / "noxfile.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.environment = lambda session, kind: sys.executable
    return module


def give_images(folder: Path) -> None:
    """The test images of the digits, as the reader may have them: some photos, and an archive of class folders."""
    data = digits.load_digits(Form(32), 0)
    (folder / "photos").mkdir()
    with zipfile.ZipFile(folder / "digits.zip", "w") as archive:
        for number, (image, label) in enumerate(zip(data.test.images, data.test.labels, strict=True)):
            file = io.BytesIO()
            Image.fromarray(image).save(file, "PNG")
            archive.writestr(f"{data.classes[label]}/{number}.png", file.getvalue())
            if number < 5:
                (folder / "photos" / f"{number}.png").write_bytes(file.getvalue())


class Shell:
    """Runs command lines in a folder. RUN is the run that is there."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.noxfile = folder, sessions()

    def named(self, text: str) -> str:
        runs = [str(path.relative_to(self.folder)) for path in self.folder.glob("runs/*")]
        return text.replace("RUN", *runs) if "RUN" in text else text

    def run(self, line: str) -> subprocess.CompletedProcess[str]:
        words = self.named(line).split()
        if words[0] == "python":
            return self.start(sys.executable, *words[1:])
        assert words[:2] + words[3:4] == ["nox", "-s", "--"], line
        done = []
        session = SimpleNamespace(posargs=words[4:], run=lambda *command, **_: done.append(self.start(*command)))
        getattr(self.noxfile, words[2])(session)
        return done[0]

    def fetch(self, line: str, path: str) -> str:
        """A page of the server that a command line starts, at a free port. The server is stopped."""
        command = [sys.executable, "-u", *line.split()[1:], "0", "--bind", "127.0.0.1"]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        with subprocess.Popen(command, cwd=self.folder, **streams) as server:
            try:
                port = re.search(r"port (\d+)", server.stdout.readline())[1]
                with urlopen(f"http://127.0.0.1:{port}/{path}", timeout=60) as answer:
                    return answer.read().decode()
            finally:
                server.terminate()

    def start(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)


def run_all(lines: Iterable[str], shell: Shell) -> None:
    for line in lines:
        done = shell.run(line)
        if done.returncode and line.startswith("nox -s quantize"):  # another machine may find INT8 slower
            assert "give --force" in done.stderr
            done = shell.run(f"{line} --force")
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        assert "Traceback" not in done.stderr
        print(f"$ {line}\n{done.stdout[-300:]}")


def test_the_chapters_have_the_whole_way():
    names = [line.split()[2] for line in PRODUCTION.listed]
    assert names == ["train_torch", "package", "verify", "predict", "evaluate", "benchmark", "quantize"]
    assert any(line.startswith("python RUN/package/verify.py") for line in PRODUCTION.in_words)
    assert set(PAGE) <= set(PRODUCTION.in_words)
    assert "http://localhost:8000/web/" in README
    assert [line.split()[2] for line in PROOF.listed] == ["parity", "lockstep", "parity", "train_keras", "parity"]


@pytest.mark.long
def test_from_training_to_production(tmp_path):
    give_images(tmp_path)
    shell = Shell(tmp_path)
    run_all((line for line in PRODUCTION.lines if line not in PAGE), shell)
    missing = [name for name in MADE if not (tmp_path / shell.named(name)).is_file()]
    assert not missing
    runtime_folder(tmp_path)  # skips the rest where npm is missing
    package, serve = PAGE
    run_all([package], shell)
    assert 'id="answers"' in shell.fetch(serve, "web/")


@pytest.mark.long
def test_when_are_two_networks_the_same(tmp_path):
    shell = Shell(tmp_path)
    run_all(PROOF.lines, shell)
    certificate = json.loads((tmp_path / shell.named("RUN/proof/certificate.json")).read_text())
    assert all(certificate["checks"].values())

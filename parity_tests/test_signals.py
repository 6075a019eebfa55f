"""Signals, as people and machines send them: through nox under a pseudo-terminal, to real trainings.

The quick tests end one training each way. The long one does so at random moments of whole trainings.
"""

import json
import os
import pty
import select
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from diptych.errors import DataError
from netspec import from_json, load_weights
from trainspec.judging import read_run
from trainspec.runs import Run

ROOT = Path(__file__).parents[1]
KEPT = {
    "curves.png",
    "curves.svg",
    "graph.json",
    "metrics.csv",
    "metrics.jsonl",
    "model.onnx",
    "recipe.toml",
    "run.json",
}
NOXFILE = """\
import importlib.util
spec = importlib.util.spec_from_file_location("noxfile_of_the_project", {path!r})
project = importlib.util.module_from_spec(spec)
spec.loader.exec_module(project)
project.environment = lambda session, kind: {python!r}  # this test's own, in place of one that is installed first
"""


@dataclass(frozen=True)
class Ended:
    """`status` of the process, all that it printed, what it had printed before the signal, and seconds until it ended.

    `before` is None if no signal was sent.
    """

    status: int
    text: str
    before: str | None
    seconds: float


def nox(folder: Path, *command: str, how: str = "", after: float = 0.0, line: str = "") -> Ended:
    """Run a session of the project's noxfile under a pseudo-terminal; `after` seconds after `line` send a signal.

    `how`: "ctrl-c" on the terminal, "term" or "int" to nox's own process alone, "child" SIGTERM to its child alone.
    """
    noxfile = folder / "noxfile.py"
    noxfile.write_text(NOXFILE.format(path=str(ROOT / "noxfile.py"), python=sys.executable))
    begin = time.monotonic()
    process, terminal = pty.fork()
    if process == 0:
        os.execv(sys.executable, [sys.executable, "-m", "nox", "-f", str(noxfile), "-s", *command])
    text, seen, before = b"", None if line else begin, None
    while True:
        ready, _, _ = select.select([terminal], [], [], 0.02)
        try:
            block = os.read(terminal, 1 << 16) if ready else None
        except OSError:  # the other side of the terminal is closed
            break
        if block == b"":
            break
        text += block or b""
        if seen is None and line.encode() in text:
            seen = time.monotonic()
        if how and before is None and seen is not None and time.monotonic() - seen >= after:
            send(how, process, terminal)
            before = text.decode(errors="replace")
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    os.close(terminal)
    return Ended(status, text.decode(errors="replace"), before, time.monotonic() - begin)


def send(how: str, process: int, terminal: int) -> None:
    if how == "ctrl-c":
        os.write(terminal, b"\x03")
    elif how == "child":
        for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
            os.kill(int(child), signal.SIGTERM)
    else:
        os.kill(process, {"term": signal.SIGTERM, "int": signal.SIGINT}[how])


def check_kept(ended: Ended, out: Path) -> str:
    """What a run that was ended must have; returns how far it had come."""
    assert ended.before is not None
    assert "Traceback" not in ended.text
    too_late = "done       " in ended.before  # nox may be leaving already, with the status of a training that ended
    assert ended.status != 0 or too_late, ended.text[-2000:]
    folders = list(out.iterdir()) if out.exists() else []
    if not folders:
        return "before the first step"
    (folder,) = folders
    assert {file.name for file in folder.iterdir()} >= KEPT, ended.text
    assert [file.name for file in folder.iterdir() if file.name.startswith(".")] == []
    facts = json.loads((folder / "run.json").read_text())
    if "done       " in ended.text:  # its process was leaving already
        assert facts["status"] == "finished"
        return "after the end"
    assert facts["status"] == Run.open(folder).state == "interrupted"
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert steps[-1] > 0
    graph = from_json((folder / "graph.json").read_bytes())
    load_weights(graph, folder / "weights.safetensors")
    logits = onnxruntime.InferenceSession(folder / "model.onnx").run(
        None, {"image": np.zeros((2, *graph.input_shape), np.float32)}
    )[0]
    assert np.isfinite(logits).all()
    return "kept"


def train(framework: str, network: str, out: Path, *options: str) -> tuple[str, ...]:
    return (f"train_{framework}", "--", network, "--data", "digits", "--out", str(out), *options)


@pytest.mark.parametrize(("framework", "how"), [("torch", "ctrl-c"), ("torch", "child"), ("keras", "term")])
def test_a_training_is_ended_and_kept(framework, how, tmp_path):
    out = tmp_path / "runs"
    command = train(framework, "lenet5", out, "--epochs", "2000")
    ended = nox(tmp_path, *command, how=how, after=2, line="run        ")
    assert check_kept(ended, out) == "kept"
    assert ended.text.count("interrupted: saving the training so far") == 1


def test_a_signal_to_nox_alone_before_anything_has_begun(tmp_path):
    ended = nox(tmp_path, *train("torch", "lenet5", tmp_path / "runs"), how="int", line="-m torch_impl train")
    assert check_kept(ended, tmp_path / "runs") == "before the first step"


def test_a_second_signal_ends_at_once(tmp_path):
    """While a run keeps what there is, which takes long here: its evaluation never ends."""
    program = (
        "import os, signal, time\n"
        "from diptych.stopping import between_steps, check\n"
        "with between_steps():\n"
        "    print('begun', flush=True)\n"
        "    try:\n"
        "        while True: check(); time.sleep(0.01)\n"
        "    except KeyboardInterrupt:\n"
        "        print('keeping', flush=True)\n"
        "        while True: time.sleep(0.01)\n"
    )
    reader, writer = os.pipe()
    child = os.posix_spawn(
        sys.executable, [sys.executable, "-c", program], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)]
    )
    os.close(writer)
    with os.fdopen(reader) as said:
        assert said.readline() == "begun\n"
        os.kill(child, signal.SIGTERM)
        assert said.readline() == "keeping\n"
        os.kill(child, signal.SIGTERM)  # an echo of the first
        time.sleep(1.5)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 128 + signal.SIGTERM


def test_a_killed_run_is_told_from_one_that_runs(tmp_path):
    argv = ["-m", "torch_impl", "train", "lenet5", "--data", "digits", "--epochs", "2000", "--out", str(tmp_path)]
    child = os.posix_spawn(sys.executable, [sys.executable, *argv], os.environ)
    try:
        while not any(metrics.read_text() for metrics in tmp_path.glob("lenet5-*/metrics.jsonl")):
            time.sleep(0.1)
        (folder,) = tmp_path.iterdir()
        assert Run.open(folder).state == "running"
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert Run.open(folder).state == "killed"
    assert json.loads((folder / "run.json").read_text())["status"] == "running"
    with pytest.raises(DataError, match="killed"):
        read_run(folder)


@pytest.mark.long
@pytest.mark.parametrize("how", ["ctrl-c", "term"])
@pytest.mark.parametrize(
    ("network", "length"), [("vgg19", ("--budget", "30s")), ("resnet20", ("--epochs", "1"))], ids=["vgg19", "resnet20"]
)
@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_signals_at_random_moments(framework, network, length, how, tmp_path):
    """Ten moments of a short training, from the start of nox to the end of the export."""
    whole = nox(tmp_path, *train(framework, network, tmp_path / "whole", *length))
    assert whole.status == 0, whole.text
    found = []
    for number, share in enumerate(np.random.default_rng(0).uniform(0.02, 0.95, 10)):
        attempt = 0
        while True:
            out = tmp_path / f"{number}.{attempt}"
            ended = nox(tmp_path, *train(framework, network, out, *length), how=how, after=share * whole.seconds)
            if ended.before is not None:
                break
            share, attempt = share / 2, attempt + 1  # the machine was faster this time
        found.append(check_kept(ended, out))
        print(f"{framework} {network} {how} after {share * whole.seconds:.1f} s: {found[-1]}")
    assert found.count("kept") >= 3, "too few moments in the training itself"

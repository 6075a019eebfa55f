"""Every task of the project. `nox --list` names them; what follows `--` goes to the command.

An environment is made for each kind of work, under `.nox/`, and shared by the sessions that need it. It is
installed again only when the requirements have changed.
"""

import hashlib
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "none"  # environments are made below, one a kind and not one a session

ROOT = Path(__file__).parent
GPU = shutil.which("nvidia-smi") is not None
RUNTIME = "gpu" if GPU else "cpu"  # of onnxruntime
WORKERS = min(4, os.cpu_count() or 1)  # processes that test side by side: each loads both frameworks, 2 GB and more

# The GPU builds of PyTorch and TensorFlow overwrite each other's cuDNN: one framework an environment, and
# both together only as CPU builds. Beside TensorFlow's GPU build onnxruntime stays on the CPU too.
DEPLOY, SHARED, ONNX = "./packages/deploy", "./shared", "./packages/onnx_impl"
TORCH, KERAS = "./packages/torch_impl", "./packages/keras_impl"
KINDS = {
    "lint": ["ruff"],
    "zoo": [DEPLOY, SHARED],
    "onnx": [DEPLOY, SHARED, f"{ONNX}[{RUNTIME}]"],
    "torch": [DEPLOY, SHARED, f"{ONNX}[{RUNTIME}]", TORCH],
    "keras": [DEPLOY, SHARED, f"{ONNX}[cpu]", KERAS, *(["tensorflow[and-cuda]"] if GPU else [])],
    "deploy": [f"{DEPLOY}[{RUNTIME}]"],
    "parity": [
        f"{DEPLOY}[cpu]",
        SHARED,
        f"{ONNX}[cpu]",
        TORCH,
        KERAS,
        "./packages/parity",
        "hypothesis",
        "mypy",
        "nox",
        "pytest",
        "pytest-xdist",
    ],
}


def environment(session: nox.Session, kind: str) -> str:
    """The Python of the environment of this kind, made or brought up to date if it must be."""
    if not (3, 11) <= sys.version_info < (3, 14):
        session.error(f"Diptych needs Python 3.11 to 3.13, for TensorFlow; nox runs under {sys.version.split()[0]}")
    folder = ROOT / ".nox" / kind
    python, stamp = folder / "bin" / "python", folder / "installed"
    sources = [
        ROOT / "constraints.txt",
        *sorted(ROOT.glob("shared/pyproject.toml")),
        *sorted(ROOT.glob("packages/*/pyproject.toml")),
    ]
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources) + repr(KINDS[kind]).encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != state:
        session.log(f"installing the environment '{kind}'; this happens once")
        session.run(sys.executable, "-m", "venv", str(folder), external=True)
        requirements = [
            part for name in KINDS[kind] for part in (["--editable", name] if name.startswith(".") else [name])
        ]
        session.run(
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--constraint",
            "constraints.txt",
            *requirements,
            external=True,
        )
        stamp.write_text(state)
    return str(python)


def run(session: nox.Session, kind: str, *command: str) -> None:
    """`python -m command` in the environment of this kind. Signals are the command's: it ends when it is ready to.

    nox itself would kill the command half a second after Ctrl-C, and leave it alone after SIGTERM.
    """
    python = environment(session, kind)
    arrived = []

    def pass_on(number: int, frame: object) -> None:
        arrived.append(number)
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        if not children:  # the command has not begun, or is over
            raise KeyboardInterrupt
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), number)

    kept = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        session.run(python, "-m", *command, external=True)
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        if arrived:
            raise KeyboardInterrupt  # a session of several commands does not go on to the next


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format."""
    run(session, "lint", "ruff", "check", ".")
    run(session, "lint", "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """mypy on the shared packages and on the packages' public surface."""
    run(session, "parity", "mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, parity of reduced copies among them; `-- -n 0` in one process."""
    run(session, "parity", "pytest", "-n", str(WORKERS), "--dist", "loadgroup", *session.posargs)


@nox.session(default=False)
def tests_long(session: nox.Session) -> None:
    """The proofs that take long (signals at random moments, fuzzing, hostile files): -- -k WORD."""
    run(session, "parity", "pytest", "-m", "long", *session.posargs)


@nox.session(default=False)
def zoo(session: nox.Session) -> None:
    """Lists the networks there are, or shows one: -- 'resnet*' --size 32 --show NAME --diagram NAME --json."""
    run(session, "zoo", "netspec", *session.posargs)


@nox.session(default=False)
def parity(session: nox.Session) -> None:
    """Holds every implementation to the others: -- PATTERN ... --native --all."""
    run(session, "parity", "parity", *session.posargs)


@nox.session(default=False)
def train_torch(session: nox.Session) -> None:
    """Trains, evaluates and exports in PyTorch: -- ARCH --data D --recipe R --epochs N --budget 10m."""
    run(session, "torch", "torch_impl", "train", *session.posargs)


@nox.session(default=False)
def train_keras(session: nox.Session) -> None:
    """Trains, evaluates and exports in Keras: -- ARCH --data D --recipe R --epochs N --budget 10m."""
    run(session, "keras", "keras_impl", "train", *session.posargs)


@nox.session(default=False)
def train_all(session: nox.Session) -> None:
    """A few steps of every network in both frameworks, to see the loss fall: -- PATTERN ... --out FOLDER."""
    failed = []
    for kind in ("torch", "keras"):  # a network that fails in one has its turn in the other
        try:
            run(session, kind, f"{kind}_impl", "train_all", *session.posargs)
        except nox.command.CommandFailed:
            failed.append(kind)
    if failed:
        session.error(f"train_all failed in {' and '.join(failed)}")


@nox.session(default=False)
def evaluate_torch(session: nox.Session) -> None:
    """Accuracy of a run over its test split, in PyTorch: -- RUN."""
    run(session, "torch", "torch_impl", "evaluate", *session.posargs)


@nox.session(default=False)
def evaluate_keras(session: nox.Session) -> None:
    """Accuracy of a run over its test split, in Keras: -- RUN."""
    run(session, "keras", "keras_impl", "evaluate", *session.posargs)


@nox.session(default=False)
def evaluate_onnx(session: nox.Session) -> None:
    """Accuracy of an ONNX file over a test split: -- MODEL.onnx --data D --against PREDICTIONS."""
    run(session, "onnx", "onnx_impl", "evaluate", *session.posargs)


@nox.session(default=False)
def predict(session: nox.Session) -> None:
    """The likeliest classes of images: -- MODEL.onnx IMAGE ..."""
    run(session, "deploy", "deploy", "predict", *session.posargs)


@nox.session(default=False)
def export_torch(session: nox.Session) -> None:
    """A verified ONNX file by PyTorch's exporter: -- RUN, or -- ARCH --weights FILE."""
    run(session, "torch", "torch_impl", "export", *session.posargs)


@nox.session(default=False)
def export_keras(session: nox.Session) -> None:
    """A verified ONNX file by TensorFlow's exporter: -- RUN, or -- ARCH --weights FILE."""
    run(session, "keras", "keras_impl", "export", *session.posargs)


@nox.session(default=False)
def export_onnx(session: nox.Session) -> None:
    """A verified ONNX file by the ONNX builder, with no framework: -- RUN, or -- ARCH --weights FILE --fold."""
    run(session, "onnx", "onnx_impl", "export", *session.posargs)

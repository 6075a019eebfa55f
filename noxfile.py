"""Every task of the project. `nox --list` lists them; arguments after `--` go to the command.

Relative paths are relative to the checkout, also under `nox -f`. The exit status of nox is 1 for every failure;
`python -m parity`, `python -m deploy` and the others have those that their `--help` names.

Each kind of work has an environment under `.nox/`, and the sessions that need it share it. It is updated when the
requirements have changed. It is made again when it is incomplete or was moved.
"""

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "tests"]
nox.options.default_venv_backend = "none"  # environments are made below: one for each kind, not for each session

ROOT = Path(__file__).parent
GPU = shutil.which("nvidia-smi") is not None
RUNTIME = "gpu" if GPU else "cpu"  # the build of onnxruntime
# Large pages: without them, a step of ResNet-20 takes 8% more time on a CPU.
PAGES = os.environ.get("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")

# The GPU builds of PyTorch and TensorFlow overwrite each other's cuDNN. So each framework has its own environment, and
# only CPU builds share one. Next to TensorFlow's GPU build, onnxruntime stays on the CPU too.
DEPLOY, SHARED, ONNX = "./packages/deploy", "./shared", "./packages/onnx_impl"
TRAINING = f"{SHARED}[tensorboard]"
TORCH, KERAS, PARITY = "./packages/torch_impl", "./packages/keras_impl", "./packages/parity"
TOOLS = "hypothesis", "mypy", "nox", "pytest", "pytest-xdist", "ruff", "scipy", "selenium"
KINDS = {
    "lint": ["ruff"],
    "zoo": [DEPLOY, SHARED],
    "onnx": [DEPLOY, SHARED, f"{ONNX}[{RUNTIME}]"],
    "torch": [DEPLOY, TRAINING, f"{ONNX}[{RUNTIME}]", TORCH, PARITY],
    "keras": [DEPLOY, TRAINING, f"{ONNX}[cpu]", KERAS, PARITY, *(["tensorflow[and-cuda]"] if GPU else [])],
    "deploy": [f"{DEPLOY}[{RUNTIME},plot]"],
    "parity": [f"{DEPLOY}[cpu]", TRAINING, f"{ONNX}[cpu]", TORCH, KERAS, PARITY, *TOOLS],
}


def environment(session: nox.Session, kind: str) -> str:
    """The Python of this kind's environment. The environment is made or updated first if needed."""
    if not (3, 11) <= sys.version_info < (3, 14):
        session.error(f"Diptych needs Python 3.11 to 3.13, for TensorFlow; nox runs under {sys.version.split()[0]}")
    folder = (ROOT / ".nox" / kind).resolve()
    python, stamp = folder / "bin" / "python", folder / "installed"
    packages = [ROOT / "shared" / "pyproject.toml", *sorted(ROOT.glob("packages/*/pyproject.toml"))]
    sources = [ROOT / "constraints.txt", *packages]
    state = hashlib.sha256(b"".join(path.read_bytes() for path in sources) + repr(KINDS[kind]).encode()).hexdigest()
    if installed(folder) == state:
        return str(python)
    with installing(session) as lock:
        found = installed(folder)
        if found == state:  # the process that held the lock installed it
            return str(python)
        session.log(f"installing the environment '{kind}'; this happens once")
        if found is None:
            shutil.rmtree(folder, ignore_errors=True)
            if install(lock, sys.executable, "-m", "venv", str(folder)):
                session.error("the environment could not be made; the lines above say why")
        stamp.unlink(missing_ok=True)
        names = [part for name in KINDS[kind] for part in (["--editable", name] if name.startswith(".") else [name])]
        pip = (str(python), "-m", "pip", "install", "--quiet", "--constraint", "constraints.txt", *names)
        failed = install(lock, *pip)
        if failed > 0:
            session.warn("the installation failed; trying once more, because the network may have failed")
            failed = install(lock, *pip)
        if failed > 0:  # by itself, not by a signal: what it has left, the next one mends
            stamp.write_text("nothing that the requirements ask for now")
        if failed:
            session.error("the environment could not be installed; the lines above say why")
        stamp.write_text(state)
    return str(python)


def installed(folder: Path) -> str | None:
    """The state of the requirements that an environment was installed for.

    None if there is no environment, if its installation did not end, if it was made in another place (its scripts and
    editable packages would lead there), or if its Python no longer runs.
    """
    try:
        made = (folder / "pyvenv.cfg").read_text().splitlines()
        state = (folder / "installed").read_text()
        runs = subprocess.run([folder / "bin" / "python", "-c", "import pip"], capture_output=True, check=False)
    except (OSError, UnicodeError):
        return None
    here = any(line.startswith("command = ") and line.endswith(f" {folder}") for line in made)
    return state if here and runs.returncode == 0 else None


@contextmanager
def installing(session: nox.Session) -> Iterator[int]:
    """Holds the lock of all environments, which share their source folders, and yields its descriptor."""
    path = ROOT / ".nox" / "installing"
    path.parent.mkdir(exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            session.log("another nox is installing an environment; waiting until it has finished")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def install(lock: int, *command: str) -> int:
    """The exit status of one command of an installation. It holds the lock too, since it may live longer than nox."""
    return subprocess.run(command, pass_fds=[lock], cwd=ROOT, check=False).returncode


def run(session: nox.Session, kind: str, *command: str) -> None:
    """Runs `python -m command` in the environment of this kind. Signals go to the command, which ends when it is ready.

    nox itself would kill the command half a second after Ctrl-C, and would not pass SIGTERM on. Signals that are
    ignored (as under `nohup`) stay ignored.
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

    kept = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    for number, handler in kept.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, pass_on)
    try:
        session.run(python, "-m", *command, external=True, env={"GLIBC_TUNABLES": PAGES})
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
        if arrived:
            raise KeyboardInterrupt  # so that a session of several commands does not go on to the next


def files(session: nox.Session) -> list[str]:
    """The arguments, if they are files: with options, they are those of pytest, as in `nox -- -k WORD`."""
    return [] if any(argument.startswith("-") for argument in session.posargs) else session.posargs


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and format; `-- FILE ...` of these alone."""
    run(session, "lint", "ruff", "check", *(files(session) or ["."]))
    run(session, "lint", "ruff", "format", "--check", *(files(session) or ["."]))


@nox.session(default=False)
def format(session: nox.Session) -> None:
    """Ruff's fixes for what breaks its rules, and its format; `-- FILE ...` of these alone."""
    run(session, "lint", "ruff", "check", "--fix-only", *(session.posargs or ["."]))
    run(session, "lint", "ruff", "format", *(session.posargs or ["."]))


@nox.session
def types(session: nox.Session) -> None:
    """mypy on all packages and the examples; `-- FILE ...` on these alone."""
    run(session, "parity", "mypy", *files(session))


@nox.session
def tests(session: nox.Session) -> None:
    """All tests, parity of reduced copies among them, in as many processes as fit; `-- -n 0` in one."""
    run(session, "parity", "pytest", "-n", "auto", "--dist", "loadgroup", *session.posargs)


@nox.session(default=False)
def tests_long(session: nox.Session) -> None:
    """The tests that take long (signals at random moments, fuzzing, all networks): -- -k WORD."""
    run(session, "parity", "pytest", "-m", "long", *session.posargs)


@nox.session(default=False)
def tricks(session: nox.Session) -> None:
    """Ten steps with every trick in float64, alone, combined and with other seeds: -- -k WORD."""
    run(session, "parity", "pytest", "-m", "long or not long", "parity_tests/test_tricks.py", *session.posargs)


@nox.session(default=False)
def zoo(session: nox.Session) -> None:
    """Lists networks, or shows one: -- 'resnet*' --size 32 --show NAME --diagram NAME --json."""
    run(session, "zoo", "netspec", *session.posargs)


@nox.session(default=False)
def parity(session: nox.Session) -> None:
    """Compares every implementation with the others: -- PATTERN ... --native --all; also -- forms RUN, -- time RUN."""
    run(session, "parity", "parity", *session.posargs)


@nox.session(default=False)
def diff(session: nox.Session) -> None:
    """Says where two networks differ: -- A B --out FILE.html --json; each ARCH:KEY=VALUE, a run or a file."""
    run(session, "parity", "parity", "diff", *session.posargs)


@nox.session(default=False)
def compare(session: nox.Session) -> None:
    """A page about runs side by side: -- ARCH and options of train, -- --runs A B, or -- --all RUNS."""
    given = {argument.partition("=")[0] for argument in session.posargs}
    trains = GPU and given and not given & {"--runs", "--all", "--python", "--help", "-h"}
    pythons = ["--python", environment(session, "torch"), environment(session, "keras")] if trains else []
    run(session, "parity", "parity", "compare", *session.posargs, *pythons)


@nox.session(default=False)
def lockstep(session: nox.Session) -> None:
    """Trains both frameworks side by side and judges every step: -- ARCH --data D --steps N --every K."""
    run(session, "parity", "parity", "lockstep", *session.posargs)


@nox.session(default=False)
def kill(session: nox.Session) -> None:
    """Kills trainings at random moments and compares what they come to: -- --kills N --frameworks torch keras."""
    run(session, "parity", "parity", "kill", *session.posargs)


@nox.session(default=False)
def train_torch(session: nox.Session) -> None:
    """Trains, evaluates and exports in PyTorch: -- ARCH --data D --recipe R --budget 10m, or -- --resume RUN."""
    run(session, "torch", "torch_impl", "train", *session.posargs)


@nox.session(default=False)
def train_keras(session: nox.Session) -> None:
    """Trains, evaluates and exports in Keras: -- ARCH --data D --recipe R --budget 10m, or -- --resume RUN."""
    run(session, "keras", "keras_impl", "train", *session.posargs)


@nox.session(default=False)
def train_all(session: nox.Session) -> None:
    """A few steps of every network in both frameworks, to see the loss fall: -- PATTERN ... --recipe original."""
    failed = []
    for kind in ("torch", "keras"):  # a network that fails in one framework still runs in the other
        try:
            run(session, kind, "parity.train_all", kind, *session.posargs)
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
def agreement(session: nox.Session) -> None:
    """How far two runs of one recipe stayed together: -- RUN OTHER."""
    run(session, "zoo", "trainspec", "agreement", *session.posargs)


@nox.session(default=False)
def doctor(session: nox.Session) -> None:
    """What this machine can do, what is wrong and what helps: -- --json, or -- --clean to remove the caches."""
    run(session, "zoo", "doctor", *session.posargs)


@nox.session(default=False)
def results(session: nox.Session) -> None:
    """Tables and a plot of what runs have measured: -- RUN or results.json ... --out FOLDER --headers."""
    run(session, "zoo", "trainspec", "results", *session.posargs)


@nox.session(default=False)
def split(session: nox.Session) -> None:
    """A reproducible train/validation/test split of a class folder: -- FOLDER --seed N --out FILE --copy FOLDER."""
    run(session, "zoo", "trainspec", "split", *session.posargs)


@nox.session(default=False)
def predict(session: nox.Session) -> None:
    """The likeliest classes of images: -- MODEL.onnx IMAGE ..."""
    run(session, "deploy", "deploy", "predict", *session.posargs)


@nox.session(default=False)
def evaluate(session: nox.Session) -> None:
    """Accuracy of an ONNX file over class folders or an archive: -- MODEL.onnx FOLDER --tta T --out FOLDER."""
    run(session, "deploy", "deploy", "evaluate", *session.posargs)


@nox.session(default=False)
def benchmark(session: nox.Session) -> None:
    """Latency and throughput of an ONNX file: -- MODEL.onnx --batch 1 32 --threads 1 2 --json FILE --beside FILE."""
    run(session, "deploy", "deploy", "benchmark", *session.posargs)


@nox.session(default=False)
def package(session: nox.Session) -> None:
    """A folder that a server takes as it is: -- RUN, or -- MODEL.onnx --uint8 --web --out FOLDER."""
    run(session, "onnx", "onnx_impl", "package", *session.posargs)


@nox.session(default=False)
def verify(session: nox.Session) -> None:
    """Checks a package on this machine: -- FOLDER."""
    run(session, "deploy", "deploy", "verify", *session.posargs)


@nox.session(default=False)
def quantize(session: nox.Session) -> None:
    """A smaller file, if it loses little and is faster: -- RUN --limit 1.0, or -- MODEL.onnx --data D."""
    run(session, "onnx", "onnx_impl", "quantize", *session.posargs)


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

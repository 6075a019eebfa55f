"""The environments of the noxfile: made once, by one process at a time, and anew where they cannot be trusted."""

import importlib.util
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from doctor.place import ON_GPU, WORK

ROOT = Path(__file__).parents[1]


class Session:
    """What `environment` needs of nox's session."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.log = self.warn = self.lines.append

    def error(self, line: str) -> None:
        raise SystemExit(line)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("noxfile", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Checkout:
    """A checkout with the noxfile, in which an installation writes a line and takes no time.

    What `while_installing` returns is pip's exit status.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.commands = root, root / "commands"
        self.folder = root / ".nox" / "zoo"
        self.noxfile = load(root / "noxfile.py")
        self.noxfile.install = self.install
        self.while_installing: Callable[[], int | None] = lambda: None

    def install(self, lock: int, *command: str) -> int:
        with self.commands.open("a") as file:
            file.write(f"{command[2]}\n")
        if command[2] == "venv":
            python = Path(command[3]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.write_text("#!/bin/sh\n")
            python.chmod(0o755)
            (python.parents[1] / "pyvenv.cfg").write_text(f"home = /usr/bin\ncommand = python -m venv {command[3]}\n")
        else:
            (self.folder / "library").touch()
            return self.while_installing() or 0
        return 0

    def environment(self) -> list[str]:
        """What the session was told."""
        session = Session()
        assert self.noxfile.environment(session, "zoo") == str(self.folder / "bin" / "python")
        return session.lines

    def installed(self) -> list[str]:
        return self.commands.read_text().split()


@pytest.fixture
def checkout(tmp_path, monkeypatch) -> Checkout:
    nox = ModuleType("nox")
    nox.options, nox.Session = SimpleNamespace(), Session
    nox.session = lambda function=None, **_: function or (lambda function: function)
    monkeypatch.setitem(sys.modules, "nox", nox)
    root = tmp_path / "a checkout"
    for name in ("noxfile.py", "constraints.txt", "shared/pyproject.toml", "packages/deploy/pyproject.toml"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    return Checkout(root)


def test_made_once(checkout):
    assert checkout.environment() == ["installing the environment 'zoo'; this happens once"]
    assert checkout.environment() == []
    assert checkout.installed() == ["venv", "pip"]


def test_two_at_once_wait_for_one_another(checkout):
    begun, finish, second = threading.Event(), threading.Event(), []

    def slowly() -> None:
        begun.set()
        assert finish.wait(60)

    checkout.while_installing = slowly
    threads = [threading.Thread(target=checkout.environment)]
    threads[0].start()
    assert begun.wait(60)
    other = Session()
    other.log = lambda line: (second.append(line), finish.set())
    threads.append(threading.Thread(target=checkout.noxfile.environment, args=(other, "zoo")))
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert second == ["another nox is installing an environment; waiting until it has finished"]
    assert checkout.installed() == ["venv", "pip"]


def test_changed_requirements_are_installed_over_the_old_ones(checkout):
    checkout.environment()
    with (checkout.root / "constraints.txt").open("a") as file:
        file.write("six==1.0\n")
    checkout.environment()
    assert checkout.installed() == ["venv", "pip", "pip"]


def killed(checkout: Checkout) -> None:
    """An update that was interrupted, over an environment that was complete."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    (checkout.root / "packages/deploy/pyproject.toml").write_text("")
    checkout.while_installing = interrupt
    with pytest.raises(KeyboardInterrupt):
        checkout.environment()
    checkout.while_installing = lambda: None
    assert (checkout.folder / "library").exists()
    (checkout.folder / "half a library").touch()


def moved(checkout: Checkout) -> None:
    for path in checkout.folder.rglob("*.cfg"):
        path.write_text(path.read_text().replace("a checkout", "another checkout"))
    (checkout.folder / "half a library").touch()


def broken(checkout: Checkout) -> None:
    (checkout.folder / "bin" / "python").write_text("#!/bin/sh\nexit 1\n")
    (checkout.folder / "half a library").touch()


def without_a_python(checkout: Checkout) -> None:
    (checkout.folder / "bin" / "python").unlink()
    (checkout.folder / "half a library").touch()


def test_an_update_without_a_network_costs_nothing(checkout):
    checkout.environment()
    place = checkout.root / "constraints.txt"
    before = place.read_text()

    place.write_text(f"{before}six==1.0\n")
    checkout.while_installing = lambda: 1
    for _ in range(2):
        with pytest.raises(SystemExit, match="could not be installed"):
            checkout.environment()
    place.write_text(before)
    with pytest.raises(SystemExit):  # nobody knows what the update has left
        checkout.environment()
    assert checkout.installed() == ["venv", "pip", *["pip", "pip"] * 3]  # each tries twice


def test_an_update_that_was_killed_is_not_trusted(checkout):
    checkout.environment()
    (checkout.root / "packages/deploy/pyproject.toml").write_text("")
    checkout.while_installing = lambda: -signal.SIGKILL
    with pytest.raises(SystemExit, match="could not be installed"):
        checkout.environment()
    checkout.while_installing = lambda: 0
    checkout.environment()
    assert checkout.installed() == ["venv", "pip", "pip", "venv", "pip"]


@pytest.mark.parametrize("harm", [killed, moved, broken, without_a_python])
def test_made_anew(checkout, harm):
    checkout.environment()
    harm(checkout)
    before = len(checkout.installed())
    assert checkout.environment() == ["installing the environment 'zoo'; this happens once"]
    assert checkout.installed()[before:] == ["venv", "pip"]
    assert not (checkout.folder / "half a library").exists()
    assert checkout.environment() == []


def test_a_moved_checkout_is_noticed(checkout, tmp_path):
    checkout.environment()
    there = Checkout(checkout.root.rename(tmp_path / "elsewhere"))
    there.environment()
    assert there.installed() == ["venv", "pip", "venv", "pip"]


def test_the_doctor_knows_what_every_environment_is_for(checkout):
    kinds = checkout.noxfile.KINDS
    assert WORK.keys() == kinds.keys()
    for kind, packages in kinds.items():
        needed = [f"step {name}" for name in ("torch", "keras") if f"./packages/{name}_impl" in packages]
        needed = needed or ["build"] * any("onnx_impl" in package for package in packages)
        needed += ["runtime"] * any(re.search(r"\[(c|g)pu\b", package) for package in packages)
        assert sorted(WORK[kind]) == sorted(needed)
        assert set(ON_GPU.get(kind, ())) <= set(needed)


def test_what_installs_holds_the_lock_longer_than_nox(checkout):
    """An installation that outlives nox goes on writing; nobody may begin another beside it."""
    noxfile, session = load(checkout.root / "noxfile.py"), Session()
    with noxfile.installing(session) as lock:
        assert noxfile.install(lock, sys.executable, "-c", f"import os; os.fstat({lock})") == 0
        assert noxfile.install(lock, sys.executable, "-c", "raise SystemExit(3)") == 3


def test_arguments_of_pytest_do_not_reach_ruff_and_mypy(checkout):
    """`nox -- -k WORD` gives them to every session."""
    checkout.noxfile.environment = lambda session, kind: "python"
    commands = []
    session = Session()
    session.run = lambda _, option, name, *arguments, **__: commands.append(arguments)
    for session.posargs in (["-k", "resnet"], ["noxfile.py"]):
        checkout.noxfile.types(session)
        checkout.noxfile.lint(session)
    assert commands[:3] == [(), ("check", "."), ("format", "--check", ".")]
    assert commands[3:] == [("noxfile.py",), ("check", "noxfile.py"), ("format", "--check", "noxfile.py")]


def test_signals_that_are_ignored_stay_ignored(checkout):
    """Otherwise `nohup nox -s train_torch ...` would end with its terminal."""
    seen = {}
    session = Session()
    session.run = lambda *_, **__: seen.update({number: signal.getsignal(number) for number in kept})
    kept = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        checkout.noxfile.run(session, "zoo", "netspec")
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
    assert seen[signal.SIGHUP] is signal.SIG_IGN
    assert seen[signal.SIGTERM] not in (kept[signal.SIGTERM], signal.SIG_IGN)


def test_tests_of_a_group_share_a_process(tmp_path):
    """With the pinned versions. pytest-xdist 3.8 under pytest 9.2 forgets its groups, and says nothing."""
    (tmp_path / "test_groups.py").write_text(
        "import pytest\n"
        "GROUPED = [pytest.param(n, marks=pytest.mark.xdist_group(f'group {n // 5}')) for n in range(10)]\n"
        "@pytest.mark.parametrize('n', GROUPED)\n"
        "def test_one(n): pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadgroup", "-v", "test_groups.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    placed = re.findall(r"\[(gw\d)\].*test_one\[(\d)\]", done.stdout)
    assert len(placed) == 10
    processes = [{process for process, number in placed if int(number) // 5 == group} for group in (0, 1)]
    assert [len(found) for found in processes] == [1, 1]

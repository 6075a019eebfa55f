import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from learning_runs import WHOLE, command

settings.register_profile("trainspec", deadline=None)  # a busy machine is no failure
settings.load_profile("trainspec")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder of the test's own."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("DIPTYCH_CACHE", str(folder))
    return folder


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file can be written whole any more."""

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", refuse)


@pytest.fixture(scope="module")
def no_curves() -> Iterator[None]:
    """Nothing is drawn, and no write waits for the disk: both would take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.fsync", lambda descriptor: None)
        patch.setattr("trainspec.runs.run.draw_curves", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def whole(no_curves: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that nothing stopped."""
    return command(*WHOLE, "--out", str(tmp_path_factory.mktemp("whole"))).folder

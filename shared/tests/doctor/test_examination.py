"""Whatever is broken is named, with what to do about it; where nothing is, all is well."""

import json
import shutil
from pathlib import Path

import pytest
from checkouts import DID, VERSIONS, WELL, checkout, own_environment, problems

from doctor.__main__ import main, report
from doctor.data import files_of
from doctor.examination import SECTIONS, examine
from doctor.finding import Finding
from doctor.place import WORK, Place


def all_kinds(folder: Path, **differing) -> Place:
    return checkout(folder, {kind: differing.get(kind, {}) for kind in WORK})


def test_all_is_well(tmp_path, capsys):
    place = all_kinds(tmp_path)
    assert report(place, as_json=False) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == "all is well"
    assert "keras 3.0 trained and exported in 1.0 s on CPU, 2 threads" in shown
    assert "remedy" not in shown
    assert report(place, as_json=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["well"], found["problems"]) == (True, 0)
    subjects = [one["subject"] for one in found["sections"]["frameworks"]]
    assert subjects == [
        "builder in onnx",
        "onnxruntime in onnx",
        "torch",
        "onnxruntime in torch",
        "keras",
        "onnxruntime in keras",
        "onnxruntime in deploy",
        "torch in parity",
        "keras in parity",
        "onnxruntime in parity",
    ]


def test_a_fresh_checkout(tmp_path, capsys):
    """An empty section would be a table as wide as the console, which in a pipe is endless."""
    place = checkout(tmp_path, {})
    assert all(findings for _, findings in examine(place))
    report(place, as_json=False)
    shown = capsys.readouterr().out
    assert "none was tried, since there is no environment yet" in shown
    assert max(map(len, shown.splitlines())) < 1000


def test_a_wrong_version(tmp_path):
    place = all_kinds(tmp_path, torch={"versions": VERSIONS | {"packages": {"numpy": "1.9+local"}}})
    (found,) = problems(place).values()
    assert (found.subject, found.text) == ("torch", "numpy 1.9+local, but constraints.txt says 2.0")
    python = tmp_path / ".nox" / "torch" / "bin" / "python"
    assert found.remedy == f"{python} -m pip install --constraint {place.constraints} numpy==2.0"


def test_a_local_build_of_the_right_version(tmp_path):
    assert not problems(all_kinds(tmp_path, torch={"versions": VERSIONS | {"packages": {"numpy": "2.0+cpu"}}}))


def test_many_wrong_versions_are_one_problem(tmp_path):
    names = [f"package{number}" for number in range(9)]
    wrong = {"versions": VERSIONS | {"packages": dict.fromkeys(names, "1")}}
    place = checkout(tmp_path, {"zoo": wrong}, "".join(f"{name}==2\n" for name in names))
    (found,) = problems(place).values()
    assert found.text == "package0 1, but constraints.txt says 2, and 8 more packages are not as in constraints.txt"
    assert found.remedy == f"rm -r {tmp_path / '.nox' / 'zoo'}; the next nox makes it again"


def test_a_package_that_is_needed(tmp_path):
    needs = ["numpy", "filelock", 'matplotlib; extra == "plot"']
    place = all_kinds(tmp_path, zoo={"versions": VERSIONS | {"requires": {"diptych-shared": needs}}})
    (found,) = problems(place).values()
    assert found.text == "filelock is not installed, but diptych-shared needs it"
    assert found.remedy.endswith("constraints.txt filelock")


def test_a_package_that_is_half_installed(tmp_path):
    """As a broken installation leaves it: the probe finds its name, and no version."""
    half = {"versions": VERSIONS | {"packages": {"numpy": None, "six": "1.0"}}}
    (found,) = problems(all_kinds(tmp_path, torch=half)).values()
    assert (found.subject, found.text) == ("torch", "numpy is only half installed")
    assert found.remedy == f"rm -r {tmp_path / '.nox' / 'torch'}; the next nox makes it again"


def test_a_section_that_ends_in_an_error_costs_no_other(tmp_path, monkeypatch, capsys):
    def check(place):
        yield Finding("first", "found")
        raise RuntimeError("no such\nmachine")

    for section in SECTIONS:
        monkeypatch.setitem(SECTIONS, section, check)
    assert report(checkout(tmp_path, {}), as_json=True) == 1
    sections = json.loads(capsys.readouterr().out)["sections"]
    assert sections.keys() == SECTIONS.keys()
    for section, (first, second) in sections.items():
        assert (first["subject"], second["subject"]) == ("first", section)
        assert second["text"] == "cannot be examined further: RuntimeError: no such"


def test_a_python_that_is_too_new(tmp_path):
    (found,) = problems(all_kinds(tmp_path, keras={"versions": VERSIONS | {"python": "3.14.0"}})).values()
    assert (found.subject, found.text) == ("keras", "Python 3.14.0, but Diptych needs 3.11 to 3.13")


def test_a_missing_runtime(tmp_path):
    said = {"problem": "ModelError: onnxruntime cannot be loaded (No module named 'onnxruntime')"}
    (found,) = problems(all_kinds(tmp_path, deploy={"runtime": said})).values()
    assert (found.subject, found.text) == ("onnxruntime in deploy", said["problem"])
    assert found.remedy == f"rm -r {tmp_path / '.nox' / 'deploy'}; the next nox makes it again"


BROKEN = {  # what a probe does -> what is said
    "kill -SEGV $$": "crashed with SIGSEGV",
    "kill -64 $$": "crashed with SIGRTMAX",
    "echo Traceback >&2; echo 'ImportError: libcudart.so.12' >&2; exit 1": "failed: ImportError: libcudart.so.12",
    "exit 3": "failed: status 3",
    "echo no JSON": "failed: status 0",
    "echo 17": "failed: status 0",
    "sleep 60 & sleep 60": "did not end within 1 seconds",
}


@pytest.mark.parametrize("action", BROKEN)
def test_a_framework_that_crashes(action, tmp_path):
    place = checkout(tmp_path, {"torch": {"step torch": action}})
    (found,) = problems(Place(place.root, place.environments, seconds=1)).values()
    assert (found.subject, found.text) == ("torch", BROKEN[action])


def test_half_an_environment(tmp_path):
    place = checkout(tmp_path, {"torch": {}, "keras": {}, "zoo": {}})
    (tmp_path / ".nox" / "zoo" / "installed").unlink()
    (tmp_path / ".nox" / "keras" / "bin" / "python").unlink()
    found = problems(place)
    assert found["zoo"].text == "its installation did not end"
    assert found["keras"].text == "its Python cannot be started (No such file or directory)"


def test_a_framework_beside_a_gpu(tmp_path, monkeypatch):
    monkeypatch.setattr("doctor.work.has_gpu", lambda: True)
    on_gpu = DID | {"on_gpu": True, "device": "H100", "libraries": {"CUDA": "12.4", "cuDNN": "9.1.0"}}
    torch = {"step torch": on_gpu | {"did": "torch 2.0 trained"}}
    place = checkout(tmp_path, {"torch": torch, "keras": {}, "parity": {}})
    found = problems(place)
    assert found.keys() == {"onnxruntime in torch", "keras"}  # the others are for the CPU
    assert found["keras"].text.endswith("CPU, 2 threads, although there is a GPU")
    assert "nvidia-smi" in found["keras"].remedy
    shown = [one.text for one in dict(examine(place))["frameworks"]]
    assert "torch 2.0 trained in 1.0 s on H100, CUDA 12.4, cuDNN 9.1.0" in shown


def test_a_damaged_data_set(tmp_path):
    ((path, _),) = files_of("cifar10")
    path.parent.mkdir()
    path.write_bytes(b"x")
    (found,) = problems(checkout(tmp_path, {})).values()
    assert (found.subject, found.text) == ("cifar10", f"{path} is damaged: its SHA-256 is not the published one")
    assert found.remedy == f"rm {path}; the next --data cifar10 downloads it again"
    path.unlink()
    path.mkdir()
    (found,) = problems(checkout(tmp_path, {})).values()
    assert "not an ordinary file" in found.text


def test_no_home_for_a_cache(tmp_path, monkeypatch):
    monkeypatch.delenv("DIPTYCH_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError()))
    found = problems(checkout(tmp_path, {}))
    assert found.keys() == {"data sets", "caches"}
    assert {one.remedy for one in found.values()} == {"set DIPTYCH_CACHE to a folder"}


def test_no_constraints(tmp_path):
    place = checkout(tmp_path, {})
    place.constraints.unlink()
    assert not problems(place)  # installed by pip, without a checkout
    (tmp_path / ".git").mkdir()
    assert problems(place).keys() == {"constraints.txt"}


def test_what_is_broken_is_shown_with_its_remedy(tmp_path, capsys):
    """In a pipe; names that control a terminal are escaped."""
    said = {"problem": "broken\x1b[31m"}
    assert report(all_kinds(tmp_path, torch={"step torch": said}), as_json=False) == 1
    shown = capsys.readouterr().out
    (line,) = [line for line in shown.splitlines() if "x1b" in line]
    assert line.split() == ["problem", "torch", "broken\\x1b[31m"]
    assert f"remedy: rm -r {tmp_path / '.nox' / 'torch'}; the next nox makes it again" in shown
    assert shown.splitlines()[-1] == "1 problem; the remedies are above"
    assert report(all_kinds_again(tmp_path), as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["well"], found["problems"]) == (False, 1)


def all_kinds_again(folder: Path) -> Place:
    return Place(folder, folder / ".nox")


def test_a_narrow_terminal_loses_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    from rich.console import Console

    monkeypatch.setattr("doctor.view.console", lambda: Console(force_terminal=True, width=60, color_system=None))
    report(all_kinds(tmp_path), as_json=False)
    words = "".join(capsys.readouterr().out.split())
    assert "keras3.0trainedandexportedin1.0sonCPU,2threads" in words


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_the_frameworks_of_this_environment(framework, tmp_path):
    """Real steps and exports, by this test's own Python in a child process."""
    place = checkout(tmp_path, {})
    own_environment(tmp_path / ".nox" / framework)
    place = Place(place.root, place.environments)
    sections = dict(examine(place))
    assert not [one for one in sections["frameworks"] if one.is_problem]
    step, runtime = sections["frameworks"]
    assert step.text.startswith(f"{framework} ")
    assert "trained and exported" in step.text
    assert step.facts["losses"][-1] < step.facts["losses"][0]
    assert step.facts.keys() >= {"export_difference", "native_difference"}
    assert runtime.text.startswith("onnxruntime ")
    versions = next(one for one in sections["environments"] if one.subject == framework and not one.is_problem)
    assert versions.facts["packages"]["numpy"]


def test_a_graph_is_built_without_a_framework(tmp_path):
    place = checkout(tmp_path, {})
    own_environment(tmp_path / ".nox" / "onnx")
    built, runtime = dict(examine(Place(place.root, place.environments)))["frameworks"]
    assert built.text.startswith("onnx ")
    assert "built and verified a graph" in built.text
    assert (built.is_problem, runtime.is_problem) == (False, False)


def test_an_environments_folder_that_is_not_there(tmp_path, capsys):
    from diptych.errors import UsageError

    with pytest.raises(UsageError, match="no such folder"):
        main(["--environments", str(tmp_path / "none")])


def test_every_probe_has_a_well_answer():
    assert {probe for work in WORK.values() for probe in work} | {"versions"} == WELL.keys()
    assert shutil.which("nvidia-smi") is None  # the fixture hides it

"""The section "Parity" of a page of `compare`: what the certificates of the runs say."""

import json
import shutil
from pathlib import Path

import pytest

from compared import Text
from parity.compare import compare, latency, write
from short_run import short_run
from trainspec.certificate import CHECKS

FLOAT64 = {"passed": True, "value": 3.25e-15, "limit": 1e-10, "text": "3.2e-15"}
STEP = {"passed": False, "value": 0.5, "limit": 1e-10, "text": "5.0e-01"}
MUTANTS = {"planted": 41, "killed": 39, "named": 38, "equal": 2, "survived": 0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    return short_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    monkeypatch.setattr(latency, "SECONDS", 0.01)


def page_of(*runs: Path) -> tuple[dict[str, list], str]:
    """The parity of a page in its JSON, by name, and the page's HTML."""
    page = write(compare(runs), runs[1].parent / "page")
    table = json.loads(page.with_name("index.json").read_text())
    for link in Text(page.read_text()).links:
        assert (page.parent / link).is_file()
    return {row["name"]: row["cells"] for row in table["parity"]}, page.read_text()


def certificate_of(run: Path) -> dict:
    return json.loads((run / "proof" / "certificate.json").read_text())


def test_what_was_proved_is_shown_with_its_limit(trained, tmp_path):
    proved = shutil.copytree(trained, tmp_path / "proved")
    facts = certificate_of(trained)
    checks = facts["checks"] | {"float64": FLOAT64, "step": STEP}
    reasons = {key: reason for key, reason in facts["reasons"].items() if key not in ("float64", "mutants")}
    changed = facts | {"checks": checks, "mutants": MUTANTS, "reasons": reasons | {"step": "in 'fc1.weight'"}}
    (proved / "proof" / "certificate.json").write_text(json.dumps(changed))
    found, page = page_of(trained, proved)
    assert set(found) == {*CHECKS, "mutants", *facts["exports"]}
    for name, one in facts["exports"].items():
        for cell in found[name]:
            assert (cell["value"], cell["limit"], cell["passed"]) == (one["difference"], one["limit"], True)
            assert f"{one['difference']:.1e}<br>" in page
    assert [cell["reason"] for cell in found["float64"]] == [facts["reasons"]["float64"], ""]
    assert (found["float64"][1]["value"], found["float64"][1]["limit"]) == (3.25e-15, 1e-10)
    assert '">3.2e-15<br><span class="soft">limit 1e-10<' in page
    assert 'class="different">fails: 5.0e-01<' in page
    assert "step of B: in &#39;fc1.weight&#39;" in page
    assert "39 of 41 killed<" in page
    assert "38 named, 2 equal, 0 survived" in page
    assert f"mutants of A: {facts['reasons']['mutants']}" in page
    assert "../proved/proof/certificate.json" in Text(page).links


@pytest.mark.parametrize(
    "content", [None, "{", {"weights_sha256": "0" * 64}, {"checks": 3}, {"mutants": {"killed": 1}}]
)
def test_without_a_certificate_of_the_weights_the_reason_is_shown(trained, tmp_path, content):
    other = shutil.copytree(trained, tmp_path / "other")
    file = other / "proof" / "certificate.json"
    if content is None:
        file.unlink()
    else:
        file.write_text(json.dumps(certificate_of(trained) | content) if isinstance(content, dict) else content)
    found, page = page_of(trained, other)
    assert all(cells[1]["reason"].startswith("no certificate of the run's weights") for cells in found.values())
    assert "no certificate of the run&#39;s weights; nox -s parity -- RUN writes one" in page

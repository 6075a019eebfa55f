"""Every limit by which implementations are judged stands in tolerances.toml and nowhere else."""

import ast
import subprocess
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from netspec.compare import TOLERANCES, Limits, limits

ROOT = Path(__file__).parents[1]
SMALL = 0.01  # a comparison with a smaller constant is a limit
# these have limits in them
JUDGES = {"allclose", "assert_allclose", "assert_almost_equal", "isclose", "assert_close", "approx"}
TOLERANT = {"atol", "rtol"}


def sources(suffix: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", f"*{suffix}"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()
    found = [ROOT / name for name in listed] or [
        path for top in ("shared", "packages", "parity_tests") for path in (ROOT / top).rglob(f"*{suffix}")
    ]
    return [path for path in found if path.is_file()]


def judges_of(path: Path) -> set[str]:
    """Tests of what imports no framework hold it to formulas: nothing there is one implementation against another."""
    return JUDGES - {"approx"} if path.is_relative_to(ROOT / "shared" / "tests") else JUDGES


def limits_in(tree: ast.AST, judges: set[str]) -> list[int]:
    """Lines that order by a small constant, or call something that has limits of its own."""
    lines = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare) and not all(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
            values = [part.value for part in (node.left, *node.comparators) if isinstance(part, ast.Constant)]
            if any(isinstance(value, float) and 0 < abs(value) < SMALL for value in values):
                lines.append(node.lineno)
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in judges or TOLERANT & {keyword.arg for keyword in node.keywords}:
                lines.append(node.lineno)
    return lines


def test_no_code_holds_a_limit():
    files = sources(".py")
    assert len(files) > 50
    found = {str(path.relative_to(ROOT)): limits_in(ast.parse(path.read_text()), judges_of(path)) for path in files}
    assert not {name: lines for name, lines in found.items() if lines}


@pytest.mark.parametrize(
    "code",
    [
        "x <= 1e-4",
        "assert 1e-6 > abs(a - b)",
        "np.testing.assert_allclose(a, b)",
        "close(a, b, atol=1)",
        "assert a == pytest.approx(b)",
    ],
)
def test_a_limit_in_code_is_seen(code):
    assert limits_in(ast.parse(code), JUDGES) == [1]


def test_no_other_table_holds_a_limit():
    keys = {entry.name for entry in fields(Limits)}
    home = (ROOT / "shared" / "netspec" / "tolerances.toml").resolve()
    holders = {
        path.resolve() for path in sources(".toml") if keys & set(str(tomllib.loads(path.read_text())).split("'"))
    }
    assert holders == {home}
    assert TOLERANCES.resolve() == home


def test_the_limits_are_no_looser_than_agreed():
    """DESIGN.md's figures; a looser one would be a decision, not an edit."""
    agreed = {"float32_forward": 1e-4, "float64": 1e-10, "float64_floor": 1e-3, "least_spread": 1e-3}
    assert all(getattr(limits(), key) <= value for key, value in agreed.items() if key != "least_spread")
    assert limits().least_spread >= agreed["least_spread"]
    assert limits().least_images >= 8

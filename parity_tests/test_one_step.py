"""A step is written once in each framework: there gradients are taken, and nowhere else in what is shipped."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TAKING = {"backward", "GradientTape", "value_and_grad", "grad", "train_on_batch", "apply_gradients"}
PLACES = {  # package -> where gradients are taken, and how often
    "torch_impl": {"trainer.py": 1},
    "keras_impl": {"gradients.py": 2},  # once for each backend
}
USERS_OWN = {  # users' loops, and the gradient of a layer alone
    "test_heads.py",
    "test_keras_idioms.py",
    "test_keras_models.py",
    "test_noise_layers.py",
    "test_torch_idioms.py",
}


def taking(path: Path) -> int:
    """Calls that take gradients of a framework; a call of a trainer's stage, `trainer.backward`, takes none itself."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    attributes = [call for call in calls if isinstance(call, ast.Attribute)]
    return sum(
        call.attr in TAKING and ast.unparse(call.value).rpartition(".")[2] not in ("self", "trainer")
        for call in attributes
    )


@pytest.mark.parametrize("package", ["torch_impl", "keras_impl", "onnx_impl", "parity", "deploy"])
def test_in_what_is_shipped(package):
    folder = ROOT / "packages" / package / package
    found = {path.name: count for path in sorted(folder.rglob("*.py")) if (count := taking(path))}
    assert found == PLACES.get(package, {})


def test_in_what_is_shared():
    assert not [path for path in (ROOT / "shared").rglob("*.py") if "tests" not in path.parts and taking(path)]


def test_in_tests():
    found = {path.name for path in (ROOT / "parity_tests").glob("*.py") if taking(path)}
    assert found == USERS_OWN

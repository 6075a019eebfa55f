"""The three builders are mirrors of one another, and nobody imports whom he may not."""

import ast
import importlib
from pathlib import Path

import pytest

from netspec.ops import VOCABULARY

ROOT = Path(__file__).parents[1]
BUILDERS = ("torch_impl", "keras_impl", "onnx_impl")
FRAMEWORKS = {"torch", "tensorflow", "keras", "jax", "onnx", "onnxruntime", "tf2onnx", "onnxscript"}
OURS = {"diptych", "netspec", "trainspec", "doctor", *BUILDERS, "parity", "deploy"}
SHARED = {"diptych", "netspec", "trainspec", "deploy"}
MAY_IMPORT = {  # package -> the other packages of ours
    "diptych": {"deploy"},
    "netspec": {"diptych", "deploy"},
    "trainspec": SHARED,
    "doctor": SHARED,
    "torch_impl": SHARED,
    "keras_impl": SHARED,
    "onnx_impl": SHARED,
    "parity": {*SHARED, *BUILDERS},
    "deploy": set(),
}
OWN_FRAMEWORK = {  # package -> the frameworks it may import
    "diptych": set(),
    "netspec": set(),
    "trainspec": set(),
    "doctor": set(),
    "torch_impl": {"torch", "onnx"},
    "keras_impl": {"keras", "tensorflow", "jax", "tf2onnx", "onnx"},
    "onnx_impl": {"onnx", "onnxruntime"},
}
MODULES_OF_ONE_BUILDER = {"keras_impl": {"gradients", "kernels", "network", "quiet"}}
EXPORTERS = {"export", "commands"}  # the modules of a framework that may import the ONNX builder


def folder(package: str) -> Path:
    return (
        ROOT / "shared" / package
        if package in ("diptych", "netspec", "trainspec", "doctor")
        else ROOT / "packages" / package / package
    )


PACKAGES = [package for package in MAY_IMPORT if folder(package).is_dir()]


def imports(tree: ast.AST) -> set[str]:
    """Top-level packages that a piece of code imports."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return {name.partition(".")[0] for name in names}


def module_level(tree: ast.Module) -> set[str]:
    """Packages imported when the module is, functions left out."""
    outside = [node for node in tree.body if not isinstance(node, ast.FunctionDef | ast.ClassDef)]
    return imports(ast.Module(outside, []))


def modules(package: str) -> dict[str, ast.Module]:
    """Every module of a package by its dotted path inside it."""
    top = folder(package)
    found = {
        ".".join(path.relative_to(top).with_suffix("").parts): ast.parse(path.read_text()) for path in top.rglob("*.py")
    }
    assert found, f"{package} has no modules"
    return found


@pytest.mark.parametrize("builder", BUILDERS)
def test_every_op_has_a_handler(builder):
    handlers = importlib.import_module(f"{builder}.ops").HANDLERS
    missing, odd = set(VOCABULARY) - set(handlers), set(handlers) - set(VOCABULARY)
    assert not missing, f"{builder} has no handler for {', '.join(sorted(missing))}"
    assert not odd, f"{builder} has handlers for what is no op: {', '.join(sorted(odd))}"
    assert list(handlers) == list(VOCABULARY), f"{builder}'s handlers are not in the vocabulary's order"


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_handler_bears_its_ops_name(builder):
    handlers = importlib.import_module(f"{builder}.ops").HANDLERS
    assert [handler.__name__ for handler in handlers.values()] == list(VOCABULARY)


def test_a_missing_handler_is_named(monkeypatch):
    from torch_impl.ops import HANDLERS

    monkeypatch.delitem(HANDLERS, "blur_pool")
    with pytest.raises(AssertionError, match="torch_impl has no handler for blur_pool"):
        test_every_op_has_a_handler("torch_impl")


def test_the_frameworks_have_the_same_files():
    torch, keras = (set(modules(builder)) for builder in ("torch_impl", "keras_impl"))
    assert torch == keras - MODULES_OF_ONE_BUILDER["keras_impl"]


def test_the_onnx_builder_has_their_files_but_for_training():
    assert {"__init__", "__main__", "ops", "model", "weights", "export"} <= set(modules("onnx_impl"))


@pytest.mark.parametrize("package", PACKAGES)
def test_nobody_imports_whom_he_may_not(package):
    for name, tree in modules(package).items():
        allowed = MAY_IMPORT[package] | {package}
        if package in ("torch_impl", "keras_impl") and name in EXPORTERS:
            allowed = allowed | {"onnx_impl"}
        odd = imports(tree) & OURS - allowed
        assert not odd, f"{package}.{name} imports {odd}"


@pytest.mark.parametrize("package", [package for package in PACKAGES if package in OWN_FRAMEWORK])
def test_nobody_imports_anothers_framework(package):
    for name, tree in modules(package).items():
        odd = imports(tree) & FRAMEWORKS - OWN_FRAMEWORK[package]
        assert not odd, f"{package}.{name} imports {odd}"


COMMAND_LINES = ("deploy.options", "deploy.__main__", "netspec.__main__", "parity.commands.")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_command_line_is_seen_by_commands_alone(package):
    """Everything else takes values, so that a notebook can do it too."""
    seen = [f"{package}.{name}" for name, tree in modules(package).items() if "argparse" in imports(tree)]
    assert [name for name in seen if not name.startswith(COMMAND_LINES)] == []


def test_parity_imports_frameworks_only_in_its_runners():
    for name, tree in modules("parity").items():
        assert not module_level(tree) & (FRAMEWORKS | set(BUILDERS)), f"parity.{name} imports a framework at once"
        if not name.startswith("runners."):
            assert not imports(tree) & FRAMEWORKS, f"parity.{name} imports a framework"


@pytest.mark.parametrize("builder", BUILDERS)
def test_commands_refuse_before_they_load_a_framework(builder):
    for name in ("__init__", "__main__"):
        assert not module_level(modules(builder)[name]) & FRAMEWORKS

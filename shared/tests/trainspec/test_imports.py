import subprocess
import sys

FRAMEWORKS = ("torch", "tensorflow", "keras", "jax", "onnx", "onnxruntime")
PROGRAM = f"""
import sys, trainspec.data, trainspec.plan, trainspec.recipes, trainspec.runs, trainspec.schedules
print([name for name in {(*FRAMEWORKS, "matplotlib")!r} if name in sys.modules])
"""


def test_neither_a_framework_nor_matplotlib_is_imported():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

"""Equal content makes equal files, in whatever process."""

import hashlib
import os
import subprocess
import sys

import pytest

from netspec import architecture, initial_weights, load_weights, save_weights

CODE = """
import sys
from netspec import architecture, initial_weights, save_weights
graph = architecture("googlenet", aux_heads=True, num_classes=5, image_size=224)
weights = initial_weights(graph, 3)
if sys.argv[2] == "1":
    weights = dict(reversed(weights.items()))
save_weights(graph, weights, sys.argv[1])
print(graph.to_json())
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Files and graphs of four processes with different hashes of strings."""
    folder, graphs = tmp_path_factory.mktemp("equal"), []
    for seed in range(4):
        command = [sys.executable, "-c", CODE, str(folder / f"{seed}.safetensors"), str(seed % 2)]
        environment = {**os.environ, "PYTHONHASHSEED": str(seed)}
        graphs.append(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    return sorted(folder.iterdir()), graphs


def test_weight_files(written):
    files, _ = written
    assert len(files) == 4
    assert len({hashlib.sha256(path.read_bytes()).hexdigest() for path in files}) == 1


def test_graphs(written):
    _, graphs = written
    assert len(set(graphs)) == 1
    assert '"schema": 1' in graphs[0]


def test_a_sorted_file_is_read_as_before(written):
    files, _ = written
    graph = architecture("googlenet", aux_heads=True, num_classes=5, image_size=224)
    expected = initial_weights(graph, 3)
    found = load_weights(graph, files[0])
    assert list(found) == list(expected)
    assert all((found[name] == expected[name]).all() for name in expected)


def test_a_name_beyond_ascii(tmp_path):
    from netspec import functional as f, trace

    graph = trace("größe 'netz'", (3, 4, 4), lambda x: f.linear(f.flatten(x), 2, name="schluß"))
    for name in ("a", "b"):
        save_weights(graph, initial_weights(graph), tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert load_weights(graph, tmp_path / "a").keys() == graph.params.keys()

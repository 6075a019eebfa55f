"""The model's file that a classifier takes, its trial in a child process, and the provider that runs it."""

import os
import tracemalloc
from types import SimpleNamespace

import onnx
import pytest

import deploy
from deploy import Classifier, DeployError, ModelError, cgroups, isolation, runtime
from deploy.inspection import inspect
from deploy.isolation import try_model
from onnx_impl import build, export_onnx, package
from onnx_impl.measure import probe
from tiny_classifier import contract, network, write_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("given"))


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "cuda", "TensorrtExecutionProvider", "azure", "", "gpu"])
def test_a_provider_that_does_not_run_is_an_error(folder, provider):
    import onnxruntime

    if provider in onnxruntime.get_available_providers():
        pytest.skip("runs here")
    with pytest.raises(ModelError, match=f"no provider '{provider}'.*CPUExecutionProvider"):
        Classifier(folder / "run", provider=provider)


def test_the_provider_that_runs_is_named(folder):
    for provider in ("cpu", "CPU", "CPUExecutionProvider"):
        assert Classifier(folder / "run", provider=provider, threads=1).provider == "CPUExecutionProvider"
    for wrong in ({"provider": ["cpu"]}, {"threads": "2"}, {"threads": 1.5}, {"tta": ["mirror"]}):
        with pytest.raises(DeployError, match=next(iter(wrong))):
            Classifier(folder / "run", **wrong)
    for threads in (0, -1, 10**6):
        with pytest.raises(ModelError, match="threads"):
            Classifier(folder / "run", threads=threads)


def test_the_provider_and_threads_may_be_given_by_position(folder):
    assert Classifier(folder / "run", "cpu", 2).running == "CPUExecutionProvider, 2 threads"


def test_a_default_that_falls_back_is_named(folder, monkeypatch):
    """CUDA is built in and does not start: the CPU runs by default, and an error is what asked for CUDA."""
    import onnxruntime

    start = onnxruntime.InferenceSession
    monkeypatch.setattr(
        onnxruntime, "get_available_providers",
        lambda: ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
    )  # fmt: skip
    asked = []

    def session(model, options, providers, provider_options, enable_fallback):
        asked.append(providers)
        return start(model, options, providers=["CPUExecutionProvider"], enable_fallback=enable_fallback)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    fallen = Classifier(folder / "run").model
    assert (fallen.provider, fallen.passed_over) == ("CPUExecutionProvider", "CUDAExecutionProvider")
    assert asked == [["CUDAExecutionProvider", "CPUExecutionProvider"]]
    with pytest.raises(ModelError, match="CUDAExecutionProvider does not run here"):
        Classifier(folder / "run", provider="cuda")


class Placed:
    """A session on a machine with CUDA, as far as it says who runs what."""

    def __init__(self, providers: list[str], owners: list[str]) -> None:
        self.get_providers = lambda: providers
        self.get_provider_graph_assignment_info = lambda: [
            SimpleNamespace(ep_name=owner, get_nodes=lambda: ["node"]) for owner in owners
        ]


def test_a_provider_that_takes_no_operator_does_not_run(folder, monkeypatch):
    """CUDA starts and leaves every operator to the CPU."""
    import onnxruntime

    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    owners = []
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda model, options, providers, **_: Placed(providers, owners)
    )
    owners[:] = ["CPUExecutionProvider"] * 3
    with pytest.raises(
        ModelError, match="CUDAExecutionProvider supports none of its operators, so CPUExecutionProvider"
    ):
        runtime.start(b"", provider="cuda")
    assert runtime.start(b"").get_providers() == ["CPUExecutionProvider"]
    owners[:] = both
    session = runtime.start(b"", provider="cuda")
    assert runtime.provider_of(session) == "CUDAExecutionProvider"
    assert runtime.operators_of(session) == dict.fromkeys(both, 1)
    assert runtime.start(b"").get_providers() == both


def test_cuda_takes_what_tensorrt_leaves(monkeypatch):
    import onnxruntime

    names = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    assert runtime.choose_providers("tensorrt") == names
    assert runtime.choose_providers("cuda") == runtime.choose_providers(None) == names[1:]
    assert runtime.choose_providers("cpu") == names[2:]


@pytest.mark.parametrize("wanted", [None, "cuda", "tensorrt", "cpu"])
def test_cuda_runs_without_tf32(monkeypatch, wanted):
    import onnxruntime

    names = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: names)
    given = []

    def session(model, options, providers, provider_options, enable_fallback):
        given.append(dict(zip(providers, provider_options, strict=True)))
        return Placed(providers, providers)

    monkeypatch.setattr(onnxruntime, "InferenceSession", session)
    runtime.start(b"", provider=wanted)
    options = {"CUDAExecutionProvider": {"use_tf32": "0"}}
    assert given == [{name: options.get(name, {}) for name in runtime.choose_providers(wanted)}]


def test_threads_are_those_of_the_container(folder, tmp_path, monkeypatch):
    (tmp_path / "sys/fs/cgroup/job").mkdir(parents=True)
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/job\n")
    (tmp_path / "sys/fs/cgroup/job/cpu.max").write_text("50000 100000\n")
    assert Classifier(folder / "run").model.threads == cgroups.usable_cores()
    monkeypatch.setattr(cgroups, "ROOT", tmp_path)
    assert Classifier(folder / "run").model.running == "CPUExecutionProvider, 1 thread"
    assert Classifier(folder / "run", threads=3).model.running == "CPUExecutionProvider, 3 threads"


@pytest.mark.parametrize("name", ["none.onnx", "", ".", "x" * 300 + ".onnx", "a\0b", "/dev/null", "fifo", "folder"])
def test_a_model_that_is_not_a_file(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ModelError):
        Classifier(name)


def test_what_is_not_for_people_says_what_is(tmp_path):
    """The variant for servers, by its file and by its folder, and an image without a fixed height."""
    graph = network()
    export_onnx(graph, probe(graph), tmp_path / "m.onnx", metadata=contract().properties())
    folder = package(tmp_path / "m.onnx", uint8=True)
    with pytest.raises(ModelError, match=r"takes raw uint8 images, for servers; give the model of float32"):
        Classifier(folder / "uint8" / "1" / "model.onnx")
    with pytest.raises(ModelError, match=f"without a model.onnx; give the package, {folder}$"):
        Classifier(folder / "uint8")
    model = onnx.load(tmp_path / "m.onnx")
    del model.metadata_props[-1]  # the hash over the content
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    with pytest.raises(ModelError, match="takes images of 3xanyx9"):
        inspect(model.SerializeToString(), "m")


def test_a_large_file_that_is_not_a_model_is_not_read(tmp_path):
    for size, message in ((2**31 - 9, "first bytes"), (6 * 10**9, "at most 2 GiB")):
        with (tmp_path / "large.onnx").open("wb") as file:
            file.truncate(size)
        tracemalloc.start()
        with pytest.raises(ModelError, match=message):
            Classifier(tmp_path / "large.onnx")
        assert tracemalloc.get_traced_memory()[1] < 1e7
        tracemalloc.stop()


def test_a_file_without_a_hash_is_tried_first(tmp_path, monkeypatch):
    graph = network()
    model = build(graph, weights=probe(graph), metadata=contract().properties())
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    tried = []
    monkeypatch.setattr(deploy.model, "try_model", lambda *arguments: tried.append(arguments[1]))
    Classifier(tmp_path / "m.onnx", isolate=False)
    assert tried == []
    Classifier(tmp_path / "m.onnx")
    assert tried == [(3, 12, 9)]


def test_a_trial_gets_no_more_than_half_of_the_free_memory(monkeypatch):
    monkeypatch.setattr(isolation, "free_bytes", lambda: 4 << 30)
    assert isolation.memory_limit(10**6, (3, 224, 224)) < 2 << 30
    assert isolation.memory_limit(135, (3, 8192, 8192)) == 2 << 30
    monkeypatch.setattr(isolation, "free_bytes", lambda: 0)  # the system does not say
    assert isolation.memory_limit(135, (3, 224, 224)) > 1 << 30


def test_a_trial_has_limits(folder):
    content = (folder / "run" / "model.onnx").read_bytes()
    try_model(content, (3, 12, 9), "m")
    for limits, message in (
        ({"memory": 2**26}, "memory|cannot be tried|ends the process|pthread_create"),
        ({"seconds": 0.01}, "needed more than"),
    ):
        with pytest.raises(ModelError, match=message):
            try_model(content, (3, 12, 9), "m", **limits)
    with pytest.raises(ModelError, match="cannot run it"):
        try_model(content, (3, 5, 5), "m")

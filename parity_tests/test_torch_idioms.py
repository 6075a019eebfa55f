"""PyTorch's own ways with a module, on one network of every family: equal outputs, weights in and out, one step."""

import copy
import io
import pickle
from functools import cache

import numpy as np
import pytest
import torch
import torch.distributed
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel

import torch_impl
from netspec import functional as f, list_architectures, load_weights, trace
from netspec.errors import DiptychError, ExportError, GraphError, WeightsError
from netspec.init import probe_weights
from netspec.reduce import reduced
from netspec.registry import find
from onnx_impl.measure import probe
from onnx_impl.verify import random_images
from torch_impl.weights import spec_of


@cache
def families() -> dict[str, str]:
    """The network of each family that costs least, reduced."""
    found: dict[str, list[str]] = {}
    for name in list_architectures():
        found.setdefault(find(name).family, []).append(name)
    return {family: min(names, key=lambda name: reduced(name).macs) for family, names in found.items()}


FAMILIES = list(families())


@cache
def case(family: str):
    """A model in evaluation mode, images, and its logits."""
    graph = reduced(families()[family], num_classes=5)
    model = torch_impl.build(graph, weights=probe(graph)).eval()
    images = torch.from_numpy(random_images(graph, 3))
    with torch.no_grad():
        return graph, model, images, model(images)


@pytest.fixture(scope="module", autouse=True)
def release():
    yield
    case.cache_clear()


@pytest.fixture(scope="module", autouse=True)
def group(tmp_path_factory):
    """A process group of this process alone."""
    store = tmp_path_factory.mktemp("group") / "store"
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def through_a_file(model, **options):
    stream = io.BytesIO()
    torch.save(model, stream)
    stream.seek(0)
    return torch.load(stream, **options)


def saved_state(model, images):
    other = torch_impl.build(spec_of(model), seed=7).eval()
    other.load_state_dict(through_a_file(model.state_dict(), weights_only=True))
    return other


def through_jit_file(model, images):
    stream = io.BytesIO()
    torch.jit.save(torch.jit.trace(model, images), stream)
    stream.seek(0)
    return torch.jit.load(stream)


def exported(model, images):
    return torch.export.export(model, (images,), dynamic_shapes=({0: torch.export.Dim("N")},)).module()


def shared(model, images):
    return model.share_memory()


def hooked(model, images):
    model.seen = []
    model.register_forward_hook(lambda module, inputs, output: None)
    return copy.deepcopy(model)


def set_anew(model, images):
    """Every layer that owns weights, replaced by its like of PyTorch alone."""
    for name, module in list(model.named_modules()):
        if isinstance(module, nn.Linear):
            model.set_submodule(name, nn.Linear(module.in_features, module.out_features, module.bias is not None))
            model.get_submodule(name).load_state_dict({n: v for n, v in module.state_dict().items() if "." not in n})
    return model


FORMS = {  # each makes another form of the module that it is given, or changes it
    "deepcopy": lambda model, images: copy.deepcopy(model),
    "copy": lambda model, images: copy.copy(model),
    "pickle": lambda model, images: pickle.loads(pickle.dumps(model)),
    "save": lambda model, images: through_a_file(model, weights_only=False),
    "state_dict": saved_state,
    "twice": lambda model, images: copy.deepcopy(through_a_file(copy.deepcopy(model), weights_only=False)),
    "compile": lambda model, images: torch.compile(model, backend="eager"),
    "data_parallel": lambda model, images: nn.DataParallel(model),
    "ddp": lambda model, images: nn.parallel.DistributedDataParallel(model),
    "average": lambda model, images: AveragedModel(model, use_buffers=True),
    "fx": lambda model, images: torch.fx.symbolic_trace(model),
    "fx_in_training": lambda model, images: torch.fx.symbolic_trace(model.train()).eval(),
    "fx_pickled": lambda model, images: through_a_file(torch.fx.symbolic_trace(model), weights_only=False),
    "jit_trace": torch.jit.trace,
    "jit_saved": through_jit_file,
    "export": exported,
    "share_memory": shared,
    "sequential": lambda model, images: nn.Sequential(model),
    "hooks": hooked,
    "channels_last": lambda model, images: model.to(memory_format=torch.channels_last),
    "set_anew": set_anew,
}
UNSWITCHED = ("jit_trace", "jit_saved", "export")  # what is no longer told training from evaluation


def parameters(model):
    return [parameter.detach().clone() for parameter in model.parameters()]


def train_once(model, images):
    """One step by PyTorch's own means; says whether every parameter that has a gradient moved."""
    targets = torch.arange(len(images)) % 5
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    before = parameters(model)
    loss = F.cross_entropy(model(images).float(), targets)
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    moved = [not torch.equal(a, b) for a, b in zip(before, parameters(model), strict=True)]
    assert sum(moved) > len(moved) / 2
    return loss.item()


def save_and_load(model, graph, path):
    """What it saves is what it has, and what it loads is what it then has."""
    torch_impl.save_weights(model, path)
    saved = load_weights(graph, path)
    found = torch_impl.get_weights(model)
    assert list(found) == list(graph.params) == list(saved)
    for name, values in saved.items():
        np.testing.assert_array_equal(values, found[name].astype(np.float32), err_msg=name)
    return saved


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_module_in_another_form(family, form, tmp_path):
    graph, model, images, expected = case(family)
    path, own = tmp_path / "w.safetensors", copy.deepcopy(model)
    other = FORMS[form](own, images)
    assert spec_of(other) == graph
    with torch.no_grad():
        torch.testing.assert_close(other(images), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    first = save_and_load(other, graph, path)
    assert first.keys() == torch_impl.get_weights(model).keys()
    assert all(np.array_equal(first[name], values) for name, values in torch_impl.get_weights(model).items())
    if form not in UNSWITCHED:
        other.train()
    train_once(other, images)
    trained = save_and_load(other, graph, tmp_path / "trained.safetensors")
    assert any(not np.array_equal(trained[name], first[name]) for name in first)
    torch_impl.load_weights(other, path)
    if form not in UNSWITCHED:
        other.eval()
    with torch.no_grad():
        torch.testing.assert_close(other(images), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))

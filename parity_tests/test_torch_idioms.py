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
from torch.optim.swa_utils import AveragedModel, update_bn

import torch_impl
from family_networks import LIGHT, ONE_OF_A_FAMILY
from netspec import functional as f, load_weights, trace
from netspec.compare import forward_difference
from netspec.passes import frozen_norms
from netspec.probes import probe_images
from netspec.reduce import reduced
from onnx_impl.measure import probe
from torch_impl.weights import spec_of


@cache
def case(family: str):
    """A model in evaluation mode, images, and its logits."""
    graph = reduced(ONE_OF_A_FAMILY[family], num_classes=5)
    model = torch_impl.build(graph, weights=probe(graph)).eval()
    images = torch.from_numpy(probe_images(graph, 3))
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


def replicated(model, images):
    """What DataParallel does on each of several GPUs, with tensors of this process."""
    modules = list(model.modules())
    replicas = {module: module._replicate_for_data_parallel() for module in modules}
    for module, replica in replicas.items():
        for name, child in module._modules.items():
            replica._modules[name] = replicas[child]
        for name, parameter in module._parameters.items():
            replica._parameters[name] = parameter
    return replicas[model]


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
    "replica": replicated,
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


def train_once(model, images, share=0.5):
    """One step by PyTorch's own means, after which more than a share of the parameters are others."""
    targets = torch.arange(len(images)) % 5
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    before = parameters(model)
    loss = F.cross_entropy(model(images).float(), targets)
    loss.backward()
    optimizer.step()
    assert torch.isfinite(loss)
    moved = [not torch.equal(a, b) for a, b in zip(before, parameters(model), strict=True)]
    assert sum(moved) > share * len(moved)
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


QUICK = [
    (family, form)
    for family, name in ONE_OF_A_FAMILY.items()
    for form in FORMS
    if family == "resnet_cifar" or (form in ("save", "fx") and reduced(name).num_total <= LIGHT)
]
LONG = [(family, form) for family in ONE_OF_A_FAMILY for form in FORMS if (family, form) not in QUICK]


def agrees(model, images, expected) -> bool:
    with torch.no_grad():
        outputs = model(images).numpy()
    return forward_difference(outputs, expected.numpy(), unit=float(expected.abs().max())).within


@pytest.mark.parametrize(("family", "form"), [*QUICK, *(pytest.param(*pair, marks=pytest.mark.long) for pair in LONG)])
def test_a_module_in_another_form(family, form, tmp_path):
    graph, model, images, expected = case(family)
    path, own = tmp_path / "w.safetensors", copy.deepcopy(model)
    other = FORMS[form](own, images)
    assert spec_of(other) == graph
    assert agrees(other, images, expected)
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
    assert agrees(other, images, expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.half])
@pytest.mark.parametrize(
    "family",
    [
        family if family == "resnet_cifar" else pytest.param(family, marks=pytest.mark.long)
        for family in ONE_OF_A_FAMILY
    ],
)
def test_lower_precision(family, dtype, tmp_path):
    graph, model, images, expected = case(family)
    lower = copy.deepcopy(model).to(dtype)
    with torch.no_grad():
        assert (lower(images.to(dtype)).float() - expected).abs().max() < 0.1 * expected.abs().max()
    lower.train()
    train_once(lower, images.to(dtype), share=0.1)  # small steps are rounded away
    saved = save_and_load(lower, graph, tmp_path / "w.safetensors")
    if family == "resnet_cifar":
        assert torch_impl.export_onnx(lower, tmp_path / "m.onnx").within
    torch_impl.load_weights(lower, tmp_path / "w.safetensors")
    for name, values in torch_impl.get_weights(lower).items():
        np.testing.assert_array_equal(values.astype(np.float32), saved[name])


def test_a_model_that_was_bfloat16_for_a_while_pools_as_before():
    from netspec import functional as f, trace

    graph = trace("pools", (3, 9, 9), lambda x: f.linear(f.flatten(f.avg_pool(x, 5, 3, padding=2)), 5, name="fc"))
    model, images = torch_impl.build(graph).eval(), torch.randn(2, 3, 9, 9)
    twin = copy.deepcopy(model).bfloat16().float()
    twin.load_state_dict(model.state_dict())
    assert torch.equal(twin(images), model(images))


EXPORTED = ["compile", "data_parallel", "ddp", "average", "save", "fx", "fx_in_training", "jit_trace", "export"]


@pytest.mark.parametrize("form", EXPORTED)
def test_every_form_is_exported(form, tmp_path):
    _, model, images, _ = case("lenet")
    other = FORMS[form](copy.deepcopy(model), images)
    assert torch_impl.export_onnx(other, tmp_path / "m.onnx").within


@pytest.mark.long
def test_inductor_compiles():
    """PyTorch's own default, which needs a compiler of C++."""
    _, model, images, expected = case("lenet")
    assert agrees(torch.compile(copy.deepcopy(model)), images, expected)


def test_an_exported_program_and_what_is_inside_another_module(tmp_path):
    graph, model, images, expected = case("lenet")
    torch_impl.save_weights(torch.export.export(model, (images,)), tmp_path / "w.safetensors")
    assert load_weights(graph, tmp_path / "w.safetensors").keys() == graph.params.keys()
    parameters = dict(model.named_parameters())
    assert torch.equal(torch.func.functional_call(model, parameters, (images,)), expected)
    nested = nn.Sequential(copy.deepcopy(model), nn.Flatten(), nn.LogSoftmax(1))
    train_once(nested, images)
    assert torch.equal(pickle.loads(pickle.dumps(nested))(images), nested(images))


def test_hooks_are_copied_and_called():
    _, model, images, _ = case("lenet")
    own = copy.deepcopy(model)
    own.register_forward_hook(lambda module, inputs, output: output + 1)
    own.get_submodule("fc1").register_forward_hook(lambda module, inputs, output: output * 0)
    assert torch.equal(copy.deepcopy(own)(images), own(images))
    assert not torch.equal(own(images), model(images))


@pytest.mark.parametrize("share", [0.1, None])
def test_statistics_are_measured_anew_and_reset(share):
    """As stochastic weight averaging does, with a norm of PyTorch's own as the judge."""
    ours = torch_impl.build(trace("norm", (3, 5, 5), lambda x: f.batch_norm(x, name="norm")))
    own = nn.Sequential(nn.BatchNorm2d(3))
    ours.norm.momentum = own[0].momentum = share
    batches = [2 + torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    for model in (ours, own):
        update_bn(batches, AveragedModel(model, use_buffers=True))
        update_bn(batches, model)
    assert torch.equal(ours.norm.running_mean, own[0].running_mean)
    assert torch.equal(ours.norm.running_var, own[0].running_var)
    assert ours.norm.momentum == share
    assert not [name for name in ours.state_dict() if "num_batches" in name]
    ours.norm.reset_parameters()
    assert not ours.norm.running_mean.any()


def test_frozen_statistics_stay():
    """Whatever PyTorch does to the batch norms of a model, norms that are frozen keep what they have."""
    graph = frozen_norms(trace("norm", (3, 5, 5), lambda x: f.batch_norm(x, name="norm")), ["norm"])
    model = torch_impl.build(graph, weights=probe(graph))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    batches = [torch.randn(4, 3, 5, 5, generator=torch.Generator().manual_seed(seed)) for seed in range(2)]
    update_bn(batches, model)
    model = nn.SyncBatchNorm.convert_sync_batchnorm(model).train()
    model(batches[0])
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())

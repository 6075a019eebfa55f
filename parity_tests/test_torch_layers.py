"""A layer of a PyTorch network is an ordinary submodule: in order, and replaced without loss of what is below it."""

import copy

import pytest
import torch
from torch import nn

import torch_impl
from diptych.errors import GraphError, WeightsError
from netspec import functional as f, list_architectures, load_weights, trace
from netspec.reduce import reduced
from onnx_impl.measure import probe
from torch_impl.model import assemble

GRAPH = reduced("resnet20")
IMAGES = torch.linspace(-2, 2, 2 * 3 * 5 * 5).reshape(2, 3, 5, 5)


@pytest.fixture
def model():
    return torch_impl.build(GRAPH, weights=probe(GRAPH)).eval()


def like(layer):
    """A module of PyTorch's own with the same weights, and nothing below it."""
    if isinstance(layer, nn.Conv2d):
        sizes = layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding
        new = nn.Conv2d(*sizes, groups=layer.groups, bias=layer.bias is not None)
    elif isinstance(layer, nn.BatchNorm2d):
        new = nn.BatchNorm2d(layer.num_features, layer.eps)
    elif isinstance(layer, nn.Linear):
        new = nn.Linear(layer.in_features, layer.out_features, layer.bias is not None)
    else:
        return copy.deepcopy(type(layer)())
    own = {name: tensor for name, tensor in layer.state_dict().items() if "." not in name}
    new.load_state_dict(own, strict=False)
    return new.eval()


def parent_of(model, path):
    scope, _, name = path.rpartition(".")
    return model.get_submodule(scope), name


def assign(model, path, new):
    parent, name = parent_of(model, path)
    setattr(parent, name, new)


def delete_and_assign(model, path, new):
    parent, name = parent_of(model, path)
    delattr(parent, name)
    setattr(parent, name, new)


def nothing_and_assign(model, path, new):
    parent, name = parent_of(model, path)
    setattr(parent, name, None)
    setattr(parent, name, new)


def add_module(model, path, new):
    parent, name = parent_of(model, path)
    parent.add_module(name, new)


def register_module(model, path, new):
    parent, name = parent_of(model, path)
    delattr(parent, name)
    parent.register_module(name, new)


def twice_and_copied(model, path, new):
    assign(model, path, nn.Identity())
    twin = copy.deepcopy(model)
    assign(model, path, copy.deepcopy(new))
    assign(model, path, new)
    assign(twin, path, copy.deepcopy(new))
    assert torch.equal(twin(IMAGES), model(IMAGES))


WAYS = [
    *(assign, delete_and_assign, nothing_and_assign, add_module, register_module, twice_and_copied),
    lambda model, path, new: model.set_submodule(path, new),
]
REPLACED = [
    node.name
    for node in GRAPH
    if node.op.kind in ("conv", "batch_norm", "linear") or getattr(node.op, "fn", "") == "relu"
]


@pytest.mark.parametrize("way", WAYS)
def test_a_replaced_layer_keeps_what_is_below_it(way, model, tmp_path):
    expected, order = model(IMAGES), list(model.state_dict())
    for path in REPLACED:
        new = like(model.get_submodule(path))
        way(model, path, new)
        assert model.get_submodule(path) is new
        assert torch.equal(model(IMAGES), expected), path
    assert [name for name in model.state_dict() if not name.endswith("num_batches_tracked")] == order
    torch_impl.save_weights(model, tmp_path / "w.safetensors")
    assert load_weights(GRAPH, tmp_path / "w.safetensors").keys() == GRAPH.params.keys()
    assert torch.equal(copy.deepcopy(model)(IMAGES), expected)


class Own(nn.Module):
    """A user's layer around another, with a norm of its own under the network's name."""

    def __init__(self, layer):
        super().__init__()
        self.inner, self.bn = layer, nn.Identity()

    def forward(self, x):
        return self.bn(self.inner(x))


@pytest.mark.parametrize("wrap", [lambda layer: nn.Sequential(layer), Own])
def test_a_layer_in_a_module_of_the_users_own(wrap, model, tmp_path):
    """What is below the layer is run once: not by the user's module too."""
    expected = model(IMAGES)
    for path in REPLACED:
        assign(model, path, wrap(like(model.get_submodule(path))))
        assert torch.equal(model(IMAGES), expected), path
    with pytest.raises(WeightsError, match=r"'stem\.weight' of resnet20 is not in the Network"):
        torch_impl.save_weights(model, tmp_path / "w.safetensors")


def test_a_layer_put_back_and_a_scope_from_another_network(model):
    expected, old = model(IMAGES), model.stem
    model.stem = like(old)
    model.stem = old
    assert torch.equal(model(IMAGES), expected)
    model.stage1 = torch_impl.build(GRAPH, weights=probe(GRAPH)).eval().stage1
    assert torch.equal(model(IMAGES), expected)
    with pytest.raises(GraphError, match="'stage1' is a group of layers, not a layer: Identity has no 'block0'"):
        model.stage1 = nn.Identity()
    assert torch.equal(model(IMAGES), expected)


def test_another_kind_of_norm_and_synchronised_ones(model):
    model.stem.bn = nn.GroupNorm(2, 16)
    assert model.stem.bn.relu is not None
    assert model(IMAGES).shape == (2, 10)
    twin = nn.SyncBatchNorm.convert_sync_batchnorm(torch_impl.build(GRAPH))
    assert isinstance(twin.stem.bn, nn.SyncBatchNorm)
    assert [name for name in twin.state_dict() if "num_batches" not in name] == list(GRAPH.params)
    assert twin.eval()(IMAGES).shape == (2, 10)


def test_another_shape_is_refused_when_it_is_saved(model, tmp_path):
    model.classifier = nn.Linear(64, 3)
    assert model(IMAGES).shape == (2, 3)
    for action in (torch_impl.save_weights, torch_impl.load_weights):
        with pytest.raises(WeightsError, match=r"'classifier\.weight'|cannot read"):
            action(model, tmp_path / "w.safetensors")
    model.stem = nn.Conv2d(3, 16, 3, padding=1)
    with pytest.raises(WeightsError, match=r"'stem\.bias' is in the Network, but not in resnet20"):
        torch_impl.save_weights(model, tmp_path / "w.safetensors")


def test_an_activation_with_weights_of_its_own_is_not_lost(model, tmp_path):
    model.get_submodule("stem.bn").relu = nn.PReLU()
    with pytest.raises(WeightsError, match=r"'stem\.bn\.relu\.weight'"):
        torch_impl.save_weights(model, tmp_path / "w.safetensors")


def test_weights_are_not_copied_into_another_shape(model):
    before = torch_impl.get_weights(model)
    model.classifier = nn.Linear(64, 1)
    with pytest.raises(WeightsError, match=r"'classifier\.weight'"):
        torch_impl.set_weights(model, before)


@pytest.mark.parametrize("name", list_architectures())
def test_submodules_and_tensors_are_in_the_graphs_order(name):
    graph = reduced(name)
    with torch.device("meta"):
        model = assemble(graph)
    assert list(model.state_dict()) == list(graph.params)
    assert list(dict(model.named_children())) == list(dict.fromkeys(node.name.split(".")[0] for node in graph))


@pytest.mark.parametrize("name", ["double", "forward", "training", "lambda", "scope.half", "graph", "fc.stride"])
def test_a_name_that_pytorch_needs_is_refused(name):
    network = trace(
        "net",
        (3, 8, 8),
        lambda x: f.linear(f.flatten(f.conv(f.conv(x, 4, 3, name="fc"), 4, 3, name=name)), 5, name="last"),
    )
    with pytest.raises(GraphError, match=f"'{name}' cannot name a layer in PyTorch"):
        torch_impl.build(network)


def test_others_counters_are_no_unexpected_keys(model):
    state = model.state_dict()
    state |= {
        f"{key.rpartition('.')[0]}.num_batches_tracked": torch.tensor(3) for key in state if "running_mean" in key
    }
    assert model.load_state_dict(state).unexpected_keys == []

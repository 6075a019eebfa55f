"""A PyTorch module that is not one network of ours, or that PyTorch cannot convert, is refused in one line."""

import copy

import pytest
import torch
from torch import nn

import torch_impl
from diptych.errors import DiptychError, GraphError, WeightsError
from netspec.reduce import reduced
from onnx_impl.measure import probe


@pytest.fixture
def model():
    """A LeNet-5 in evaluation mode."""
    graph = reduced("lenet5", num_classes=5)
    return torch_impl.build(graph, weights=probe(graph)).eval()


class Around(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images).softmax(1)


REFUSED = {  # what is not a network of ours, and what the sentence says
    "layers around": (lambda model: nn.Sequential(nn.BatchNorm2d(3), model), "layers around the network lenet5"),
    "module around": (Around, "pass its 'network'"),
    "traced with layers around": (lambda model: torch.fx.symbolic_trace(Around(model)), "is not in the"),
    "another module": (lambda model: nn.Linear(3, 5), "not a module made by torch_impl.build"),
    "no module": (lambda model: {"a": 1}, "not a module made by torch_impl.build"),
    "state dict": (lambda model: model.state_dict(), "not a module made by torch_impl.build"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_not_a_network_is_refused_in_a_line(model, kind, tmp_path):
    make, match = REFUSED[kind]
    other, path = make(copy.deepcopy(model)), tmp_path / "file"
    for refused in (torch_impl.save_weights, torch_impl.export_onnx):
        with pytest.raises(DiptychError, match=match) as caught:
            refused(other, path)
        assert "\n" not in str(caught.value)
        assert not path.exists()
    with pytest.raises((GraphError, WeightsError), match=match):
        torch_impl.set_weights(other, torch_impl.get_weights(model))


def test_torchscript_is_refused_in_a_line(model):
    for other in (model, nn.Sequential(model)):
        with pytest.raises(DiptychError, match=r"torch\.jit\.script cannot compile lenet5"):
            torch.jit.script(other)


def test_what_the_exporter_cannot_convert_is_a_line(model, tmp_path):
    class Odd(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    own = copy.deepcopy(model)
    own.fc3 = Odd()
    with pytest.raises(DiptychError, match="PyTorch's exporter cannot convert lenet5"):
        torch_impl.export_onnx(own, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())

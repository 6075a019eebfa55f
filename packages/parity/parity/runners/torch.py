"""A network in PyTorch."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from netspec import Graph, Node
from netspec.init import Weights
from parity.runners.runner import RATE, STEP, Feeds, TrainingStep, rows, sizes
from parity.spool import Spool


class TorchRunner:
    name = "torch"

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray], dtype: str) -> None:
        import torch

        import torch_impl

        # float64 has no kernel for grouped convolutions: they run group by group, and would wake all threads for each
        allowed = _threads()
        torch.set_num_threads(1 if dtype == "float64" else allowed)
        self.torch = torch
        self.dtype = getattr(torch, dtype)
        self.graph = graph
        self.model = torch_impl.build(graph, weights=weights).to(self.dtype)

    def _tensors(self, feeds: Feeds) -> list[Any]:
        return [self.torch.from_numpy(feeds[name]).to(self.dtype) for name in self.graph.inputs]

    @staticmethod
    def count(network: Graph, node: Node) -> tuple[int, int]:
        """Trainable and total of one layer."""
        import torch

        from torch_impl.ops import HANDLERS

        with torch.device("meta"):
            layer = HANDLERS[node.op.kind](node.op, *network.input_shapes(node))
        groups = layer.parameters(), layer.state_dict().values()
        return sizes(*([tensor.shape for tensor in group] for group in groups))

    def num_params(self) -> tuple[int, int]:
        groups = self.model.parameters(), self.model.state_dict().values()
        return sizes(*([tensor.shape for tensor in group] for group in groups))

    def weights(self) -> Weights:
        import torch_impl

        return torch_impl.get_weights(self.model)

    def forward(self, feeds: Feeds) -> np.ndarray:
        with self.torch.no_grad():
            return self.model.eval()(*self._tensors(feeds)).numpy()

    def values(self, feeds: Feeds, training: bool = False) -> Weights:
        seen: Weights = {}

        class Recorder(self.torch.fx.Interpreter):  # type: ignore[misc, name-defined]
            def call_module(self, target: str, args: Any, kwargs: Any) -> Any:
                value = super().call_module(target, args, kwargs)
                seen[target] = value.detach().numpy()
                return value

        with self.torch.no_grad():
            Recorder(self.model.train(training)).run(*self._tensors(feeds))
        return seen

    def train_once(self, feeds: Feeds, targets: np.ndarray) -> TrainingStep:
        from torch_impl.model import by_name
        from torch_impl.optim import set_rate, sgd
        from torch_impl.train import loss_of
        from torch_impl.weights import tensors_of

        optimizer = sgd(self.model, STEP)
        set_rate(optimizer, RATE)
        expected = self.torch.from_numpy(targets).to(self.dtype)
        heads = by_name(self.model.train()(*self._tensors(feeds)))
        loss_of(heads, expected, self.graph.heads).backward()  # type: ignore[no-untyped-call]
        parameters: dict[str, Any] = dict(self.model.named_parameters())
        del heads
        gradients = Spool((name, parameter.grad.numpy()) for name, parameter in parameters.items())
        optimizer.step()
        optimizer.zero_grad()
        after = {name: rows(tensor.numpy()) for name, tensor in tensors_of(self.model).items()}
        return TrainingStep(gradients, {name: after[name] for name in after if name not in parameters}, after)

    def native_onnx(self) -> Any:
        from torch_impl.export import convert

        return convert(self.model)


@cache
def _threads() -> int:
    """As many as PyTorch began with, by cores or by what the environment allows."""
    import torch

    return torch.get_num_threads()

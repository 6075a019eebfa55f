"""Runs a network in PyTorch."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from netspec import Graph, Node
from netspec.init import Weights
from parity.runners.runner import PRECISIONS, RECIPE, Feeds, sizes


class TorchRunner:
    name = "torch"

    def __init__(self, graph: Graph, weights: Mapping[str, np.ndarray], dtype: str) -> None:
        import torch

        from torch_impl.devices import choose_device
        from torch_impl.trainer import Trainer

        # PyTorch has no float64 kernel for grouped convolutions: they run group by group, each waking all threads.
        device = choose_device(PRECISIONS[dtype], 1 if dtype == "float64" else _threads())
        self.torch = torch
        self.graph = graph
        self.trainer = Trainer(graph, weights, RECIPE, device)
        self.model = self.trainer.model

    def _tensors(self, feeds: Feeds) -> list[Any]:
        device = self.trainer.device
        return [self.torch.from_numpy(feeds[name]).to(device.torch_device, device.dtype) for name in self.graph.inputs]

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
            return self.model.eval()(*self._tensors(feeds)).cpu().numpy()

    def values(self, feeds: Feeds, training: bool = False) -> Weights:
        seen: Weights = {}

        class Recorder(self.torch.fx.Interpreter):  # type: ignore[misc, name-defined]
            def call_module(self, target: str, args: Any, kwargs: Any) -> Any:
                value = super().call_module(target, args, kwargs)
                seen[target] = value.detach().cpu().numpy()
                return value

        with self.torch.no_grad():
            Recorder(self.model.train(training)).run(*self._tensors(feeds))
        return seen

    def tensors(self) -> Iterator[tuple[str, np.ndarray]]:
        from torch_impl.weights import tensors_of

        return ((name, tensor.detach().cpu().numpy()) for name, tensor in tensors_of(self.model).items())

    def native_onnx(self) -> Any:
        from torch_impl.export import convert, deployed

        return convert(deployed(self.model))


@cache
def _threads() -> int:
    """The number of threads that PyTorch started with: the cores, or what the environment allows."""
    import torch

    return torch.get_num_threads()

"""Weights of a small ResNet-20 as PyTorch names and keeps them."""

from collections import OrderedDict

import numpy as np
import torch

from netspec import architecture
from netspec.probes import probe_weights

GRAPH = architecture("resnet20", distinct_blocks=True, image_size=16)
WEIGHTS = probe_weights(GRAPH)


def state():
    """As PyTorch has it, with the counters of its batch norms."""
    tensors = OrderedDict((name, torch.from_numpy(values.copy())) for name, values in WEIGHTS.items())
    tensors |= {f"{n.rpartition('.')[0]}.num_batches_tracked": torch.tensor(7) for n in WEIGHTS if "running_mean" in n}
    return tensors


def prefixed(prefix):
    return {f"{prefix}{name}": tensor for name, tensor in state().items()}


def same(found, expected=WEIGHTS):
    assert list(found) == list(GRAPH.params)
    for name, values in found.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected[name], err_msg=name)

"""Maps canonical (PyTorch) axes to those of a channels-last framework. No other module knows this mapping."""

import numpy as np

TO_CHANNELS_LAST: dict[str, tuple[int, ...]] = {
    "map": (0, 2, 3, 1),  # (N, C, H, W) to (N, H, W, C)
    "conv kernel": (2, 3, 1, 0),  # (O, I, kh, kw) to (kh, kw, I, O)
    "linear kernel": (1, 0),  # (O, I) to (I, O)
    "vector": (0,),
}


def to_channels_last(array: np.ndarray, kind: str) -> np.ndarray:
    return array.transpose(TO_CHANNELS_LAST[kind])


def from_channels_last(array: np.ndarray, kind: str) -> np.ndarray:
    return array.transpose(np.argsort(TO_CHANNELS_LAST[kind]))

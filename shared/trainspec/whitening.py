"""Filters that whiten the patches of images: their responses have no correlation, and about the same variance."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

CHUNK = 1 << 22  # values of patches that are held at a time
FLAT = 1e-9  # eigenvalues below this part of the largest are zero but for rounding
ROUNDING = 1e-9  # values of a unit vector below this are zero but for rounding
TIED = 1e-6  # projections with lengths that differ by less than this part count as equal


def patch_moments(images: NDArray[np.uint8], kernel: tuple[int, int]) -> tuple[NDArray[np.float64], ...]:
    """The means of `x` and of `x x'` over all patches `x` of the images, `(P,)` and `(P, P)` with `P = C * KH * KW`.

    `images` is uint8 `(N, H, W, C)`. A patch is read as the window of a kernel `(C, KH, KW)`. The sums are of whole
    numbers below 2**53, so they are exact in any order.
    """
    count, height, width, channels = images.shape
    size = channels * kernel[0] * kernel[1]
    total, products, patches = np.zeros(size), np.zeros((size, size)), 0
    step = max(1, CHUNK // (height * width * size))
    for start in range(0, count, step):
        windows = sliding_window_view(images[start : start + step], kernel, axis=(1, 2))
        flat = windows.reshape(-1, size).astype(np.float64)
        total += flat.sum(0)
        products += flat.T @ flat
        patches += len(flat)
    return total / patches, products / patches


def basis_of(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """An orthonormal basis, as columns `(P, K)`, that depends on the space of orthonormal `columns` alone.

    It is Gram and Schmidt's for the projections of the unit vectors, the longest first.
    """
    rest, found = columns @ columns.T, np.empty_like(columns)
    for place in range(columns.shape[1]):
        lengths = np.linalg.norm(rest, axis=0)
        longest = int((lengths > lengths.max() * (1 - TIED)).argmax())
        found[:, place] = rest[:, longest] / lengths[longest]
        rest -= np.outer(found[:, place], found[:, place] @ rest)
    return np.where(abs(found) < ROUNDING, 0.0, found)


def whitening_filters(
    images: NDArray[np.uint8],
    kernel: tuple[int, int],
    constants: tuple[tuple[float, ...], tuple[float, ...]],
    epsilon: float,
) -> NDArray[np.float64]:
    """Filters `(P, C, KH, KW)`: eigenvectors of the second moments of patches, over `sqrt(eigenvalue + epsilon)`.

    The filter of the largest eigenvalue comes first. Where patches do not vary, as between the equal channels of grey
    images, the eigenvectors are free: there they are the same basis on every processor. `images` is uint8
    `(N, H, W, C)`; `constants`, `(mean, std)` per channel on the 0..1 scale, normalise them. An eigenvector's sign is
    free: here the first of its values that is at least half as large as its largest is positive.
    """
    mean, products = patch_moments(images, kernel)
    offset, deviation = (np.repeat(np.asarray(part), kernel[0] * kernel[1]) for part in constants)
    scale, shift = 1 / (255 * deviation), offset / deviation  # a value x becomes scale * x - shift
    mixed = np.outer(scale * mean, shift)
    moments = np.outer(scale, scale) * products - mixed - mixed.T + np.outer(shift, shift)
    eigenvalues, columns = np.linalg.eigh(moments)
    constant = eigenvalues < FLAT * eigenvalues[-1]
    columns[:, constant] = basis_of(columns[:, constant])
    vectors = columns.T[::-1]
    large = abs(vectors) >= abs(vectors).max(1, keepdims=True) / 2
    signs = np.sign(vectors[np.arange(len(vectors)), large.argmax(1)])
    scaled = vectors * (signs / np.sqrt(np.maximum(eigenvalues[::-1], 0) + epsilon))[:, None]
    return scaled.reshape(-1, images.shape[3], *kernel)

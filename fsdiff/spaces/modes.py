"""What the bases compute with: trigonometric functions as matrices, and the order of modes."""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor


def cosine_matrix(nodes: int, modes: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Values e_k(x_j) of the orthonormal cosines, shape (modes, nodes)."""
    return _cosine_matrix(nodes, modes, dtype, torch.device(device))


@lru_cache(maxsize=64)
def _cosine_matrix(nodes: int, modes: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    phase = np.outer(np.arange(modes), 2 * np.arange(nodes) + 1) % (4 * nodes)
    values = np.sqrt(2) * np.cos(np.pi * phase / (2 * nodes))
    values[0] = 1.0
    return torch.from_numpy(values).to(device, dtype)


def sine_matrix(nodes: int, modes: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Values √2 sin(πkx_j), k = 1 … modes, of the orthonormal sines, shape (modes, nodes).

    Zero for k >= nodes, which the nodes do not resolve.
    """
    return _sine_matrix(nodes, modes, dtype, torch.device(device))


@lru_cache(maxsize=64)
def _sine_matrix(nodes: int, modes: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    k = np.arange(1, modes + 1)
    phase = np.outer(k, 2 * np.arange(nodes) + 1) % (4 * nodes)
    values = np.sqrt(2) * np.sin(np.pi * phase / (2 * nodes)) * (k < nodes)[:, None]
    return torch.from_numpy(values).to(device, dtype)


def apply_along(u: Tensor, matrix: Tensor, dimension: int) -> Tensor:
    """Apply ``matrix`` (out, in) along each of the last ``dimension`` axes of a field."""
    if dimension == 1:
        return u @ matrix.T
    # One product per field: folding a batch into one product rounds by the size of the batch.
    u = matrix @ (matrix @ u.mT).mT
    if dimension == 3:
        u = torch.einsum("ij,...jkl->...ikl", matrix, u)
    return u


@lru_cache(maxsize=64)
def ring_order(n: int, dimension: int) -> np.ndarray:
    """Flat indices of {0 … n−1}^d sorted by |k|_∞, ties in an order that does not depend on n."""
    modes = np.indices((n,) * dimension).reshape(dimension, -1)
    keys = (*modes[::-1], modes.max(0))
    return np.lexsort(keys)


@lru_cache(maxsize=64)
def conjugate_pairs(n: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat ``rfftn`` indices of one mode of each pair {k, −k}, ring by ring, and of its mirror.

    The mirror index is −1 where ``rfftn`` does not store it. k = 0 and Nyquist modes are left out.
    """
    kept = (n - 1) // 2
    axes = [np.arange(-kept, kept + 1)] * (dimension - 1) + [np.arange(kept + 1)]
    modes = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(dimension, -1)
    # One of each pair: the last non-zero wavenumber, counted from the last axis, is positive.
    half = np.zeros(modes.shape[1], dtype=bool)
    undecided = np.ones_like(half)
    for k in modes[::-1]:
        half |= undecided & (k > 0)
        undecided &= k == 0
    modes = modes[:, half]
    modes = modes[:, np.lexsort((*modes[::-1], np.abs(modes).max(0)))]
    shape = (n,) * (dimension - 1) + (n // 2 + 1,)
    own = np.ravel_multi_index([*(modes[:-1] % n), modes[-1]], shape)
    on_plane = modes[-1] == 0
    mirror = np.full(own.shape, -1)
    mirrored = [*((-modes[:-1, on_plane]) % n), modes[-1, on_plane]]
    mirror[on_plane] = np.ravel_multi_index(mirrored, shape)
    return own, mirror

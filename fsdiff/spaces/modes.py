"""What the bases compute with: trigonometric functions as matrices, applied along axes."""

from collections.abc import Sequence
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


def in_floats(u: Tensor) -> Tensor:
    """Integers as numbers that can be transformed; all others as they are."""
    return u if u.is_floating_point() or u.is_complex() else u.to(torch.get_default_dtype())


def apply_along(u: Tensor, matrices: Sequence[Tensor | None]) -> Tensor:
    """Apply a matrix (out, in) along each of the last axes of a field, one per axis.

    Axes without a matrix, None, stay as they are.
    """
    # One product per field: folding a batch into one product rounds by the size of the batch.
    *first, last = matrices
    if not first:
        # Two columns: products with one are rounded in another way where there is just one field.
        return u if last is None else (last @ torch.stack([u, u], -1))[..., 0]
    if last is not None:
        u = (last @ u.mT).mT
    if first[-1] is not None:
        u = first[-1] @ u
    if len(first) == 2 and first[0] is not None:
        u = torch.einsum("ij,...jkl->...ikl", first[0], u)
    return u

"""The functions of a basis that carry most, one by one: what laws are looked at through."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from fsdiff.spaces.basis import Basis

_SEARCHED = 1024
"""Nodes of the level among whose functions the leading ones are looked for."""


@lru_cache(maxsize=8)
def leading_functions(basis: Basis, n: int, count: int) -> Tensor:
    """Real, orthonormal functions of the lowest wavenumbers at level n, (count, *grid), float64.

    The same functions at all levels that resolve them. Fewer where the level has fewer.
    """
    return leading_by_variance(basis, n, lambda m: (-basis.wavenumber(m)).exp(), count)


def leading_by_variance(
    basis: Basis, n: int, eigenvalues: Callable[[int], Tensor], count: int
) -> Tensor:
    """Those of the largest mean squares, zero ones left out.

    ``eigenvalues`` gives these at any level, (*coefficients).
    """
    level = basis.reference_level(min(n, max(1, basis.finest(_SEARCHED))))
    white = basis.white_noise(np.eye(basis.size(level)), level)
    shares = white.abs().square() * basis.multiplicity(level)
    variances = (shares * eigenvalues(level)).flatten(1).sum(1)
    order = torch.argsort(variances, descending=True, stable=True)[:count]
    functions = basis.inverse(white[order[variances[order] > 0]], level)
    return functions if level == n else basis.prolong(functions, n)


def inner_products(fields: Tensor, functions: Tensor) -> Tensor:
    """⟨u, e_k⟩, means over nodes, of fields (..., *grid), (..., functions)."""
    lead = fields.shape[: fields.ndim - functions.ndim + 1]
    flat = functions.flatten(1)
    return fields.reshape(*lead, -1).to(flat) @ flat.T / flat.shape[1]

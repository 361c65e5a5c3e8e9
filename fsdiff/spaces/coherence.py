"""How channels of fields know of each other: correlations of their coefficients, mode by mode."""

import torch
from torch import Tensor

from fsdiff.spaces.basis import Basis

MOST = 2**21
"""The most numbers that are kept of a data set: of more channels or modes there is no coherence."""


def measurable(basis: Basis, channels: int, n: int) -> bool:
    """Whether some channels share a basis, and coherence at level n is not too many numbers."""
    shared = len(set(basis.by_channel(channels))) < channels
    return shared and channels**2 * basis.multiplicity(n).numel() <= MOST


def products(coefficients: Tensor) -> Tensor:
    """Σ û_a û_b* over samples (samples, channel, *coefficients), (channel, channel, *…)."""
    conjugate = coefficients.conj().resolve_conj()
    return torch.einsum("sa...,sb...->ab...", coefficients, conjugate)


def coherence(second_moments: Tensor, samples: int, basis: Basis) -> Tensor:
    """Correlations (channel, channel, *coefficients) from E û_a û_b* of ``samples`` samples.

    Correlations of channels that know nothing of each other are not zero in a sample. Those of each
    mode are shrunk by what chance makes of their squares (Schäfer & Strimmer, 2005, for correlation
    matrices), so that nothing is left of most that are chance alone. Zero between channels that
    differ in basis, whose modes are not the same functions.
    """
    channels = len(second_moments)
    energy = second_moments.diagonal().movedim(-1, 0).real
    size = (energy[:, None] * energy).sqrt()
    found = torch.where(size > 0, second_moments / size.clamp_min(1e-300), 0.0)
    bases = basis.by_channel(channels)
    shared = torch.tensor([[one == other for other in bases] for one in bases])
    one = torch.eye(channels, dtype=torch.bool)
    others = _per_mode(shared & ~one, found)
    found = torch.where(others, found, 0.0)
    squares = found.abs().square()
    by_chance = (others * (1 - squares).square()).sum((0, 1)) / samples
    total = squares.sum((0, 1))
    kept = (1 - by_chance / total.clamp_min(1e-300)).clamp(0, 1)
    return torch.where(_per_mode(one, found), 1.0, kept * found)


def _per_mode(values: Tensor, like: Tensor) -> Tensor:
    """Values (channel, channel) for all modes."""
    return values.view(*values.shape, *[1] * (like.ndim - 2))

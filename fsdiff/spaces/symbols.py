"""Covariances of fields as arrays over modes: one number for each channel, or a matrix of channels.

Where channels are independent a covariance is (channel, *coefficients); where they know of each
other it is (channel, channel, *coefficients), Hermitian in its first two axes. Channels that know
of each other share a basis, so that their modes are the same functions.
"""

import torch
from torch import Tensor

from fsdiff.spaces.basis import Basis


def is_joint(symbol: Tensor, basis: Basis) -> bool:
    """Whether channels know of each other."""
    return symbol.ndim > basis.dimension + 1


def multiply(basis: Basis, u: Tensor, symbol: Tensor) -> Tensor:
    """A covariance, or another operator on the channels of each mode, applied to fields."""
    if not is_joint(symbol, basis):
        return basis.multiply(u, symbol)
    return basis.inverse(on_coefficients(symbol, basis.forward(u)), basis.resolution(u))


def on_coefficients(symbol: Tensor, coefficients: Tensor) -> Tensor:
    """A joint symbol applied to coefficients (..., channel, *coefficients)."""
    kind = torch.promote_types(symbol.dtype, coefficients.dtype)
    modes = symbol.ndim - 2
    column = coefficients.to(kind).unsqueeze(-2 - modes)
    return (symbol.to(kind) * column).sum(-1 - modes)


def on_grid(symbol: Tensor, fields: Tensor) -> Tensor:
    """A symbol in the precision of fields, and where they are."""
    kind = fields.dtype.to_complex() if symbol.is_complex() else fields.dtype
    return symbol.to(fields.device, kind)


def root(symbol: Tensor) -> Tensor:
    """The Hermitian root of a joint covariance."""
    values, vectors = torch.linalg.eigh(_last(symbol))
    return _first((vectors * values.clamp_min(0).sqrt()[..., None, :]) @ vectors.mH)


def from_noise(symbol: Tensor, noise: Tensor, basis: Basis) -> Tensor:
    """What makes N(0, V) of N(0, Q), for the eigenvalues λ of Q like those of V's channels.

    Modes that Q has not are left out.
    """
    there = noise > 0
    if not is_joint(symbol, basis):
        return torch.where(there, symbol / noise.clamp_min(1e-300), 0.0).sqrt()
    scale = torch.where(there, noise.clamp_min(1e-300).rsqrt(), 0.0)
    return root(symbol) * scale


def given_state(data_root: Tensor, weight: Tensor) -> Tensor:
    """(C⁻¹ + W)⁻¹ for C = R R of root R and diagonal W: what is left once X_t is known.

    As R (1 + R W R)⁻¹ R, which needs no inverse of C.
    """
    r = _last(data_root)
    inner = r @ (weight.movedim(0, -1)[..., None] * r)
    one = torch.eye(inner.shape[-1], dtype=inner.dtype, device=inner.device)
    return _first(r @ torch.linalg.solve(one + inner, r))


def inverse(symbol: Tensor, basis: Basis) -> Tensor:
    """V⁻¹, zero on modes that V has not."""
    if not is_joint(symbol, basis):
        return torch.where(symbol > 0, 1 / symbol.clamp_min(1e-300), 0.0)
    return _first(torch.linalg.pinv(_last(symbol), hermitian=True))


def inner(u: Tensor, v: Tensor, symbol: Tensor, basis: Basis) -> Tensor:
    """⟨S u, v⟩ of fields (batch, channel, *grid), S an operator on the channels of each mode."""
    weights = basis.multiplicity(basis.resolution(u)).to(u.device)
    one, other = basis.forward(u), basis.forward(v).conj()
    if is_joint(symbol, basis):
        one = on_coefficients(symbol, one)
    else:
        weights = weights * symbol
    return (weights * (one * other).real).flatten(1).sum(1)


def scaled(symbol: Tensor, factor: Tensor, basis: Basis) -> Tensor:
    """F V for diagonal F (channel, *coefficients), or one for all channels."""
    return (factor[:, None] if is_joint(symbol, basis) else factor) * symbol


def stepped(symbol: Tensor, factor: Tensor, diagonal: Tensor) -> Tensor:
    """F V F + D for joint V, and F and D like (channel, *coefficients)."""
    own = torch.diag_embed(diagonal.movedim(0, -1)).movedim((-2, -1), (0, 1))
    return factor[:, None] * symbol * factor + own


def known_of(symbol: Tensor, factor: Tensor, precision: Tensor, basis: Basis) -> Tensor:
    """V F P F V: what is known of N(0, V) where its image under F is seen with precision P.

    V and P are diagonal or joint for all channels, and F is (channel, *coefficients).
    """
    if not is_joint(symbol, basis):
        return (factor * symbol).square() * precision
    moved = _last(factor[:, None] * symbol)
    return _first(moved.mH @ _last(precision) @ moved)


def _last(symbol: Tensor) -> Tensor:
    """Matrices of channels last."""
    return symbol.movedim((0, 1), (-2, -1))


def _first(matrices: Tensor) -> Tensor:
    """Matrices of channels first."""
    return matrices.movedim((-2, -1), (0, 1))

"""What all measures share: the check of their arguments, blocks of bounded memory, inner products.

Sets of fields have shape (N, channels, *grid), each channel in units of its own deviation and
without its mean. The inner product of two fields is the mean over nodes of the sum over channels,
so that numbers at different resolutions compare.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from fsdiff.spaces.bases import Basis

BLOCK = 2**22
"""Numbers held at once in double precision when a large set is worked through."""


def check_fields(samples: Tensor, reference: Tensor, basis: Basis, *, at_least: int = 1) -> None:
    """Raise ValueError unless both are sets of finite real fields on one grid of ``basis``.

    ``at_least`` is the number of fields that the measure needs in each set.
    """
    for name, fields in (("samples", samples), ("reference", reference)):
        _check_set(name, fields, basis, at_least)
    if samples.shape[1:] != reference.shape[1:]:
        raise ValueError(
            f"samples are on {tuple(samples.shape[1:])} (channels, *grid) and reference on "
            f"{tuple(reference.shape[1:])}: bring both to the same channels and grid"
        )
    if samples.device != reference.device:
        raise ValueError(
            f"samples are on {samples.device} and reference on {reference.device}: move one"
        )


def _check_set(name: str, fields: Tensor, basis: Basis, at_least: int) -> None:
    shape = tuple(fields.shape)
    if len(shape) != 2 + basis.dimension or 0 in shape[1:] or not _on_grid(fields, basis):
        square = len(set(basis.grid(64))) == 1
        grid = ", ".join("n" if square else axis.name for axis in basis.axes)
        raise ValueError(f"{name} have shape {shape}; expected (fields, channels, {grid})")
    if shape[0] < at_least:
        raise ValueError(f"{name} hold {shape[0]} fields; this measure needs at least {at_least}")
    if not fields.is_floating_point():
        raise ValueError(f"{name} have type {fields.dtype}; convert them to a real floating type")
    finite = fields.isfinite().flatten(1).all(1)
    if not finite.all():
        first = int(finite.logical_not().nonzero()[0])
        raise ValueError(f"{name} contain NaN or infinity, first in field {first}")


def _on_grid(fields: Tensor, basis: Basis) -> bool:
    try:
        return basis.resolution(fields) > 0
    except ValueError:
        return False


def blocks(fields: Tensor) -> Iterator[Tensor]:
    """Consecutive blocks of the set in double precision, at most ``BLOCK`` numbers each."""
    size = max(1, BLOCK // fields[0].numel())
    return (block.double() for block in fields.split(size))


def gram(fields: Tensor) -> Tensor:
    """Inner products ⟨u_i, u_j⟩ of all pairs of a set, shape (N, N), float64."""
    flat = fields.flatten(1)
    products = flat.new_zeros((len(flat), len(flat)), dtype=torch.float64)
    for columns in flat.split(max(1, BLOCK // len(flat)), dim=1):
        products += _symmetric_product(columns.double())
    return products.div_(fields[0, 0].numel())


def _symmetric_product(matrix: Tensor) -> Tensor:
    """A Aᵀ; on a processor by numpy, which computes one half and copies the other."""
    if matrix.device.type != "cpu":
        return matrix @ matrix.T
    array = matrix.numpy()
    return torch.from_numpy(array @ array.T)


def squared_distances(fields: Tensor) -> Tensor:
    """‖u_i − u_j‖² of all pairs of a set, shape (N, N), float64, exactly 0 on the diagonal."""
    # Distances do not change when all fields are shifted; small ones then lose fewer digits. The
    # median, unlike the mean, stays with most of the fields however far away a few of them are.
    products = gram(fields - fields.median(0).values)
    norms = products.diagonal().clone()
    squares = products.mul_(-2).add_(norms[:, None] + norms[None, :])
    return squares.clamp_(min=0).fill_diagonal_(0)

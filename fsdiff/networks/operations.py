"""The operations of the FNO on large arrays, written so that they move little memory.

Every operation on an array of features reads and writes it, and differentiation keeps a copy for
most. Here a batch is a tuple of parts, a few fields each, small enough to go through a whole
operation within the processor's cache; and what differentiation needs beside the operation's input
and the argument of a residual block's nonlinearity is computed again.

Parts may be of lower precision than weights: what is done node by node is then done in theirs,
transforms and sums over nodes in that of the weights.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.functional import gelu, linear

from fsdiff.networks.local import DifferenceStencil
from fsdiff.networks.spectral import Transform

CACHED = 2**18
"""Numbers in an array that is worked on at a time on a processor: 1 MB in single precision."""

Parts = tuple[Tensor, ...]
"""Channels-last fields (samples, *grid, width), contiguous, which together are a batch."""


class Operators(NamedTuple):
    """The linear operators of a residual block on one grid."""

    transform: Transform
    stencil: DifferenceStencil | None


class BlockWeights(NamedTuple):
    """The matrices and vectors of a residual block; those of its inner part differ by sample."""

    pointwise: Tensor
    """A (batch, width, width)."""
    neighbours: Tensor | None
    """N (batch, width, width), with a stencil."""
    shift: Tensor
    """b (batch, 1, width)."""
    output: Tensor
    """W (width, width)."""
    bias: Tensor
    """c (width,)."""


def samples_at_a_time(grid: Sequence[int], width: int, device: torch.device) -> int:
    """How many fields of ``width`` features on ``grid`` are worked on at a time."""
    if device.type != "cpu":
        return sys.maxsize
    return max(1, CACHED // (math.prod(grid) * width))


def chosen_precision(x: Tensor) -> torch.dtype:
    """What autocast has chosen where fields x are; theirs if it has not."""
    device = x.device.type
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype


def lifted(x: Tensor, layer: nn.Linear, places: Tensor | None) -> Parts:
    """A linear layer node by node on fields x (batch, channel, *grid), as channels-last parts.

    ``places`` (*grid, features) are behind the channels where the nodes are, the same for all.
    """
    grid, inputs = x.shape[2:], x.shape[1]
    place: Tensor = layer.bias
    if places is not None:
        place = linear(places.flatten(0, -2), layer.weight[:, inputs:], place)
    weight = layer.weight[:, :inputs].T
    return tuple(
        torch.baddbmm(place, part.flatten(2).mT, weight.expand(len(part), -1, -1)).view(
            -1, *grid, len(layer.weight)
        )
        for part in x.split(samples_at_a_time(grid, len(layer.weight), x.device))
    )


def residual_block(
    parts: Parts, mixed: Tensor, weights: BlockWeights, operators: Operators, *, analyse: bool
) -> tuple[Parts, Tensor | None]:
    """h + gelu(û + h A + (S h) N + b) W + c for h in ``parts``.

    û is the field with the coefficients ``mixed`` (batch, coefficients, width), S the sum over the
    stencil's ends. With ``analyse`` the coefficients of the result come with it, else None.
    """
    keep = torch.is_grad_enabled()
    coefficients, *parts = _ResidualBlock.apply(operators, analyse, keep, mixed, *weights, *parts)
    return tuple(parts), coefficients


def perceptron(parts: Parts, layers: nn.Sequential) -> Tensor:
    """Two linear layers with a GELU between them, node by node on ``parts``, as one array."""
    first, _, second = layers
    weights = (first.weight, first.bias, second.weight, second.bias)
    return _Perceptron.apply(*weights, *parts)


class _ResidualBlock(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, operators: Operators, analyse: bool, keep: bool, mixed: Tensor, *tensors: Tensor
    ) -> tuple[Tensor | None, ...]:
        transform, stencil = operators
        (pointwise, neighbours, shift, output, bias), parts = tensors[:5], tensors[5:]
        results, arguments, coefficients = [], [], []
        for at, h in _located(parts):
            z = torch.baddbmm(shift[at].to(h.dtype), _lines(h), pointwise[at].to(h.dtype))
            if stencil is not None:
                z.baddbmm_(_lines(stencil.ends(h)), neighbours[at].to(h.dtype))
            z = transform.synthesise(mixed[at], z.view(h.shape).to(mixed.dtype)).to(h.dtype)
            result = h + bias.to(h.dtype)
            _rows(result).addmm_(_rows(gelu(z)), output.to(h.dtype))
            results.append(result)
            if analyse:
                coefficients.append(transform.analyse(result.to(mixed.dtype)))
            if keep:
                arguments.append(z)
        ctx.save_for_backward(pointwise, neighbours, output, *parts, *arguments)
        ctx.operators = operators
        return torch.cat(coefficients) if analyse else None, *results

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, g_coefficients: Tensor | None, *g_results: Tensor
    ) -> tuple[Tensor | None, ...]:
        transform, stencil = ctx.operators
        adjoint, count = transform.adjoint(), len(g_results)
        pointwise, neighbours, output, *saved = ctx.saved_tensors
        g_parts, g_mixed, g_pointwise, g_neighbours, g_shift = [], [], [], [], []
        g_output, g_bias = torch.zeros_like(output), output.new_zeros(len(output))
        for (at, h), z, g_result in zip(
            _located(saved[:count]), saved[count:], g_results, strict=True
        ):
            g = g_result.to(output.dtype, copy=True, memory_format=torch.contiguous_format)
            if g_coefficients is not None:
                adjoint.synthesise(g_coefficients[at], g)
            g_rows = _rows(g).to(h.dtype)
            _add_product(g_output, _rows(gelu(z)).T, g_rows)
            g_bias += _rows(g).sum(0)
            g_active = (g_rows @ output.T.to(h.dtype)).view(z.shape)
            g_z = torch.ops.aten.gelu_backward(g_active, z)
            g_mixed.append(adjoint.analyse(g_z.to(g.dtype)))
            g_shift.append(_lines(g_z).sum(1, keepdim=True, dtype=g.dtype))
            g_pointwise.append(torch.bmm(_lines(h).mT, _lines(g_z)).to(g.dtype))
            _add_product(_lines(g), _lines(g_z), pointwise[at].mT.to(h.dtype))
            if stencil is not None:
                # S is its own adjoint: (S h)ᵀ g = hᵀ (S g).
                g_ends = _lines(stencil.ends(g_z))
                g_neighbours.append(torch.bmm(_lines(h).mT, g_ends).to(g.dtype))
                _add_product(_lines(g), g_ends, neighbours[at].mT.to(h.dtype))
            g_parts.append(g.to(h.dtype))
        g_inner = (
            torch.cat(g_mixed),
            torch.cat(g_pointwise),
            None if stencil is None else torch.cat(g_neighbours),
            torch.cat(g_shift),
        )
        return None, None, None, *g_inner, g_output, g_bias, *g_parts


class _Perceptron(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        first: Tensor,
        first_bias: Tensor,
        second: Tensor,
        second_bias: Tensor,
        *parts: Tensor,
    ) -> Tensor:
        ctx.save_for_backward(first, first_bias, second, *parts)
        weights = (first, first_bias, second, second_bias)
        first, first_bias, second, second_bias = (w.to(parts[0].dtype) for w in weights)
        results = []
        for rows in _short(parts, first):
            active = gelu(torch.addmm(first_bias, rows, first.T))
            results.append(torch.addmm(second_bias, active, second.T))
        return torch.cat(results).view(-1, *parts[0].shape[1:-1], len(second))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g_result: Tensor) -> tuple[Tensor, ...]:
        first, first_bias, second, *parts = ctx.saved_tensors
        g_result = g_result.reshape(-1, len(second))
        g_parts = [torch.empty_like(part) for part in parts]
        g_first, g_second = torch.zeros_like(first), torch.zeros_like(second)
        g_first_bias, done = torch.zeros_like(first_bias), 0
        g_second_bias = g_result.sum(0, dtype=first_bias.dtype)
        first, first_bias, second = (w.to(g_result.dtype) for w in (first, first_bias, second))
        for rows, g_rows in zip(_short(parts, first), _short(g_parts, first), strict=True):
            g = g_result[done : done + len(rows)]
            z = torch.addmm(first_bias, rows, first.T)
            _add_product(g_second, g.T, gelu(z))
            g_z = torch.ops.aten.gelu_backward(g @ second, z)
            _add_product(g_first, g_z.T, rows)
            g_first_bias += g_z.sum(0, dtype=g_first_bias.dtype)
            torch.mm(g_z, first, out=g_rows)
            done += len(rows)
        return g_first, g_first_bias, g_second, g_second_bias, *g_parts


def _located(parts: Sequence[Tensor]) -> Iterator[tuple[slice, Tensor]]:
    """Each part with its place in the batch."""
    first = 0
    for part in parts:
        yield slice(first, first + len(part)), part
        first += len(part)


def _lines(u: Tensor) -> Tensor:
    """The features of the nodes of each sample, (samples, nodes, features)."""
    return u.view(len(u), -1, u.shape[-1])


def _rows(u: Tensor) -> Tensor:
    """The features of all nodes, (nodes, features)."""
    return u.view(-1, u.shape[-1])


def _add_product(total: Tensor, a: Tensor, b: Tensor) -> None:
    """Add the product of two matrices, or batches of such, which may be of lower precision."""
    if a.dtype != total.dtype:
        total += a @ b
    elif total.ndim == 2:
        total.addmm_(a, b)
    else:
        total.baddbmm_(a, b)


def _short(parts: Sequence[Tensor], layer: Tensor) -> Iterator[Tensor]:
    """The nodes of all parts, as many at a time as keep the features of ``layer`` cached."""
    for part in parts:
        one_node = (1,)
        yield from _rows(part).split(samples_at_a_time(one_node, len(layer), part.device))

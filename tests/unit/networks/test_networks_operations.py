"""What the FNO is made of: spectral layers, stencils, and its operations on large arrays."""

import numpy as np
import pytest
import scipy.fft
import torch
from torch import nn
from torch.nn.functional import gelu

from fsdiff.networks import operations
from fsdiff.networks.local import DifferenceStencil
from fsdiff.networks.operations import BlockWeights, Operators, perceptron, residual_block
from fsdiff.networks.spectral import Modes, SpectralConvolution
from fsdiff.spaces.bases import CosineBasis, FourierBasis

BASES = {"cosine": CosineBasis, "fourier": FourierBasis}


def seeded(make, *arguments, **options):
    torch.manual_seed(0)
    return make(*arguments, **options)


def spectral(kind, width, modes, dimension=2):
    return seeded(SpectralConvolution, width, Modes((kind,) * dimension, (modes,) * dimension))


def rough(n, channels=3, batch=2, dimension=2, dtype=torch.float64):
    random = torch.Generator().manual_seed(n)
    return torch.randn(batch, channels, *(n,) * dimension, generator=random, dtype=dtype)


def last(u):
    return u.movedim(1, -1).contiguous()


def first(u):
    return u.movedim(-1, 1)


def close(a, b, atol=1e-10):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=atol)


# Spectral layers


@pytest.mark.parametrize("n", [7, 8, 50])
def test_fourier_layer_is_the_truncated_fft(n):
    """Weights on |k_1| < K and 0 <= k_2 < K, inverse transform of a real field."""
    width, modes = 3, 4
    layer = spectral("fourier", width, modes).double()
    u = rough(n, width)
    spectrum = torch.fft.fft2(u) / n**2
    weight = torch.complex(*layer.weight.detach().split(width, dim=2))
    wavenumbers = [*range(modes), *range(-1, -modes, -1)]
    assert weight.shape == ((2 * modes - 1) * modes, width, width)
    x = np.arange(n) / n
    expected = torch.zeros(2, width, n, n, dtype=torch.float64)
    for i, k1 in enumerate(wavenumbers):
        for k2 in range(modes):
            mixed = spectrum[:, :, k1 % n, k2] @ weight[i * modes + k2]
            wave = torch.from_numpy(np.exp(2j * np.pi * (k1 * x[:, None] + k2 * x[None, :])))
            part = (mixed[:, :, None, None] * wave).real
            expected += part if k2 == 0 else 2 * part
    close(first(layer(last(u))), expected)


@pytest.mark.parametrize("n", [7, 8, 50])
def test_fourier_layer_in_one_dimension_is_the_truncated_fft(n):
    width, modes = 3, 4
    layer = spectral("fourier", width, modes, 1).double()
    u = rough(n, width, dimension=1)
    weight = torch.complex(*layer.weight.detach().split(width, dim=2))
    spectrum = torch.fft.rfft(u)
    mixed = torch.zeros_like(spectrum)
    mixed[:, :, :modes] = torch.einsum("bik,kij->bjk", spectrum[:, :, :modes], weight)
    close(first(layer(last(u))), torch.fft.irfft(mixed, n))


@pytest.mark.parametrize("n", [5, 8, 50])
def test_cosine_layer_is_the_truncated_dct(n):
    width, modes = 3, 5
    layer = spectral("cosine", width, modes).double()
    u = rough(n, width)
    coefficients = scipy.fft.dctn(u.numpy(), 2, axes=(2, 3), norm="ortho")
    weight = layer.weight.detach().numpy().reshape(modes, modes, width, width)
    mixed = np.zeros_like(coefficients)
    mixed[:, :, :modes, :modes] = np.einsum(
        "bikl,klij->bjkl", coefficients[:, :, :modes, :modes], weight
    )
    expected = scipy.fft.idctn(mixed, 2, axes=(2, 3), norm="ortho")
    close(first(layer(last(u))), torch.from_numpy(expected))


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize(("m", "n"), [(9, 16), (16, 33), (9, 10)])
def test_spectral_layers_are_the_same_operator_on_every_grid(kind, dimension, m, n):
    """K commutes with prolongation and with restriction: it sees the modes it mixes only."""
    basis, layer = BASES[kind](dimension), spectral(kind, 3, 5, dimension).double()
    # Restriction removes the Nyquist modes, which prolongation does and which the layer ignores.
    u = basis.restrict(rough(m, dimension=dimension), m)
    on_coarse = basis.prolong(basis.restrict(first(layer(last(u))), m), n)
    close(first(layer(last(basis.prolong(u, n)))), on_coarse)
    v = rough(n, dimension=dimension)
    close(basis.restrict(first(layer(last(v))), m), first(layer(last(basis.restrict(v, m)))))


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("dimension", [1, 2])
def test_layers_keep_the_size_of_what_they_transmit(kind, dimension):
    """Weights are scaled so that mode by mode E‖Ku‖² = E‖u‖²."""
    width, n, modes = 48, 16, 6
    basis, layer = BASES[kind](dimension), spectral(kind, width, modes, dimension)
    u = rough(n, width, batch=8, dimension=dimension, dtype=torch.float32)
    k = np.meshgrid(*basis.axis_modes(n), indexing="ij")
    kept = torch.from_numpy(np.all([abs(axis) < modes for axis in k], axis=0)).float()
    u = basis.multiply(u, kept)
    ratio = float(first(layer(last(u))).square().mean().detach() / u.square().mean())
    assert ratio == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("dimension", [1, 2])
def test_layers_keep_their_precision_and_differentiate(kind, dimension):
    layer = spectral(kind, 2, 3, dimension)
    assert layer(last(rough(6, 2, 2, dimension, torch.float32))).dtype == torch.float32
    u = last(rough(6, 2, 1, dimension)).requires_grad_()
    assert torch.autograd.gradcheck(layer.double(), u, fast_mode=True)


@pytest.mark.parametrize(("kind", "modes", "n"), [("fourier", 6, 10), ("cosine", 12, 10)])
def test_grids_that_do_not_resolve_the_modes_are_refused(kind, modes, n):
    with pytest.raises(ValueError, match=rf"{modes} modes .*{n} nodes.*modes <= "):
        spectral(kind, 2, modes)(torch.zeros(1, n, n, 2))


@pytest.mark.parametrize(("kind", "modes", "n"), [("fourier", 5, 9), ("cosine", 10, 10)])
def test_the_coarsest_grid_that_resolves_the_modes_is_enough(kind, modes, n):
    assert spectral(kind, 2, modes)(torch.zeros(1, n, n, 2)).shape == (1, n, n, 2)


# Local stencils


def stencil_of(kind, n, cells, dimension=2):
    periodic = (kind == "fourier",) * dimension
    return DifferenceStencil.of((n,) * dimension, (cells,) * dimension, periodic)


def difference(kind, u, cells):
    """D u for a field (batch, channel, *grid)."""
    stencil = stencil_of(kind, u.shape[-1], cells, u.ndim - 2)
    return first(stencil.ends(last(u))) - stencil.centre * u


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("dimension", [1, 2])
@pytest.mark.parametrize(("n", "cells"), [(16, 8), (24, 8), (16, 16), (17, 8), (12, 16), (50, 12)])
def test_stencil_is_the_interpolated_difference(kind, dimension, n, cells):
    """Σ u(x ± δe_i) − 2d u(x), u continued by reflection or period and linear between nodes."""
    u = rough(n, 1, dimension=dimension)
    mode = "wrap" if kind == "fourier" else "symmetric"
    arm = n / cells
    low, part = int(np.floor(arm)), arm - np.floor(arm)
    expected = -2 * dimension * u.numpy()
    for axis in range(2, 2 + dimension):
        margin = [(n, n) if i == axis else (0, 0) for i in range(u.ndim)]
        wide = np.pad(u.numpy(), margin, mode=mode)
        for sign in (1, -1):
            for shift, weight in ((low, 1 - part), (low + 1, part)):
                rolled = np.roll(wide, sign * shift, axis)
                expected = expected + weight * np.take(rolled, np.arange(n, 2 * n), axis)
    close(difference(kind, u, cells), torch.from_numpy(expected))


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize(("m", "n"), [(16, 32), (16, 24), (8, 32)])
def test_stencil_is_the_same_operator_on_every_grid_that_meets_its_arms(kind, m, n):
    basis = BASES[kind](2)
    u = basis.restrict(rough(m, 1), m)
    on_coarse = basis.prolong(difference(kind, u, 8), n)
    close(difference(kind, basis.prolong(u, n), 8), on_coarse)


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("n", [8, 11])
def test_the_sum_over_the_ends_is_symmetric(kind, n):
    stencil = stencil_of(kind, n, 8)
    u, v = last(rough(n, 2)), last(rough(n, 4))[..., :2]
    close((stencil.ends(u) * v).sum(), (u * stencil.ends(v)).sum())


# The operations


def block(kind, dimension, cells, n=8, width=4, modes=3, batch=5):
    """Arguments of a residual block: parts of 2, 2 and 1 samples, coefficients, weights."""
    layer = spectral(kind, width, modes, dimension).double()
    h = last(rough(n, width, batch, dimension))
    stencil = stencil_of(kind, n, cells, dimension) if cells else None
    operators = Operators(layer.modes.transform(h.shape[1:-1], h), stencil)
    mixed = layer.mix(operators.transform.analyse(h)).detach()

    def normal(*shape):
        return torch.randn(*shape, dtype=torch.float64)

    weights = BlockWeights(
        normal(batch, width, width),
        normal(batch, width, width) if cells else None,
        normal(batch, 1, width),
        normal(width, width),
        normal(width),
    )
    return h, mixed, weights, operators


def plain_block(h, mixed, weights, operators):
    """The formula, operation by operation."""
    lines = h.flatten(1, -2)
    z = lines @ weights.pointwise + weights.shift
    if operators.stencil is not None:
        z = z + operators.stencil.ends(h).flatten(1, -2) @ weights.neighbours
    field = operators.transform.synthesise(mixed, torch.zeros_like(h))
    result = h + gelu(z.view(h.shape) + field) @ weights.output + weights.bias
    return result, operators.transform.analyse(result)


CASES = [
    *[("fourier", 2, 0), ("cosine", 2, 0), ("fourier", 2, 6), ("cosine", 2, 8)],
    *[("fourier", 1, 8), ("cosine", 1, 0)],
]


@pytest.mark.parametrize(("kind", "dimension", "cells"), CASES)
def test_residual_block_is_its_formula(kind, dimension, cells):
    h, mixed, weights, operators = block(kind, dimension, cells)
    parts, coefficients = residual_block(h.split(2), mixed, weights, operators, analyse=True)
    assert [len(part) for part in parts] == [2, 2, 1]
    expected = plain_block(h, mixed, weights, operators)
    close(torch.cat(parts), expected[0])
    close(coefficients, expected[1])
    assert residual_block(h.split(2), mixed, weights, operators, analyse=False)[1] is None


@pytest.mark.parametrize(("kind", "dimension", "cells"), CASES)
@pytest.mark.parametrize("analyse", [True, False])
def test_residual_block_is_differentiated_exactly(kind, dimension, cells, analyse):
    h, mixed, weights, operators = block(kind, dimension, cells, n=6, width=2, batch=3)
    tensors = [tensor for tensor in (h, mixed, *weights) if tensor is not None]

    def function(h, mixed, *tensors):
        values = iter(tensors)
        given = BlockWeights(*(None if w is None else next(values) for w in weights))
        parts, coefficients = residual_block(h.split(2), mixed, given, operators, analyse=analyse)
        return (*parts, coefficients) if analyse else parts

    inputs = [tensor.requires_grad_() for tensor in tensors]
    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("rows", [1, 7, 100])
def test_perceptron_is_its_formula_and_differentiated_exactly(rows, monkeypatch):
    monkeypatch.setattr(operations, "CACHED", 5 * rows)
    layers = seeded(nn.Sequential, nn.Linear(2, 5), nn.GELU(), nn.Linear(5, 3)).double()
    h = last(rough(4, 2, 3)).requires_grad_()
    parameters = tuple(layers.parameters())

    def function(h, *parameters):
        return perceptron(h.split(2), layers)

    close(function(h), layers(h))
    assert torch.autograd.gradcheck(function, (h, *parameters), fast_mode=True)


def test_a_block_keeps_its_input_and_one_array_of_that_size():
    """Memory per layer is what limits the batch on fine grids."""
    h, mixed, weights, operators = block("fourier", 2, 8, n=32, batch=4)
    h.requires_grad_()
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        residual_block(h.split(1), mixed, weights, operators, analyse=True)
    assert sum(kept.values()) < 2.1 * h.untyped_storage().nbytes()

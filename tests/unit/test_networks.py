"""Networks: spectral layers against transforms, and operators that are the same on every grid."""

import numpy as np
import pytest
import scipy.fft
import torch
from torch import nn

from fsdiff.bases import CosineBasis, FourierBasis
from fsdiff.networks import FNO, UNet
from fsdiff.networks.embeddings import NoiseLevelEmbedding
from fsdiff.networks.local import NeighbourDifference
from fsdiff.networks.spectral import CosineConvolution, FourierConvolution

LAYERS = {"cosine": CosineConvolution, "fourier": FourierConvolution}
BASES = {"cosine": CosineBasis, "fourier": FourierBasis}


def seeded(make, *arguments, **options):
    torch.manual_seed(0)
    return make(*arguments, **options)


def rough(n, channels=3, batch=2, dtype=torch.float64):
    random = torch.Generator().manual_seed(n)
    return torch.randn(batch, channels, n, n, generator=random, dtype=dtype)


def last(u):
    return u.permute(0, 2, 3, 1)


def first(u):
    return u.permute(0, 3, 1, 2)


def close(a, b, atol=1e-10):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=atol)


# Spectral layers


@pytest.mark.parametrize("n", [7, 8, 50])
def test_fourier_layer_is_the_truncated_fft(n):
    """Weights on |k_1| < K and 0 <= k_2 < K, inverse transform of a real field."""
    width, modes = 3, 4
    layer = seeded(FourierConvolution, width, modes).double()
    u = rough(n, width)
    spectrum = torch.fft.fft2(u) / n**2
    weight = torch.view_as_complex(layer.weight.detach())
    wavenumbers = [*range(modes), *range(1 - modes, 0)]
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


@pytest.mark.parametrize("n", [5, 8, 50])
def test_cosine_layer_is_the_truncated_dct(n):
    width, modes = 3, 5
    layer = seeded(CosineConvolution, width, modes).double()
    u = rough(n, width)
    coefficients = scipy.fft.dctn(u.numpy(), 2, axes=(2, 3), norm="ortho")
    weight = layer.weight.detach().numpy().reshape(modes, modes, width, width)
    mixed = np.zeros_like(coefficients)
    mixed[:, :, :modes, :modes] = np.einsum(
        "bikl,klij->bjkl", coefficients[:, :, :modes, :modes], weight
    )
    expected = scipy.fft.idctn(mixed, 2, axes=(2, 3), norm="ortho")
    close(first(layer(last(u))), torch.from_numpy(expected))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("m", "n"), [(9, 16), (16, 33), (9, 10)])
def test_spectral_layers_are_the_same_operator_on_every_grid(kind, m, n):
    """K commutes with prolongation and with restriction: it sees the modes it mixes only."""
    basis, layer = BASES[kind](2), seeded(LAYERS[kind], 3, 5).double()
    u = rough(m)
    on_coarse = basis.prolong(first(layer(last(u))), n)
    on_fine = first(layer(last(basis.prolong(u, n))))
    if kind == "fourier":  # prolongation removes the Nyquist modes, which the layer ignores anyway
        on_coarse = basis.prolong(first(layer(last(basis.restrict(u, m)))), n)
    close(on_fine, on_coarse)
    v = rough(n)
    close(basis.restrict(first(layer(last(v))), m), first(layer(last(basis.restrict(v, m)))))


@pytest.mark.parametrize("kind", LAYERS)
def test_layers_keep_the_size_of_what_they_transmit(kind):
    """Weights are scaled so that mode by mode E‖Ku‖² = E‖u‖²."""
    width, n, modes = 48, 16, 6
    basis, layer = BASES[kind](2), seeded(LAYERS[kind], width, modes)
    u = rough(n, width, batch=8, dtype=torch.float32)
    kept = torch.zeros(basis.coefficient_shape(n))
    k = np.meshgrid(*basis.axis_modes(n), indexing="ij")
    kept[torch.from_numpy((abs(k[0]) < modes) & (k[1] < modes))] = 1
    u = basis.multiply(u, kept)
    ratio = float(first(layer(last(u))).square().mean() / u.square().mean())
    assert ratio == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_layers_keep_their_precision_and_differentiate(kind, dtype):
    layer = seeded(LAYERS[kind], 2, 3).to(dtype)
    assert layer(last(rough(6, 2, dtype=dtype))).dtype == dtype
    if dtype == torch.float64:
        assert torch.autograd.gradcheck(layer, last(rough(6, 2, 1)).requires_grad_())


@pytest.mark.parametrize(("kind", "modes", "n"), [("fourier", 6, 10), ("cosine", 12, 10)])
def test_grids_that_do_not_resolve_the_modes_are_refused(kind, modes, n):
    layer = LAYERS[kind](2, modes)
    with pytest.raises(ValueError, match=rf"{modes} modes .*{n} nodes.*modes <= "):
        layer(torch.zeros(1, n, n, 2))
    network = FNO(width=4, modes=modes, basis=kind)
    with pytest.raises(ValueError, match=rf"{n} nodes"):
        network(torch.zeros(1, 1, n, n), torch.zeros(1))


@pytest.mark.parametrize(("kind", "modes", "n"), [("fourier", 5, 9), ("cosine", 10, 10)])
def test_the_coarsest_grid_that_resolves_the_modes_is_enough(kind, modes, n):
    assert LAYERS[kind](2, modes)(torch.zeros(1, n, n, 2)).shape == (1, n, n, 2)


# Local stencils


def stencil(kind, width=1, cells=8):
    """The differences alone, without mixing of channels."""
    layer = NeighbourDifference(width, cells, periodic=kind == "fourier").double()
    layer.mix = nn.Identity()
    return layer


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("n", "cells"), [(16, 8), (24, 8), (16, 16), (17, 8), (12, 16), (50, 12)])
def test_stencil_is_the_interpolated_difference(kind, n, cells):
    """Σ u(x ± δe_i) − 4u(x), with u continued by reflection or period and linear between nodes."""
    u = rough(n, 1)
    mode = "wrap" if kind == "fourier" else "symmetric"
    wide = np.pad(u.numpy(), ((0, 0), (0, 0), (n, n), (n, n)), mode=mode)
    arm = n / cells
    low, part = int(np.floor(arm)), arm - np.floor(arm)
    expected = -4 * u.numpy()
    for axis in (2, 3):
        for sign in (1, -1):
            for shift, weight in ((low, 1 - part), (low + 1, part)):
                rolled = np.roll(wide, sign * shift, axis)
                expected = expected + weight * rolled[:, :, n : 2 * n, n : 2 * n]
    close(first(stencil(kind, cells=cells)(last(u))), torch.from_numpy(expected))


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("m", "n"), [(16, 32), (16, 24), (8, 32)])
def test_stencil_is_the_same_operator_on_every_grid_that_meets_its_arms(kind, m, n):
    basis, layer = BASES[kind](2), stencil(kind)
    u = basis.restrict(rough(m, 1), m)
    on_coarse = basis.prolong(first(layer(last(u))), n)
    close(first(layer(last(basis.prolong(u, n)))), on_coarse)


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("n", [8, 11])
def test_stencil_is_differentiated_exactly(kind, n):
    layer = seeded(NeighbourDifference, 2, 8, periodic=kind == "fourier").double()
    assert torch.autograd.gradcheck(layer, last(rough(n, 2, 1)).requires_grad_())


# FNO


@pytest.mark.parametrize("kind", LAYERS)
def test_linear_fno_is_the_same_operator_on_every_grid(kind, monkeypatch):
    """With the nonlinearity removed, everything left commutes with prolongation."""
    monkeypatch.setattr("fsdiff.networks.fno.gelu", lambda h: h)
    network = seeded(FNO, 2, width=8, modes=4, basis=kind, coordinates=False).double()
    network.project = nn.Sequential(network.project[0], network.project[2])
    basis, t = BASES[kind](2), torch.tensor([-1.0, 2.0], dtype=torch.float64)
    u = basis.restrict(rough(17, 2), 9)
    with torch.no_grad():
        close(network(basis.prolong(u, 20), t), basis.prolong(network(u, t), 20))


@pytest.mark.parametrize("kind", LAYERS)
def test_fno_converges_under_refinement(kind):
    """The output on a grid tends to that on a fine grid; a pixel-based network's does not.

    Pointwise nonlinearities make new modes, which alias on coarse grids, the less the finer.
    """
    network = seeded(FNO, width=8, modes=4, layers=2, basis=kind, coordinates=False).double()
    basis, t = BASES[kind](2), torch.zeros(1, dtype=torch.float64)
    u = basis.multiply(rough(9, 1, 1), 1 / (1 + basis.omega_squared(9) / 40))
    with torch.no_grad():
        outputs = {n: basis.restrict(network(basis.prolong(u, n), t), 9) for n in (9, 18, 36, 72)}
    errors = [float((outputs[n] - outputs[72]).norm() / outputs[72].norm()) for n in (9, 18, 36)]
    assert errors[1] < 0.5 * errors[0]
    assert errors[2] < 0.5 * errors[1]
    assert errors[2] < 0.01


@pytest.mark.parametrize("kind", LAYERS)
def test_coordinates_are_where_the_nodes_are(kind):
    """A network that sees only where it is gives the same function on every grid.

    Nodes of n, (j + ½)/n or j/n, are among those of 3n. The cosine layer integrates over nodes
    what is no cosine series, so agreement there is up to quadrature of second order.
    """
    first = 1 if kind == "cosine" else 0
    network = seeded(FNO, width=8, modes=4, layers=1, basis=kind).double()
    t = torch.zeros(1, dtype=torch.float64)
    errors = []
    for n in (16, 32):
        with torch.no_grad():
            coarse, fine = (
                network(torch.zeros(1, 1, size, size, dtype=torch.float64), t)[0, 0]
                for size in (n, 3 * n)
            )
        errors.append(float((fine[first::3, first::3] - coarse).norm() / coarse.norm()))
    assert errors[0] < 0.01
    assert errors[1] < max(0.3 * errors[0], 1e-14)


def make_networks(channels=1, conditioning=0):
    return {
        "fno-fourier": lambda: FNO(channels, conditioning, width=8, modes=4, projection=16),
        "fno-cosine": lambda: FNO(
            channels, conditioning, width=8, modes=4, projection=16, basis="cosine"
        ),
        "fno-stencil": lambda: FNO(
            channels, conditioning, width=8, modes=4, projection=16, stencil_cells=16
        ),
        "unet": lambda: UNet(channels, conditioning, width=8, multipliers=(1, 2, 2), blocks=1),
    }


NETWORKS = list(make_networks())


def stirred(network):
    """All weights non-zero: layers that start at zero would hide what lies below them."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.05 * torch.randn(p.shape, generator=random)
    return network


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("n", [15, 16, 17, 32, 50])
@pytest.mark.parametrize(("batch", "channels"), [(1, 1), (3, 2)])
def test_output_is_shaped_like_the_field(name, n, batch, channels):
    network = seeded(make_networks(channels)[name])
    output = network(torch.zeros(batch, channels, n, n), torch.zeros(batch))
    assert output.shape == (batch, channels, n, n)
    assert output.dtype == torch.float32


@pytest.mark.parametrize("name", NETWORKS)
def test_every_parameter_receives_a_gradient(name):
    network = stirred(seeded(make_networks(2)[name]))
    u = rough(16, 2, dtype=torch.float32)
    network(u, torch.tensor([-1.0, 1.0])).square().mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert float(parameter.grad.abs().max()) > 0, key
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", NETWORKS)
def test_samples_and_noise_levels_of_a_batch_do_not_mix(name):
    network = stirred(seeded(make_networks()[name])).double()
    u, t = rough(16, 1, 3), torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64)
    with torch.no_grad():
        together = network(u, t)
        for i in range(3):
            close(network(u[i : i + 1], t[i : i + 1])[0], together[i])
        assert not torch.allclose(network(u[:1], t[1:2]), together[:1], rtol=1e-3)


@pytest.mark.parametrize("name", NETWORKS)
def test_conditioning_channels_are_seen(name):
    network = stirred(seeded(make_networks(1, 2)[name])).double()
    u, t = rough(16, 1), torch.zeros(2, dtype=torch.float64)
    conditioning = rough(16, 2)
    with torch.no_grad():
        output = network(u, t, conditioning)
        assert output.shape == u.shape
        assert not torch.allclose(network(u, t, 2 * conditioning), output, rtol=1e-3)
    with pytest.raises(RuntimeError):
        network(u, t)


@pytest.mark.parametrize("name", NETWORKS)
def test_finite_at_all_noise_levels(name):
    network = seeded(make_networks()[name])
    with torch.no_grad():
        for level in (-7.0, 0.0, 10.0):
            u = rough(16, 1, dtype=torch.float32)
            assert torch.isfinite(network(u, torch.full((2,), level))).all()


def test_noise_levels_are_told_apart():
    """Over the levels that occur, from −4.6 to 5 for VP, features move smoothly and stay apart."""
    embedding = seeded(NoiseLevelEmbedding, 16).double()
    levels = torch.linspace(-5, 5, 201, dtype=torch.float64)
    scales = embedding.scales.double()
    phase = levels[:, None] * scales
    features = torch.cat([phase.sin(), phase.cos()], 1)
    distance = torch.cdist(features, features)
    apart = (levels[:, None] - levels).abs() > 0.5
    assert float(distance[apart].min()) > 0.3
    assert float(distance.diagonal(1).max()) < 1
    with torch.no_grad():
        output = embedding(levels)
    assert output.shape == (201, 16)
    assert not torch.allclose(output[0], output[-1], rtol=1e-2)


@pytest.mark.parametrize("n", [17, 32, 50])
def test_unet_meets_its_skips_on_every_grid(n):
    network = stirred(seeded(UNet, width=8, multipliers=(1, 1, 1, 1), blocks=1))
    with torch.no_grad():
        output = network(rough(n, 1, dtype=torch.float32), torch.zeros(2))
    assert output.shape == (2, 1, n, n)
    assert torch.isfinite(output).all()


def test_unet_starts_as_the_best_constant_guess():
    """The last layer's weights are zero: the untrained output does not depend on the input."""
    network = seeded(UNet, width=8, blocks=1)
    with torch.no_grad():
        one, other = (
            network(rough(16, 1, 1).float(), torch.zeros(1)),
            network(torch.zeros(1, 1, 16, 16), torch.zeros(1)),
        )
    torch.testing.assert_close(one, other)

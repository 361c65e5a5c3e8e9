"""Networks: operators that are the same on every grid, noise levels and conditioning."""

import pytest
import torch
from torch import nn

from fsdiff import parts
from fsdiff.diffusion.processes.variance_preserving import OrnsteinUhlenbeck
from fsdiff.networks import FNO, MLP, UNO, UNet, operations
from fsdiff.networks.embeddings import NoiseLevelEmbedding
from fsdiff.networks.unet_in_time import UNetInTime
from fsdiff.spaces.bases import CosineBasis, FourierBasis

BASES = {"cosine": CosineBasis, "fourier": FourierBasis}


def seeded(make, *arguments, **options):
    torch.manual_seed(0)
    return make(*arguments, **options)


def rough(n, channels=3, batch=2, dimension=2, dtype=torch.float64):
    random = torch.Generator().manual_seed(n)
    return torch.randn(batch, channels, *(n,) * dimension, generator=random, dtype=dtype)


def close(a, b, atol=1e-10):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=atol)


# FNO


@pytest.mark.parametrize("kind", BASES)
@pytest.mark.parametrize("dimension", [1, 2])
def test_linear_fno_is_the_same_operator_on_every_grid(kind, dimension, monkeypatch):
    """With the nonlinearity removed, everything left commutes with prolongation."""
    monkeypatch.setattr(operations, "gelu", lambda h: h)
    options = {"basis": kind, "dimension": dimension, "coordinates": False, "stencil_cells": 2}
    network = seeded(FNO, 2, width=8, modes=4, **options).double()
    basis, t = BASES[kind](dimension), torch.tensor([-1.0, 2.0], dtype=torch.float64)
    u = basis.restrict(rough(17, 2, dimension=dimension), 10)
    with torch.no_grad():
        close(network(basis.prolong(u, 20), t), basis.prolong(network(u, t), 20))


@pytest.mark.parametrize("kind", BASES)
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


@pytest.mark.parametrize("kind", BASES)
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


@pytest.mark.parametrize(("kind", "modes", "n"), [("fourier", 6, 10), ("cosine", 12, 10)])
def test_grids_that_do_not_resolve_the_modes_are_refused(kind, modes, n):
    network = FNO(width=4, modes=modes, basis=kind)
    with pytest.raises(ValueError, match=rf"{n} nodes"):
        network(torch.zeros(1, 1, n, n), torch.zeros(1))


def test_fields_of_another_dimension_are_refused():
    with pytest.raises(ValueError, match=r"dimension 2 .*\(1, 1, 16\); use dimension=1"):
        FNO(width=4, modes=4)(torch.zeros(1, 1, 16), torch.zeros(1))


@pytest.mark.parametrize("kind", BASES)
def test_a_field_does_not_depend_on_how_its_batch_is_split(kind, monkeypatch):
    """Parts are a matter of speed: outputs and gradients are those of the batch as a whole."""
    network = stirred(seeded(FNO, width=8, modes=4, basis=kind, stencil_cells=8)).double()
    u, t = rough(16, 1, 5), torch.linspace(-2, 2, 5, dtype=torch.float64)
    outputs, gradients = [], []
    for size in (5, 2, 1):
        monkeypatch.setattr(operations, "CACHED", size * 16 * 16 * 8)
        outputs.append(network(u, t))
        loss = outputs[-1].square().mean()
        gradients.append(torch.autograd.grad(loss, list(network.parameters())))
    for output, gradient in zip(outputs[1:], gradients[1:], strict=True):
        close(output, outputs[0])
        for one, other in zip(gradient, gradients[0], strict=True):
            close(one, other)


# All networks

SMALL = {"width": 8, "projection": 16}
MAKE = {
    "fno-fourier": lambda *c: FNO(*c, modes=4, **SMALL),
    "fno-cosine": lambda *c: FNO(*c, modes=4, basis="cosine", **SMALL),
    "fno-mixed": lambda *c: FNO(*c, modes=(4, 6), basis=("fourier", "cosine"), **SMALL),
    "fno-stencil": lambda *c: FNO(*c, modes=4, stencil_cells=16, **SMALL),
    "fno-line": lambda *c: FNO(*c, modes=4, dimension=1, stencil_cells=16, **SMALL),
    "fno-space": lambda *c: FNO(*c, modes=3, dimension=3, layers=2, **SMALL),
    "uno": lambda *c: UNO(*c, modes=(4, 3, 2), **SMALL),
    "uno-stencil": lambda *c: UNO(*c, modes=(4, 2, 2), basis="cosine", stencil_cells=16, **SMALL),
    "uno-line": lambda *c: UNO(*c, modes=(4, 3, 2), dimension=1, **SMALL),
    "uno-space": lambda *c: UNO(*c, modes=(3, 2), multipliers=(1, 2), dimension=3, **SMALL),
    "unet": lambda *c: UNet(*c, width=8, multipliers=(1, 2, 2), blocks=1),
    "unet-in-time": lambda *c: UNetInTime(*c, width=8, multipliers=(1, 2), blocks=1),
    "unet-boundary": lambda *c: UNet(*c, width=8, multipliers=(1, 2), padding="boundary"),
    "unet-line": lambda *c: UNet(*c, width=8, multipliers=(1, 2, 2), blocks=1, dimension=1),
    "unet-space": lambda *c: UNet(*c, width=8, multipliers=(1, 2), blocks=1, dimension=3),
    "mlp": lambda *c: MLP(*c, width=8, layers=2),
}


def fields(name, n, channels=1, batch=2, dtype=torch.float64):
    """Of the dimension that the network is for; in space on fewer nodes."""
    dimension = {"line": 1, "space": 3}.get(name.rpartition("-")[2], 2)
    return rough(n if dimension < 3 else n // 3 + 1, channels, batch, dimension, dtype)


def stirred(network):
    """All weights non-zero: layers that start at zero would hide what lies below them."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            p += 0.05 * torch.randn(p.shape, generator=random)
    return network


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("n", [15, 16, 17, 32, 50])
@pytest.mark.parametrize(("batch", "channels"), [(1, 1), (3, 2)])
def test_output_is_shaped_like_the_field(name, n, batch, channels):
    u = fields(name, n, channels, batch, torch.float32)
    output = seeded(MAKE[name], channels)(u, torch.zeros(batch))
    assert output.shape == u.shape
    assert output.dtype == torch.float32


@pytest.mark.parametrize("name", MAKE)
def test_every_parameter_receives_a_gradient(name):
    network = stirred(seeded(MAKE[name], 2))
    u = fields(name, 16, 2, dtype=torch.float32)
    network(u, torch.tensor([-1.0, 1.0])).square().mean().backward()
    for key, parameter in network.named_parameters():
        assert parameter.grad is not None, key
        assert float(parameter.grad.abs().max()) > 0, key
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", MAKE)
def test_networks_are_differentiated_exactly(name):
    """With respect to the field, which guidance needs, and to the weights."""
    network = stirred(seeded(MAKE[name], 1, 1)).double()
    u, t = fields(name, 16), torch.tensor([-1.0, 1.0], dtype=torch.float64)
    conditioning = fields(name, 16, batch=4)[:2]
    inputs = [v.requires_grad_() for v in (u, t, conditioning)]
    parameters = list(network.parameters())

    def function(u, t, conditioning, *_):
        return network(u, t, conditioning)

    assert torch.autograd.gradcheck(function, (*inputs, *parameters), fast_mode=True)


@pytest.mark.parametrize("name", MAKE)
def test_samples_and_noise_levels_of_a_batch_do_not_mix(name):
    network = stirred(seeded(MAKE[name])).double()
    u, t = fields(name, 16, batch=3), torch.tensor([-2.0, 0.0, 2.0], dtype=torch.float64)
    with torch.no_grad():
        together = network(u, t)
        for i in range(3):
            close(network(u[i : i + 1], t[i : i + 1])[0], together[i])
        assert not torch.allclose(network(u[:1], t[1:2]), together[:1], rtol=1e-3)


# Conditioning


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("n", [16, 24])
def test_conditioning_is_seen_on_every_grid(name, n):
    """The output depends on each conditioning channel, and gradients reach it."""
    network = stirred(seeded(MAKE[name], 1, 2)).double()
    u, t = fields(name, n), torch.zeros(2, dtype=torch.float64)
    conditioning = fields(name, n, 3)[:, 1:].requires_grad_()
    output = network(u, t, conditioning)
    assert output.shape == u.shape
    gradient = torch.autograd.grad(output.square().sum(), conditioning)[0]
    assert (gradient.flatten(2).norm(dim=2) > 0).all()
    with torch.no_grad():
        assert not torch.allclose(network(u, t, 2 * conditioning), output, rtol=1e-3)


@pytest.mark.parametrize("kind", BASES)
def test_conditional_fno_converges_under_refinement(kind):
    """What a network of functions does with a conditioning function does not hang on the grid."""
    options = {"width": 8, "modes": 4, "layers": 2, "basis": kind, "coordinates": False}
    network = stirred(seeded(FNO, 1, 1, **options)).double()
    basis, t = BASES[kind](2), torch.zeros(1, dtype=torch.float64)
    smooth = 1 / (1 + basis.omega_squared(9) / 40)
    u, given = (basis.multiply(v, smooth) for v in rough(9, 1, 2).split(1))
    with torch.no_grad():
        outputs = {
            n: basis.restrict(network(basis.prolong(u, n), t, basis.prolong(given, n)), 9)
            for n in (18, 36, 72)
        }
    errors = [float((outputs[n] - outputs[72]).norm() / outputs[72].norm()) for n in (18, 36)]
    assert errors[1] < 0.5 * errors[0]
    assert errors[1] < 0.01


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize(("built", "given"), [(2, 0), (2, 1), (0, 1)])
def test_conditioning_must_have_the_channels_the_network_was_built_for(name, built, given):
    network = MAKE[name](1, built)
    conditioning = fields(name, 16, given, dtype=torch.float32) if given else None
    with pytest.raises(ValueError, match=f"conditioning_channels={built} and is given {given}"):
        network(fields(name, 16, dtype=torch.float32), torch.zeros(2), conditioning)


# Noise levels


@pytest.mark.parametrize("name", MAKE)
def test_finite_at_all_noise_levels(name):
    network = seeded(MAKE[name])
    with torch.no_grad():
        for level in (-7.0, 0.0, 10.0):
            u = fields(name, 16, dtype=torch.float32)
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


# U-Net


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


def test_unet_in_time_is_told_the_time_of_ornstein_and_uhlenbeck():
    process = OrnsteinUhlenbeck()
    t = torch.tensor([1e-4, 0.3, 9.0], dtype=torch.float64)
    network = stirred(seeded(UNetInTime, width=8, multipliers=(1, 2), blocks=1)).double()
    other = UNet(width=8, multipliers=(1, 2), blocks=1).double()
    other.load_state_dict(network.state_dict())
    x = rough(8, 1, 3)
    close(network(x, -process.half_log_signal_to_noise(t)), other(x, t))


# MLP


def test_mlp_is_a_perceptron_of_points_and_noise_levels():
    """Points of ℝ² are fields (batch, 2, 1); tanh, then affine, of x, y and t."""
    network = parts.build("network", {"kind": "mlp", "width": 4, "layers": 1}, 2).double()
    u, t = rough(1, 2, 5, dimension=1), torch.linspace(-1, 1, 5, dtype=torch.float64)
    inner, outer = network.layers[0], network.layers[2]
    hidden = torch.tanh(
        u[..., 0] @ inner.weight[:, :2].T + t[:, None] * inner.weight[:, 2] + inner.bias
    )
    close(network(u, t), (hidden @ outer.weight.T + outer.bias)[..., None])
    assert sum(p.numel() for p in network.parameters()) == 4 * 3 + 4 + 2 * 4 + 2


def test_mlp_sees_one_node_at_a_time():
    network = seeded(MLP, 2).double()
    u, t = rough(8, 2), torch.zeros(2, dtype=torch.float64)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    close(network(u[..., order], t), network(u, t)[..., order])


def test_deep_mlp_has_as_many_layers_as_it_says():
    linear = [layer for layer in MLP(2, width=64, layers=3).layers if isinstance(layer, nn.Linear)]
    assert [layer.out_features for layer in linear] == [64, 64, 64, 2]

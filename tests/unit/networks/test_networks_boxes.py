"""Networks on boxes: rectangles, mixed axes, one to three dimensions; and what they refuse."""

import itertools
import math

import numpy as np
import pytest
import scipy.fft
import torch

from fsdiff import parts
from fsdiff.networks import FNO, UNO, UNet, operations
from fsdiff.networks.axes import bases_of_axes
from fsdiff.networks.embeddings import coordinate_features
from fsdiff.networks.local import DifferenceStencil
from fsdiff.networks.spectral import Modes, SpectralConvolution, Transform
from fsdiff.networks.unet import Continuation

F, C = "fourier", "cosine"
BOXES = [(F, C), (C, F), (F, F, F), (C, C, C), (C, F, F), (F, C, F), (F, F, C), (C, F, C)]
LINES = [(F,), (C,)]


def seeded(make, *arguments, **options):
    torch.manual_seed(0)
    return make(*arguments, **options).double()


def rough(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def close(a, b, atol=1e-10):
    torch.testing.assert_close(a, b, rtol=1e-9, atol=atol)


def functions(basis, modes, nodes):
    """Values (functions, nodes) of the functions of an axis, the same on every grid."""
    if basis == C:
        places = (torch.arange(nodes, dtype=torch.float64) + 0.5) / nodes
        return torch.cos(math.pi * torch.arange(modes).double()[:, None] * places)
    places = torch.arange(nodes, dtype=torch.float64) / nodes
    phase = 2 * math.pi * torch.arange(modes).double()[:, None] * places
    return torch.cat([phase.cos(), phase.sin()])


def polynomial(bases, modes, grid, channels=1):
    """Fields (1, channels, *grid) of which all modes k < ``modes`` are drawn, whatever the grid."""
    matrices = [functions(*axis) for axis in zip(bases, modes, grid, strict=True)]
    u = rough(channels, *(len(matrix) for matrix in matrices))
    for axis, matrix in enumerate(matrices, 1):
        u = torch.tensordot(u, matrix, ([axis], [0])).movedim(-1, axis)
    return u[None]


def common(bases, factor=3):
    """The nodes of a grid among those of one that is ``factor`` (odd) times as fine."""
    first = [factor // 2 if basis == C else 0 for basis in bases]
    return (..., *(slice(start, None, factor) for start in first))


def grids(bases):
    """A coarse grid, a different number of nodes along each axis, and three times that."""
    coarse = (10, 9, 8)[: len(bases)]
    return coarse, tuple(3 * n for n in coarse)


# Spectral layers


def transformed(u, bases, inverse=False):
    """DCT and FFT along the axes behind (batch, channel)."""
    for axis, basis in enumerate(bases, 2):
        if basis == F:
            u = (np.fft.ifft if inverse else np.fft.fft)(u, axis=axis)
        else:
            real, imaginary = (
                (scipy.fft.idct if inverse else scipy.fft.dct)(part, 2, axis=axis, norm="ortho")
                for part in (u.real, u.imag)
            )
            u = real + 1j * imaginary
    return u


@pytest.mark.parametrize("bases", [*LINES, (F, F), *BOXES])
def test_spectral_layers_are_truncated_transforms(bases):
    """Complex matrices for k >= 0 of the last Fourier axis and ±k of others, real ones without."""
    width, counts, grid = 2, (4, 3, 2)[: len(bases)], (8, 7, 5)[: len(bases)]
    layer = seeded(SpectralConvolution, width, Modes(bases, counts))
    u = rough(2, width, *grid)
    weight = layer.weight.detach().numpy()
    if F in bases:
        weight = weight[..., :width] + 1j * weight[..., width:]
    last = max((axis for axis, basis in enumerate(bases) if basis == F), default=None)
    wavenumbers = [
        [*range(count)] + [*range(-1, -count, -1)] * (basis == F and axis != last)
        for axis, (basis, count) in enumerate(zip(bases, counts, strict=True))
    ]
    spectrum = transformed(u.numpy().astype(complex), bases)
    mixed = np.zeros_like(spectrum)
    for matrix, k in zip(weight, itertools.product(*wavenumbers), strict=True):
        both = 2 if last is not None and k[last] else 1
        mixed[:, :, *k] = both * spectrum[:, :, *k] @ matrix
    expected = torch.from_numpy(transformed(mixed, bases, inverse=True).real)
    close(layer(u.movedim(1, -1).contiguous()).movedim(-1, 1), expected)


@pytest.mark.parametrize("bases", BOXES)
def test_spectral_layers_are_differentiated_exactly(bases):
    layer = seeded(SpectralConvolution, 2, Modes(bases, (3, 2, 2)[: len(bases)]))
    u = rough(2, *(6, 5, 4)[: len(bases)], 2).requires_grad_()

    def function(u, weight):
        return torch.func.functional_call(layer, {"weight": weight}, u)

    assert torch.autograd.gradcheck(function, (u, layer.weight), fast_mode=True)


@pytest.mark.parametrize("bases", [(F, F, F), (F, C), (C, C, C)])
def test_layers_keep_the_size_of_what_they_transmit(bases):
    """E‖Ku‖² = E‖u‖² mode by mode; half of it on k = 0, a third of all, of the complex axis.

    There fields have real coefficients, and the imaginary parts of what they become are lost.
    """
    counts, grid = (3,) * len(bases), (7,) * len(bases)
    layer = seeded(SpectralConvolution, 48, Modes(bases, counts))
    u = polynomial(bases, counts, grid, 48)
    result = layer(u.movedim(1, -1).contiguous())
    ratio = float(result.detach().square().mean() / u.square().mean())
    assert ratio == pytest.approx(5 / 6 if F in bases else 1, abs=0.12)


# Local parts and places


@pytest.mark.parametrize("cells", [(5, 3), (5, 0), (4, 6)])
def test_arms_have_the_length_of_each_axis(cells):
    """Periodic along the first axis, even about the walls of the second, linear between nodes."""
    n, u = (10, 9), rough(1, 10, 9, 1)
    stencil = DifferenceStencil.of(n, cells, (True, False))
    expected = torch.zeros(10, 9, dtype=torch.float64)
    v = u[0, ..., 0].numpy()
    for axis, mode in ((0, "wrap"), (1, "symmetric")):
        if not cells[axis]:
            continue
        wide = np.pad(v, [(n[i], n[i]) if i == axis else (0, 0) for i in (0, 1)], mode=mode)
        places = np.arange(n[axis]) + n[axis]
        for end in (n[axis] / cells[axis], -n[axis] / cells[axis]):
            low, part = int(np.floor(end)), end - np.floor(end)
            for shift, weight in ((low, 1 - part), (low + 1, part)):
                neighbours = np.take(wide, np.minimum(places + shift, wide.shape[axis] - 1), axis)
                expected += weight * (torch.from_numpy(neighbours) - torch.from_numpy(v))
    close((stencil.ends(u) - stencil.centre * u)[0, ..., 0], expected)


def test_places_are_those_of_the_nodes():
    """Of cell centres −1 … 1 along walls first, then sines, then cosines along periodic axes."""
    found = coordinate_features((4, 3, 2), (F, C, F), rough(1))
    x, y, z = (rough(1).new_tensor(v) for v in ([0, 0.25, 0.5, 0.75], [-2 / 3, 0, 2 / 3], [0, 0.5]))
    angles = [2 * math.pi * v for v in (x, z)]
    expected = torch.zeros(4, 3, 2, 5, dtype=torch.float64)
    expected[..., 0] = y[:, None]
    expected[..., 1], expected[..., 3] = (
        angles[0].sin()[:, None, None],
        angles[0].cos()[:, None, None],
    )
    expected[..., 2], expected[..., 4] = angles[1].sin(), angles[1].cos()
    close(found, expected)


# Operators of functions


@pytest.mark.parametrize("bases", [*LINES, *BOXES])
def test_linear_fno_is_the_same_operator_on_every_grid(bases, monkeypatch):
    monkeypatch.setattr(operations, "gelu", lambda h: h)
    counts = (4, 3, 3)[: len(bases)]
    network = seeded(
        *(FNO, 2),
        **{"width": 4, "modes": counts, "layers": 2, "projection": 8, "basis": bases},
        **{"coordinates": False, "stencil_cells": (5, 9, 4)[: len(bases)]},
    )
    t = torch.zeros(1, dtype=torch.float64)
    with torch.no_grad():
        coarse, fine = (network(polynomial(bases, counts, n, 2), t) for n in grids(bases))
    close(fine[common(bases)], coarse)


@pytest.mark.parametrize("bases", [*LINES, (F, F), (C, C), *BOXES])
@pytest.mark.parametrize("coordinates", [True, False])
def test_uno_is_one_function_on_every_grid(bases, coordinates):
    """With all nonlinearities, conditioning and coordinates, for fields that the modes resolve."""
    counts = (4, 3, 3)[: len(bases)]
    network = seeded(
        *(UNO, 2, 1),
        **{"width": 4, "modes": (counts, 2, 1), "projection": 8, "basis": bases},
        **{"coordinates": coordinates, "stencil_cells": (5, 9, 4)[: len(bases)]},
    )
    t = torch.tensor([0.5], dtype=torch.float64)
    with torch.no_grad():
        coarse, fine = (
            network(u[:, :2], t, u[:, 2:])
            for u in (polynomial(bases, counts, n, 3) for n in grids(bases))
        )
    assert float(coarse.std()) > 1e-3
    close(fine[common(bases)], coarse)


def test_uno_sees_finer_modes_node_by_node_only():
    """Two fields with the same lowest modes and the same value at a node have the same output."""
    network = seeded(UNO, basis=C, dimension=1, width=4, modes=(4, 2), multipliers=(1, 2))
    t = torch.zeros(1, dtype=torch.float64)
    lowest = rough(1, 1, 4) @ functions(C, 4, 16)
    fine, other = rough(2, 1, 1, 12) @ functions(C, 16, 16)[4:]
    other = other * fine[..., 5] / other[..., 5]
    with torch.no_grad():
        one, two = network(lowest + fine, t), network(lowest + other, t)
    close(one[..., 5], two[..., 5])
    assert float((one - two).abs().max()) > 0.1 * float(one.std())


def test_uno_in_bfloat16_transforms_in_float32(monkeypatch):
    seen, analyse = set(), Transform.analyse
    monkeypatch.setattr(Transform, "analyse", lambda s, u: seen.add(u.dtype) or analyse(s, u))
    network = seeded(UNO, dimension=1, width=8, modes=(4, 2), multipliers=(1, 2)).float()
    u, t = rough(2, 1, 12).float(), torch.zeros(2)
    with torch.autocast("cpu", torch.bfloat16):
        output = network(u, t)
    output.float().square().mean().backward()
    assert output.dtype == torch.bfloat16
    assert seen == {torch.float32}
    torch.testing.assert_close(output.float(), network(u, t), rtol=0.05, atol=0.02)
    assert all(p.grad.dtype == torch.float32 for p in network.parameters())


@pytest.mark.parametrize("axes", [("periodic",), ("neumann", "periodic"), ("dirichlet",) * 3])
def test_uno_has_the_weights_that_its_settings_mean(axes):
    network = UNO(2, 1, axes, width=8, multipliers=(1, 2), modes=(3, 2), blocks=1, layers=1)
    bases = [F if axis == "periodic" else C for axis in axes]
    places = sum({F: 2, C: 1}[basis] for basis in bases)
    signed = max(bases.count(F) - 1, 0)

    def modes(count):
        return count ** (len(axes) - signed) * (2 * count - 1) ** signed

    def block(spectral, width):
        return spectral + 2 * (width**2 + width) + 17 * 2 * width  # V, W, modulation of 16 features

    matrices = {True: 2, False: 1}[F in bases]
    weights = [modes(3) * 8 * 8 * matrices, modes(2) * 16 * 16 * matrices]
    expected = 33 * 16 + 17 * 16  # noise level
    expected += (3 + places + 1) * 8  # lifting in the U
    expected += 2 * block(weights[0], 8) + block(weights[1], 16) + 2 * 8 * 16
    expected += (3 + places + 1) * 8 + block(8 * 8, 8) + 9 * 128 + 129 * 2
    assert sum(p.numel() for p in network.parameters()) == expected


# U-Net


@pytest.mark.parametrize("bases", [*LINES, (F, C), (C, F, C)])
def test_continuation_is_that_of_the_functions(bases):
    """Values beyond the ends are those of periodic and of even functions there."""
    grid, counts = (6, 5, 4)[: len(bases)], (3, 2, 2)[: len(bases)]
    wide = Continuation([basis == F for basis in bases])(polynomial(bases, counts, grid))
    u = polynomial(bases, counts, grid)
    assert wide.shape[2:] == tuple(n + 2 for n in grid)
    close(wide[(..., *(slice(1, -1),) * len(bases))], u)
    for axis, (basis, n) in enumerate(zip(bases, grid, strict=True), 2):
        inner = (..., *(slice(None) if i == axis else slice(1, -1) for i in range(2, u.ndim)))
        before, after = wide[inner].select(axis, 0), wide[inner].select(axis, n + 1)
        close(before, u.select(axis, n - 1 if basis == F else 0))
        close(after, u.select(axis, 0 if basis == F else n - 1))


@pytest.mark.parametrize("padding", ["zeros", "boundary"])
def test_unet_on_periodic_axes_moves_with_its_input_if_padding_does(padding):
    network = seeded(
        UNet, axes=("periodic", "neumann"), width=8, multipliers=(1, 2), padding=padding
    )
    stir(network)
    u, t = rough(1, 1, 12, 10), torch.zeros(1, dtype=torch.float64)
    with torch.no_grad():
        moved = network(u.roll(4, 2), t)
        same = torch.allclose(moved, network(u, t).roll(4, 2), rtol=1e-9, atol=1e-10)
    assert same == (padding == "boundary")


def test_unet_of_a_line_is_that_of_a_plane_along_one_axis():
    """Kernels that are zero off the middle of the other axis see lines one by one."""
    line, plane = (seeded(UNet, dimension=d, width=8, multipliers=(1,), blocks=1) for d in (1, 2))
    stir(line)
    state = plane.state_dict()
    for name, weight in line.state_dict().items():
        if weight.shape != state[name].shape:
            wide = torch.zeros_like(state[name])
            wide[:, :, wide.shape[2] // 2] = weight
            weight = wide
        state[name] = weight
    plane.load_state_dict(state)
    u, t = rough(2, 1, 14), torch.zeros(2, dtype=torch.float64)
    with torch.no_grad():
        close(
            plane(u[:, :, None].expand(-1, -1, 3, -1), t),
            line(u, t)[:, :, None].expand(-1, -1, 3, -1),
        )


def stir(network):
    random = torch.Generator().manual_seed(2)
    for p in network.parameters():
        p.data += 0.05 * torch.randn(p.shape, generator=random, dtype=p.dtype)


# Squares and lines, as they have always been

STORED = {
    "fourier": (0.4076095398198481, 141.05757951479686, 41866.91112392302),
    "cosine": (0.5725501678224406, 101.16319046800793, 30058.79112005758),
    "fourier line": (0.8876685279815495, 57.7702208893232, 11861.873851519807),
    "cosine line": (0.10491761209870816, 2.426566442006341, 914.3158516629353),
    "unet": (0.8861333186018557, 89.61345880133621, 17496.79233451624),
}
"""A value, the sum of squares of all, and the sum of the moduli of its derivatives by all weights.

Made by the networks that squares and lines only had, from the code of the test below.
"""
OPTIONS = {
    "fourier": (FNO, {"basis": "fourier", "modes": 4}),
    "cosine": (FNO, {"basis": "cosine", "modes": 6, "coordinates": False, "stencil_cells": 8}),
    "fourier line": (FNO, {"basis": F, "modes": 4, "dimension": 1, "stencil_cells": 8}),
    "cosine line": (FNO, {"basis": C, "modes": 6, "dimension": 1}),
    "unet": (UNet, {"multipliers": (1, 2)}),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_networks_of_squares_and_lines_are_what_they_were(name):
    make, options = OPTIONS[name]
    network = seeded(make, 1, 1, width=8, **options)
    for i, p in enumerate(network.parameters()):
        p.data += 0.01 * (1 + i % 3)
    grid = (12,) * (1 if "line" in name else 2)
    x = torch.linspace(0, 7, 2 * math.prod(grid), dtype=torch.float64).cos().view(2, 1, *grid)
    y = network(x, torch.tensor([-1.0, 2.0], dtype=torch.float64), x.flip(-1))
    size = y.square().sum()
    slopes = torch.autograd.grad(size, list(network.parameters()))
    found = (y.flatten()[5], size, sum(slope.abs().sum() for slope in slopes))
    assert [float(v.detach()) for v in found] == pytest.approx(STORED[name], rel=1e-9)


# What they are told, and what they refuse


def test_the_basis_follows_the_axes():
    walls = ("neumann", "dirichlet", "periodic")
    assert bases_of_axes(None, None, walls) == (C, C, F)
    assert bases_of_axes(None, 3, None) == (F, F, F)
    assert bases_of_axes("cosine", None, walls) == (C, C, C)
    assert bases_of_axes((F, C), None, None) == (F, C)
    assert FNO(width=4, modes=2).bases == (F, F)
    built = parts.build("network", {"kind": "fno", "basis": None, "modes": 2}, 1, 0, walls[1:])
    assert built.bases == (C, F)
    with pytest.raises(ValueError, match="dimension 2 for data of dimension 3; use dimension=3"):
        bases_of_axes(None, 2, walls)
    with pytest.raises(ValueError, match="basis: 2 entries for 3 axes; give one for all"):
        bases_of_axes((F, C), None, walls)


@pytest.mark.parametrize(
    ("make", "settings", "problem"),
    [
        (FNO, {"dimension": 2}, ("dimension", "the data's dimension is 3; use dimension: 3")),
        (UNet, {"dimension": 1}, ("dimension", "the data's dimension is 3; use dimension: 3")),
        (FNO, {"modes": (2, 2)}, ("modes", "2 entries for 3 axes")),
        (FNO, {"stencil_cells": (2, 2)}, ("stencil_cells", "2 entries for 3 axes")),
        (FNO, {"basis": (F,)}, ("basis", "1 entries for 3 axes")),
        (UNO, {"modes": (3, 2), "multipliers": (1, 2, 2)}, ("modes", "2 stages with modes and 3")),
        (UNO, {"modes": ((3, 2), 2), "multipliers": (1, 2)}, ("modes", "2 entries for 3 axes")),
        (UNO, {"modes": (3, (3, 4, 3)), "multipliers": (1, 2)}, ("modes", "a stage has more than")),
    ],
)
def test_settings_that_do_not_suit_the_data_are_named(make, settings, problem):
    defaults = {"modes": 3} if make is FNO else {}
    ((name, message),) = make.check(("periodic",) * 3, **(defaults | settings))
    assert (name, message[: len(problem[1])]) == problem


def test_grids_that_do_not_resolve_the_modes_of_an_axis_are_named():
    axes = ("periodic", "neumann")
    settings = {"basis": None, "modes": (8, 8)}
    assert not [*FNO.check_grid(axes, (16, 8), **settings)]
    assert [*FNO.check_grid(axes, (16, 7), **settings)] == [
        "7 nodes along axis 1, resolves 7 cosine modes and the network has 8; use modes <= 7 or "
        "higher resolutions"
    ]
    assert [*UNO.check_grid(axes, (14, 14), basis=F, modes=((8, 2), 2))] == [
        "14 nodes, resolves 7 fourier modes and the network has 8; use modes <= 7 or higher "
        "resolutions"
    ]
    with pytest.raises(ValueError, match="8 modes needs a finer grid than 14 nodes"):
        UNO(modes=(8, 2), multipliers=(1, 1))(torch.zeros(1, 1, 14, 14), torch.zeros(1))
    assert not [*UNet.check_grid(axes, (3, 3))]


@pytest.mark.parametrize("make", [FNO, UNO, UNet])
def test_fields_of_another_dimension_are_refused(make):
    with pytest.raises(ValueError, match=r"dimension 2 is given .*\(1, 1, 16\); use dimension=1"):
        make(width=8)(torch.zeros(1, 1, 16), torch.zeros(1))

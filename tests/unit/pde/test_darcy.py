import math

import numpy as np
import pytest
import scipy.sparse as sparse
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from scipy.sparse.linalg import spsolve

from fsdiff import parts
from fsdiff.data.sources import darcy as darcy_data
from fsdiff.data.sources.darcy import DarcyData
from fsdiff.measures.initial import PowerLawField
from fsdiff.measures.permeability import LogNormal, Threshold
from fsdiff.metrics.spectra import radial_spectrum
from fsdiff.pde import elliptic
from fsdiff.pde.darcy import ConvergenceError, Darcy, finite_volumes, solve_unit
from fsdiff.pde.multigrid import Interpolation, Multigrid, total
from fsdiff.spaces.bases import CosineBasis, SineBasis

SYSTEM = Darcy()
COSINE = CosineBasis()


def relative_error(approximate, exact):
    return float(torch.linalg.norm(approximate - exact) / torch.linalg.norm(exact))


def centres(n):
    y, x = np.meshgrid(COSINE.nodes(n), COSINE.nodes(n), indexing="ij")
    return torch.from_numpy(y), torch.from_numpy(x)


def assemble(a):
    """The finite-volume matrix face by face, for one field (n, n)."""
    n = a.shape[0]
    number = np.arange(n * n).reshape(n, n)
    diagonal = np.zeros((n, n))
    rows, columns, values = [], [], []
    for axis in (0, 1):
        a_, number_, diagonal_ = (np.moveaxis(v, axis, 0) for v in (a, number, diagonal))
        conductance = 2 * a_[1:] * a_[:-1] / (a_[1:] + a_[:-1])
        for one, other in ((slice(1, None), slice(-1)), (slice(-1), slice(1, None))):
            rows.append(number_[one].ravel())
            columns.append(number_[other].ravel())
            values.append(-conductance.ravel())
            diagonal_[one] += conductance
        diagonal_[0] += 2 * a_[0]
        diagonal_[-1] += 2 * a_[-1]
    rows, columns = [*rows, number.ravel()], [*columns, number.ravel()]
    entries = np.concatenate([*values, diagonal.ravel()]) * n**2
    return sparse.csc_array((entries, (np.concatenate(rows), np.concatenate(columns))))


def media(n, contrast=1e6, seed=0):
    """Permeabilities of several kinds, by name."""
    law = {"seed": seed, "indices": [0]}
    block = torch.arange(n) // 4 % 2 == 1
    return {
        "threshold": Threshold().sample(COSINE, n, **law)[0, 0],
        "log-normal": LogNormal(6.0, 0.1, 1.0).sample(COSINE, n, **law)[0, 0],
        "two media": Threshold(contrast, 1.0, 400.0).sample(COSINE, n, **law)[0, 0],
        "layers": torch.where(block[:, None].expand(n, n), contrast, 1.0).double(),
        "islands": torch.where(block[:, None] & block, contrast, 1.0).double(),
        "holes": torch.where(block[:, None] & block, 1.0, contrast).double(),
        "unrelated cells": torch.from_numpy(contrast ** np.random.default_rng(seed).random((n, n))),
    }


def series(n, terms=400):
    """The solution for a = f = 1 as a double sine series, (n, n)."""
    k = np.arange(1, terms, 2)
    sines = np.sin(np.pi * np.outer(k, COSINE.nodes(n)))
    product = np.outer(k, k) * (k[:, None] ** 2 + k**2)
    return torch.from_numpy(16 / math.pi**4 * sines.T @ (1 / product) @ sines)


def solve_with_forcing(a, forcing):
    """The solver's equations with a field on the right, (n, n)."""
    n = a.shape[-1]
    f = torch.nn.functional.pad(forcing[None] / n**2, (1, 1, 1, 1)).flatten(1)
    solution = elliptic.solve(finite_volumes(a[None]), f, tolerance=1e-10)
    assert solution.converged.all()
    return solution.u.view(n + 2, n + 2)[1:-1, 1:-1]


def manufactured(n):
    """A smooth a, u = sin(πx) sin(2πy) and f = −∇·(a ∇u)."""
    y, x = centres(n)
    x.requires_grad_(), y.requires_grad_()
    a = torch.exp(torch.sin(3 * x + y) + x * y)
    u = torch.sin(math.pi * x) * torch.sin(2 * math.pi * y)

    def gradient(v):
        return torch.autograd.grad(v.sum(), (x, y), create_graph=True)

    u_x, u_y = gradient(u)
    forcing = -gradient(a * u_x)[0] - gradient(a * u_y)[1]
    return a.detach(), u.detach(), forcing.detach()


def test_second_order_where_permeability_is_smooth():
    errors = []
    for n in (16, 32, 64, 128):
        a, u, forcing = manufactured(n)
        errors.append(relative_error(solve_with_forcing(a, forcing), u))
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert (orders > 1.9).all()
    assert errors[-1] < 2e-4


def test_uniform_medium_converges_to_the_sine_series_at_second_order():
    errors = []
    for n in (32, 64, 128):
        solution = SYSTEM.solve(torch.ones(1, 1, n, n).double())[0, 0]
        errors.append(relative_error(solution, series(n)))
    assert (np.log2(np.divide(errors[:-1], errors[1:])) > 1.9).all()
    assert errors[-1] < 2e-4


def test_sine_modes_are_eigenvectors_in_a_uniform_medium():
    n, (k, m) = 24, (2, 5)
    y, x = centres(n)
    mode = torch.sin(k * math.pi * y) * torch.sin(m * math.pi * x)
    eigenvalue = sum(4 * n**2 * math.sin(math.pi * i / (2 * n)) ** 2 for i in (k, m))
    solution = solve_with_forcing(torch.full((n, n), 2.5).double(), mode)
    assert relative_error(solution, mode / (2.5 * eigenvalue)) < 1e-9


@pytest.mark.parametrize("transposed", [False, True])
def test_layers_conduct_like_resistors_in_series(transposed):
    """Across layers, with f only in a column and its mirror, the flux between is uniform."""
    n = 32
    a = torch.from_numpy(10 ** np.random.default_rng(0).uniform(-3, 3, n)).expand(n, n)
    stencil = finite_volumes((a.T if transposed else a)[None])
    # The exact potential of a unit flux in x, walls at y left out: it is linear in each layer.
    drop = 1 / a[0]
    potential = (drop.cumsum(0) - drop / 2).expand(n, n)
    u = torch.nn.functional.pad(potential.T if transposed else potential, (1, 1, 1, 1))
    flux = stencil.apply(u.reshape(1, -1)).view(n + 2, n + 2)[1:-1, 1:-1]
    flux = flux.T if transposed else flux
    # Cells away from walls send on what they receive.
    inside = flux[1:-1, 1:-1] / (a[0, 1:-1] * potential[0, 1:-1])
    assert inside.abs().max() < 1e-12
    # The first wall passes the unit flux, the last layer passes it to the next but for its wall.
    assert torch.allclose(flux[1:-1, 0], torch.zeros(n - 2).double(), atol=1e-9)
    assert torch.allclose(flux[1:-1, -1], 1 + 2 * a[0, -1] * potential[0, -1], rtol=1e-9)


def test_operator_is_symmetric_and_positive_definite():
    n, rng = 9, np.random.default_rng(0)
    stencil = finite_volumes(torch.from_numpy(10 ** rng.uniform(-2, 2, (1, n, n))))
    inside = torch.nn.functional.pad(torch.ones(n, n), (1, 1, 1, 1)).flatten().bool()
    matrix = stencil.apply(torch.eye((n + 2) ** 2).double())
    matrix = matrix[inside][:, inside]
    assert torch.equal(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).min() > 0


@pytest.mark.parametrize("n", [9, 16, 19])
def test_preconditioner_is_symmetric_and_positive_definite(n):
    """To single precision, which it is applied in."""
    stencil = finite_volumes(media(n, contrast=1e3)["unrelated cells"][None])
    inside = torch.nn.functional.pad(torch.ones(n, n), (1, 1, 1, 1)).flatten().bool()
    preconditioner, unit = Multigrid(stencil), torch.eye((n + 2) ** 2).double()
    matrix = torch.cat([preconditioner.apply(e[None]) for e in unit[inside]])[:, inside]
    assert (matrix - matrix.T).abs().max() < 1e-6 * matrix.abs().max()
    exact = stencil.apply(unit)[inside][:, inside]
    spectrum = torch.linalg.eigvals(matrix @ exact).real
    assert spectrum.min() > 0.05
    assert spectrum.max() < 1 + 1e-5


@pytest.mark.parametrize("n", [13, 32, 50])
@pytest.mark.parametrize("name", media(8))
def test_agrees_with_a_sparse_factorisation(name, n):
    a = media(n)[name]
    expected = spsolve(assemble(a.numpy()), np.ones(n * n)).reshape(n, n)
    solution = SYSTEM.solve(a[None, None])[0, 0]
    assert relative_error(solution, torch.from_numpy(expected)) < 1e-9


@pytest.mark.parametrize("name", ["threshold", "log-normal", "layers", "holes"])
def test_residual_is_below_1e_10(name):
    n, a = 64, media(64)[name]
    solution = SYSTEM.solve(a[None, None])[0, 0].numpy().ravel()
    assert np.linalg.norm(1 - assemble(a.numpy()) @ solution) < 1e-10 * n


@pytest.mark.parametrize("tolerance", [1e-2, 1e-5, 1e-8])
def test_residual_follows_the_tolerance(tolerance):
    n, a = 32, media(32)["log-normal"]
    solution = Darcy(tolerance=tolerance).solve(a[None, None])[0, 0].numpy().ravel()
    residual = np.linalg.norm(1 - assemble(a.numpy()) @ solution) / n
    assert 1e-3 * tolerance < residual < tolerance


@pytest.mark.parametrize("name", media(8))
def test_what_wells_up_inside_leaves_through_the_walls(name):
    a = media(32)[name]
    u = SYSTEM.solve(a[None, None])[0, 0]
    # The walls are half a cell away from the centres beside them, so they conduct 2 a.
    walls = [(2 * a * u).select(axis, side).sum() for axis in (0, 1) for side in (0, -1)]
    # Fluxes within the square cancel up to what rounding u makes of them.
    assert abs(sum(walls).item() - 1) < 1e-8 + 1e-13 * float((a * u).sum())


@pytest.mark.parametrize("name", ["two media", "islands"])
def test_residual_is_at_the_level_of_rounding_where_that_is_more(name):
    n, a = 64, media(64)[name]
    matrix = assemble(a.numpy())
    solution = SYSTEM.solve(a[None, None])[0, 0].numpy().ravel()
    rounding = 1e-15 * np.linalg.norm(abs(matrix) @ abs(solution))
    assert np.linalg.norm(1 - matrix @ solution) < max(1e-10 * n, rounding)


def test_iterations_do_not_grow_with_the_grid():
    for law in (Threshold(), LogNormal()):
        fields = [law.sample(COSINE, n, [0], 0)[:, 0] for n in (32, 64, 128, 256)]
        counts = [int(solve_unit(a).iterations) for a in fields]
        assert max(counts) <= 11
        assert counts[-1] <= counts[1] + 1


def test_hard_media_are_factorised():
    n = 64
    a = 10 ** (6 * torch.from_numpy(np.random.default_rng(0).integers(0, 2, (1, n, n))).double())
    solution = solve_unit(a)
    assert int(solution.iterations) == 50
    assert solution.converged.all()
    expected = spsolve(assemble(a[0].numpy()), np.ones(n * n))
    u = solution.u.view(n + 2, n + 2)[1:-1, 1:-1].flatten()
    assert relative_error(u, torch.from_numpy(expected)) < 1e-9


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_tiny_grids(n):
    a = media(8)["log-normal"][:n, :n]
    expected = spsolve(assemble(a.numpy()), np.ones(n * n))
    solution = SYSTEM.solve(a[None, None]).flatten()
    assert torch.allclose(solution, torch.from_numpy(expected).flatten(), rtol=1e-12)


@settings(max_examples=10, deadline=None)
@given(scale=st.floats(1e-9, 1e9), forcing=st.floats(-10, 10), length=st.floats(0.1, 10))
def test_solution_scales_with_the_data(scale, forcing, length):
    a = media(16)["log-normal"][None, None]
    expected = SYSTEM.solve(a) * forcing * length**2 / scale
    solution = Darcy(forcing, length).solve(scale * a)
    # Below 1e-290 numbers come near the subnormal ones, which have fewer digits.
    assert torch.allclose(solution, expected, rtol=1e-8, atol=1e-290)


@pytest.mark.parametrize(
    "symmetry",
    [
        lambda x: x.flip(-1),
        lambda x: x.flip(-2),
        lambda x: x.transpose(-1, -2),
        lambda x: x.rot90(1, (-2, -1)),
    ],
)
def test_commutes_with_the_symmetries_of_the_square(symmetry):
    a = media(25)["log-normal"][None, None]
    transformed = SYSTEM.solve(symmetry(a).contiguous())
    assert relative_error(transformed, symmetry(SYSTEM.solve(a))) < 1e-10


def test_pressure_is_positive_and_grows_where_permeability_falls():
    a = media(32)["two media"][None, None]
    solution = SYSTEM.solve(a)
    assert solution.min() > 0
    weaker = SYSTEM.solve(torch.where(torch.arange(32) < 16, a / 2, a))
    # Dissipation ∫ f u can only grow.
    assert weaker.mean() > solution.mean()


def test_a_sample_does_not_depend_on_its_batch():
    a = torch.stack(list(media(20).values()))[:, None]
    alone = torch.cat([SYSTEM.solve(field[None]) for field in a])
    for size in (2, 3, 7):
        assert torch.equal(torch.cat([SYSTEM.solve(part) for part in a.split(size)]), alone)
    assert torch.equal(SYSTEM.solve(a.flip(0)).flip(0), alone)


def test_a_sample_does_not_depend_on_the_number_of_threads():
    a, threads = media(130)["threshold"][None, None], torch.get_num_threads()
    solutions = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            solutions.append(SYSTEM.solve(a))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(*solutions)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_agrees_and_does_not_depend_on_the_batch():
    a = torch.stack(list(media(33).values()))[:, None]
    solution = SYSTEM.solve(a.cuda())
    assert torch.equal(torch.cat([SYSTEM.solve(field[None].cuda()) for field in a]), solution)
    for ours, theirs in zip(solution.cpu(), SYSTEM.solve(a), strict=True):
        assert relative_error(ours, theirs) < 1e-8


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 300), st.integers(0, 9))
def test_total_is_the_sum(length, seed):
    values = torch.from_numpy(np.random.default_rng(seed).standard_normal((2, length)))
    assert torch.allclose(total(values), values.sum(-1), atol=1e-12)


def test_no_forcing_no_pressure():
    assert torch.equal(
        Darcy(0.0).solve(media(16)["islands"][None, None]), torch.zeros(1, 1, 16, 16)
    )


def test_an_empty_batch_has_no_solutions():
    assert SYSTEM.solve(torch.ones(0, 1, 8, 8)).shape == (0, 1, 8, 8)


@pytest.mark.parametrize("name", media(8))
def test_single_precision_has_no_error_but_that_of_rounding(name):
    a = media(16)[name][None, None].float()
    solution = SYSTEM.solve(a)
    assert solution.dtype == torch.float32
    assert torch.equal(solution, SYSTEM.solve(a.double()).float())


@pytest.mark.parametrize("exponent", [-400, 400])
def test_units_may_lie_beyond_the_range_of_single_precision(exponent):
    a, unit = media(16)["two media"][None, None], 2.0**exponent
    assert torch.equal(SYSTEM.solve(a * unit) * unit, SYSTEM.solve(a))


def test_operators_stay_on_the_device_of_the_permeability():
    stencil = finite_volumes(torch.ones(2, 16, 16, device="meta"))
    interpolation = Interpolation(stencil)
    coarse = interpolation.galerkin(stencil).apply(torch.ones(2, 100, device="meta"))
    assert coarse.is_meta
    assert all(cells.is_meta for _, cells in interpolation.parts(stencil.diagonal))


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_permeability_that_is_not_positive_and_finite_is_refused(bad):
    a = torch.ones(3, 1, 8, 8)
    a[1, 0, 2, 3] = bad
    with pytest.raises(ValueError, match=r"position 1 in the batch of 3.*positive and finite"):
        SYSTEM.solve(a)


@pytest.mark.parametrize("shape", [(8, 8), (1, 2, 8, 8), (1, 1, 8, 9), (1, 1, 0, 0)])
def test_shapes_are_checked(shape):
    with pytest.raises(ValueError, match=r"\(batch, 1, n, n\)"):
        SYSTEM.solve(torch.ones(shape))


def test_integers_are_refused():
    with pytest.raises(ValueError, match="floating-point"):
        SYSTEM.solve(torch.ones(1, 1, 8, 8, dtype=torch.int64))


def test_equations_beyond_double_precision_are_reported(monkeypatch):
    monkeypatch.setattr(elliptic, "_ITERATIONS", 1)
    monkeypatch.setattr(elliptic, "_factorise", lambda operator, f, position: 0 * f[position])
    with pytest.raises(ConvergenceError, match=r"position 0 in the batch of 2.*factor of"):
        SYSTEM.solve(torch.stack([media(16)["islands"], media(16)["holes"]])[:, None])
    data = DarcyData(resolution=16)
    with pytest.raises(ConvergenceError, match="sample 7 of seed 3") as caught:
        data.generate([7, 9], 3)
    assert caught.value.position == 0
    assert caught.value.residual == 1


@pytest.mark.parametrize("low", [1e-310, 1e-16])
def test_a_contrast_beyond_double_precision_is_refused(low):
    scattered = torch.from_numpy(np.random.default_rng(0).integers(0, 2, (1, 1, 32, 32)) > 0)
    a = torch.ones(1, 1, 32, 32).double().masked_fill_(scattered, low)
    with pytest.raises(ConvergenceError, match="position 0 in the batch of 1"):
        SYSTEM.solve(a)


def test_threshold_cuts_the_published_field():
    eigenvalues = PowerLawField(1.0, 9.0, 2.0).eigenvalues(COSINE, 16)
    published = (COSINE.omega_squared(16) + 9) ** -2.0
    assert eigenvalues[0, 0] == 0
    assert torch.allclose(eigenvalues.flatten()[1:], published.flatten()[1:], rtol=1e-12)
    field = PowerLawField(1.0, 9.0, 2.0).sample(COSINE, 16, [3], 1, channels=1)
    expected = torch.from_numpy(np.where(field >= 0, 12.0, 3.0))
    assert torch.equal(Threshold().sample(COSINE, 16, [3], 1), expected)


def test_threshold_takes_both_values_in_every_sample_and_equally_often():
    fields = Threshold().sample(COSINE, 16, range(400), 0)
    assert set(fields.unique().tolist()) == {3.0, 12.0}
    share = (fields == 12).double().mean((1, 2, 3))
    assert share.min() > 0
    assert share.max() < 1
    assert abs(share.mean() - 0.5) < 5 * share.std() / 400**0.5


def test_media_are_the_same_on_every_grid():
    fine, coarse = (Threshold().sample(COSINE, n, range(8), 0) for n in (192, 64))
    # The centres of coarse cells are those of every third fine cell.
    assert (fine[..., 1::3, 1::3] != coarse).double().mean() < 0.02
    fine, coarse = (LogNormal().sample(COSINE, n, range(8), 0).log() for n in (96, 32))
    assert torch.allclose(COSINE.restrict(fine, 32), coarse, atol=1e-12)


def test_log_normal_has_its_variance_and_median():
    logs = LogNormal(0.5, median=3.0).sample(COSINE, 24, range(500), 0).log()
    means = (logs - math.log(3)).mean((1, 2, 3))
    assert abs(means.mean()) < 5 * means.std() / 500**0.5
    assert (logs - math.log(3)).square().mean() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize("law", [Threshold(), LogNormal()])
def test_permeability_depends_on_seed_and_index_only(law):
    many = law.sample(COSINE, 16, [4, 2, 9], 5)
    assert many.shape == (3, 1, 16, 16)
    assert many.dtype == torch.float64
    assert many.min() > 0
    assert torch.equal(many[1:2], law.sample(COSINE, 16, [2], 5))
    assert not torch.equal(many[1:2], law.sample(COSINE, 16, [2], 6))


def test_threshold_refuses_values_in_the_wrong_order():
    with pytest.raises(ValueError, match="smaller than high"):
        Threshold(high=3.0, low=3.0)


def test_data_set_is_labelled():
    data = DarcyData(resolution=16, length=2.0, permeability=LogNormal())
    finished = []
    dataset = data.generate([5, 3], 1, finished.append)
    assert sum(finished) == 2
    assert dataset.field.dims == ("sample", "channel", "y", "x")
    assert dataset.field.dtype == np.float32
    assert dataset.channel.values.tolist() == ["permeability", "pressure"]
    assert dataset.sample.values.tolist() == [5, 3]
    assert dataset.attrs["fsdiff_basis"] == data.basis.kind == "cosine"
    np.testing.assert_allclose(dataset.x.values, 2 * COSINE.nodes(16))
    a = LogNormal().sample(COSINE, 16, [5, 3], 1)
    expected = torch.cat([a, Darcy(length=2.0).solve(a)], 1).float().numpy()
    np.testing.assert_array_equal(dataset.field.values, expected)


def test_data_do_not_depend_on_shards_or_on_what_else_is_kept():
    data = DarcyData(resolution=16)
    whole = data.generate(range(5), 2).field
    np.testing.assert_array_equal(whole[3:], data.generate(range(3, 5), 2).field)
    pressure = DarcyData(resolution=16, channels=("pressure",)).generate(range(5), 2).field
    np.testing.assert_array_equal(whole[:, 1:], pressure)


@pytest.mark.parametrize("cells", [1, 2 * 16**2, 3 * 16**2])
def test_data_do_not_depend_on_how_many_are_made_together(monkeypatch, cells):
    whole = DarcyData(resolution=16).generate(range(5), 2)
    monkeypatch.setattr(darcy_data, "_GROUP_CELLS", cells)
    xr.testing.assert_identical(whole, DarcyData(resolution=16).generate(range(5), 2))


def test_pressure_alone_is_expanded_in_sines_which_suit_it_better():
    data = DarcyData(resolution=64, channels=("pressure",))
    assert data.basis == SineBasis()
    pressure = torch.from_numpy(data.generate(range(10), 0).field.values).double()
    in_sines, in_cosines = (
        radial_spectrum(pressure, basis)[1][0] for basis in (data.basis, COSINE)
    )
    for k in (8, 16, 32):
        assert in_sines[k:].sum() < 0.2 * in_cosines[k:].sum()


def test_data_are_found_and_built_by_kind():
    block = {"kind": "darcy", "resolution": 32, "permeability": {"kind": "log_normal"}}
    data = parts.build("source", block | {"channels": ["pressure"]})
    assert data == DarcyData(32, LogNormal(), channels=("pressure",))
    assert {"fsdiff.data.sources.darcy", "fsdiff.measures.permeability"} <= parts.modules(
        {"source": block}
    )


def test_channels_are_checked():
    with pytest.raises(ValueError, match="once"):
        DarcyData(channels=("pressure", "pressure"))
    with pytest.raises(ValidationError):
        TypeAdapter(DarcyData).validate_python({"channels": ("velocity",)})


def left_out(field, basis, kept=16):
    """Share of the energy of fields (..., n, n) beyond the modes of a coarser grid."""
    coarse = basis.prolong(basis.restrict(field, kept), field.shape[-1])
    return float((field - coarse).square().sum() / field.square().sum())


@pytest.mark.parametrize("channels", [("permeability", "pressure"), ("pressure", "permeability")])
def test_each_channel_may_have_the_basis_in_which_least_is_left_out(channels):
    source = DarcyData(resolution=64, channels=channels, basis_by_channel=True)
    own = dict(zip(channels, source.basis.by_channel(2), strict=True))
    assert own == {"permeability": CosineBasis(), "pressure": SineBasis()}
    data = source.generate(range(3), 0)
    assert data.attrs["fsdiff_basis"] == "by_channel"
    plain = DarcyData(resolution=64, channels=channels).generate(range(3), 0)
    xr.testing.assert_equal(data, plain)
    fields = torch.from_numpy(data.field.values).double()
    for field, name in zip(fields.unbind(1), channels, strict=True):
        other = next(basis for basis in own.values() if basis != own[name])
        assert left_out(field, own[name]) < left_out(field, other) / 3
    coarse = source.basis.restrict(fields, 16)
    for number, name in enumerate(channels):
        assert torch.equal(coarse[:, number], own[name].restrict(fields[:, number], 16))


@pytest.mark.parametrize("by_channel", [False, True])
def test_a_single_channel_has_its_own_basis(by_channel):
    options = {"basis_by_channel": by_channel}
    assert DarcyData(channels=("pressure",), **options).basis == SineBasis()
    assert DarcyData(channels=("permeability",), **options).basis == CosineBasis()
    if not by_channel:
        assert DarcyData(**options).basis == CosineBasis()

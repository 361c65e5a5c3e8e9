"""Balances against closed forms: exact solutions, identities of the discrete equations."""

import math

import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.data.sources.burgers import BurgersData
from fsdiff.data.sources.darcy import DarcyData
from fsdiff.data.sources.navier_stokes import NavierStokesData
from fsdiff.data.sources.reaction_diffusion import ReactionDiffusionData
from fsdiff.diagnostics import burgers, darcy, navier_stokes, reaction_diffusion
from fsdiff.diagnostics.balance import closure, derivative, evolving, frames, joined, steady
from fsdiff.measures.initial import GaussianRandomField, PowerLawField, WhiteNoise
from fsdiff.measures.permeability import LogNormal
from fsdiff.parts import build, kinds
from fsdiff.pde.darcy import Darcy
from fsdiff.pde.reaction_diffusion import ReactionDiffusion
from fsdiff.reports.plotting.solutions import evolution
from fsdiff.spaces.bases import CosineBasis, FourierBasis


def worst(balance: xr.Dataset) -> float:
    return float(closure(balance).max())


def test_every_family_of_equations_has_its_diagnostics():
    assert set(kinds("diagnostics")) <= set(kinds("source"))
    assert {"darcy", "navier_stokes", "reaction_diffusion"} <= set(kinds("diagnostics"))


# Balances


def test_frames_lead_from_zero_to_the_end_and_are_denser_at_the_start():
    times = np.array(frames(8.0, 5, 3.0))
    np.testing.assert_allclose(times, [0, 0.125, 1, 3.375, 8])


def decay(count: int) -> xr.Dataset:
    """A = exp(−t), whose one term is −exp(−t), on ``count`` frames."""
    times = frames(2.0, count, 1.0)
    amount = torch.exp(-torch.tensor(times, dtype=torch.float64))
    return evolving("exponential", "A", amount, {"decay": -amount}, times)


def test_imbalance_of_an_exact_solution_is_that_of_a_quadrature_of_order_six():
    coarse, fine = worst(decay(11)), worst(decay(21))
    assert math.log2(coarse / fine) > 5.5
    assert fine < 1e-9


def test_derivative_is_of_order_five():
    errors = [
        np.abs(derivative(np.sin(4 * t), t) - 4 * np.cos(4 * t)).max()
        for t in (np.linspace(0, 1, 11), np.linspace(0, 1, 21))
    ]
    assert math.log2(errors[0] / errors[1]) > 4.5


def test_a_missing_term_shows_as_the_share_of_the_turnover_that_it_has():
    times = frames(1.0, 9, 1.0)
    t = torch.tensor(times, dtype=torch.float64)
    rates = {"first": torch.ones_like(t), "second": torch.ones_like(t)}
    balance = evolving("line", "A", 3 * t, rates, times)
    assert float(closure(balance)[-1]) == pytest.approx(1 / 2)


def test_steady_terms_cancel():
    balance = steady("mass", "in = out", {"in": 2.0, "left": -1.5, "right": -0.4})
    assert float(balance["imbalance"]) == pytest.approx(0.1)
    assert worst(balance) == pytest.approx(0.1 / 3.9)


# Navier–Stokes


def taylor_green(n: int, k: int, viscosity: float, times: tuple[float, ...]) -> torch.Tensor:
    """ω = cos 2πkx cos 2πky exp(−2ν(2πk)²t), an exact solution without forcing."""
    wave = torch.cos(2 * math.pi * k * torch.arange(n, dtype=torch.float64) / n)
    rates = -2 * viscosity * (2 * math.pi * k) ** 2 * torch.tensor(times, dtype=torch.float64)
    return torch.exp(rates)[:, None, None] * wave[:, None] * wave


def test_taylor_green_vortices_decay_as_they_must():
    n, k, viscosity = 16, 2, 1e-3
    times = frames(1.0, 65, 1.0)
    states = taylor_green(n, k, viscosity, times)
    energy, enstrophy = navier_stokes.budget(states, times, viscosity, torch.zeros(n, n).double())
    rate = 2 * viscosity * (2 * math.pi * k) ** 2
    decayed = np.exp(-2 * rate * np.array(times))
    np.testing.assert_allclose(enstrophy["amount"], decayed / 8, rtol=1e-13)
    np.testing.assert_allclose(energy["amount"], decayed / 8 / (8 * math.pi**2 * k**2), rtol=1e-13)
    for balance in (energy, enstrophy):
        exact = -2 * rate * balance["amount"]
        np.testing.assert_allclose(balance["rate"].sum("term"), exact, rtol=1e-12)
        assert worst(balance) < 1e-12


def flow(n: int, count: int = 6) -> torch.Tensor:
    """Random vorticities whose modes are below n/3."""
    basis = FourierBasis()
    states = PowerLawField().sample(basis, n, range(count), 0, channels=1)[:, 0]
    return basis.prolong(basis.restrict(states, n // 3), n)


def test_advection_makes_neither_energy_nor_enstrophy():
    states, forcing = flow(48), flow(48, 1)[0]
    for balance in navier_stokes.budget(states, tuple(range(6)), 1e-3, forcing):
        largest = np.abs(balance["rate"]).max()
        assert np.abs(balance["rate"].sel(term="advection")).max() < 1e-14 * largest


def test_forcing_does_work_at_the_rate_that_the_velocity_has():
    n = 24
    basis, states, forcing = FourierBasis(), flow(n), flow(n, 1)[0]
    energy, _ = navier_stokes.budget(states, tuple(range(6)), 0.0, forcing)
    # ⟨ψf⟩ = ⟨φω⟩ with −Δφ = f, because the inverse Laplacian is symmetric.
    potential = basis.omega_squared(n).clamp_min(1.0).reciprocal() * (basis.omega_squared(n) > 0)
    expected = (basis.multiply(forcing, potential) * states).mean((-2, -1))
    np.testing.assert_allclose(energy["rate"].sel(term="forcing ⟨ψf⟩"), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "source",
    [
        NavierStokesData(resolution=16, time=4.0),
        NavierStokesData(resolution=16, time=(1.0, 4.0), forcing="kolmogorov", wavenumber=2),
        NavierStokesData(
            resolution=16, time=4.0, forcing="none", random_forcing=PowerLawField(scale=100.0)
        ),
    ],
    ids=["diagonal", "series", "random forcing"],
)
def test_simulated_flows_close_their_balances(source):
    found = build("diagnostics", {"kind": source.kind}).examine(source, 1, seed=2)
    assert all(worst(balance) < 1e-6 for balance in found.balances)
    last = source.generate([1], 2)["field"].values.reshape(-1, 16, 16)[-1]
    np.testing.assert_allclose(found.fields[-1, 0], last, rtol=0, atol=1e-5 * np.abs(last).max())


# Reaction–diffusion


def cosine(n: int, k: int) -> torch.Tensor:
    """cos πkx on the cell centres of a unit square."""
    centres = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    return torch.cos(math.pi * k * centres).expand(n, n)


def test_free_energy_of_a_wave_is_that_of_its_discrete_gradient():
    n, k, system = 32, 3, ReactionDiffusion(length=1.0)
    states = torch.stack([0.1 * cosine(n, k), torch.zeros(n, n).double()]).expand(6, 2, n, n)
    energy = reaction_diffusion.budget(states, tuple(range(6)), system)[2]
    symbol = 4 * n**2 * math.sin(math.pi * k / (2 * n)) ** 2
    fronts = system.diffusivity_u / 2 * symbol * 0.01 / 2
    np.testing.assert_allclose(energy["parts"][0], fronts, rtol=1e-12)
    mean_square, mean_fourth = 0.01 / 2, 0.0001 * 3 / 8
    np.testing.assert_allclose(energy["parts"][1], (mean_fourth - 2 * mean_square + 1) / 4)


@pytest.mark.parametrize("initial", [WhiteNoise(), GaussianRandomField()], ids=["white", "smooth"])
def test_simulated_patterns_close_their_balances_and_solve_the_grid_equations(initial):
    source = ReactionDiffusionData(resolution=24, time=1.0, initial=initial)
    found = build("diagnostics", {"kind": source.kind}).examine(source, 0, seed=1)
    assert all(worst(balance) < 1e-5 for balance in found.balances)
    assert found.residual.sel(equation=reaction_diffusion.GRID).max() < 1e-3
    np.testing.assert_allclose(found.fields[-1, :1], source.solve(0, 1)[0], rtol=0, atol=1e-12)


def test_residual_of_the_functions_falls_with_the_square_of_the_cell():
    source = ReactionDiffusionData(time=0.5, initial=GaussianRandomField(smoothness=4.0))
    ends = []
    for n in (32, 64):
        times = frames(0.5, 33, 2.0)
        fine = ReactionDiffusionData(n, times, ("u", "v"), source.initial)
        left = reaction_diffusion.residual(fine.solve(0, 0), times, fine.system)
        ends.append(float(left.sel(equation=reaction_diffusion.CONTINUUM)[-1]))
    assert math.log2(ends[0] / ends[1]) == pytest.approx(2, abs=0.3)


# Darcy


def test_flux_in_layers_is_that_of_resistors_in_series():
    n, length = 8, 2.0
    a = torch.ones(n, n, dtype=torch.float64)
    a[:, ::2] = 4.0
    u = torch.zeros(n, n, dtype=torch.float64)
    u[:, :4] = 1.0
    q_x, q_y = darcy.flux(a, u, length)
    cell = length / n
    # Between cells 3 and 4, half a cell of each medium in series; at a wall half a cell alone.
    assert float(q_x[0, 4]) == pytest.approx(1 / (cell / 2 * (1 / 1 + 1 / 4)))
    assert float(q_x[0, 0]) == pytest.approx(-4 / (cell / 2))
    assert float(q_y[0, 0]) == pytest.approx(-4 / (cell / 2))
    assert not q_y[1:-1].any()


@pytest.mark.parametrize(
    "source",
    [
        DarcyData(resolution=24),
        DarcyData(resolution=24, forcing=-3.0, length=2.0, permeability=LogNormal()),
    ],
    ids=["two media", "log-normal"],
)
def test_darcy_flow_closes_its_balances(source):
    found = build("diagnostics", {"kind": source.kind}).examine(source, 0, seed=3)
    assert all(worst(balance) < 1e-12 for balance in found.balances)
    mass = found.balances[0]["rate"]
    assert float(mass[0]) == pytest.approx(source.forcing * source.length**2)
    assert float(found.residual.sel(equation=darcy.EQUATIONS)) < 1e-9
    assert 1e-4 < float(found.residual.sel(equation=darcy.REFINED)) < 0.2
    pressure = source.generate([0], 3)["field"].sel(channel="pressure")[0]
    np.testing.assert_allclose(found.fields.sel(channel="pressure"), pressure, rtol=1e-6)


def test_an_error_in_the_pressure_opens_the_balances():
    basis, system = CosineBasis(), Darcy()
    a = LogNormal().sample(basis, 16, [0], 0)
    u = system.solve(a)[0, 0]
    u[5, 7] *= 1.01
    mass, energy = darcy.budget(a[0, 0], u, system)
    assert worst(mass) < 1e-12  # what leaves one cell enters the next
    assert worst(energy) > 1e-5
    assert darcy.residual(a[0, 0], u, system) > 1e-3


def test_samples_are_joined_along_a_first_dimension():
    source = DarcyData(resolution=8)
    part = build("diagnostics", {"kind": "darcy"})
    both = joined([part.examine(source, i, 0) for i in (3, 5)], (3, 5))
    assert both.fields.dims == ("sample", "channel", "y", "x")
    assert both.balances[0]["sample"].values.tolist() == [3, 5]
    assert both.balances[0].attrs["long_name"] == "mass"
    assert both.residual.dims == ("sample", "equation")


# Rectangles and other sources of today


@pytest.mark.parametrize("length", [(1.0, 1.5), 2.0])
def test_balances_of_flows_in_rectangles_close(length):
    source = NavierStokesData(
        resolution=24, time=0.5, length=length, forcing="kolmogorov", random_forcing=PowerLawField()
    )
    found = build("diagnostics", {"kind": "navier_stokes"}).examine(source, 1, 0)
    for balance in found.balances:
        assert worst(balance) < 1e-5
        assert np.abs(balance["rate"]).max() > 0
    expected = source.generate([1], 0)["field"][0].values
    np.testing.assert_allclose(found.fields[-1], expected, atol=1e-6 * np.abs(expected).max())


def test_balances_of_patterns_in_rectangles_close():
    source = ReactionDiffusionData(resolution=24, time=0.5, length=(1.0, 1.5))
    found = build("diagnostics", {"kind": "reaction_diffusion"}).examine(source, 1, 0)
    assert max(map(worst, found.balances)) < 1e-4
    assert float(found.residual.sel(equation=reaction_diffusion.GRID).max()) < 1e-2


@pytest.mark.parametrize("options", [{}, {"viscosity": 0.02, "length": 2.0}])
def test_balances_of_waves_close(options):
    found = build("diagnostics", {"kind": "burgers"}).examine(BurgersData(**options), 0, 0)
    mean, energy = found.balances
    assert worst(mean) < 1e-12
    assert worst(energy) < 1e-5
    assert float(np.abs(energy["rate"].sel(term="advection −⟨u² u_x⟩")).max()) < 1e-6
    assert energy["amount"][0] > 2 * energy["amount"][-1]
    assert found.fields.shape == (257, 1, 128)


def test_a_sine_wave_loses_energy_at_the_rate_of_its_gradient():
    length, times = 3.0, tuple(np.linspace(0, 1, 6).tolist())
    wave = torch.sin(2 * math.pi * torch.arange(32, dtype=torch.float64) / 32).expand(6, 32)
    _, energy = burgers.budget(wave, times, 0.1, length)
    np.testing.assert_allclose(energy["amount"], 1 / 4)
    rate = energy["rate"].sel(term="viscosity −ν⟨u_x²⟩")
    np.testing.assert_allclose(rate, -0.1 * (2 * math.pi / length) ** 2 / 2)


@pytest.mark.parametrize(
    "source",
    [
        NavierStokesData(resolution=16, time=0.2, time_nodes=4),
        ReactionDiffusionData(resolution=16, time=(0.1, 0.2), time_nodes=4),
        BurgersData(resolution=16, time=0.2, time_nodes=4, viscosity=0.3),
    ],
    ids=lambda source: source.kind,
)
def test_functions_of_time_are_examined_as_solutions_are(source):
    found = build("diagnostics", {"kind": source.kind}).examine(source, 0, 0)
    assert float(found.fields.time[-1]) == source.times[-1] < 0.2
    expected = source.generate([0], 0)["field"][0].isel(t=-1).values
    at_end = found.fields[-1, : len(expected)]
    np.testing.assert_allclose(at_end, expected, atol=1e-4 * np.abs(expected).max())


def test_examined_waves_are_drawn():
    """Curves of each sample at the frames that are shown, on one scale for each of them."""
    found = build("diagnostics", {"kind": "burgers"}).examine(BurgersData(resolution=32), 0, 0)
    figure = evolution(joined([found], [0]).fields, columns=3)
    curves = [axes.lines[0].get_ydata() for axes in figure.axes]
    for curve, frame in zip(curves, (0, 128, 256), strict=True):
        np.testing.assert_array_equal(curve, found.fields[frame, 0])

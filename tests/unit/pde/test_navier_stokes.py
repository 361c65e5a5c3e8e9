import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import TypeAdapter, ValidationError
from scipy.integrate import quad, solve_ivp

import fsdiff.pde.navier_stokes as module
from fsdiff.data.sources.navier_stokes import NavierStokesData
from fsdiff.measures.initial import PowerLawField
from fsdiff.pde.exponential import Weights, advance
from fsdiff.pde.integrators import IntegrationError
from fsdiff.pde.navier_stokes import NavierStokes
from fsdiff.pde.spectral_grid import SpectralGrid
from fsdiff.spaces.bases import FourierBasis

TAU = 2 * math.pi


def nodes(n):
    """y down, x across."""
    x = torch.arange(n, dtype=torch.float64) / n
    return x[:, None].expand(n, n), x[None, :].expand(n, n)


def rough(n, count=1, scale=2 * 7**3, first=0):
    return PowerLawField(scale=scale).sample(
        FourierBasis(), n, range(first, first + count), 0, channels=1
    )


def smooth(n):
    y, x = nodes(n)
    field = 3 * torch.sin(TAU * (x + 2 * y)) + 2 * torch.cos(TAU * (2 * x - y)) + torch.sin(TAU * x)
    return field[None, None]


def relative(a, b):
    return float((a - b).norm() / b.norm())


def wavevectors(n):
    k = np.fft.fftfreq(n, 1 / n)
    return TAU * k[:, None], TAU * k[None, :]


def convective_slope(vorticity, viscosity, forcing):
    """ν Δω − P(u·∇ω) + P f of a field (n, n) with modes below n/3, in numpy, convective form."""
    n = len(vorticity)
    k_y, k_x = wavevectors(n)
    squared = k_x**2 + k_y**2
    kept = (abs(k_x) < TAU * n / 3) & (abs(k_y) < TAU * n / 3)
    coefficients = np.fft.fft2(vorticity) * kept
    stream = coefficients / np.where(squared > 0, squared, 1)

    def field(c):
        return np.fft.ifft2(c).real

    u, v = field(1j * k_y * stream), field(-1j * k_x * stream)
    convection = u * field(1j * k_x * coefficients) + v * field(1j * k_y * coefficients)
    return field(kept * np.fft.fft2(forcing - convection) - viscosity * squared * coefficients)


def project(fields):
    """Onto the modes below n/3."""
    n = fields.shape[-1]
    kept = FourierBasis().restrict(fields, 2 * ((n - 1) // 3) + 1)
    return FourierBasis().prolong(kept, n)


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.3, 0.49, 0.51, 4.0, 300.0])
def test_weights_are_the_integrals_that_define_them(rate):
    step = 1.0

    def phi(j, z):
        def integrand(s):
            return math.exp((1 - s) * z) * s ** (j - 1) / math.factorial(j - 1)

        return quad(integrand, 0, 1, epsabs=1e-15, epsrel=1e-13, limit=200)[0]

    weights = Weights.of(torch.tensor([rate], dtype=torch.float64), step)
    one, two, three = (phi(j, -rate * step) for j in (1, 2, 3))
    expected = {
        "half_decay": math.exp(-rate / 2),
        "decay": math.exp(-rate),
        "half_slope": phi(1, -rate / 2) / 2,
        "first": one - 3 * two + 4 * three,
        "middle": 2 * two - 4 * three,
        "last": 4 * three - two,
    }
    for name, value in expected.items():
        assert abs(float(getattr(weights, name)) - value) < 2e-13


def test_exponential_steps_are_of_order_four_with_an_estimate_of_order_three():
    """A stiff and a slow variable, coupled: y' = −λ y + N(y)."""
    rates = torch.tensor([30.0, 0.0], dtype=torch.float64)

    def derivative(y):
        return torch.stack([torch.cos(y[1]) + 5 * y[1], torch.sin(2 * y[1]) + 1 + y[0]])

    def exact_slope(_, y):
        y = torch.from_numpy(y)
        return (derivative(y) - rates * y).numpy()

    start = torch.tensor([0.2, 0.1], dtype=torch.float64)
    exact = solve_ivp(exact_slope, (0, 1), start.numpy(), "DOP853", rtol=1e-13, atol=1e-13).y[:, -1]
    errors, estimates = [], []
    for count in (40, 80, 160):
        weights, y, slope = Weights.of(rates, 1 / count), start, derivative(start)
        for _ in range(count):
            y, slope, estimate = advance(derivative, y, slope, weights)
        errors.append(float((y - torch.from_numpy(exact)).norm()))
        estimates.append(float(estimate.norm()))
    assert all(3.6 < math.log2(a / b) < 4.6 for a, b in pairwise(errors))
    # The estimate of one step is of one order more than the method that it belongs to.
    assert all(3.5 < math.log2(a / b) < 4.8 for a, b in pairwise(estimates))


def test_constant_slopes_are_integrated_exactly():
    rates = torch.tensor([0.0, 0.1, 3.0, 500.0], dtype=torch.float64)
    force = torch.tensor([1.0, 2.0, -1.0, 4.0], dtype=torch.float64)
    start = torch.ones(4, dtype=torch.float64)
    end, _, error = advance(lambda _: force.clone(), start, force, Weights.of(rates, 2.0))
    steady = force[1:] / rates[1:]
    exact = steady + torch.exp(-2 * rates[1:]) * (start[1:] - steady)
    assert torch.allclose(end[1:], exact, rtol=1e-13)
    assert abs(float(end[0]) - 3) < 1e-13
    assert not error.any()


@pytest.mark.parametrize("n", [16, 33])
def test_taylor_green_vortices_decay_exactly(n):
    y, x = nodes(n)
    vortices = (torch.cos(TAU * 2 * x) * torch.cos(TAU * 2 * y))[None, None]
    solution = NavierStokes(viscosity=0.02, forcing="none").solve(vortices, [0.1, 0.7, 1.5])
    for time, field in zip((0.1, 0.7, 1.5), solution[0], strict=True):
        exact = math.exp(-0.02 * 2 * (2 * TAU) ** 2 * time) * vortices[0]
        assert relative(field, exact) < 1e-12


def test_a_single_forced_mode_tends_to_its_steady_state():
    system = NavierStokes(viscosity=0.05)
    field = system.solve(torch.zeros(1, 1, 32, 32, dtype=torch.float64), [0.3])[0, 0, 0]
    rate = 0.05 * 2 * TAU**2
    exact = system.forcing_field(32) / rate * (1 - math.exp(-rate * 0.3))
    assert relative(field, exact) < 1e-12


@pytest.mark.parametrize("viscosity", [1e-2, 1e-4])
def test_solutions_agree_with_scipy_on_the_same_modes(viscosity):
    n, times = 16, [0.4, 1.0]
    initial = project(10 * rough(n))
    system = NavierStokes(viscosity=viscosity, amplitude=3.0)
    forcing = system.forcing_field(n).numpy()

    def slope(_, y):
        return convective_slope(y.reshape(n, n), viscosity, forcing).ravel()

    exact = solve_ivp(
        slope, (0, 1), initial.numpy().ravel(), "DOP853", times, rtol=1e-10, atol=1e-10
    ).y.T.reshape(2, 1, n, n)
    solution = system.solve(initial, times)[0]
    assert relative(solution[0], torch.from_numpy(exact[0])) < 1e-5
    assert relative(solution[1], torch.from_numpy(exact[1])) < 1e-5


@pytest.mark.parametrize(("n", "band", "viscosity"), [(24, 3, 5e-3), (24, 3, 1e-3), (32, 5, 1e-3)])
def test_states_of_a_few_modes_fill_others_without_loss(n, band, viscosity):
    """What products make at once lies beyond the modes of grids on which the state would do."""
    random, wave = np.random.default_rng(0), TAU * np.arange(n) / n
    initial = sum(
        random.standard_normal() * np.cos(i * wave[:, None] + j * wave + random.uniform(0, 6))
        for i in range(-band, band + 1)
        for j in range(1, band + 1)
    )
    initial *= 3.7 / np.sqrt(np.square(initial).mean())

    def slope(_, y):
        return convective_slope(y.reshape(n, n), viscosity, np.zeros((n, n))).ravel()

    exact = solve_ivp(slope, (0, 0.1), initial.ravel(), "DOP853", rtol=1e-10, atol=1e-10)
    system = NavierStokes(viscosity=viscosity, forcing="none")
    solution = system.solve(torch.from_numpy(initial)[None, None], [0.1])[0, 0, 0]
    assert relative(solution, torch.from_numpy(exact.y[:, -1].reshape(n, n))) < 1e-6


def test_the_published_scheme_converges_to_the_solution_at_first_order():
    """Crank–Nicolson for viscosity, explicit Euler for the rest."""
    n, end, viscosity = 24, 0.2, 1e-2
    system = NavierStokes(viscosity=viscosity)
    initial, forcing = project(smooth(n)), system.forcing_field(n).numpy()
    k_y, k_x = wavevectors(n)
    half = 0.5 * viscosity * (k_x**2 + k_y**2)
    exact, errors = system.solve(initial, [end])[0, 0, 0], []
    for count in (100, 200):
        step, field = end / count, initial[0, 0].numpy()
        for _ in range(count):
            slope = np.fft.fft2(convective_slope(field, 0.0, forcing))
            right = step * slope + (1 - step * half) * np.fft.fft2(field)
            field = np.fft.ifft2(right / (1 + step * half)).real
        errors.append(relative(torch.from_numpy(field), exact))
    assert 1.9 < errors[0] / errors[1] < 2.1
    assert errors[1] < 1e-2


def advected(initial, end, steps, viscosity, forcing):
    """The field at ``end`` after equal steps, (n, n)."""
    grid = SpectralGrid(tuple(initial.shape), (1.0, 1.0), initial.dtype, initial.device)
    state, forcing = grid.analyse(initial), grid.analyse(forcing)
    weights = grid.weights(viscosity, end / steps)
    slope = grid.advection(state, forcing)
    for _ in range(steps):
        state, slope, _ = advance(lambda s: grid.advection(s, forcing), state, slope, weights)
    return grid.synthesise(state)


def orders(errors):
    """Of convergence, where each error belongs to half the step of the one before."""
    return [math.log2(a / b) for a, b in pairwise(errors)]


@pytest.mark.parametrize("viscosity", [0.0, 1e-2])
def test_solutions_converge_at_order_four_in_time(viscosity):
    initial = project(10 * rough(24))[0, 0]
    forcing = NavierStokes(amplitude=3.0).forcing_field(24)
    runs = [advected(initial, 1.0, steps, viscosity, forcing) for steps in (20, 40, 80, 640)]
    errors = [relative(field, runs[-1]) for field in runs[:-1]]
    assert min(orders(errors)) > 3.7
    assert errors[-1] < 1e-4


def test_solutions_converge_spectrally_in_space():
    system = NavierStokes(viscosity=5e-3, forcing="none")
    fields = [system.solve(smooth(n), [0.5])[0, 0] for n in (16, 24, 32, 64)]
    errors = [relative(FourierBasis().prolong(field, 64), fields[-1]) for field in fields[:-1]]
    # Each step of 8 nodes gains more than the one before: faster than any power of n.
    assert errors[1] < errors[0] / 5
    assert errors[2] < errors[1] / 10


def quadratic(fields, power):
    """Σ |ω̂_k|² |ω_k|^(2 power) / 2 for fields (time, n, n), without the mean."""
    basis, n = FourierBasis(), fields.shape[-1]
    squared = basis.omega_squared(n)
    weight = torch.where(squared > 0, squared.clamp_min(1.0) ** power, 0.0)
    return (weight * basis.energy(fields)).sum((-2, -1)) / 2


def test_energy_and_enstrophy_budgets_close():
    """dE/dt = −2νZ + ⟨ψ f⟩ and dZ/dt = −2νP + ⟨ω f⟩."""
    system = NavierStokes(viscosity=2e-3, forcing="kolmogorov", amplitude=2.0, wavenumber=2)
    times = np.linspace(0, 1, 41)
    fields = system.solve(smooth(32), times.tolist())[0, :, 0]
    energy, enstrophy, palinstrophy = (quadratic(fields, power) for power in (-1, 0, 1))
    basis, forcing = FourierBasis(), system.forcing_field(32)
    squared = basis.omega_squared(32)
    stream = basis.multiply(fields, torch.where(squared > 0, 1 / squared.clamp_min(1.0), 0.0))
    simpson = torch.tensor([1, *[4, 2] * 19, 4, 1]) / (3 * 40)
    for budget, loss, work in (
        (energy, enstrophy, (stream * forcing).mean((-2, -1))),
        (enstrophy, palinstrophy, (fields * forcing).mean((-2, -1))),
    ):
        change = float(budget[-1] - budget[0])
        balance = float((simpson * (work - 2 * system.viscosity * loss)).sum())
        assert abs(change - balance) < 2e-5 * float(budget[0])
        assert abs(change) > 1e-2 * float(budget[0])


def test_inviscid_flow_conserves_energy_and_enstrophy_to_the_order_of_the_scheme():
    initial = project(10 * rough(24))[0, 0]
    fields = [
        advected(initial, 1.0, steps, 0.0, torch.zeros_like(initial)) for steps in (20, 40, 80)
    ]
    for power in (-1, 0):
        values = quadratic(torch.stack([initial, *fields]), power)
        assert min(orders((values[1:] / values[0] - 1).abs().tolist())) > 3.7


def test_inviscid_unforced_flow_conserves_energy_and_enstrophy():
    initial = project(10 * rough(24))
    drifts = []
    for tolerance in (1e-5, 1e-7):
        system = NavierStokes(viscosity=0.0, forcing="none", tolerance=tolerance)
        fields = system.solve(initial, [0.5, 1.0])[0, :, 0]
        fields = torch.cat([initial[0], fields])
        for power in (-1, 0):
            values = quadratic(fields, power)
            drifts.append(float((values / values[0] - 1).abs().max()))
    assert max(drifts[:2]) < 1e-3
    assert max(drifts[2:]) < max(drifts[:2]) / 20
    assert relative(fields[-1], fields[0]) > 0.5


def test_shifts_and_the_reflection_of_a_flow_are_flows():
    system = NavierStokes(forcing="none")
    initial = rough(32)
    end = system.solve(initial, [2.0])[0, 0]
    shifted = system.solve(initial.roll((5, -3), (-2, -1)), [2.0])[0, 0]
    assert relative(shifted, end.roll((5, -3), (-2, -1))) < 1e-11
    # x → −x turns the flow round: its vorticity changes sign.
    reflected = system.solve(-initial.flip(-1), [2.0])[0, 0]
    assert relative(reflected, -end.flip(-1)) < 1e-11


# Rectangles


@pytest.mark.parametrize("repeats", [(1, 2), (3, 1), (2, 3)])
@pytest.mark.parametrize("n", [24, 27])
def test_flows_in_a_rectangle_of_equal_squares_are_those_in_one_of_them(repeats, n):
    """To rounding: all steps and grids are the same, too."""
    system, initial = NavierStokes(forcing="none", viscosity=1e-4), 10 * rough(n)
    repeated = NavierStokes(forcing="none", viscosity=1e-4, length=tuple(map(float, repeats)))
    times = [0.2, 1.0]
    expected = system.solve(initial, times).repeat(1, 1, 1, *repeats)
    assert relative(repeated.solve(initial.repeat(1, 1, *repeats), times), expected) < 1e-13


@pytest.mark.parametrize("forcing", ["diagonal", "kolmogorov"])
def test_a_named_forcing_counts_its_waves_along_the_shorter_side(forcing):
    square = NavierStokes(forcing=forcing, wavenumber=3).forcing_field(16)
    wide = NavierStokes(forcing=forcing, wavenumber=3, length=(0.5, 1.0)).forcing_field(16, 32)
    high = NavierStokes(forcing=forcing, wavenumber=3, length=(4.0, 2.0)).forcing_field(32, 16)
    assert torch.allclose(wide, square.repeat(1, 2), atol=1e-14)
    assert torch.allclose(high, square.repeat(2, 1), atol=1e-14)


def test_larger_and_slower_flows_are_the_same():
    """x → Lx, t → Tt: ω → ω/T, ν → νL²/T, f → f/T²."""
    n, length, time = 24, 3.0, 5.0
    initial = 10 * rough(n)
    small = NavierStokes(viscosity=1e-3, amplitude=0.5)
    large = NavierStokes(1e-3 * length**2 / time, amplitude=0.5 / time**2, length=length)
    expected = small.solve(initial, [0.5])
    found = large.solve(initial / time, [0.5 * time])
    assert relative(found * time, expected) < 1e-12


def wave(n_y, n_x, k_y, k_x):
    """cos 2π(k_y y/L_y + k_x x/L_x), (1, 1, n_y, n_x)."""
    y, x = torch.arange(n_y).double() / n_y, torch.arange(n_x).double() / n_x
    return torch.cos(TAU * (k_y * y[:, None] + k_x * x))[None, None]


def eddies():
    """Waves that interact, on 24 × 36 nodes."""
    return 20 * sum(wave(24, 36, *k) for k in ((1, 2), (2, -1), (0, 1)))


def test_a_shear_wave_in_a_rectangle_decays_at_the_rate_of_its_length():
    sides, viscosity = (0.7, 1.5), 0.01
    initial = wave(16, 32, 2, 3)
    found = NavierStokes(viscosity, "none", length=sides).solve(initial, [0.2, 0.5])
    rate = viscosity * TAU**2 * ((2 / 0.7) ** 2 + (3 / 1.5) ** 2)
    for time, field in zip((0.2, 0.5), found[0], strict=True):
        assert relative(field, math.exp(-rate * time) * initial[0]) < 1e-12


def test_a_rectangle_lying_on_its_other_side_has_the_same_flow():
    """Exchanging x and y turns the flow round: its vorticity changes sign."""
    sides, system = (1.0, 1.5), {"viscosity": 1e-3, "forcing": "none", "tolerance": 1e-7}
    field = eddies()
    end = NavierStokes(**system, length=sides).solve(field, [0.2])[0, 0, 0]
    turned = NavierStokes(**system, length=sides[::-1])
    transposed = turned.solve(-field.mT.contiguous(), [0.2])[0, 0, 0]
    assert relative(-transposed.T, end) < 1e-5
    assert relative(end, field[0, 0]) > 0.1


def test_inviscid_flow_in_a_rectangle_conserves_energy_and_enstrophy():
    sides, field = (1.0, 1.5), eddies()
    system = NavierStokes(0.0, "none", length=sides, tolerance=1e-8)
    fields = torch.cat([field[0, 0][None], system.solve(field, [0.1, 0.3])[0, :, 0]])
    k_y = torch.from_numpy(np.fft.fftfreq(24, 1 / 24))[:, None] / sides[0]
    k_x = torch.arange(19).double() / sides[1]
    squared = TAU**2 * (k_y**2 + k_x**2)
    energy = torch.fft.rfft2(fields, norm="forward").abs().square()
    energy[..., 1:-1] *= 2
    for weight in (torch.where(squared > 0, 1 / squared, 0.0), torch.ones_like(squared)):
        values = (weight * energy).sum((-2, -1))
        assert (values / values[0] - 1).abs().max() < 1e-5
    assert relative(fields[-1], fields[0]) > 0.1


def test_forcings_that_do_not_fit_a_rectangle_are_refused():
    system = NavierStokes(length=(1.0, 1.5))
    with pytest.raises(ValueError, match=r"1\.5 periods along x; use a wavenumber that makes them"):
        system.solve(torch.zeros(1, 1, 16, 24).double(), [1.0])
    NavierStokes(forcing="kolmogorov", length=(1.0, 1.5)).forcing_field(16, 24)
    NavierStokes(wavenumber=2, length=(1.0, 1.5)).forcing_field(16, 24)


@pytest.mark.parametrize(
    ("shape", "length", "fitting"),
    [
        ((16, 32), 1.0, "32 × 32"),
        ((32, 16), (1.0, 2.0), "16 × 32"),
        ((8, 32), (3.0, 1.0), "32 × 11"),
    ],
)
def test_nodes_out_of_proportion_to_the_sides_are_refused(shape, length, fitting):
    with pytest.raises(ValueError, match=f"in proportion to the sides, such as {fitting}"):
        NavierStokes(length=length).solve(torch.zeros(1, 1, *shape).double(), [1.0])


def test_forcing_fields_are_curls_of_the_body_force():
    n = 24
    y, x = nodes(n)
    field = NavierStokes(forcing="kolmogorov", amplitude=0.7, wavenumber=3).forcing_field(n)
    body = FourierBasis().forward(0.7 / (3 * TAU) * torch.sin(3 * TAU * y))
    k_y = torch.from_numpy(FourierBasis().axis_modes(n)[0])[:, None]
    curl = FourierBasis().inverse(-1j * TAU * k_y * body, n)
    assert torch.allclose(field, curl, atol=1e-12)
    expected = 0.1 * (torch.sin(TAU * (x + y)) + torch.cos(TAU * (x + y)))
    assert torch.allclose(NavierStokes().forcing_field(n), expected, atol=1e-14)


def test_a_forcing_tensor_takes_the_place_of_the_named_forcing():
    initial = rough(24, 2)
    named = NavierStokes()
    forcing = named.forcing_field(24).expand_as(initial).clone()
    forcing[1] = rough(24, first=7)[0]
    fields = NavierStokes(forcing="none").solve(initial, [1.0], forcing)
    assert torch.equal(fields[0], named.solve(initial[:1], [1.0])[0])
    assert relative(fields[1], named.solve(initial[1:], [1.0])[0]) > 1e-2


def test_a_sample_does_not_depend_on_its_batch_or_on_threads():
    system, initial = NavierStokes(), rough(32, 3)
    together = system.solve(initial, [0.2, 1.5])
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    for sample, field in zip(together, initial, strict=True):
        assert torch.equal(sample, system.solve(field[None], [0.2, 1.5])[0])
    assert torch.get_num_threads() == 2
    torch.set_num_threads(threads)


def test_other_output_times_change_the_solution_by_no_more_than_its_error():
    system, initial = NavierStokes(), rough(32)
    alone = system.solve(initial, [3.0])[0, 0]
    among = system.solve(initial, [0.0, 1e-7, 0.31, 0.3100001, 2.0, 3.0])[0]
    assert relative(among[-1], alone) < 3e-6
    assert relative(among[0], project(initial)[0]) < 1e-13
    assert relative(among[1], among[0]) < 1e-5


def test_grids_follow_the_spectrum_without_loss(monkeypatch):
    sizes, move = [], module._Flow._move_to

    def observe(flow, grid):
        sizes.append(grid.nodes[0])
        move(flow, grid)

    monkeypatch.setattr(module._Flow, "_move_to", observe)
    system, times = NavierStokes(amplitude=1.0), [1.0, 6.0]
    # Smooth eddies need few modes, the strain between them then makes many.
    fields = system.solve(smooth(64), times)[0, :, 0]
    assert min(sizes) < 64
    assert sizes[-1] > min(sizes)
    full = module.grids
    monkeypatch.setattr(module, "grids", lambda *key: full(*key)[:1])
    exact = system.solve(smooth(64), times)[0, :, 0]
    assert relative(fields[0], exact[0]) < 2e-5
    assert relative(fields[1], exact[1]) < 2e-5


def test_errors_follow_the_tolerance():
    fields = []
    for tolerance in (1e-4, 1e-6, 1e-9):
        fields.append(NavierStokes(tolerance=tolerance).solve(10 * rough(32), [1.0]))
    coarse, fine = (relative(field, fields[-1]) for field in fields[:2])
    assert fine < coarse / 10
    assert fine < 2e-5


@pytest.mark.parametrize("tolerance", [2e-7, 1e-12])
def test_single_precision_gives_the_same_flow(tolerance):
    """Also where a tolerance is asked for that rounding does not allow."""
    initial = rough(32)
    fields = NavierStokes(tolerance=tolerance).solve(initial.float(), [1.0, 10.0])[0]
    assert fields.dtype == torch.float32
    for field, exact in zip(fields, NavierStokes().solve(initial, [1.0, 10.0])[0], strict=True):
        assert relative(field.double(), exact) < 1e-5


def test_operators_stay_on_the_device_of_the_state():
    grid = SpectralGrid((16, 16), (1.0, 1.0), torch.float32, torch.device("meta"))
    state = grid.analyse(torch.ones(16, 16, device="meta"))
    results = advance(lambda s: grid.advection(s, state), state, state, grid.weights(0.1, 0.2))
    assert all(result.is_meta and result.dtype == torch.float32 for result in results)


def test_flows_of_little_viscosity_stay_bounded():
    """Enstrophy grows by the work of the forcing at most."""
    system, initial = NavierStokes(viscosity=1e-5), rough(32)
    fields = system.solve(initial, [4.0, 8.0])[0, :, 0]
    start = float(2 * quadratic(project(initial)[0], 0)) ** 0.5
    for time, field in zip((4.0, 8.0), fields, strict=True):
        assert float(2 * quadratic(field[None], 0)) ** 0.5 < start + 0.1 * time


def test_solutions_that_cannot_be_followed_name_the_sample():
    initial = rough(16, 3)
    initial[1, 0, 2, 3] = torch.nan
    with pytest.raises(IntegrationError, match=r"position 1 .* finite") as caught:
        NavierStokes().solve(initial, [0.1])
    assert caught.value.time == 0
    initial[1] = 1e12 * initial[0]
    with pytest.raises(IntegrationError, match=r"position 1 .* moderate size"):
        NavierStokes().solve(initial, [0.1])


def test_flows_that_need_too_many_steps_are_given_up_at_once():
    with pytest.raises(IntegrationError, match=r"steps of .* more than 1,000,000 of") as caught:
        NavierStokes().solve(1e6 * rough(16), [1e3])
    assert caught.value.time == 0


def test_fast_decay_over_a_long_time_is_no_reason_to_give_up():
    """The first step is far shorter than those that follow."""
    initial = rough(48)
    end = NavierStokes(viscosity=10.0, forcing="none").solve(initial, [1e5])
    assert end.abs().max() < 1e-12


@pytest.mark.parametrize(
    ("shape", "dtype", "times", "named"),
    [
        ((1, 2, 8, 8), torch.float64, [1.0], "shape"),
        ((1, 1, 8, 3), torch.float64, [1.0], "shape"),
        ((1, 1, 8, 8), torch.int64, [1.0], "float32 or float64"),
        ((1, 1, 8, 8), torch.float64, [], "increasing"),
        ((1, 1, 8, 8), torch.float64, [1.0, 1.0], "increasing"),
        ((1, 1, 8, 8), torch.float64, [math.inf], "finite"),
    ],
)
def test_arguments_are_checked(shape, dtype, times, named):
    with pytest.raises(ValueError, match=named):
        NavierStokes().solve(torch.zeros(shape, dtype=dtype), times)


def test_a_forcing_that_the_grid_does_not_carry_is_refused():
    with pytest.raises(ValueError, match="use at least 25"):
        NavierStokes(wavenumber=8).solve(rough(24), [1.0])


def test_a_forcing_unlike_the_states_is_refused():
    initial = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    with pytest.raises(ValueError, match="forcing must be like"):
        NavierStokes().solve(initial, [1.0], initial[:1])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_gives_the_same_flow():
    initial = rough(32, 2)
    fields = NavierStokes().solve(initial.cuda(), [1.0])
    assert fields.is_cuda
    assert relative(fields.cpu(), NavierStokes().solve(initial, [1.0])) < 1e-7


def test_initial_vorticity_has_the_stated_covariance_and_no_mean():
    basis, law = FourierBasis(), PowerLawField()
    fields = law.sample(basis, 32, range(300), 0, channels=1)
    assert fields.mean((-2, -1)).abs().max() < 1e-14
    energy = basis.energy(fields).mean((0, 1))
    # The pair ±(1, 0): two real functions with 7^(3/2) (4π² + 49)^(−5/2) each.
    expected = 2 * 7**1.5 * (4 * math.pi**2 + 49) ** -2.5
    assert abs(float(energy[0, 1]) / expected - 1) < 5 / 300**0.5
    coarse = law.sample(basis, 16, [4], 0, channels=1)
    fine = law.sample(basis, 32, [4], 0, channels=1)
    assert torch.allclose(basis.restrict(fine, 16), coarse, atol=1e-14)


def test_fields_are_the_restricted_states_of_the_solver():
    source = NavierStokesData(resolution=16, time=(0.0, 0.5), amplitude=0.3)
    data = source.generate([3, 5], seed=2)
    assert data.field.dims == ("sample", "time", "channel", "y", "x")
    assert data.channel.values.tolist() == ["vorticity"]
    assert data.attrs["fsdiff_basis"] == "fourier"
    assert np.array_equal(data.x, np.arange(16) / 16)
    initial = PowerLawField().sample(FourierBasis(), 24, [3, 5], 2, channels=1)
    states = NavierStokes(amplitude=0.3).solve(initial - initial.mean((-2, -1), True), [0.0, 0.5])
    expected = FourierBasis().restrict(states, 16).float()
    assert torch.allclose(torch.from_numpy(data.field.values), expected, atol=1e-7)
    # Every mode that 16 nodes resolve is carried: time 0 is the initial field.
    assert torch.allclose(expected[:, 0], FourierBasis().restrict(initial, 16).float(), atol=1e-7)
    single = NavierStokesData(resolution=16, time=0.5, amplitude=0.3)
    assert single.generate([3], seed=2).field.dims == ("sample", "channel", "y", "x")


def test_a_sample_depends_on_seed_and_index_only():
    source, finished = NavierStokesData(resolution=16, time=0.3), []
    whole = source.generate(range(4), 3, progress=finished.append)
    assert sum(finished) == 4
    xr.testing.assert_identical(whole.isel(sample=[2, 3]), source.generate([2, 3], 3))
    assert not np.array_equal(whole.field, source.generate(range(4), 4).field)


def test_a_field_that_cannot_be_solved_names_the_sample():
    source = NavierStokesData(resolution=16, initial=PowerLawField(scale=1e300))
    with pytest.raises(IntegrationError, match="sample 6 of seed 2"):
        source.generate([6], 2)


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"resolution": 64, "solver_resolution": 48}, "leave it out or raise it"),
        ({"time": [2.0, 1.0]}, "increasing"),
        ({"forcing": "wind"}, "diagonal"),
        ({"tolerance": 0.0}, "greater than 0"),
        ({"viscosity": -1.0}, "greater than or equal to 0"),
        ({"initial": {"kind": "power_law_field", "power": 1.0}}, "greater than 1"),
    ],
)
def test_settings_are_checked(block, named):
    with pytest.raises(ValidationError, match=named):
        TypeAdapter(NavierStokesData).validate_python(block)

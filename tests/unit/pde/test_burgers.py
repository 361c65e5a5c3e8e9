import math
from itertools import pairwise
from unittest import mock

import numpy as np
import pytest
import torch

from fsdiff.measures.initial import PowerLawField
from fsdiff.pde import burgers
from fsdiff.pde.burgers import Burgers
from fsdiff.pde.exponential import advance
from fsdiff.pde.integrators import IntegrationError
from fsdiff.spaces.bases import FourierBasis

TAU = 2 * math.pi
BASIS = FourierBasis(1)
LAW = PowerLawField(scale=625.0, shift=25.0, power=2.0)


def rough(n, indices=(0,)):
    """Initial states of the published law."""
    return LAW.sample(BASIS, n, indices, 0, channels=1)


def smooth(n):
    x = torch.arange(n, dtype=torch.float64) / n
    return (torch.sin(TAU * x) + 0.5 * torch.cos(2 * TAU * x - 1))[None, None]


def relative(a, b):
    return float((a - b).norm() / b.norm())


def hopf(initial, viscosity, time, n):
    """The exact solution on n nodes from a state (m,) of mean zero and few modes.

    u = ∫ (x − y)/t w dy / ∫ w dy with w = exp(−((x − y)²/2t + ∫₀ʸ u₀)/2ν), by the trapezoidal
    rule, which is exact to rounding for such functions.
    """
    fine, x = 2**11, np.arange(n) / n
    coefficients = torch.fft.rfft(initial, norm="forward")
    k = 2j * math.pi * torch.arange(len(coefficients)).double()
    coefficients[1:] /= k[1:]
    potential = torch.fft.irfft(coefficients, fine, norm="forward").numpy()
    # Weights farther away are below rounding.
    periods = 1 + math.ceil((200 * viscosity * time) ** 0.5)
    y = np.arange(-periods * fine, (periods + 1) * fine) / fine
    potential = np.tile(potential, 2 * periods + 1)
    found = []
    for place in x:
        exponent = -((place - y) ** 2 / (2 * time) + potential) / (2 * viscosity)
        weights = np.exp(exponent - exponent.max())
        found.append((weights * (place - y)).sum() / weights.sum() / time)
    return torch.tensor(np.array(found))


@pytest.mark.parametrize("viscosity", [0.1, 1e-2, 2e-3])
def test_solutions_are_those_of_cole_and_hopf(viscosity):
    """Also beyond the time at which fronts form."""
    n, times = 64, [0.1, 0.6]
    fine = Burgers(viscosity).solve(BASIS.prolong(smooth(32), 2048), times)[0, :, 0, ::32]
    for field, time in zip(fine, times, strict=True):
        assert relative(field, hopf(smooth(32)[0, 0], viscosity, time, n)) < 1e-6


@pytest.mark.parametrize("periods", [2, 3, 5, 8])
def test_waves_of_several_periods_make_harmonics_beyond_empty_modes(periods):
    """The first of them lies beyond all modes of a grid on which the initial state would do."""
    n, viscosity, time = 512, 0.02 / periods, 0.5 / periods
    initial = torch.sin(TAU * periods * torch.arange(n, dtype=torch.float64) / n)
    solution = Burgers(viscosity=viscosity).solve(initial[None, None], [time])[0, 0, 0]
    assert relative(solution, hopf(initial, viscosity, time, n)) < 1e-6


def test_errors_follow_the_tolerance():
    initial, errors = smooth(32), []
    exact = hopf(initial[0, 0], 0.02, 0.5, 32)
    for tolerance in (1e-4, 1e-6, 1e-8):
        system = Burgers(0.02, tolerance=tolerance)
        field = system.solve(BASIS.prolong(initial, 512), [0.5])[0, 0, 0, ::16]
        errors.append(relative(field, exact))
        assert errors[-1] < tolerance
    assert errors[0] > 10 * errors[1] > 100 * errors[2]


def test_fourth_order_in_time():
    """Equal steps on one grid that resolves the solution, against the exact one."""
    grid = burgers._Grid(192, 1.0, torch.float64, torch.device("cpu"))
    initial = smooth(192)[0, 0]
    start = torch.view_as_real(torch.fft.rfft(initial, norm="forward")[: grid.cutoff + 1])
    exact, errors = hopf(initial, 0.03, 0.4, 192), []

    def derivative(state):
        return grid.advection(state)[0]

    for steps in (20, 40, 80):
        weights, state, slope = grid.weights(0.03, 0.4 / steps), start, derivative(start)
        for _ in range(steps):
            state, slope, _ = advance(derivative, state, slope, weights)
        errors.append(relative(grid.values(state), exact))
    assert all(3.7 < math.log2(a / b) < 4.6 for a, b in pairwise(errors))


def test_a_moving_frame_changes_nothing_but_the_place():
    """u → u + c, x → x + ct."""
    initial, time = smooth(64), 0.5
    speed = 1.0
    rest = Burgers(0.02).solve(initial, [time])
    moving = Burgers(0.02).solve(initial + speed, [time])
    assert relative(moving.roll(-32, -1) - speed, rest) < 1e-6


def test_larger_and_slower_waves_are_the_same():
    """x → Lx, t → Tt: u → uL/T, ν → νL²/T."""
    length, time = 3.0, 7.0
    expected = Burgers(0.02).solve(smooth(48), [0.4])
    system = Burgers(0.02 * length**2 / time, length)
    found = system.solve(smooth(48) * length / time, [0.4 * time])
    assert relative(found * time / length, expected) < 1e-11


def test_the_mean_is_kept_and_energy_decays_at_the_rate_of_the_gradient():
    """d/dt ½⟨u²⟩ = −ν⟨u_x²⟩, integrated by Gauss's rule."""
    nodes, weights = np.polynomial.legendre.leggauss(16)
    times = [0.1, *(0.2 + 0.1 * nodes).tolist(), 0.3]
    initial = 0.3 + BASIS.prolong(smooth(32), 512)
    states = Burgers(0.01, tolerance=1e-10).solve(initial, times)[0, :, 0]
    assert (states.mean(-1) - 0.3).abs().max() < 1e-14
    squared = BASIS.omega_squared(512)
    energy = BASIS.energy(states)
    rates = -0.01 * (squared * energy).sum(-1)[1:-1]
    change = float((energy[-1] - energy[0]).sum() / 2)
    assert abs(change - 0.1 * float(torch.from_numpy(weights) @ rates)) < 1e-9
    assert change < -1e-2
    assert (states.square().mean(-1).diff() < 0).all()


@pytest.mark.parametrize("viscosity", [0.1, 5e-3])
def test_the_number_of_nodes_asked_for_is_not_that_of_the_solution(viscosity):
    """Waves that few nodes resolve at first, and fronts that these do not."""
    system, times = Burgers(viscosity), [0.0, 0.2, 0.5]
    coarse = system.solve(smooth(16), times)
    fine = system.solve(BASIS.prolong(smooth(16), 200), times)
    assert relative(coarse, BASIS.restrict(fine, 16)) < 1e-12


def test_grids_follow_the_spectrum():
    wave, sizes = burgers._Wave(Burgers(5e-3), smooth(16)[0, 0], 4.0), []
    for time in (1e-3, 0.3, 4.0):
        wave.advance(time)
        sizes.append(wave.grid.n)
    assert sizes[0] < sizes[1] > sizes[2]


def test_shifts_and_the_reflection_of_a_wave_are_waves():
    system, initial = Burgers(5e-3), rough(96)
    end = system.solve(initial, [0.5])
    assert relative(system.solve(initial.roll(17, -1), [0.5]), end.roll(17, -1)) < 1e-9
    assert relative(system.solve(-initial.flip(-1), [0.5]), -end.flip(-1)) < 1e-9


def test_a_constant_stays_and_small_waves_decay_each_at_its_rate():
    system = Burgers(0.05)
    assert torch.equal(system.solve(torch.full((1, 1, 8), 0.3).double(), [2.0]).diff(), zeros(1, 7))
    wave = 1e-9 * smooth(16)
    expected = BASIS.multiply(wave, torch.exp(-0.05 * 0.2 * BASIS.omega_squared(16)))
    assert relative(system.solve(wave, [0.2])[0], expected) < 1e-8


def zeros(*shape):
    return torch.zeros(1, *shape[:1], 1, *shape[1:], dtype=torch.float64)


def test_a_sample_does_not_depend_on_its_batch():
    system, initial = Burgers(1e-2), rough(64, range(3))
    together = system.solve(initial, [0.2, 0.5])
    for sample, field in zip(together, initial, strict=True):
        assert torch.equal(sample, system.solve(field[None], [0.2, 0.5])[0])


def test_single_precision_gives_the_same_waves():
    initial = smooth(64)
    fields = Burgers(0.01).solve(initial.float(), [0.2, 1.0])
    assert fields.dtype == torch.float32
    assert relative(fields.double(), Burgers(0.01).solve(initial, [0.2, 1.0])) < 1e-4


def test_solutions_that_cannot_be_followed_name_the_sample():
    initial = rough(32, range(3))
    initial[1, 0, 3] = torch.nan
    with pytest.raises(IntegrationError, match=r"position 1 .* finite") as caught:
        Burgers().solve(initial, [0.1])
    assert caught.value.time == 0
    with (
        mock.patch.object(burgers, "_SIZES", burgers._SIZES[:12]),
        pytest.raises(IntegrationError, match=r"position 0 .* use more viscosity than 0\.001"),
    ):
        Burgers(1e-3).solve(smooth(32), [1.0])


@pytest.mark.parametrize(
    ("shape", "dtype", "times", "named"),
    [
        ((1, 2, 8), torch.float64, [1.0], "shape"),
        ((1, 8), torch.float64, [1.0], "shape"),
        ((1, 1, 8), torch.int64, [1.0], "float32 or float64"),
        ((1, 1, 8), torch.float64, [1.0, 1.0], "increasing"),
        ((1, 1, 8), torch.float64, [math.inf], "finite"),
    ],
)
def test_arguments_are_checked(shape, dtype, times, named):
    with pytest.raises(ValueError, match=named):
        Burgers().solve(torch.zeros(shape, dtype=dtype), times)

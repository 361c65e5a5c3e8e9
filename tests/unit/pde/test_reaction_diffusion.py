import math
from functools import cache
from itertools import pairwise
from pathlib import Path
from unittest import mock

import h5py
import numpy as np
import pytest
import scipy.sparse as sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from fsdiff.pde import integrators
from fsdiff.pde.integrators import Equations, IntegrationError, integrate
from fsdiff.pde.reaction_diffusion import ReactionDiffusion, _CellEquations
from fsdiff.pde.stabilised import longest_interval, scheme, stages_for
from fsdiff.spaces.bases import CosineBasis

PDEBENCH = Path(__file__).parents[4] / "shared/data/pdebench_2d_diff-react_32x32_8samples.h5"
SYSTEM = ReactionDiffusion()


def white_noise(n, seed=0, batch=1):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((batch, 2, n, n)))


def smooth_field(n, seed=0):
    basis = CosineBasis()
    eigenvalues = (200 + basis.omega_squared(n)) ** -2.0
    noise = basis.white_noise(np.random.default_rng(seed).standard_normal((1, 2, n * n)), n)
    return basis.inverse(noise * (eigenvalues / eigenvalues.sum()).sqrt(), n)


def relative_error(approximate, exact):
    return float(torch.linalg.norm(approximate - exact) / torch.linalg.norm(exact))


@cache
def laplacian(n):
    """The 5-point Laplacian with no flux through walls, on cells of the square of side 2."""
    neighbours = sparse.diags([np.ones(n - 1), np.ones(n - 1)], [-1, 1])
    one_axis = (neighbours - sparse.diags(neighbours.sum(1).A1)) * (n / 2) ** 2
    return sparse.csr_matrix(sparse.kronsum(one_axis, one_axis))


def reference(initial, times):
    """A tight independent integration of the same cells."""
    n = initial.shape[-1]

    def derivative(_, y):
        u, v = y.reshape(2, -1)
        u_t = 1e-3 * (laplacian(n) @ u) + u - u**3 - 5e-3 - v
        v_t = 5e-3 * (laplacian(n) @ v) + u - v
        return np.concatenate([u_t, v_t])

    start = initial.numpy().ravel()
    solution = solve_ivp(derivative, (0, times[-1]), start, "DOP853", times, rtol=1e-9, atol=1e-9).y
    return torch.from_numpy(solution.T.reshape(len(times), 2, n, n).copy())


@pytest.mark.parametrize("start", [white_noise, smooth_field])
@pytest.mark.parametrize("n", [32, 64])
def test_error_is_below_1e_5_at_every_time(n, start):
    times = [0.02, 0.3, 2.5, 5.0]
    initial = start(n)
    exact = reference(initial, times)
    solution = SYSTEM.solve(initial, times)[0]
    assert max(map(relative_error, solution, exact)) < 1e-5


def test_error_is_below_1e_5_on_the_published_grid():
    initial = white_noise(128)
    exact = reference(initial, [1.0])
    assert relative_error(SYSTEM.solve(initial, [1.0])[0], exact) < 1e-5


def test_agrees_with_the_shared_pdebench_file():
    if not PDEBENCH.is_file():
        pytest.skip("the shared PDEBench file is not there")
    with h5py.File(PDEBENCH) as file:
        samples = np.stack([file[f"{i:04d}/data"][:] for i in range(8)])
        times = file["0000/grid/t"][:].astype(float)
    samples = torch.from_numpy(samples).double().movedim(-1, 2)
    solution = SYSTEM.solve(samples[:, 0], times.tolist())
    # The file's own integration has a relative tolerance of 1e-3.
    errors = [relative_error(a, b) for a, b in zip(solution[:, 1:], samples[:, 1:], strict=True)]
    assert max(errors) < 2e-3


def test_times_in_between_do_not_change_the_steps():
    initial = white_noise(16)
    few = SYSTEM.solve(initial, [2.0])
    many = SYSTEM.solve(initial, np.linspace(0, 2, 41).tolist())
    assert torch.equal(many[:, 0], initial)
    assert torch.equal(many[:, -1], few[:, -1])


def test_dense_output_matches_steps_that_end_there():
    initial = smooth_field(32)
    times = np.linspace(0.05, 4, 23).tolist()
    dense = SYSTEM.solve(initial, times)[0]
    direct = torch.stack([SYSTEM.solve(initial, [time])[0, 0] for time in times])
    assert max(map(relative_error, dense, direct)) < 5e-6


@settings(max_examples=10, deadline=None)
@given(u=st.floats(-2, 2), v=st.floats(-2, 2), k=st.floats(-0.5, 0.5))
def test_homogeneous_states_follow_the_kinetics(u, v, k):
    initial = torch.tensor([u, v], dtype=torch.float64)[None, :, None, None].expand(1, 2, 4, 4)
    solution = ReactionDiffusion(k=k).solve(initial, [0.7, 3.0])[0]

    def kinetics(_, y):
        return [y[0] - y[0] ** 3 - k - y[1], y[0] - y[1]]

    exact = solve_ivp(kinetics, (0, 3), [u, v], "DOP853", [0.7, 3.0], rtol=1e-11, atol=1e-12).y
    for state, values in zip(solution, exact.T, strict=True):
        assert torch.equal(state, state[:, :1, :1].expand_as(state))
        error = np.abs(state[:, 0, 0].numpy() - values).max()
        assert error < 1e-4 * max(1e-2, np.abs(exact).max())


def test_linearised_modes_decay_as_the_stencil_says():
    n, mode, amplitude = 32, (5, 2), 1e-6
    basis, system = CosineBasis(), ReactionDiffusion(k=0.0)
    coefficients = torch.zeros(1, 2, n, n, dtype=torch.float64)
    coefficients[:, :, mode[0], mode[1]] = amplitude
    solution = basis.forward(system.solve(basis.inverse(coefficients, n), [1.5])[0, 0])
    stencil = (n / 2) ** 2 * sum(4 * math.sin(math.pi * k / (2 * n)) ** 2 for k in mode)
    matrix = torch.tensor([[1 - 1e-3 * stencil, -1.0], [1.0, -1 - 5e-3 * stencil]])
    exact = torch.linalg.matrix_exp(1.5 * matrix.double()) @ torch.full((2,), amplitude).double()
    assert torch.allclose(solution[:, mode[0], mode[1]], exact, rtol=1e-4)
    solution[:, mode[0], mode[1]] = 0
    assert solution.abs().max() < 1e-9 * amplitude


def test_pure_diffusion_conserves_mass_and_decays_mode_by_mode():
    """Fast diffusion over a short time, where reaction is a small perturbation."""
    n, time = 16, 1e-5
    system = ReactionDiffusion(diffusivity_u=1e3, diffusivity_v=2e3)
    basis, initial = CosineBasis(), white_noise(n)
    solution = system.solve(initial, [time])[0, 0]
    one_axis = (n / 2) ** 2 * 4 * torch.sin(math.pi * torch.arange(n).double() / (2 * n)) ** 2
    symbol = one_axis[:, None] + one_axis
    rates = torch.stack([1e3 * symbol, 2e3 * symbol])
    exact = basis.inverse(torch.exp(-rates * time) * basis.forward(initial[0]), n)
    assert relative_error(solution, exact) < 1e-4


def test_means_follow_their_budgets():
    """d⟨u⟩/dt = ⟨u − u³⟩ − k − ⟨v⟩ and d⟨v⟩/dt = ⟨u⟩ − ⟨v⟩, because no flux crosses the walls."""
    nodes, weights = np.polynomial.legendre.leggauss(12)
    times = [0.5, *(1.5 + nodes).tolist(), 2.5]
    states = ReactionDiffusion(tolerance=1e-8).solve(smooth_field(24), times)[0]
    u, v = states.unbind(1)
    rates = torch.stack([u - u**3 - 5e-3 - v, u - v], 1).mean((-2, -1))
    change = (states[-1] - states[0]).mean((-2, -1))
    assert torch.allclose(torch.from_numpy(weights) @ rates[1:-1], change, rtol=0, atol=1e-8)
    assert change.abs().min() > 1e-3


def test_second_order_in_space():
    """From one smooth state, the modes of coarse grids approach those of fine ones as n⁻²."""
    basis, coefficients = CosineBasis(), torch.zeros(1, 2, 12, 12, dtype=torch.float64)
    coefficients[:, :, :3, :3] = torch.linspace(-0.5, 0.5, 18).view(2, 3, 3)
    system = ReactionDiffusion(diffusivity_u=1e-2, diffusivity_v=5e-2)
    ends = [
        basis.forward(system.solve(basis.inverse(coefficients, n), [2.0])[0, 0])[:, :12, :12]
        for n in (16, 32, 64, 128)
    ]
    changes = [float(torch.linalg.norm(b - a)) for a, b in pairwise(ends)]
    assert all(1.9 < math.log2(a / b) < 2.1 for a, b in pairwise(changes))


@pytest.mark.parametrize("start", [white_noise, smooth_field])
def test_fourth_order_in_the_number_of_steps(start):
    initial = start(32)
    exact = ReactionDiffusion(tolerance=1e-10).solve(initial, [2.0])
    errors, steps = [], []
    for tolerance in (1e-4, 1e-6, 1e-8):
        with mock.patch.object(integrators, "scheme", wraps=scheme) as tried:
            solution = ReactionDiffusion(tolerance=tolerance).solve(initial, [2.0])
        errors.append(relative_error(solution, exact))
        steps.append(tried.call_count)
    order = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert 3.7 < order < 4.6
    # Errors are below the tolerance, and in proportion to it.
    shares = np.divide(errors, (1e-4, 1e-6, 1e-8))
    assert 0.01 < shares.min() < shares.max() < 0.1


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
    initial = white_noise(24)
    transformed = SYSTEM.solve(symmetry(initial).contiguous(), [1.0])
    assert torch.allclose(transformed, symmetry(SYSTEM.solve(initial, [1.0])), rtol=0, atol=1e-11)


def test_a_sample_does_not_depend_on_its_batch():
    initial, times = white_noise(16, batch=7), [0.3, 0.5]
    alone = torch.cat([SYSTEM.solve(sample[None], times) for sample in initial])
    for size in (1, 2, 3, 7):
        parts = torch.cat([SYSTEM.solve(part, times) for part in initial.split(size)])
        assert torch.equal(parts, alone)


def test_a_sample_does_not_depend_on_the_number_of_threads():
    # 130² cells are enough for torch to share the work between threads.
    initial, threads = white_noise(130), torch.get_num_threads()
    try:
        solutions = []
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            solutions.append(SYSTEM.solve(initial, [0.002, 0.005]))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(solutions[0], solutions[1])
    assert torch.equal(solutions[0], solutions[2])


@pytest.mark.parametrize("start", [white_noise, smooth_field])
@pytest.mark.parametrize("tolerance", [1e-4, 1e-12])
def test_single_precision_follows_the_input(start, tolerance):
    """Also where a tolerance is asked for that rounding does not allow."""
    initial, times = start(64), [0.02, 1.0, 5.0]
    solution = ReactionDiffusion(tolerance=tolerance).solve(initial.float(), times)
    assert solution.dtype == torch.float32
    exact = ReactionDiffusion(tolerance=1e-8).solve(initial, times)
    assert max(map(relative_error, solution[0].double(), exact[0])) < 1e-5


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_device_gives_the_same_states_in_every_batch():
    initial, times = white_noise(32, batch=3), [0.1, 2.0]
    states = SYSTEM.solve(initial.cuda(), times)
    assert states.is_cuda
    assert relative_error(states.cpu(), SYSTEM.solve(initial, times)) < 1e-8
    assert torch.equal(SYSTEM.solve(initial[1:2].cuda(), times), states[1:2])


def test_derivatives_stay_on_the_device_of_the_state():
    state = torch.ones(2, 10 * 10, device="meta")
    out = torch.empty_like(state)
    _CellEquations(SYSTEM, (8, 8), state).derivative(state, out)
    assert out.is_meta


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e200])
def test_solutions_that_are_not_finite_are_reported(bad):
    initial = white_noise(8, batch=3)
    initial[1, 0, 2, 2] = bad
    with pytest.raises(IntegrationError, match=r"position 1 in the batch of 3.*finite") as caught:
        SYSTEM.solve(initial, [1.0])
    assert caught.value.time == 0


def test_large_initial_values_relax_to_the_bounded_attractor():
    solution = SYSTEM.solve(1e3 * white_noise(8), [12.0])
    assert solution.abs().max() < 2


@pytest.mark.parametrize("times", [[], [-1.0], [1.0, 1.0], [2.0, 1.0], [math.inf]])
def test_times_are_checked(times):
    with pytest.raises(ValueError, match="increasing"):
        SYSTEM.solve(white_noise(8), times)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"\(batch, 2, n_y, n_x\)"):
        SYSTEM.solve(torch.zeros(2, 8, 8), [1.0])


# Rectangles


def slopes(system, states):
    """f(y) of states (2, n_y, n_x)."""
    padded = torch.nn.functional.pad(states[None], (1, 1, 1, 1), mode="replicate")[0]
    out = torch.empty_like(padded).flatten(1)
    _CellEquations(system, tuple(states.shape[1:]), states).derivative(padded.flatten(1), out)
    return out.view_as(padded)[:, 1:-1, 1:-1]


def test_states_in_a_rectangle_of_mirrored_squares_are_those_in_one_of_them():
    initial = smooth_field(24)
    mirrored = torch.cat([initial, initial.flip(-1), initial], -1)
    wide = ReactionDiffusion(length=(2.0, 6.0))
    expected = slopes(SYSTEM, initial[0])
    found = slopes(wide, mirrored[0]).unflatten(-1, (3, 24)).unbind(-2)
    for part, image in zip(found, (expected, expected.flip(-1), expected), strict=True):
        assert torch.allclose(part, image, rtol=0, atol=1e-13)
    tight = {"tolerance": 1e-9}
    end = ReactionDiffusion(**tight).solve(initial, [1.0])
    ends = ReactionDiffusion(length=(2.0, 6.0), **tight).solve(mirrored, [1.0])
    assert relative_error(ends, torch.cat([end, end.flip(-1), end], -1)) < 1e-10


@pytest.mark.parametrize("sides", [(1.0, 1.6), (1.6, 1.0), (1.3, 1.3)])
def test_the_laplacian_in_a_rectangle_has_its_cosines_as_eigenvectors(sides):
    grid, mode = (11, 17) if sides[0] < sides[1] else (17, 11), (2, 3)
    grid = (14, 14) if sides[0] == sides[1] else grid
    waves = [
        torch.cos(math.pi * k * (torch.arange(n).double() + 0.5) / n)
        for k, n in zip(mode, grid, strict=True)
    ]
    wave = 1e-7 * waves[0][:, None] * waves[1]
    system = ReactionDiffusion(k=0.0, length=sides, diffusivity_u=0.3, diffusivity_v=0.7)
    stencil = sum(
        4 * (n / side) ** 2 * math.sin(math.pi * k / (2 * n)) ** 2
        for k, n, side in zip(mode, grid, sides, strict=True)
    )
    u_slope, v_slope = slopes(system, torch.stack([wave, 2 * wave]))
    assert torch.allclose(u_slope, (1 - 0.3 * stencil - 2) * wave, rtol=0, atol=1e-17)
    assert torch.allclose(v_slope, (1 - 2 * (1 + 0.7 * stencil)) * wave, rtol=0, atol=1e-17)


def test_a_rectangle_lying_on_its_other_side_has_the_same_states():
    initial = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 2, 11, 17)))
    found = ReactionDiffusion(length=(1.0, 1.6)).solve(initial, [0.5])
    turned = ReactionDiffusion(length=(1.6, 1.0)).solve(initial.mT.contiguous(), [0.5])
    assert torch.allclose(turned.mT, found, rtol=0, atol=1e-5)


def test_pure_diffusion_in_a_rectangle_conserves_mass():
    initial = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 2, 11, 17)))
    system = ReactionDiffusion(1e3, 2e3, length=(1.0, 1.6))
    change = (system.solve(initial, [1e-5])[0, 0] - initial[0]).mean((-2, -1))
    assert change.abs().max() < 1e-4
    assert float((system.solve(initial, [1e-5])[0, 0] - initial[0]).abs().max()) > 0.1


def test_second_order_in_space_in_a_rectangle():
    """From one smooth state, on cells that are nearly squares: 2 : 3 of them on 2 : 3.1."""
    axis, system = CosineBasis(1).axes[0], ReactionDiffusion(1e-2, 5e-2, length=(2.0, 3.1))
    coefficients = torch.linspace(-0.5, 0.5, 18).double().view(1, 2, 3, 3)
    ends = []
    for n in (16, 32, 64):
        y, x = (axis.functions(size, 3, coefficients) for size in (n, 3 * n // 2))
        end = system.solve(y.T @ coefficients @ x, [2.0])[0, 0]
        ends.append(y @ end @ x.T / (n * (3 * n // 2)))
    changes = [float(torch.linalg.norm(b - a)) for a, b in pairwise(ends)]
    assert 1.9 < math.log2(changes[0] / changes[1]) < 2.1


@pytest.mark.parametrize("shape", [(8, 16), (16, 8)])
def test_cells_far_from_squares_are_refused(shape):
    with pytest.raises(ValueError, match=r"spacings .* differ by more than a factor of 1\.5"):
        SYSTEM.solve(torch.zeros(1, 2, *shape), [1.0])


class Oscillator(Equations):
    """A non-linear system with a known solution: y = (cos φ, sin φ) with φ' = 1 + sin φ / 2."""

    def derivative(self, state, out):
        rate = 1 + state[1] / 2
        torch.stack([-state[1] * rate, state[0] * rate], out=out)

    def spectral_radius(self, state):
        return 2.0


def apply(method, state, step):
    """One step of a scheme, written from its definition."""

    def derivative(y):
        out = torch.empty_like(y)
        Oscillator().derivative(y, out)
        return out

    before, g = state, state + step * method.recurrence[0][0] * derivative(state)
    for mu, nu in method.recurrence[1:]:
        before, g = g, before + nu * (g - before) + step * mu * derivative(g)
    slopes = [derivative(g)]
    for row in method.finish[1:]:
        shift = sum(a * k for a, k in zip(row, slopes, strict=True))
        slopes.append(derivative(g + step * shift))
    end = g + step * sum(b * k for b, k in zip(method.weights, slopes, strict=True))
    slopes.append(derivative(end))
    return end, step * sum(d * k for d, k in zip(method.error, slopes, strict=True))


@pytest.mark.parametrize("stages", [5, 6, 9, 16, 40])
def test_schemes_have_order_four_and_an_estimate_of_order_three(stages):
    method = scheme(stages)
    start = torch.tensor([1.0, 0.0], dtype=torch.float64)
    ends, estimates = [], []
    for count in (10, 20):
        state = start
        for _ in range(count):
            state, estimate = apply(method, state, 2.0 / count)
        ends.append(state)
        estimates.append(torch.linalg.norm(estimate))
    phase = solve_ivp(
        lambda _, y: 1 + np.sin(y) / 2, (0, 2), [0.0], "DOP853", rtol=1e-13, atol=1e-13
    ).y[0, -1]
    exact = torch.tensor([math.cos(phase), math.sin(phase)], dtype=torch.float64)
    errors = [torch.linalg.norm(end - exact) for end in ends]
    assert math.log2(errors[0] / errors[1]) > 3.75
    assert 3.5 < math.log2(estimates[0] / estimates[1]) < 4.6


@pytest.mark.parametrize("stages", [*range(5, 20), 25, 40, 60])
def test_schemes_are_stable_on_their_interval(stages):
    method = scheme(stages)
    z = -np.linspace(0, method.stability, 5000)
    before, g = np.ones_like(z), 1 + method.recurrence[0][0] * z
    for mu, nu in method.recurrence[1:]:
        before, g = g, before + nu * (g - before) + mu * z * g
    slopes = [z * g]
    for row in method.finish[1:]:
        slopes.append(z * (g + sum(a * k for a, k in zip(row, slopes, strict=True))))
    end = g + sum(b * k for b, k in zip(method.weights, slopes, strict=True))
    assert np.abs(end).max() <= 1 + 1e-12
    assert np.abs(end[z < -3]).max() <= 0.95
    assert method.stability == longest_interval(stages)
    assert stages_for(method.stability - 1e-9) == stages
    assert stages_for(method.stability + 1e-9) == stages + 1


def test_errors_follow_the_tolerance():
    start = torch.tensor([[1.0], [0.0]], dtype=torch.float64)
    ends = []
    for tolerance in (1e-3, 1e-5, 1e-9):
        ends += [
            state.clone() for state in integrate(Oscillator(), start, [2.0], tolerance=tolerance)
        ]
    coarse, fine = (float(torch.linalg.norm(end - ends[2])) for end in ends[:2])
    assert fine < coarse / 20
    assert fine < 1e-5

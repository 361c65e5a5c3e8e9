"""Draws of X_0 given X_t and data, both taken for Gaussian."""

from collections.abc import Sequence

import torch
from torch import Tensor

from fsdiff.diffusion.samplers.base import Run, State
from fsdiff.inverse.guidance.problem import Covariance, Problem, data_covariance, wiener_covariance
from fsdiff.inverse.guidance.question import Question
from fsdiff.spaces import symbols
from fsdiff.streams import Stream


def gaussian_draw(
    estimate: Tensor,
    run: Run,
    state: State,
    question: Question,
    *step: int,
    covariance: Covariance = wiener_covariance,
) -> Tensor:
    """Draws from N(x̂_0, V) given y by Matheron's rule.

    x = z + V H*(Γ + H V H*)⁻¹(y + ε′ − H z) with z ~ N(x̂_0, V) and ε′ ~ N(0, Γ), which depend on
    (seed, index, step) only. Where fields have no values draws are continued, as data are.
    """
    gain = question.problem.gain(question.marginal, question.n, covariance)
    spread = gain.from_noise(noise_of(run, question.n, gain.symbol.device))
    z = estimate + gaussian_spread(run, state, spread, *step)
    residual = question.residual(z) + data_noise(run, state, question, *step)
    return run.law.continued(z + gain(residual, z))


def start_given_data(
    run: Run, indices: Sequence[int], t: float, n: int, problem: Problem, data: Tensor, *step: int
) -> Tensor:
    """X_t given y at level n, were the data Gaussian, for an affine observation.

    M_t X_0 + R_t η with X_0 given y, which depend on (seed, index, step) only.
    """
    marginal = run.marginal(t, n)
    nothing = problem.zero(n, marginal.noise_spectrum, len(indices))
    state = State(tuple(indices), nothing)
    question = Question(problem, data, run.denoiser, nothing, marginal)
    drawn = gaussian_draw(nothing, run, state, question, *step, covariance=data_covariance)
    fresh = marginal.apply(marginal.noise_scale, run.noise(state, n, *step))
    return marginal.apply(marginal.mean_scale, drawn) + fresh


def gaussian_spread(run: Run, state: State, spread: Tensor, *step: int) -> Tensor:
    """N(0, V) fields from N(0, Q), which ``spread``, as ``symbols.from_noise`` has it, makes V."""
    n = run.law.basis.resolution(state.fields)
    noise = run.noise(state, n, *step, Stream.POSTERIOR)
    return symbols.multiply(run.law.basis, noise, symbols.on_grid(spread, noise))


def noise_of(run: Run, n: int, device: torch.device) -> Tensor:
    """λ of all channels at level n, (channel, *coefficients), float64."""
    basis, channels = run.law.basis, run.law.channels
    own = run.law.noise_spectrum(n).to(device)
    return own.expand(channels, *basis.coefficient_shape(n))


def data_noise(run: Run, state: State, question: Question, *step: int) -> Tensor:
    """N(0, Γ) data (batch, size), Γ that of the grid."""
    problem = question.problem
    drawn = run.normals(state.indices, problem.size, Stream.POSTERIOR, *step)
    return problem.colour(drawn.to(question.fields.device), question.n)

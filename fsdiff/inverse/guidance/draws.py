"""Draws of X_0 given X_t and data, both taken for Gaussian."""

import torch
from torch import Tensor

from fsdiff.diffusion.samplers.base import Run, State
from fsdiff.inverse.guidance import symbols
from fsdiff.inverse.guidance.base import Question
from fsdiff.inverse.guidance.problem import Covariance, wiener_covariance
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
    spread = gain.from_noise(noise_of(run, gain.symbol.device))
    z = estimate + gaussian_spread(run, state, spread, *step)
    residual = question.residual(z) + data_noise(run, state, question, *step)
    return run.law.continued(z + gain(residual, z))


def gaussian_spread(run: Run, state: State, spread: Tensor, *step: int) -> Tensor:
    """N(0, V) fields from N(0, Q), which ``spread``, as ``symbols.from_noise`` has it, makes V."""
    noise = run.noise(state, run.n, *step, Stream.POSTERIOR)
    return symbols.multiply(run.law.basis, noise, symbols.on_grid(spread, noise))


def noise_of(run: Run, device: torch.device) -> Tensor:
    """λ of all channels at the level of a run, (channel, *coefficients), float64."""
    basis, channels = run.law.basis, run.law.channels
    own = run.law.noise_spectrum(run.n).to(device)
    return own.expand(channels, *basis.coefficient_shape(run.n))


def data_noise(run: Run, state: State, question: Question, *step: int) -> Tensor:
    """N(0, Γ) data (batch, size), Γ that of the grid."""
    problem = question.problem
    drawn = run.normals(state.indices, problem.size, Stream.POSTERIOR, *step)
    return problem.colour(drawn.to(question.fields.device), question.n)

"""Draws of X_0 given X_t and data, both taken for Gaussian."""

import torch
from torch import Tensor

from fsdiff.diffusion.samplers.base import Run, State
from fsdiff.inverse.guidance.base import Question
from fsdiff.inverse.guidance.problem import Covariance, wiener_covariance
from fsdiff.randomness import normals
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
    (seed, index, step) only.
    """
    gain = question.problem.gain(question.marginal, question.n, covariance)
    z = estimate + gaussian_spread(run, state, gain.symbol, *step)
    residual = question.residual(z) + data_noise(run, state, question, *step)
    return z + gain(residual, z)


def gaussian_spread(run: Run, state: State, symbol: Tensor, *step: int) -> Tensor:
    """N(0, V) fields for the eigenvalues of V, (channel, *coefficients), zero where Q has none."""
    n = run.n
    noise = run.noise(state, n, *step, Stream.POSTERIOR)
    own = run.law.noise_spectrum(n).to(symbol.device).expand(symbol.shape)
    ratio = torch.where(own > 0, symbol / own.clamp_min(1e-300), 0.0).sqrt()
    return run.law.basis.multiply(noise, ratio.to(noise))


def data_noise(run: Run, state: State, question: Question, *step: int) -> Tensor:
    """N(0, Γ) data (batch, size), Γ that of the grid."""
    problem = question.problem
    drawn = normals(run.seed, state.indices, (problem.size,), Stream.POSTERIOR, *step)
    return problem.colour(torch.from_numpy(drawn).to(question.fields.device), question.n)

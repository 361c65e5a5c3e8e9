"""Whether the numbers of priors and processes are ones that can be calculated with."""

from collections.abc import Iterator

import torch
from torch import Tensor

from fsdiff.blocks.explain import Problem
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.measures.priors.channels import ChannelPrior
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.spaces.bases import Basis

NODES = 2**26
"""Nodes of the largest grid on which a prior is normalised."""
LOG_RATIO = 1e6
"""The largest logarithm of signal to noise that networks are told."""


def too_many_priors(prior: SpectralPrior, channels: int) -> Iterator[Problem]:
    """Priors of channels that there are not, or channels without a prior."""
    if isinstance(prior, ChannelPrior) and len(prior.priors) != channels:
        count = len(prior.priors)
        yield ("priors",), f"{count} for fields of {channels} channels; name one for each, in order"


def unusable_prior(prior: SpectralPrior, basis: Basis, n: int) -> Iterator[Problem]:
    """Eigenvalues on n nodes per axis that are none, or all zero."""
    if isinstance(prior, ChannelPrior):
        pairs = zip(prior.priors, basis.by_channel(len(prior.priors)), strict=True)
        for number, (own, space) in enumerate(pairs):
            for place, problem in unusable_prior(own, space, n):
                yield ("priors", number, *place), problem
        return
    if basis.size(basis.reference_level(prior.reference_resolution)) > NODES:
        most = basis.finest(NODES)
        yield ("reference_resolution",), f"out of reach in {basis.dimension}-D; use at most {most}"
        return
    try:
        values = prior.eigenvalues(basis, n).float()
    except ArithmeticError:
        values = torch.zeros(())
    if not (bool(values.isfinite().all()) and float(values.sum()) > 0):
        yield (), f"its eigenvalues on {n} nodes are zero or infinite: use less extreme values"


def unusable_process(process: GaussianPath, basis: Basis, n: int) -> Iterator[Problem]:
    """Scales of data or of noise on n nodes per axis that are none, or no noise at all."""
    times = torch.tensor([process.smallest_time, process.T], dtype=torch.float64)
    largest = float(basis.omega_squared(n).max())
    try:
        ratio, noise = _scales(process, times, torch.tensor([0.0, largest], dtype=torch.float64))
    except ArithmeticError:
        ratio = noise = torch.zeros(())
    finite = bool(noise.isfinite().all() and ratio.isfinite().all())
    if not (finite and bool((noise > 0).all()) and float(ratio.abs().max()) < LOG_RATIO):
        yield (), f"its scales on {n} nodes are zero or infinite: use less extreme values"


def _scales(process: GaussianPath, times: Tensor, omega_squared: Tensor) -> tuple[Tensor, Tensor]:
    """The logarithm of signal to noise at some times, and the variance of the noise by mode."""
    noise = process.noise_variance(times[:, None], omega_squared).float()
    means = process.log_mean_scale(times[:, None], omega_squared)
    ratio = process.half_log_signal_to_noise(times)
    return torch.where(means.isfinite().all(), ratio, torch.inf), noise

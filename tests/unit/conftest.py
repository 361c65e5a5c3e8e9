"""What several unit tests of the mathematics share."""

import os
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import nn

from fsdiff.bases import CosineBasis, FourierBasis
from fsdiff.denoiser import Denoiser
from fsdiff.predictions import Wiener
from fsdiff.priors import Bessel
from fsdiff.processes import GaussianPath, VariancePreserving
from fsdiff.time_sampling import Uniform

# Continuous integration tries the same examples every time; at a desk, new ones are looked for.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


@pytest.fixture(autouse=True)
def one_thread():
    """Results that do not depend on how many cores a machine has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(params=["cosine", "fourier"])
def basis(request):
    """Both bases of the square."""
    return {"cosine": CosineBasis, "fourier": FourierBasis}[request.param](2)


class Zero(nn.Module):
    """A network that returns zero and counts its evaluations."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x, t):
        self.calls += 1
        return torch.zeros_like(x)


class Fixed(nn.Module):
    """A network that returns a given field and remembers what it was given."""

    def __init__(self, output):
        super().__init__()
        self.output = output

    def forward(self, x, t):
        self.seen, self.level = x, t
        return self.output


@dataclass(frozen=True, kw_only=True)
class Heat(GaussianPath):
    """The heat equation with space-time noise, dX = -½β(1 + ℓ²|ω|²) X dt + √β dW^Q.

    m = exp(-½Ba) and r² = (1 - exp(-Ba))/a with a = 1 + ℓ²|ω|²: scales that differ by mode. ℓ is so
    small that m is 10⁻⁵ or more on the grids of the tests, which therefore can divide by it.
    """

    length: float = 0.02

    @property
    def T(self):
        return 1.0

    def rate(self, omega_squared):
        return 1 + self.length**2 * omega_squared

    def integral(self, t):
        return 0.1 * t + 0.5 * 19.9 * t**2

    def mean_scale(self, t, omega_squared):
        return torch.exp(-0.5 * self.integral(t) * self.rate(omega_squared))

    def noise_scale(self, t, omega_squared):
        a = self.rate(omega_squared)
        return torch.sqrt(-torch.expm1(-self.integral(t) * a) / a)


def power_law(basis, n, exponent=3.0):
    """Mean-square coefficients (1 + |k|²)^(-exponent/2) of unit sum on n nodes, (1, *modes)."""
    axes = np.meshgrid(*basis.axis_modes(n), indexing="ij")
    values = (1.0 + sum(k.astype(float) ** 2 for k in axes)) ** (-exponent / 2)
    values = torch.from_numpy(values) * basis.resolved(n)
    return (values / (basis.multiplicity(n) * values).sum())[None]


def make_denoiser(basis, n=16, network=None, **changes):
    """A denoiser of data with a known power-law spectrum on n nodes."""
    parts = {
        "prior": Bessel(),
        "process": VariancePreserving(),
        "prediction": Wiener(),
        "time_sampling": Uniform(),
        "spectrum": power_law(basis, n),
        "spectrum_resolution": n,
    } | changes
    return Denoiser(Zero() if network is None else network, basis=basis, **parts)


@pytest.fixture(scope="session")
def tools():
    """The classes and functions above, as attributes."""
    return SimpleNamespace(
        Zero=Zero, Fixed=Fixed, Heat=Heat, power_law=power_law, make_denoiser=make_denoiser
    )

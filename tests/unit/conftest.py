"""What several unit tests of the mathematics share."""

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import nn

from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.diffusion.predictions import Data, Noise, Preconditioned, Score, Velocity, Wiener
from fsdiff.diffusion.processes.heat import StochasticHeat
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.time_sampling import Uniform
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.provenance import PACKAGE
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.spectrum import MeasuredSpectrum

# Continuous integration tries the same examples every time; at a desk, new ones are looked for. How
# long one takes is a matter of what else a machine does.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


@pytest.fixture(autouse=True)
def one_thread():
    """Results that do not depend on how many cores a machine has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def examples() -> dict[str, str]:
    """The parts in CONTRIBUTING.md, by the file that the text before each names."""
    page = (PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    before_and_block = re.findall(r"(.*?)```python\n(.*?)```", page, re.DOTALL)
    return {re.findall(r"`(fsdiff/\S+\.py)`", text)[-1]: part for text, part in before_and_block}


@pytest.fixture
def package_with(examples) -> Callable[..., Path]:
    """Makes a copy of the package in a folder, with these examples or all of them."""

    def make(folder: Path, *paths: str) -> Path:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PACKAGE, folder / PACKAGE.name, ignore=ignored)
        for path in paths or examples:
            assert not (folder / path).exists()
            (folder / path).write_text(examples[path], encoding="utf-8")
        return folder

    return make


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


def heat(length=0.02):
    """A process whose scales differ by mode.

    The length is so small that m is 10⁻⁵ or more on the grids of the tests, which therefore can
    divide by it.
    """
    return StochasticHeat(length=length)


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
        "spectrum": power_law(basis, n),
        "spectrum_resolution": n,
        "mask": None,
    } | changes
    law = Law(
        basis=basis,
        noise=parts["prior"],
        process=parts["process"],
        data=MeasuredSpectrum(parts["spectrum"], basis, parts["spectrum_resolution"]),
        mask=parts["mask"],
    )
    return Denoiser(law, Zero() if network is None else network, parts["prediction"])


def make_loss(denoiser, time_sampling=None):
    """The loss that trains a denoiser, at uniform times unless others are given."""
    return DenoisingLoss(denoiser, time_sampling or Uniform())


@pytest.fixture(params=["vp", "heat"])
def process(request):
    """Scales that are the same for all modes, and scales that differ."""
    return VariancePreserving() if request.param == "vp" else heat()


PREDICTIONS = {
    "noise": Noise(),
    "score": Score(),
    "score-covariance": Score(apply_covariance=True),
    "data": Data(),
    "velocity": Velocity(),
    "preconditioned": Preconditioned(),
    "wiener": Wiener(),
}


@pytest.fixture(params=PREDICTIONS)
def prediction(request):
    """Everything that a network may predict."""
    return PREDICTIONS[request.param]


def gaussian_field(basis, spectrum, count, seed):
    """Independent Gaussian fields (count, channel, n, n) of a spectrum (channel, *modes)."""
    n = spectrum.shape[-2]
    normals = np.random.default_rng(seed).standard_normal((count, len(spectrum), n * n))
    return basis.inverse(basis.white_noise(normals, n) * spectrum.sqrt(), n)


def multiply(basis, symbol, u):
    """A diagonal operator, by the definition."""
    return basis.inverse(symbol * basis.forward(u), u.shape[-1])


def close(a, b, rtol=1e-8, atol=1e-10):
    """Refuse numbers that differ by more than rounding errors."""
    torch.testing.assert_close(a, b, rtol=rtol, atol=atol)


class Ideal(nn.Module):
    """The network that Gaussian data want, whatever it is to predict.

    Made for one denoiser, which it is to be given to; samplers then see exact expectations.
    """

    def forward(self, seen, level):
        denoiser, n = self.of(), seen.shape[-1]
        if isinstance(denoiser.prediction, Wiener):
            return torch.zeros_like(seen)
        t = denoiser.law.process.time_of(-level.double()).to(seen)
        marginal = denoiser.law.marginal(t, n)
        return multiply(denoiser.law.basis, self.symbol(denoiser.prediction, marginal), seen)

    @staticmethod
    def symbol(prediction, marginal):
        """What each mode of the input, x/√E‖x‖², is multiplied by."""
        m, r = marginal.mean_scale, marginal.noise_scale
        c, eigenvalue = marginal.data_spectrum, marginal.noise_spectrum
        v = m**2 * c + r**2 * eigenvalue
        size = (marginal.multiplicity * v).sum(marginal.basis.grid_axes(), keepdim=True).sqrt()
        inverse = torch.where(v > 0, 1 / v, 0.0)
        data, noise = m * c * inverse, r * eigenvalue * inverse
        if isinstance(prediction, Noise):
            return size * noise
        if isinstance(prediction, Score):
            return -size * inverse * (1 if prediction.apply_covariance else eigenvalue)
        if isinstance(prediction, Data):
            return size * data
        if isinstance(prediction, Velocity):
            return size * (marginal.mean_rate * data + marginal.noise_rate * noise)
        return size * (data - marginal.scalar_gain) / marginal.scalar_residual.sqrt()


def ideal_denoiser(basis, n, channels=1, **changes):
    """A denoiser whose network is perfect, for independent channels of one law."""
    spectrum = changes.pop("spectrum", power_law(basis, n)).expand(
        channels, *basis.coefficient_shape(n)
    )
    network = Ideal()
    denoiser = make_denoiser(basis, n, network, spectrum=spectrum, **changes)
    network.of = lambda: denoiser
    return denoiser


class Impulses:
    """Stands for ``white_noise``: each draw is one in a channel of its own, and zero in others.

    A linear sampler then returns how every mode answers to each draw, and the sum of squares over
    channels is the exact variance of the mode.
    """

    def __init__(self):
        self.draws = {}

    def __call__(self, basis, n, indices, seed, *stream, channels):
        impulse = torch.zeros(1, channels, *basis.coefficient_shape(n), dtype=torch.float64)
        own = self.draws.setdefault(stream, len(self.draws))
        impulse[:, own : own + 1] = basis.resolved(n)
        return impulse


DRAWS = {}
"""How many noise fields a sampler draws, once that is known."""


def drawn_spectrum(sampler, basis, n, dtype=torch.float64, **parts):
    """The variance of each mode of samples from an ideal network, without sampling.

    ``parts`` are those of ``ideal_denoiser``. Returned with the samples that it is read from.
    """
    channels = 0
    while channels < DRAWS.setdefault(sampler, 1):
        channels = DRAWS[sampler]
        denoiser = ideal_denoiser(basis, n, channels, **parts)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fsdiff.diffusion.samplers.base.white_noise", impulses := Impulses())
            samples = sampler(denoiser, n, [0], 0, dtype=dtype)
        DRAWS[sampler] = len(impulses.draws)
    return basis.forward(samples.fields[0].double()).abs().square().sum(0), samples


def exact_spectrum(basis, n, **parts):
    """What it tends to: G²v, the variance of E[X_0|x] at the smallest time."""
    denoiser = ideal_denoiser(basis, n, **parts)
    t = torch.tensor([denoiser.law.process.smallest_time], dtype=torch.float64)
    marginal = denoiser.law.marginal(t, n)
    return (marginal.wiener_gain.square() * marginal.variance)[0, 0]


def spectrum_error(sampler, basis, n, **parts):
    """The mean relative error of the variances, weighted by energy."""
    exact = exact_spectrum(basis, n, **parts)
    difference = drawn_spectrum(sampler, basis, n, **parts)[0] - exact
    weights = basis.multiplicity(n)
    return float((weights * difference.abs()).sum() / (weights * exact).sum())


@pytest.fixture(scope="session")
def tools():
    """The classes and functions above, as attributes."""
    return SimpleNamespace(
        Zero=Zero,
        Fixed=Fixed,
        Heat=heat,
        power_law=power_law,
        make_denoiser=make_denoiser,
        make_loss=make_loss,
        gaussian_field=gaussian_field,
        multiply=multiply,
        close=close,
        predictions=PREDICTIONS,
        ideal_denoiser=ideal_denoiser,
        drawn_spectrum=drawn_spectrum,
        exact_spectrum=exact_spectrum,
        spectrum_error=spectrum_error,
    )

"""Every prior × process × prediction × sampler draws the data's spectrum, or is refused.

Data are Gaussian, the network says exactly what an ideal one would, and spectra of samples are
computed without sampling, see ``tools.drawn_spectrum``.
"""

import pytest
import torch

from fsdiff.diffusion.predictions import Wiener
from fsdiff.diffusion.processes import (
    Blurring,
    CosineVariancePreserving,
    HeatDissipation,
    LinearInterpolant,
    OrnsteinUhlenbeck,
    StochasticHeat,
    VarianceExploding,
    VariancePreserving,
)
from fsdiff.diffusion.processes.blurring_variance_preserving import BlurringVariancePreserving
from fsdiff.diffusion.samplers import (
    DDIM,
    AdaptiveHeun,
    AnnealedLangevin,
    DPMSolver,
    EulerMaruyama,
    Heun,
    Multilevel,
    PredictorCorrector,
    PublishedAnnealedLangevin,
    Renoising,
    StartingFrom,
)
from fsdiff.diffusion.samplers.times import time_grid
from fsdiff.measures.priors import (
    FNO,
    RBF,
    Bessel,
    Combined,
    Exponential,
    Laplacian,
    Matern,
    Standard,
)
from fsdiff.parts import kinds
from fsdiff.spaces.bases import CosineBasis

BASIS = CosineBasis(1)
N = 8

PRIORS = [
    Bessel(),
    Combined(modes=(4,)),
    Exponential(),
    FNO(modes=(4,)),
    Laplacian(),
    Matern(),
    RBF(length=0.05),
    Standard(),
]
PROCESSES = [
    BlurringVariancePreserving(),
    CosineVariancePreserving(),
    Blurring(),
    HeatDissipation(),
    LinearInterpolant(),
    OrnsteinUhlenbeck(),
    StochasticHeat(),
    VarianceExploding(),
    VariancePreserving(),
]
SAMPLERS = {
    # With the error of their steps, for the worst of priors and processes.
    "euler": (EulerMaruyama(steps=40, spacing="log_snr"), 0.5),
    "ddim": (DDIM(steps=20), 0.32),
    "ancestral": (DDIM(steps=20, eta=1.0), 0.5),
    "dpm": (DPMSolver(steps=12), 0.1),
    "dpm-stochastic": (DPMSolver(steps=12, stochastic=True), 0.13),
    "heun": (Heun(steps=12), 0.21),
    "adaptive": (AdaptiveHeun(tolerance=0.05), 0.3),
    "langevin": (AnnealedLangevin(steps=60, corrections=2, step_size=0.8), 0.5),
    # It leaves the data alone and has levels of its own: for one of the processes.
    "published": (
        PublishedAnnealedLangevin(
            steps=24,
            corrections=3,
            epsilon=1.9e-4,
            levels_as="deviation",
            start="level",
            last="estimate",
        ),
        0.6,
    ),
    "corrected": (PredictorCorrector(sampler=DPMSolver(steps=12)), 0.13),
    "renoising": (Renoising(steps=12), 0.1),
    "started": (StartingFrom(sampler=DPMSolver(steps=12)), 0.2),
    "multilevel": (Multilevel(sampler=DPMSolver(steps=12), coarsest=4), 0.1),
}
QUICK = [
    DDIM(steps=6),
    DDIM(steps=6, eta=1.0),
    DPMSolver(steps=6),
    DPMSolver(steps=6, stochastic=True),
    Heun(steps=4),
    AnnealedLangevin(steps=4, corrections=4, step_size=1.5),
    PredictorCorrector(sampler=DPMSolver(steps=4)),
    Multilevel(sampler=DPMSolver(steps=6), coarsest=4),
]


def kind(part):
    return part.kind


def usable(sampler, process):
    """Whether a configuration may combine them."""
    try:
        sampler.check(process)
        sampler.check_grid(process, BASIS, N)
    except ValueError:
        return False
    return True


def allowed(prediction, process):
    """Whether a configuration may combine them; only noise that never fades is refused."""
    try:
        prediction.check(process)
    except ValueError:
        assert prediction.reads_noise
        assert isinstance(process, HeatDissipation)
        return False
    return True


def test_all_kinds_are_here(tools):
    assert {prior.kind for prior in PRIORS} == set(kinds("prior")) - {"by_channel"}
    assert {process.kind for process in PROCESSES} == set(kinds("process"))
    assert {prediction.kind for prediction in tools.predictions.values()} == set(
        kinds("prediction")
    )
    assert {sampler.kind for sampler, _ in SAMPLERS.values()} == set(kinds("sampler"))


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("process", PROCESSES, ids=kind)
def test_the_spectrum_of_the_data_is_recovered(tools, process, name):
    """For every prior, to the error of the sampler's steps; their orders are tested elsewhere."""
    sampler, bound = SAMPLERS[name]
    refused = isinstance(process, HeatDissipation) and name in ("euler", "langevin", "started")
    refused |= name == "published" and not isinstance(process, VarianceExploding)
    assert usable(sampler, process) != refused
    for prior in [] if refused else PRIORS:
        error = tools.spectrum_error(sampler, BASIS, N, process=process, prior=prior)
        assert error < bound, prior


@pytest.mark.parametrize("process", PROCESSES, ids=kind)
def test_estimates_are_the_same_whatever_is_predicted(tools, process, prediction):
    """For every prior, at all times: and a sampler sees nothing but the estimates."""
    if not allowed(prediction, process):
        return
    times = time_grid(process, 12, "log_snr")
    for prior in PRIORS:
        if isinstance(prior, FNO) and isinstance(process, HeatDissipation):
            continue  # modes of neither data nor noise, 10⁻⁴⁵, tell nothing to anyone
        exact, found = (
            tools.ideal_denoiser(BASIS, N, process=process, prior=prior, prediction=choice)
            for choice in (Wiener(), prediction)
        )
        variance = exact.law.marginal(times, N).variance
        white = tools.gaussian_field(CosineBasis(2), torch.ones(1, N, N), 2, seed=0)[:, :, :1]
        x = BASIS.inverse(variance.sqrt() * white[0].double(), N)
        # Where data are read from noise, modes are given up of which 10⁻⁸ are left.
        precision = 1e-6 if prediction.reads_noise else 1e-9
        expected, estimate = exact(x, times), found(x, times)
        tools.close(estimate.data, expected.data, 0, precision)
        tools.close(estimate.noise, expected.noise, 0, precision)


@pytest.mark.parametrize("process", PROCESSES, ids=kind)
def test_samples_are_the_same_whatever_is_predicted(tools, process, prediction):
    """The same fields for the same seed, from every sampler."""
    if not allowed(prediction, process):
        return
    models = [
        tools.ideal_denoiser(BASIS, N, process=process, prediction=choice)
        for choice in (Wiener(), prediction)
    ]
    for sampler in QUICK:
        if isinstance(sampler, AnnealedLangevin) and not usable(sampler, process):
            continue
        expected, found = (
            sampler(model, N, [0], 0, dtype=torch.float64).fields for model in models
        )
        tools.close(found, expected, 1e-4, 1e-5)

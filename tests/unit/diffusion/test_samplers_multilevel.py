"""The multilevel sampler: nothing is lost for Gaussian data, and grids follow the spectra."""

import dataclasses

import numpy as np
import pytest
import torch

from fsdiff.diffusion.processes.heat import HeatDissipation, StochasticHeat
from fsdiff.diffusion.processes.variance_exploding import VarianceExploding
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers import (
    DDIM,
    AnnealedLangevin,
    DPMSolver,
    EulerMaruyama,
    Heun,
    Multilevel,
    PredictorCorrector,
)
from fsdiff.measures.priors import RBF, Bessel, Standard
from fsdiff.spaces.bases import CosineBasis, FourierBasis

N = 32
STEPPERS = {
    "euler": EulerMaruyama(steps=30, spacing="log_snr"),
    "ddim": DDIM(steps=20),
    "ancestral": DDIM(steps=20, eta=1.0),
    "dpm": DPMSolver(steps=14),
    "dpm-quadratic": DPMSolver(steps=14, spacing="quadratic"),
    "heun": Heun(steps=10),
    "corrected": PredictorCorrector(sampler=DPMSolver(steps=14)),
    "langevin": AnnealedLangevin(steps=60, corrections=2, step_size=0.5),
}


@pytest.fixture(params=STEPPERS)
def stepper(request):
    """Samplers with a fixed grid of times."""
    return STEPPERS[request.param]


@pytest.fixture(params=["cosine", "fourier"])
def line(request):
    """Both bases of the interval."""
    return {"cosine": CosineBasis, "fourier": FourierBasis}[request.param](1)


def draw(sampler, denoiser, indices=(0, 3), n=N):
    return sampler(denoiser, n, indices, 0, dtype=torch.float64)


def test_without_tolerance_the_samples_are_those_of_one_grid(line, process, tools, stepper):
    denoiser = tools.make_denoiser(line, N, process=process)
    samples = draw(Multilevel(sampler=stepper, tolerance=0.0, coarsest=8), denoiser)
    alone = draw(stepper, denoiser)
    assert samples.fields.equal(alone.fields)
    assert samples.evaluations == alone.evaluations


def errors_of(sampler, line, tools):
    """Relative errors of the variance of each mode."""
    exact = tools.exact_spectrum(line, N)
    found, samples = tools.drawn_spectrum(sampler, line, N)
    return (found / exact - 1)[exact > 0].abs(), samples


@pytest.mark.parametrize("tolerance", [0.01, 0.1, 0.5])
def test_second_moments_are_kept_at_every_tolerance(line, tools, stepper, tolerance):
    """Modes that enter late are on the flow of Gaussian data: no error but that of later steps.

    That may be more than of all steps, whose errors may cancel.
    """
    sampler = Multilevel(sampler=stepper, tolerance=tolerance, coarsest=8)
    error, samples = errors_of(sampler, line, tools)
    reference, _ = errors_of(stepper, line, tools)
    assert len(samples.cost(line)["evaluations"]) > 1
    assert error.max() < 2.6 * reference.max()
    assert error.mean() < 2.0 * reference.mean()
    if tolerance == 0.01:
        assert error.max() < 1.1 * reference.max()


@pytest.mark.parametrize(("kind", "order"), [(DDIM, 1), (DPMSolver, 2), (Heun, 2)])
def test_the_order_of_the_method_is_kept(line, tools, kind, order):
    """In all modes, those that enter late and those that have to remember their last estimate."""
    errors = []
    for steps in (20, 40, 80):
        sampler = Multilevel(sampler=kind(steps=steps), tolerance=0.3, coarsest=8)
        errors.append(float(errors_of(sampler, line, tools)[0].max()))
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx(order, abs=0.35), errors


def test_samples_converge_with_the_tolerance(line, tools):
    """To those of one grid, field by field: the noise is the same."""
    denoiser, stepper = tools.make_denoiser(line, N), DPMSolver(steps=40)
    alone = draw(stepper, denoiser).fields
    errors = []
    for tolerance in (0.3, 0.03, 0.003):
        fields = draw(Multilevel(sampler=stepper, tolerance=tolerance, coarsest=8), denoiser).fields
        errors.append(float((fields - alone).square().mean().sqrt()))
    assert errors[0] < 0.02
    assert errors[2] <= errors[1] <= errors[0]


# Which grid when


def grids(denoiser, sampler, n=N):
    return sampler.grids(denoiser.law, n, sampler.sampler.times(denoiser.law.process).tolist())


@pytest.mark.parametrize("process", [VariancePreserving(), StochasticHeat(), VarianceExploding()])
@pytest.mark.parametrize("prior", [Bessel(), Standard()])
def test_a_grid_is_left_when_the_tolerance_is_reached(tools, process, prior):
    """The share Σ c·SNR/(1 + SNR)/Σ c of the modes beyond it, computed mode by mode."""
    basis, tolerance = CosineBasis(2), 0.05
    denoiser = tools.make_denoiser(basis, N, process=process, prior=prior)
    sampler = Multilevel(sampler=DDIM(steps=30), tolerance=tolerance, coarsest=8)
    times = sampler.sampler.times(process)
    found = grids(denoiser, sampler)
    assert found[0] == 8
    assert found[-1] == N
    data, noise = tools.power_law(basis, N)[0], prior.eigenvalues(basis, N)
    highest = torch.arange(N).view(-1, 1).maximum(torch.arange(N))
    for end, n in zip(times[1:], found[:-1], strict=True):
        omega_squared = basis.omega_squared(N)
        ratio = process.log_ratio(end, omega_squared).exp().square() * data / noise
        for coarse, fine in ((8, 16), (16, 32)):
            beyond = (highest >= coarse) & (highest < fine)
            share = (data * ratio / (1 + ratio))[beyond].sum() / data[beyond].sum()
            assert (n <= coarse) <= (share <= tolerance)
            if coarse == 16:  # the last grid is taken as soon as, and no sooner than, it is needed
                assert (n == 32) == bool(share > tolerance)


def test_noise_smoother_than_the_data_hides_nothing(line, tools):
    denoiser = tools.make_denoiser(line, N, prior=RBF(length=0.3))
    assert set(grids(denoiser, Multilevel(tolerance=0.5, coarsest=8))) == {N}


def test_grids_only_become_finer(line, tools):
    denoiser = tools.make_denoiser(line, N)
    for tolerance in (0.001, 0.1, 0.9):
        found = grids(denoiser, Multilevel(tolerance=tolerance, coarsest=4))
        assert found == sorted(found)
        assert set(found) <= {4, 8, 16, 32}


@pytest.mark.parametrize(("n", "ladder"), [(20, {8, 16, 20}), (8, {8}), (6, {6})])
def test_grids_double_up_to_that_of_the_samples(line, tools, n, ladder):
    denoiser = tools.make_denoiser(line, n)
    samples = draw(Multilevel(sampler=DDIM(steps=40), tolerance=0.3, coarsest=8), denoiser, n=n)
    assert set(samples.evaluations[0]) == ladder
    assert samples.fields.shape[-1] == n


def test_a_higher_tolerance_costs_less(line, tools):
    denoiser = tools.make_denoiser(line, N)
    costs = [
        draw(Multilevel(sampler=DDIM(steps=40), tolerance=tolerance, coarsest=8), denoiser, [0])
        for tolerance in (0.0, 0.01, 0.1, 0.5)
    ]
    fine = [samples.fine_evaluations(line) for samples in costs]
    assert fine == sorted(fine, reverse=True)
    assert fine[0] == 40 > 1.5 * fine[-1]
    assert {samples.network_evaluations for samples in costs} == {40}


def test_blur_hides_fine_grids_too(line, tools):
    """Inverse heat dissipation: what is blurred away needs no grid."""
    denoiser = tools.make_denoiser(line, N, process=HeatDissipation())
    sampler = Multilevel(sampler=DPMSolver(steps=30), coarsest=8)
    assert grids(denoiser, sampler).count(8) > 10
    single = dataclasses.replace(sampler, tolerance=0.0)
    difference = draw(sampler, denoiser).fields - draw(single, denoiser).fields
    assert float(difference.square().mean().sqrt()) < 0.02

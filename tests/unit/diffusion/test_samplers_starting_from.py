"""Samplers that start elsewhere: from which law, and what of that is seen at the end."""

import pytest
import torch
from torch.testing import assert_close

from fsdiff.analyses.runs import sample_variance
from fsdiff.diffusion.exact import ExactDenoiser, gaussian
from fsdiff.diffusion.processes.heat import HeatDissipation, StochasticHeat
from fsdiff.diffusion.samplers.base import Run
from fsdiff.diffusion.samplers.ddim import DDIM
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.diffusion.samplers.starting_from import StartingFrom
from fsdiff.measures.priors.convolution import Bessel, Standard
from fsdiff.spaces.bases import CosineBasis

LINE, N = CosineBasis(1), 16
HEAT = StochasticHeat(length=1 / N)
DATA, NOISE = Bessel(power=0.6), Standard(reference_resolution=N)
LAWS = ["noise", "unit_noise", "blurred"]


def denoiser(process=HEAT):
    return ExactDenoiser(gaussian(LINE, DATA), noise=NOISE, process=process)


def variances(process, law, n=N):
    """Of the law that a run starts from, of X_T, and of the data."""
    t, omega = torch.tensor([process.T]).double(), LINE.omega_squared(n)
    c, q = DATA.eigenvalues(LINE, n), NOISE.eigenvalues(LINE, n)
    noise = process.noise_variance(t, omega) * q
    blurred = torch.exp(-0.5 * (24 / 32) ** 2 * omega) ** 2 * c + 0.0125**2 * q
    return (
        {"noise": noise, "unit_noise": q, "blurred": blurred}[law],
        process.mean_scale(t, omega) ** 2 * c + noise,
        c,
    )


class Stopped:
    """A sampler that stays at its first state."""

    def draw(self, run, groups):
        return [run.gaussian(group, run.law.process.T, run.n) for group in groups]


@pytest.mark.parametrize("law", LAWS)
def test_first_states_are_those_of_the_law(law):
    """The very draws that a run without it starts from, each mode times the deviations' ratio."""
    run = Run(denoiser(), N, 0, torch.float64, torch.device("cpu"))
    (found,) = StartingFrom(sampler=Stopped(), law=law).draw(run, [tuple(range(3))])
    (plain,) = Stopped().draw(run, [tuple(range(3))])
    wanted, usual, _ = variances(HEAT, law)
    expected = LINE.forward(plain) * (wanted / usual).sqrt()
    assert_close(LINE.forward(found), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_the_probability_flow_keeps_a_wrong_start(law):
    """It is linear in each mode: what starts too large ends too large by the same factor."""
    wanted, usual, _ = variances(HEAT, law)
    plain, _ = sample_variance(DPMSolver(steps=20), denoiser(), N)
    found, cost = sample_variance(StartingFrom(sampler=DPMSolver(steps=20), law=law), denoiser(), N)
    assert_close(found, plain * wanted / usual, rtol=1e-6, atol=1e-12)
    assert cost == 20


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("final", [1.0, 20.0])
def test_the_reverse_process_forgets_it(law, final):
    """v₀ − c = (m c/v_T)² (v′_T − v_T), the square of what X_0 owes to X_T; with beta_max = 1 much.

    With 100 steps of ancestral sampling to a tenth of what there is to see.
    """
    process = StochasticHeat(length=1 / N, beta_max=final)
    wanted, usual, c = variances(process, law)
    t, omega = torch.tensor([process.T]).double(), LINE.omega_squared(N)
    owed = process.mean_scale(t, omega) * c / usual
    sampler = DDIM(steps=100, eta=1.0)
    plain, _ = sample_variance(sampler, denoiser(process), N)
    found, _ = sample_variance(StartingFrom(sampler=sampler, law=law), denoiser(process), N)
    assert_close((found - plain) / c, owed**2 * (wanted - usual) / c, rtol=0.1, atol=1e-4)


def first_states(law, indices=range(3), training=None, n=N, process=HEAT):
    """What a sampler that stays there is started from."""
    start = StartingFrom(sampler=Stopped(), law=law)
    start = start if training is None else start.given(training)
    run = Run(denoiser(process), n, 0, torch.float64, torch.device("cpu"))
    return start.draw(run, [tuple(indices)])[0]


@pytest.mark.parametrize("n", [N, 24])
@pytest.mark.parametrize("process", [StochasticHeat(length=1 / N, beta_max=1.0), HeatDissipation()])
def test_training_fields_start_as_the_process_leaves_them(process, n):
    """M_T x of one training field for each index, and the same noise on top of it for all x."""
    training = torch.randn(3, 1, N, generator=torch.Generator().manual_seed(0))
    drawn = first_states("empirical", range(64), training, n, process)
    noise = first_states("empirical", range(64), 0 * training, n, process)
    t, omega = torch.tensor([process.T]).double(), LINE.omega_squared(n)
    kept = process.mean_scale(t, omega) * LINE.forward(LINE.resample(training.double(), n))
    found = LINE.forward(drawn - noise)
    chosen = (found[:, None] - kept).abs().amax((2, 3)).argmin(1)
    assert_close(found, kept[chosen], rtol=1e-9, atol=1e-12)
    assert chosen.bincount().min() > 10  # of 64, where 21 are expected of each
    # R_T η, of the numbers that other laws start from.
    own = Run(denoiser(process), n, 0, torch.float64, torch.device("cpu")).gaussian(
        range(64), process.T, n
    )
    _, usual, _ = variances(process, "noise", n)
    variance = process.noise_variance(t, omega) * NOISE.eigenvalues(LINE, n)
    assert_close(LINE.forward(noise), LINE.forward(own) * (variance / usual).sqrt())
    torch.testing.assert_close(first_states("empirical", [5], training, n, process), drawn[5:6])


def test_training_fields_are_asked_for():
    StartingFrom(law="empirical").check(HeatDissipation())  # much of the mean is left there, too
    with pytest.raises(ValueError, match="starts from training fields, and there are none here"):
        first_states("empirical")
    plain = StartingFrom(law="noise")
    assert plain.given(torch.ones(1, 1, N)) is plain
    with pytest.raises(ValueError, match=r"blur = 0\.5: law: empirical has no such setting"):
        StartingFrom(law="empirical", blur=0.5)


def test_settings_that_nothing_heeds_are_refused():
    StartingFrom(law="blurred", blur=0.5)
    with pytest.raises(ValueError, match=r"blur = 0\.5: law: noise has no such setting"):
        StartingFrom(blur=0.5)
    with pytest.raises(ValueError, match=r"deviation = 0\.1: law: unit_noise has no such"):
        StartingFrom(law="unit_noise", deviation=0.1)
    StochasticHeat(beta_max=10.0)
    with pytest.raises(ValueError, match=r"beta_max = 10\.0: clock: cosine has no such setting"):
        StochasticHeat(beta_max=10.0, clock="cosine")


def test_processes_that_keep_the_mean_are_refused():
    StartingFrom().check(HEAT)
    for process in (HeatDissipation(), StochasticHeat(noise=0.03)):
        with pytest.raises(ValueError, match="much of the mean of the data is left"):
            StartingFrom().check(process)
        StartingFrom(law="blurred").check(process)

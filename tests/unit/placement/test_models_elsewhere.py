"""Models are trained and sampled wherever they are put, with the numbers of the processor.

On a device that refuses tensors of another (see ``elsewhere``): one that is made in the wrong
place is an error, in every part that a configuration may name.
"""

from dataclasses import replace

import elsewhere
import pytest
import torch
from elsewhere import MisplacedError, Placed

import fsdiff as fs
from fsdiff.data.labels import with_classes
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion import samplers
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.diffusion.predictions import Wiener
from fsdiff.diffusion.samplers.base import Run
from fsdiff.diffusion.time_sampling import LogSignalToNoise, Spectral, Uniform
from fsdiff.inverse.conditions.kriging import Kriging
from fsdiff.inverse.conditions.label import Label
from fsdiff.inverse.conditions.regression import Regression
from fsdiff.inverse.guidance.daps import DecoupledAnnealing
from fsdiff.inverse.guidance.dps import PosteriorSampling
from fsdiff.inverse.guidance.fundps_published import PublishedFunDPS
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.pigdm import PseudoinverseGuidance
from fsdiff.inverse.guidance.replacement import Replacement
from fsdiff.inverse.guidance.replacement_published import PublishedReplacement
from fsdiff.inverse.guidance.smc import TwistedSMC
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.frames import Frames
from fsdiff.inverse.observations.low_pass import LowPass
from fsdiff.inverse.observations.mapped import Mapped
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.modes import Modes
from fsdiff.inverse.observations.points import GridOfPoints, Points, RandomPoints
from fsdiff.inverse.observations.several import Several
from fsdiff.inverse.observations.some import Some
from fsdiff.methods import models
from fsdiff.methods.diffusion import Diffusion
from fsdiff.parts import build, described, kinds
from fsdiff.spaces import coherence
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.channels import ChannelBasis
from fsdiff.spaces.spectrum import MeasuredSpectrum
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.trainer import Trainer

pytestmark = pytest.mark.skipif(not elsewhere.AVAILABLE, reason="needs PyTorch 2.9")

N = 8
BASIS = CosineBasis(2)
SMALL = {"width": 4, "modes": 3, "layers": 2, "projection": 4}
NETWORKS = {
    "fno": {"kind": "fno", "basis": "cosine", "stencil_cells": 8, **SMALL},
    "fno-fourier": {"kind": "fno", "coordinates": False, **SMALL},
    "unet": {"kind": "unet", "width": 4, "multipliers": (1, 2), "blocks": 1},
    "unet_in_time": {"kind": "unet_in_time", "width": 4, "multipliers": (1, 2), "blocks": 1},
    "unet-boundary": {"kind": "unet", "width": 4, "multipliers": (1,), "padding": "boundary"},
    "uno": {"kind": "uno", "multipliers": (1, 2), **SMALL, "modes": (3, 2), "layers": 1},
    "mlp": {"kind": "mlp", "width": 4},
    "neuralop": {
        "kind": "neuralop",
        "arguments": {"n_modes": [4, 4], "hidden_channels": 4, "n_layers": 1},
    },
}
PRIORS = {
    **{kind: {} for kind in kinds("prior") if kind != "by_channel"},
    "by_channel": {"priors": [{"kind": "bessel"}]},
}
SAMPLERS = {
    "adaptive_heun": samplers.AdaptiveHeun(tolerance=1.0),
    "annealed_langevin": samplers.AnnealedLangevin(steps=2),
    "annealed_langevin_published": samplers.PublishedAnnealedLangevin(steps=2),
    "ddim": samplers.DDIM(steps=2),
    "ancestral": samplers.DDIM(steps=2, eta=1.0),
    "dpm_solver": samplers.DPMSolver(steps=3),
    "stochastic": samplers.DPMSolver(steps=2, stochastic=True),
    "euler_maruyama": samplers.EulerMaruyama(steps=2),
    "heun": samplers.Heun(steps=2),
    "multilevel": samplers.Multilevel(sampler=samplers.DPMSolver(steps=3), coarsest=4),
    "renoising": samplers.Renoising(steps=2),
    "predictor_corrector": samplers.PredictorCorrector(sampler=samplers.DPMSolver(steps=2)),
    "starting_from": samplers.StartingFrom(sampler=samplers.DPMSolver(steps=2)),
    "starting_from_training": samplers.StartingFrom(
        sampler=samplers.DPMSolver(steps=2), law="empirical"
    ).given(torch.linspace(-1, 1, 2 * N * N).view(2, 1, N, N)),
}
SENSORS = RandomPoints(number=3, noise=0.1)
PLACES = Points(points=((0.2, 0.7), (0.5, 0.5), (0.9, 0.1)), noise=0.1)
GUIDANCE = [
    WienerGuidance(),
    MomentGuidance(),
    PseudoinverseGuidance(),
    PosteriorSampling(),
    PublishedFunDPS(),
    Replacement(),
    PublishedReplacement(),
    DecoupledAnnealing(),
    TwistedSMC(particles=4),
]
SERIES = Box(
    axes=(
        Axis(kind="neumann", name="t", nodes=8, held=True),
        Axis(kind="periodic", name="x", nodes=8),
    )
)
OBSERVATIONS = {
    "points": Points(points=((0.2, 0.7),), noise=0.1),
    "random_points": SENSORS,
    "grid_of_points": GridOfPoints(shape=(2, 2), noise=0.1),
    "averages": Averages(resolution=4, noise=0.1),
    "mask": Mask(resolution=4, share=0.5, noise=0.1),
    "low_pass": LowPass(resolution=4, width=0.1, noise=0.1),
    "modes": Modes(highest=2, noise=0.1),
    "channel": Channel(channel=0, observation=SENSORS),
    "some": Some(observation=SENSORS, data=(2, 0)),
    "several": Several(observation=(SENSORS, Averages(resolution=2, noise=0.1))),
    "frames": Frames(frames=(1, 2), resolution=8, noise=0.1),
    "mapped": Mapped(map=build("map", {"kind": "darcy"}), noise=0.1),
}
BASES = {
    "cosine": BASIS,
    "fourier": FourierBasis(2),
    "sine": SineBasis(2),
    "box": SERIES,
    "by_channel": ChannelBasis(bases=(SineBasis(2), BASIS)),
}
CHANNELS = {"by_channel": 2}
"""Of fields on a basis, where they are not one."""


def kind(part):
    return part.kind


@pytest.fixture
def model(tools):
    """Makes a denoiser, the same whenever it is asked for."""

    def make(network="fno", basis=BASIS, **parts):
        torch.manual_seed(0)
        bases = basis.by_channel(CHANNELS.get(basis.kind, 1))
        built = build("network", NETWORKS[network], len(bases), 0, basis.axis_kinds)
        spectrum = torch.cat([tools.power_law(own, N) for own in bases])
        return tools.make_denoiser(basis, N, built, spectrum=spectrum, **parts).eval()

    return make


def fields(basis=BASIS, count=4):
    random = torch.Generator().manual_seed(1)
    return torch.randn(count, 1, *basis.grid(N), generator=random)


def agree(found, expected, tolerance=1e-4):
    """Refuse what is not elsewhere, or differs by more than rounding."""
    assert isinstance(found, Placed)
    torch.testing.assert_close(found.cpu(), expected, rtol=tolerance, atol=tolerance)


def test_all_kinds_are_here(tools):
    assert {block["kind"] for block in NETWORKS.values()} == set(kinds("network"))
    assert set(PRIORS) == set(kinds("prior"))
    assert {sampler.kind for sampler in SAMPLERS.values()} == set(kinds("sampler"))
    assert {guidance.kind for guidance in GUIDANCE} == set(kinds("guidance"))
    assert set(OBSERVATIONS) == set(kinds("operator"))
    assert set(BASES) == set(kinds("bases")) | {"by_channel"}


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_trained(model, name):
    """Two steps of AdamW, averages and validation on two grids included."""
    if name == "neuralop":
        pytest.importorskip("neuralop")
    weights = []
    for device in ("cpu", "elsewhere"):
        trainer = Trainer(
            Diffusion(model(name), Spectral()),
            Level(resolution=N, epochs=1, batch_size=2),
            TrainingOptions(),
            data=fields(),
            validation={N: fields(count=2), 2 * N: BASIS.prolong(fields(count=2), 2 * N)},
            seed=0,
            device=device,
        )
        history = trainer.run()
        weights.append(trainer.method.network.state_dict())
        losses = history["validation_loss"].values
        assert losses.shape == (2, 2)
    for key, value in weights[0].items():
        agree(weights[1][key], value)


def test_training_in_half_precision(model):
    """By autocast, which is the device's own."""
    method = Diffusion(model().to("elsewhere"), Spectral())
    random = torch.Generator().manual_seed(0)
    loss = method.loss(fields().to("elsewhere"), random, precision=torch.bfloat16)
    loss.sum().backward()
    plain = method.loss(fields().to("elsewhere"), random.manual_seed(0))
    assert not torch.equal(loss, plain)
    agree(loss, plain.cpu(), tolerance=3e-2)
    assert all(isinstance(p.grad, Placed) for p in method.network.parameters())


@pytest.mark.parametrize("sampling", [Uniform(), LogSignalToNoise(), Spectral()], ids=kind)
def test_losses(model, prediction, sampling):
    for process in (fs.VariancePreserving(), fs.StochasticHeat(length=0.02)):
        here, there = (
            DenoisingLoss(model(prediction=prediction, process=process).to(device), sampling)(
                fields().to(device), torch.Generator().manual_seed(0)
            )
            for device in ("cpu", "elsewhere")
        )
        agree(there, here)


@pytest.mark.parametrize("kind", kinds("prior"))
@pytest.mark.parametrize("process", kinds("process"))
def test_laws(tools, kind, process):
    """Of any prior and process: noise, scales, what Gaussian data are expected to be."""
    made = {
        "prior": build("prior", {"kind": kind, **PRIORS[kind]}),
        "process": build("process", {"kind": process}),
    }
    law: Law = tools.make_denoiser(BASIS, N, **made).law
    white, t = fields(), torch.full((1,), 0.3)
    here, there = (
        (coloured := law.colour(white.to(device)), law.marginal(t.to(device), N), coloured)
        for device in ("cpu", "elsewhere")
    )
    agree(there[0], here[0])
    for name in ("wiener_gain", "mean_scale", "noise_scale", "mean_rate", "noise_rate"):
        agree(getattr(there[1], name), getattr(here[1], name))
    agree(*(m.apply(m.wiener_gain, noise) for _, m, noise in (there, here)))


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples(model, process, name):
    sampler = SAMPLERS[name]
    if name == "annealed_langevin_published":
        process = fs.VarianceExploding()  # no other
    here, there = (
        sampler(model("mlp", process=process).to(device), N, [3, 5], 0, device=device)
        for device in ("cpu", "elsewhere")
    )
    agree(there.fields, here.fields, tolerance=1e-3)
    assert there.evaluations[0].total() == here.evaluations[0].total()


@pytest.mark.parametrize("name", BASES)
def test_samples_on_any_box(model, name):
    basis = BASES[name]
    here, there = (
        samplers.DPMSolver(steps=2)(
            model("mlp", basis, process=fs.VariancePreserving()).to(device),
            N,
            [0],
            0,
            device=device,
        )
        for device in ("cpu", "elsewhere")
    )
    agree(there.fields, here.fields)


@pytest.mark.parametrize("guidance", GUIDANCE, ids=kind)
def test_guided_draws(model, guidance):
    here, there = (
        guidance.draw(
            model().to(device),
            SENSORS,
            torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64),
            samplers.DPMSolver(steps=3),
            N,
            [0, 1],
            0,
            device=device,
        ).fields
        for device in ("cpu", "elsewhere")
    )
    agree(there, here, tolerance=1e-3)


def test_draws_start_from_what_is_observed_of_a_mean_that_is_kept(model):
    data = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    here, there = (
        WienerGuidance()
        .draw(
            model(process=fs.HeatDissipation()).to(device),
            SENSORS,
            data,
            samplers.DPMSolver(steps=3),
            N,
            [0, 1],
            0,
            device=device,
        )
        .fields
        for device in ("cpu", "elsewhere")
    )
    agree(there, here, tolerance=1e-3)


def test_channels_that_are_filtered_together(tools):
    """A channel and twice that with something of another."""
    basis, both = FourierBasis(2), torch.randn(40, 2, N, N).double()
    both[:, 1] += 2 * both[:, 0]
    moments = coherence.products(basis.forward(both)) / len(both)
    data = MeasuredSpectrum(
        moments.diagonal().movedim(-1, 0).real,
        basis,
        N,
        coherence.coherence(moments, len(both), basis),
    )
    law = Law(basis=basis, noise=fs.Bessel(), process=fs.VariancePreserving(), data=data)
    t = torch.full((1,), 0.3)
    (here, there), (apart, _) = (
        [
            Denoiser(law, tools.Zero(), Wiener(channels=channels))(
                both[:2].float().to(device), t.to(device)
            ).data
            for device in ("cpu", "elsewhere")
        ]
        for channels in ("joint", "apart")
    )
    agree(there, here)
    assert not torch.allclose(here, apart)


@pytest.mark.parametrize("name", OBSERVATIONS)
def test_observations(model, name):
    """Of draws led by data: forwards, and the derivative backwards."""
    observation, basis = OBSERVATIONS[name], SERIES if name == "frames" else BASIS
    size = len(observation.deviations(basis, 1))
    data = torch.linspace(-1, 1, size, dtype=torch.float64)
    for guidance in (PosteriorSampling(), WienerGuidance()):
        if isinstance(guidance, WienerGuidance) and not observation.affine:
            continue
        here, there = (
            guidance.draw(
                model("mlp", basis).to(device),
                observation,
                data,
                samplers.DPMSolver(steps=2),
                N,
                [0],
                0,
                device=device,
            ).fields
            for device in ("cpu", "elsewhere")
        )
        agree(there, here, tolerance=1e-3)


@pytest.mark.parametrize("condition", [Kriging, Regression])
def test_conditional_models(condition):
    """Trained, told of data and of none, and sampled."""
    drawn = []
    for device in ("cpu", "elsewhere"):
        model = fs.Diffusion(
            fs.FNO(basis="cosine", **SMALL),
            basis=BASIS,
            noise=fs.Bessel(),
            condition=condition(operator=PLACES, fewest=2),
        )
        level = fs.Level(resolution=N, epochs=1, batch_size=4)
        model.fit(fields(count=8), [level], seed=0, device=device)
        data = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
        told = {"sampler": samplers.DPMSolver(steps=2), "n": N, "indices": [0, 1]}
        drawn.append(
            [model.sample(**told, observed=given).fields for given in ((PLACES, data), None)]
        )
    for found, expected in zip(*reversed(drawn), strict=True):
        torch.testing.assert_close(found.cpu(), expected, rtol=1e-3, atol=1e-3)


class Misplaced(torch.nn.Module):
    """A network with a constant that stays where it was made."""

    def __init__(self, network):
        super().__init__()
        self.network, self.constant = network, torch.ones(1, 1, N, N)

    def forward(self, x, t):
        return self.network(x, t) * self.constant


def test_a_constant_of_a_network_that_stays_behind_is_found(model):
    denoiser = model()
    denoiser.network = Misplaced(denoiser.network)
    denoiser.to("elsewhere")
    with pytest.raises(MisplacedError):
        DenoisingLoss(denoiser, Uniform())(fields().to("elsewhere"), torch.Generator())
    with pytest.raises(MisplacedError):
        samplers.DPMSolver(steps=2)(denoiser, N, [0], 0, device="elsewhere")


def test_noise_that_stays_behind_is_found(model, monkeypatch):
    """That of steps, of a sampler that draws some."""
    noise = Run.noise
    monkeypatch.setattr(Run, "noise", lambda run, *given: noise(replace(run, device="cpu"), *given))
    samplers.DDIM(steps=2)(model().to("elsewhere"), N, [0], 0, device="elsewhere")
    with pytest.raises(MisplacedError):
        samplers.DDIM(steps=2, eta=1.0)(model().to("elsewhere"), N, [0], 0, device="elsewhere")


def test_data_that_stay_behind_are_found(model):
    with pytest.raises(MisplacedError):
        DenoisingLoss(model().to("elsewhere"), Uniform())(fields(), torch.Generator())


def test_models_that_are_told_classes():
    """Trained, and sampled by the classes that they are told."""
    classes, drawn = torch.arange(8) % 2, []
    for device in ("cpu", "elsewhere"):
        model = fs.Diffusion(
            fs.FNO(basis="cosine", **SMALL), basis=BASIS, noise=fs.Bessel(), condition=Label()
        )
        model.fit(
            fields(count=8),
            [Level(resolution=N, epochs=1, batch_size=4)],
            labels=classes,
            device=device,
        )
        drawn.append(model.sample(samplers.DPMSolver(steps=2), n=2 * N, indices=[0, 1]).fields)
    torch.testing.assert_close(drawn[1], drawn[0], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("kind", kinds("imitation"))
def test_imitations(kind):
    """By class as well; what they are made of is elsewhere with the rest of a model."""
    data, classes = fields(count=12), torch.arange(12) % 2
    statistics = Statistics.measure(data, BASIS)
    config = {"basis": described(BASIS), "method": {"kind": "imitating"}}
    config["method"]["imitation"] = {"kind": kind}
    config["condition"] = described(Label().of("kind", classes))
    method = models.make_method(config, statistics, 0)
    method.prepare(with_classes(statistics.normalise(data), classes).to("elsewhere"))
    there = models.Model(method, statistics, {}, torch.device("elsewhere"))
    found = there.sample(None, N, [0, 1], 0).fields
    method.network.to("cpu")
    method._laws.clear()
    expected = models.Model(method, statistics, {}).sample(None, N, [0, 1], 0).fields
    torch.testing.assert_close(found, expected)

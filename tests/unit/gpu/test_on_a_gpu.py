"""Everything that may run on a GPU runs there, with the numbers of the processor up to rounding.

Skipped without one. ``FSDIFF_TEST_DEVICE=cpu`` tries the tests themselves.
"""

import os

import pytest
import torch

import fsdiff as fs
from fsdiff.diffusion import samplers
from fsdiff.diffusion.time_sampling import Spectral
from fsdiff.inverse.conditions.kriging import Kriging
from fsdiff.inverse.guidance.daps import DecoupledAnnealing
from fsdiff.inverse.guidance.dps import PosteriorSampling
from fsdiff.inverse.guidance.moment import MomentGuidance
from fsdiff.inverse.guidance.pigdm import PseudoinverseGuidance
from fsdiff.inverse.guidance.smc import TwistedSMC
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.points import RandomPoints
from fsdiff.jobs.interruption import Interrupted, watched
from fsdiff.methods.diffusion import Diffusion
from fsdiff.parts import build, find, kinds
from fsdiff.spaces.bases import CosineBasis
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.processes import ALONE, joined
from fsdiff.training.trainer import Trainer

NAME = os.environ.get("FSDIFF_TEST_DEVICE", "cuda")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(
        NAME == "cuda" and not torch.cuda.is_available(), reason="needs a CUDA device"
    ),
]

N = 32
BASIS = CosineBasis(2)
NETWORKS = {
    "fno": {"kind": "fno", "width": 16, "modes": 8, "basis": "cosine", "stencil_cells": 32},
    "fno-fourier": {"kind": "fno", "width": 16, "modes": 6, "layers": 2},
    "unet": {"kind": "unet", "width": 16, "multipliers": (1, 2), "blocks": 1},
    "uno": {"kind": "uno", "width": 16, "multipliers": (1, 2), "modes": (8, 4)},
}
SENSORS = RandomPoints(number=8, noise=0.1)
DEVICE = torch.device(NAME)


@pytest.fixture
def model(tools):
    """Makes a denoiser, the same whenever it is asked for."""

    def make(network="fno", **parts):
        torch.manual_seed(0)
        built = build("network", NETWORKS[network], 1, 0, BASIS.axis_kinds)
        return tools.make_denoiser(BASIS, N, built, **parts).eval()

    return make


def fields(count=16, n=N):
    random = torch.Generator().manual_seed(1)
    return BASIS.prolong(torch.randn(count, 1, 8, 8, generator=random), n)


def trainer(method, device, state=None, processes=ALONE, **options):
    return Trainer(
        method,
        Level(resolution=N, epochs=3, batch_size=8, learning_rate=1e-3),
        TrainingOptions(**options),
        data=fields(),
        validation={N: fields(4), 2 * N: fields(4, 2 * N)},
        seed=0,
        device=device,
        state_file=state,
        save_every=0.0,
        processes=processes,
    )


def weights(method):
    return {name: value.cpu().clone() for name, value in method.network.state_dict().items()}


def close(found, expected, tolerance):
    scale = float(expected.abs().max())
    torch.testing.assert_close(found.cpu(), expected, rtol=0, atol=tolerance * max(scale, 1e-6))


@pytest.mark.parametrize("kind", [kind for kind in kinds("prior") if kind != "by_channel"])
def test_noise_of_every_prior(tools, kind):
    law = tools.make_denoiser(BASIS, N, prior=build("prior", {"kind": kind})).law
    white = torch.randn(2, 1, N, N, generator=torch.Generator().manual_seed(0))
    close(law.colour(white.to(DEVICE)), law.colour(white), 1e-5)


@pytest.mark.parametrize("kind", ["reaction_diffusion", "navier_stokes", "burgers", "darcy"])
def test_data_sets(kind):
    """Sample i is that of the processor, and depends on (seed, i) alone."""
    brief = {} if kind == "darcy" else {"time": 0.2}
    source = build("source", {"kind": kind, "resolution": N, **brief})
    here, there = (
        torch.from_numpy(made.generate([3, 5], 2)["field"].values)
        for made in (source, source.on(DEVICE))
    )
    close(there, here, 1e-4)
    alone = torch.from_numpy(source.on(DEVICE).generate([5], 2)["field"].values)
    assert torch.equal(alone[0], there[1])


@pytest.mark.parametrize("name", NETWORKS)
def test_training(model, name):
    histories, trained = [], []
    for device in ("cpu", DEVICE):
        method = Diffusion(model(name), Spectral())
        histories.append(trainer(method, device).run())
        trained.append(weights(method))
    here, there = (torch.from_numpy(h["validation_loss"].values) for h in histories)
    close(there, here, 1e-3)
    assert there[-1, 0] < there[0, 0]
    for key, value in trained[0].items():
        close(trained[1][key], value, 2e-2)  # AdamW divides small gradients by themselves


def test_training_goes_on_where_it_was(model, tmp_path):
    whole = Diffusion(model(), Spectral())
    trainer(whole, DEVICE).run()
    state = tmp_path / "state.safetensors"
    with pytest.raises(Interrupted), watched(lambda: "the time is over"):
        trainer(Diffusion(model(), Spectral()), DEVICE, state).run()
    assert state.exists()
    resumed = Diffusion(model(), Spectral())
    trainer(resumed, DEVICE, state).run()
    for key, value in weights(whole).items():
        close(weights(resumed)[key], value, 1e-4)


def test_half_precision(model):
    """The loss is about that of single precision, and not the same."""
    losses = []
    for precision in (torch.bfloat16, torch.float32):
        method = Diffusion(model().to(DEVICE), Spectral())
        random = torch.Generator().manual_seed(0)
        loss = method.loss(fields().to(DEVICE), random, precision=precision)
        loss.sum().backward()
        assert all(p.grad.isfinite().all() for p in method.network.parameters())
        losses.append(loss.detach().cpu())
    close(losses[0], losses[1], 3e-2)
    assert not torch.equal(*losses)


@pytest.mark.skipif(NAME == "cpu", reason="compiling for a processor takes a minute")
def test_compiled_steps(model):
    """Those of the network as it stands, up to rounding."""
    methods = [Diffusion(model(), Spectral()) for _ in range(2)]
    trainer(methods[0], DEVICE).run()
    trainer(methods[1], DEVICE, compile=True).run()
    plain, compiled = (weights(method) for method in methods)
    for key, value in plain.items():
        close(compiled[key], value, 2e-2)


def test_one_process_by_nccl(model, monkeypatch):
    """As torchrun would start it."""
    alone = Diffusion(model(), Spectral())
    trainer(alone, DEVICE).run()
    for name, value in {
        "RANK": "0",
        "LOCAL_RANK": "0",
        "WORLD_SIZE": "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": "29517",
        "TORCHELASTIC_RUN_ID": "test",
    }.items():
        monkeypatch.setenv(name, value)
    together = Diffusion(model(), Spectral())
    place = DEVICE if NAME == "cpu" else torch.device(NAME, 0)
    with joined(place) as processes:
        assert processes.first
        backend = "nccl" if NAME == "cuda" else "gloo"
        assert torch.distributed.get_backend_config().endswith(backend)
        total = torch.ones(3, device=place)
        torch.distributed.all_reduce(total)
        assert total.tolist() == [1, 1, 1]
        trainer(together, place, processes=processes).run()
    for key, value in weights(alone).items():
        close(weights(together)[key], value, 1e-4)


SAMPLERS = {
    "ddim": samplers.DDIM(steps=8),
    "ancestral": samplers.DDIM(steps=8, eta=1.0),
    "dpm_solver": samplers.DPMSolver(steps=8),
    "stochastic": samplers.DPMSolver(steps=8, stochastic=True),
    "euler_maruyama": samplers.EulerMaruyama(steps=8),
    "heun": samplers.Heun(steps=6),
    "annealed_langevin": samplers.AnnealedLangevin(steps=4),
    "multilevel": samplers.Multilevel(sampler=samplers.DPMSolver(steps=8), coarsest=8),
    "starting_from": samplers.StartingFrom(sampler=samplers.DPMSolver(steps=8)),
    "predictor_corrector": samplers.PredictorCorrector(sampler=samplers.DPMSolver(steps=4)),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples(model, name):
    """Those of the processor, and nearly the same in any batch."""
    sampler, denoiser = SAMPLERS[name], model()
    here = sampler(denoiser, N, [3, 5], 0).fields
    there = sampler(denoiser.to(DEVICE), N, [3, 5], 0, device=DEVICE).fields
    alone = sampler(denoiser, N, [5], 0, device=DEVICE).fields
    close(there, here, 2e-3)
    close(alone, there[1:].cpu(), 2e-3)


@pytest.mark.parametrize(
    "guidance",
    [
        WienerGuidance(),
        MomentGuidance(),
        PseudoinverseGuidance(),
        PosteriorSampling(),
        DecoupledAnnealing(),
        TwistedSMC(particles=8),
    ],
    ids=lambda guidance: guidance.kind,
)
def test_guided_draws(model, guidance):
    data = torch.linspace(-1, 1, 8, dtype=torch.float64)
    sampler = samplers.DPMSolver(steps=6)
    here, there = (
        guidance.draw(
            model().to(device), SENSORS, data, sampler, N, [0, 1], 0, device=device
        ).fields
        for device in ("cpu", DEVICE)
    )
    close(there, here, 5e-3)


def test_a_model_that_is_told_data():
    drawn = []
    for device in ("cpu", DEVICE):
        model = fs.Diffusion(
            fs.FNO(basis="cosine", width=8, modes=6, layers=2),
            basis=BASIS,
            noise=fs.Bessel(),
            condition=Kriging(operator=SENSORS, fewest=2),
        )
        level = Level(resolution=N, epochs=1, batch_size=8)
        model.fit(fields(), [level], seed=0, device=device)
        data = torch.linspace(-1, 1, 8, dtype=torch.float64)
        observed = (SENSORS, data)
        drawn.append(model.sample(n=N, indices=[0, 1], observed=observed).fields)
    close(drawn[1], drawn[0], 5e-3)


APART = {"parabolas", "increments", "memorisation", "frechet_principal", "train_on_synthetic"}
APART |= {"frechet_efficientnet", "frechet_inception"}
"""Measures of curves, of training fields, and of pictures."""
ANYWHERE = [
    kind for kind in kinds("metrics") if kind not in APART and not find("metrics", kind).classified
]


@pytest.mark.parametrize("kind", ANYWHERE)
def test_measures(kind):
    brief = {"classifier_test": {"epochs": 1}}
    metric = build("metrics", {"kind": kind, **brief.get(kind, {})})
    samples, reference = fields(48).view(24, 2, N, N).split(12)
    here, there = (
        metric(samples.to(device), reference.to(device), BASIS) for device in ("cpu", DEVICE)
    )
    assert there == pytest.approx(here, rel=1e-3, abs=1e-5)

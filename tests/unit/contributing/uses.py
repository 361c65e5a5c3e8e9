"""What the parts in CONTRIBUTING.md do; run by ``test_contributing.py`` where they are in place."""

import math

import numpy as np
import pytest
import torch

import fsdiff as fs
from fsdiff import parts
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.exact import ExactDenoiser, gaussian
from fsdiff.measures.priors import white_noise
from fsdiff.methods import models
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.streams import Stream
from fsdiff.study import ConfigurationError, load

CIRCLE = FourierBasis(1)
PARTS = {
    "prior": "analytic",
    "process": "sub_vp",
    "source": "bumps",
    "network": "pooling",
    "sampler": "midpoint",
    "metrics": "energy_ratio",
    "method": "random_phases",
    "operator": "transect",
}
EXPERIMENT = {"dataset": "bumps", "samples": {"count": 4, "resolutions": [8, 16]}}
STUDY = {
    "datasets": {
        "bumps": {
            "source": {"kind": "bumps", "resolution": 16},
            "split": {"train": 20, "validation": 4, "test": 8},
            "resolutions": [8, 16],
        }
    },
    "experiments": {
        "phases": {**EXPERIMENT, "method": {"kind": "random_phases"}},
        "diffusion": {
            **EXPERIMENT,
            "prior": {"kind": "analytic", "width": 0.02},
            "process": {"kind": "sub_vp"},
            "prediction": {"kind": "wiener"},
            "network": {"kind": "pooling", "width": 8},
            "sampler": {"kind": "midpoint", "steps": 3},
            "levels": [{"resolution": 8, "epochs": 1}],
        },
    },
    "observations": {
        "cruise": {
            "dataset": "bumps",
            "operator": {"kind": "transect", "start": [0.1], "end": [0.6], "noise": 0.1},
        }
    },
    "posteriors": {
        "guided": {
            "experiment": "diffusion",
            "observation": "cruise",
            "guidance": {"kind": "wiener"},
            "draws": 20,
            "resolutions": [16],
        }
    },
    "evaluation": {"metrics": {"energy": {"kind": "energy_ratio"}}},
}


def make(family, **settings):
    return parts.build(family, {"kind": PARTS[family], **settings})


def bumps(indices=range(40), **settings):
    return torch.from_numpy(make("source", **settings).generate(indices, 0)["field"].values)


def test_sensors_along_a_line_see_the_function_on_every_grid():
    operator = make("operator", start=[0.1], end=[0.6], number=6, noise=0.1)
    places = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], dtype=torch.float64)
    for n in (8, 16):
        nodes = torch.arange(n, dtype=torch.float64) / n
        seen = operator.on(CIRCLE, 1, n).forward(torch.sin(4 * math.pi * nodes)[None])
        torch.testing.assert_close(seen, torch.sin(4 * math.pi * places))
    outside = {"observations": {"cruise": {"operator": {"end": [1.5]}}}}
    with pytest.raises(ConfigurationError, match=r"cruise\.operator: points: x = 1"):
        load(STUDY, outside)


@pytest.mark.parametrize("family", PARTS)
def test_a_part_is_found_by_its_kind(family):
    assert parts.find(family, PARTS[family]).kind == PARTS[family]


def test_a_study_names_all_of_them():
    experiments = load(STUDY).experiments
    assert experiments["diffusion"].prior.part == make("prior", width=0.02)
    assert experiments["diffusion"].sampler.part == make("sampler", steps=3)
    assert experiments["phases"].network is None


def test_what_their_constructors_do_not_take_is_refused():
    narrow = {"experiments": {"diffusion": {"prior": {"width": -1.0}}}}
    with pytest.raises(ConfigurationError, match=r"diffusion\.prior\.width = -1.0"):
        load(STUDY, narrow)


def test_eigenvalues_of_the_prior_sum_up_to_a_geometric_series():
    published = make("prior", width=0.05, normalize=False, reference_resolution=32)
    q = math.exp(-2 * 0.05 * 2 * math.pi)
    assert published.trace(CIRCLE, 128) == pytest.approx((1 + q) / (1 - q) / 32, rel=1e-12)
    assert make("prior").trace(CIRCLE, 64) == pytest.approx(1, rel=1e-12)


def test_the_process_has_the_published_drift_and_diffusion():
    process = make("process", rate=3.0)
    t, omega_squared = torch.linspace(0.1, 1, 5, dtype=torch.float64), torch.zeros(1).double()
    torch.testing.assert_close(process.drift(t, omega_squared), torch.full_like(t, -1.5))
    expected = 3 * (1 - (-6 * t).exp())
    torch.testing.assert_close(process.diffusion(t, omega_squared).square(), expected)


def test_a_sample_of_the_source_is_a_function_of_seed_and_index():
    torch.testing.assert_close(bumps([2, 7])[1], bumps([7])[0], rtol=0, atol=0)
    fine = bumps(resolution=64)
    assert fine[..., ::2].equal(bumps(resolution=32))
    # The mean over the circle is exp(−1/width²) I₀(1/width²), wherever the bump is.
    means = fine.double().mean(-1)
    np.testing.assert_allclose(means, np.i0(4.0) * math.exp(-4), rtol=1e-6)


def test_the_network_is_the_same_map_on_two_grids():
    network = parts.build("network", {"kind": "pooling"}, 1, 0, ("periodic",))
    fine, level = bumps(resolution=64), torch.linspace(-3, 3, 40)
    coarse = network(fine[..., ::2], level)
    torch.testing.assert_close(network(fine, level)[..., ::2], coarse, rtol=0, atol=1e-5)
    shifted = network(fine.roll(5, -1), level)
    torch.testing.assert_close(shifted, network(fine, level).roll(5, -1), rtol=0, atol=1e-5)


def test_the_sampler_draws_the_variance_of_gaussian_data_to_second_order():
    """The flow of Gaussian data takes modes from √v ξ at T to √c ξ, with ξ white noise."""
    data, noise, process = fs.Matern(length=0.2), make("prior"), fs.VariancePreserving()
    denoiser = ExactDenoiser(gaussian(CIRCLE, data), noise=noise, process=process)
    start = white_noise(CIRCLE, 16, range(4), 0, Stream.NOISE)[..., :3]
    expected = data.eigenvalues(CIRCLE, 16).sqrt()[:3]

    def error(steps):
        sampler = make("sampler", steps=steps)
        fields = sampler(denoiser, 16, range(4), 0, dtype=torch.float64).fields
        factor = CIRCLE.forward(fields)[..., :3] / start
        return float((factor - expected).abs().max())

    coarse, fine = error(16), error(32)
    assert fine < 0.01
    assert 3 < coarse / fine < 6


def test_the_metric_of_equal_sets_is_its_target():
    metric, fields = make("metrics"), bumps().double()
    (words,) = metric.words
    assert metric(fields, fields, CIRCLE) == {"energy_ratio": words.target}
    assert metric(2 * fields, fields, CIRCLE) == {"energy_ratio": pytest.approx(4)}


@pytest.mark.parametrize("basis", [CIRCLE, CosineBasis(1)])
def test_the_method_draws_fields_with_exactly_the_energies_of_the_data(basis):
    statistics = Statistics.measure(bumps(range(8), resolution=16).double(), basis)
    config = {"basis": {"kind": basis.kind, "dimension": 1}, "method": {"kind": "random_phases"}}
    method = models.make_method(config, statistics, 0)
    fields = method.sample(16, range(5), 1).fields
    expected = statistics.spectrum * basis.resolved(16)
    energies = basis.forward(fields.double()).abs().square()
    torch.testing.assert_close(energies, expected.expand(5, -1, -1), rtol=0, atol=1e-6)
    finer = method.sample(32, range(5), 1).fields
    torch.testing.assert_close(basis.restrict(finer, 16), fields, rtol=0, atol=1e-5)


def test_a_model_of_all_of_them_is_fitted_saved_and_loaded(tmp_path):
    network = parts.find("network", "pooling")(width=8)
    parted = {"noise": make("prior"), "process": make("process")}
    model = fs.Diffusion(network, basis=CIRCLE, **parted)
    model.fit(bumps(resolution=16), [fs.Level(resolution=16, epochs=2)], seed=0)
    drawn = model.sample(make("sampler", steps=3), n=16, indices=[0, 4], seed=1).fields
    model.save(tmp_path / "model")
    again = fs.load(tmp_path / "model").sample(make("sampler", steps=3), n=16, indices=[4], seed=1)
    assert again.fields.equal(drawn[1:])

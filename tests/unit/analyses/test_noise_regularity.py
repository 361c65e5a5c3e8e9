"""Errors of estimated noise: exact for a network that has learned nothing, or all there is."""

from functools import partial

import pytest
import torch
from torch import nn

from fsdiff.analyses.noise_regularity import NoiseRegularity, _Spectra
from fsdiff.measures.priors import Bessel, Standard
from fsdiff.parts import build
from fsdiff.spaces.bases import CosineBasis, FourierBasis

DATA = Bessel(power=0.8)
RESOLUTIONS = (8, 16)


class Nothing(nn.Module):
    """F = 0."""

    def forward(self, x, t):
        return 0 * x


def analysis(**changes):
    parts = {
        "network": lambda channels: Nothing(),
        "covariance": DATA,
        "basis": CosineBasis(),
        "resolutions": RESOLUTIONS,
        "steps": 0,
        "test_fields": 4,
    }
    return NoiseRegularity(**{**parts, **changes})


@pytest.mark.parametrize("prior", [Bessel(), Standard()], ids=["structured", "white"])
def test_without_an_estimate_the_norms_are_the_trace_and_the_number_of_modes(prior):
    """Exactly, in expectation, and so relative to it the error of F = 0 is one."""
    basis = CosineBasis()
    mean_square = analysis(prior=prior).run()
    weighted = analysis(prior=prior, loss="cameron_martin").run()
    for position, n in enumerate(RESOLUTIONS):
        assert float(mean_square["size"][position]) == pytest.approx(prior.trace(basis, n))
        assert float(weighted["size"][position]) == pytest.approx(n**2)


@pytest.mark.parametrize("loss", ["l2", "cameron_martin"])
def test_the_error_of_no_estimate_is_one(loss):
    """In expectation: what the best estimate misses, and what there is of it."""
    found = analysis(loss=loss, resolutions=(8,), test_fields=2000).run()
    assert float(found["error"][0, 0]) == pytest.approx(1, abs=0.03)
    assert float(found["missed"][0, 0]) == pytest.approx(float(found["size"][0]), rel=0.03)


def test_sizes_are_the_means_of_the_norms_of_drawn_noise():
    for loss in ("l2", "cameron_martin"):
        spectra = _Spectra.of(analysis(loss=loss), 8)
        noise = spectra.draw(4000, torch.Generator().manual_seed(0), 1.0)[1]
        norms = spectra.norm(noise)
        error = 4 * float(norms.std()) / 4000**0.5
        assert float(norms.mean()) == pytest.approx(spectra.size, abs=error)


def test_only_modes_that_the_grid_resolves_count():
    weighted = analysis(basis=FourierBasis(), loss="cameron_martin", resolutions=(8,))
    assert float(weighted.run()["size"][0]) == pytest.approx(49)


def test_traces_converge_and_numbers_of_modes_do_not():
    mean_square = analysis(resolutions=(32, 64)).run()["size"].values
    weighted = analysis(resolutions=(32, 64), loss="cameron_martin").run()["size"].values
    assert mean_square[1] / mean_square[0] < 1.2
    assert weighted[1] / weighted[0] == pytest.approx(4)


@pytest.mark.parametrize("loss", ["l2", "cameron_martin"])
def test_the_best_estimate_has_the_least_error(loss):
    """η̂ = level λ/(c + level²λ) x, mode by mode; the least error is what drawn fields say, too."""
    run = analysis(loss=loss, level=0.5, resolutions=(8,))
    spectra = _Spectra.of(run, 8)
    symbol = 0.5 * spectra.noise / (spectra.data + 0.25 * spectra.noise)

    class Best(nn.Module):
        def forward(self, x, t):
            assert float(t[0]) == pytest.approx(-torch.tensor(0.5).log())
            return spectra.basis.multiply(x, symbol.float())

    found = analysis(loss=loss, level=0.5, resolutions=(8,), network=lambda channels: Best()).run()
    assert float(found["error"][0, 0]) == pytest.approx(float(found["least"][0]), rel=1e-6)
    x, noise = spectra.draw(2000, torch.Generator().manual_seed(1), 0.5)
    missed = spectra.norm(spectra.basis.multiply(x, symbol.float()) - noise).double()
    error = 4 * float(missed.std()) / 2000**0.5
    assert float(found["missed"][0, 0]) == pytest.approx(float(missed.mean()), abs=error)


def test_training_lowers_the_error():
    block = {"kind": "fno", "width": 8, "modes": 4, "layers": 1, "basis": "cosine"}
    network = partial(build, "network", block)
    few = {"network": network, "resolutions": (8,), "test_fields": 100, "seeds": (0, 1)}
    before = analysis(**few).run()
    after = analysis(**few, steps=40, learning_rate=5e-3).run()
    assert (after["error"] < 0.9 * before["error"]).all()
    assert (after["error"] > after["least"]).all()
    assert float(after["error"][0, 0]) != float(after["error"][1, 0])

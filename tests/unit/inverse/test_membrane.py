"""The membrane of 64 blocks: published values, derivative, symmetry."""

import numpy as np
import pytest
import torch

from fsdiff.data.sources.membrane import MembraneData
from fsdiff.data.statistics import Statistics
from fsdiff.inverse.forward.base import ImpossibleFieldError
from fsdiff.inverse.forward.membrane import (
    Membrane,
    exact_stiffness,
    log_likelihood,
    log_prior,
    measurements,
)
from fsdiff.inverse.latent.posterior import posterior_of
from fsdiff.inverse.observations.mapped import Mapped
from fsdiff.inverse.observations.physical import Physical
from fsdiff.spaces.bases import CosineBasis

IRREGULAR = """
7.424464300151675 5.146949392577792 0.4552998219577289 0.7562929882343709 3.435713677963932
3.346880874881098 0.167400511173001 1.672479474792017 0.1106945670253823 0.6454462101875653
9.497768918283253 0.2726947271251607 1.292187865731028 1.116286443377628 2.946758821388506
0.3016840921758895 2.992302682273326 0.186815657305601 5.446801714025209 0.607052220581344
0.259998934918923 3.3082122929957 0.1302224148858491 9.363310448960325 1.425788538242307
3.560914244377736 1.497533565470953 0.3294871972590255 0.9981552096666537 0.1337600156398106
1.420495164848728 4.397783113634144 0.1007186113793778 1.712302239891422 0.3992239619722109
0.3034171701462479 0.9078517204015203 0.1482097249767184 0.3272030484280278 0.1245993231538066
1.06393855505493 8.955698553537829 0.2453988949471052 2.11156977866123 1.644616917593078
1.742311152601188 5.235343015375949 5.386761161752736 4.102318040972229 2.613728057513296
0.1430899484797824 0.4479741827114062 0.2520372829306234 4.397166459926218 7.833567043979766
0.1292401950332613 2.697939357849716 3.338720443400087 2.824351939194429 0.2018562308080854
0.1905391753352444 0.3683767518794504 0.7725756720768329 0.2858988978666839
"""
"""A test vector that is published with the benchmark."""

PUBLISHED = {
    "one": (np.ones(64), -228.510844003, 0.0),
    "ten": (np.full(64, 10.0), -5708.64422369, -42.4151848838),
    "ramp": (np.arange(1.0, 65.0), -6412.82113914, -88.6599171951),
    "irregular": (np.array(IRREGULAR.split(), dtype=float), -852.897808712, -14.9011148893),
}


def fields(theta):
    return torch.from_numpy(np.log(theta)).view(1, 1, 8, 8)


@pytest.mark.parametrize("name", PUBLISHED)
def test_reproduces_published_log_densities(name):
    theta, likelihood, prior = PUBLISHED[name]
    assert log_likelihood(theta) == pytest.approx(likelihood, rel=0, abs=1e-6)
    assert log_prior(theta) == pytest.approx(prior, rel=1e-10, abs=1e-10)


def test_reproduces_published_deflections_in_their_order():
    """Their beginnings: a ramp of stiffness tells x from y."""
    ramp = Membrane()(fields(np.arange(1.0, 65.0)))[0].numpy()
    expected = [2.3014200637710092e-02, 1.7227013822948514e-02, 1.4997159065063659e-02]
    assert ramp[:3] == pytest.approx(expected, rel=1e-13)
    assert ramp[13] == pytest.approx(2.6708208929557244e-02, rel=1e-13)
    assert Membrane()(fields(np.ones(64)))[0, 0] == pytest.approx(0.076937775561651600, rel=1e-10)


def test_the_data_are_those_of_the_stiffness_they_were_made_with_and_symmetric():
    data = measurements().view(13, 13)
    assert (data - data.T).abs().max() < 1e-13
    model = Membrane()(fields(exact_stiffness()))[0]
    # The model's cells are coarser than those of the data: 2 % of what is measured, and no more.
    assert 1e-3 < float((model - data.flatten()).norm() / data.norm()) < 2e-2
    assert log_likelihood(exact_stiffness()) > -0.5


def test_transposed_stiffness_gives_transposed_deflections():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 1, 8, 8)))
    z = Membrane()(x).view(2, 13, 13)
    assert torch.allclose(Membrane()(x.mT).view(2, 13, 13), z.mT, rtol=1e-12)


def test_stiffer_by_a_factor_deflects_less_by_it():
    x = torch.from_numpy(np.random.default_rng(1).standard_normal((1, 1, 8, 8)))
    assert torch.allclose(Membrane()(x + np.log(3.0)), Membrane()(x) / 3, rtol=1e-12)


def test_derivative_transpose_and_differences_agree():
    rng = np.random.default_rng(2)
    x, direction = (torch.from_numpy(rng.standard_normal((3, 1, 8, 8))) for _ in range(2))
    weights = torch.from_numpy(rng.standard_normal((3, 169)))
    linear = Membrane().linearise(x)
    forwards = (linear.jvp(direction) * weights).sum(1)
    backwards = (linear.vjp(weights) * direction).flatten(1).mean(1)
    assert torch.allclose(forwards, backwards, rtol=1e-11)
    step = 1e-4
    ahead, behind = Membrane()(x + step * direction), Membrane()(x - step * direction)
    assert torch.allclose(
        (ahead - behind) / (2 * step), linear.jvp(direction), rtol=1e-5, atol=1e-8
    )
    assert torch.equal(linear.value, Membrane()(x))
    with pytest.raises(ValueError, match=r"shape \(batch, 1, 8, 8\), not \(1, 1, 4, 4\)"):
        Membrane()(torch.zeros(1, 1, 4, 4))


def test_derivatives_of_all_deflections_at_once_are_those_of_each():
    """Of the map, and of what models and posteriors see of it."""
    x = torch.from_numpy(np.random.default_rng(3).standard_normal((2, 1, 8, 8)))
    each = torch.stack([Membrane().vjp(x, unit.expand(2, -1)) for unit in torch.eye(169).double()])
    assert torch.allclose(Membrane().jacobian(x), each.transpose(0, 1), rtol=1e-9, atol=1e-12)
    operator = Mapped(map=Membrane(), noise=0.05)
    scale = torch.tensor([2.0]).double()
    statistics = Statistics(
        mean=0 * scale, scale=scale, spectrum=torch.ones(1, 8).double(), resolution=8
    )
    normalised = Physical(observation=operator, statistics=statistics).on(CosineBasis(2), 1, 8)
    assert torch.allclose(normalised.jacobian(x[:1] / 2), 2 * Membrane().jacobian(x[:1]))
    posterior = posterior_of(MembraneData(), operator, 8, torch.zeros(169))
    assert torch.equal(posterior.map.jacobian(x), Membrane().jacobian(x))


@pytest.mark.filterwarnings("error")
def test_an_infinite_stiffness_is_impossible_without_a_word_from_numpy():
    x = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    x[0, 0, 3, 4] = 800.0
    with pytest.raises(ImpossibleFieldError, match=r"singular .*: θ is between 1 and inf"):
        Membrane().linearise(x)

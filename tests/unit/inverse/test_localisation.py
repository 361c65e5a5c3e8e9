"""Localisation of ensembles: nothing for an infinite radius, much for few members."""

import math

import numpy as np
import pytest
import torch

from fsdiff.inverse.forward.base import Linear
from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.forward.membrane import Membrane
from fsdiff.inverse.observations.averages import Averages
from fsdiff.inverse.observations.channel import Channel
from fsdiff.inverse.observations.mapped import Mapped
from fsdiff.inverse.observations.mask import Mask
from fsdiff.inverse.observations.modes import Modes
from fsdiff.inverse.observations.points import GridOfPoints, Points, RandomPoints
from fsdiff.inverse.observations.several import Several
from fsdiff.inverse.observations.some import Some
from fsdiff.inverse.references.ensemble import EnsembleSmoother
from fsdiff.inverse.references.gaussian import GaussianPosterior
from fsdiff.inverse.references.kriging import JointGaussian
from fsdiff.inverse.references.likelihoods import GaussianNoise
from fsdiff.inverse.references.localisation import (
    CorrelationLocalisation,
    GaspariCohn,
    Localisation,
    Located,
    gaspari_cohn,
)
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import GaussianField
from fsdiff.measures.initial import GaussianRandomField
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Box

N, NOISE = 24, 0.1
SENSORS = RandomPoints(number=100, noise=NOISE)
TORUS = FourierBasis(2)


def normal(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape))


def short(observation=SENSORS, seed=0, length=0.1):
    """Gaussian functions on a torus whose correlations reach over a tenth of it, as seen."""
    prior = GaussianField(TORUS, GaussianRandomField(correlation_length=length, smoothness=1.5), N)
    observed = observation.on(TORUS, 1, N)
    rows = observed.adjoint(torch.eye(observed.size, dtype=torch.float64))
    truth = prior.draw(normal(1, prior.normals, seed=seed))
    data = observed.forward(truth)[0] + NOISE * normal(observed.size, seed=seed + 1)
    return truth[0], Posterior(prior, Linear(rows), GaussianNoise(noise=NOISE), data)


def located(observation=SENSORS, basis=TORUS, n=N, channels=1):
    return Located.of(observation, basis, channels, n, (channels, *basis.grid(n)))


def quality(localisation, members, observation=SENSORS, cases=3):
    """Errors of mean and deviation in units of the exact one, and coverage of 90 % intervals."""
    smoother, found = EnsembleSmoother(members=members, localisation=localisation), []
    for case in range(cases):
        truth, posterior = short(observation, seed=10 * case)
        exact = GaussianPosterior.of(posterior)
        draws = smoother.draw(posterior, members, case, located(observation))
        spread = exact.variance.sqrt()
        off = draws.mean(0) - exact.mean, draws.std(0) - spread
        errors = [float(u.norm() / spread.norm()) for u in off]
        low, high = draws.quantile(0.05, 0), draws.quantile(0.95, 0)
        found.append([*errors, float(((low < truth) & (truth < high)).double().mean())])
    return np.mean(found, 0)


def test_few_members_for_many_data_need_it():
    """100 members and data: means four times as near to the posterior, and intervals that hold.

    The exact posterior covers 90 %, and 100 independent draws of it 88 %.
    """
    alone = quality(None, 100)
    by_distance, by_correlation = (
        quality(way, 100) for way in (GaspariCohn(radius=0.4), BY_CHANCE)
    )
    assert alone[0] > 1
    assert alone[2] < 0.35
    assert by_distance[0] < 0.3 * alone[0]
    assert by_distance[1] < 0.2 * alone[1]
    assert 0.8 < by_distance[2] < 0.92
    assert by_correlation[0] < 0.75 * alone[0]
    assert by_correlation[1] < 0.8 * alone[1]
    assert by_correlation[2] > alone[2] + 0.15


BY_CHANCE = CorrelationLocalisation()


def test_what_correlations_are_no_chance_of_modes_is_kept():
    """Modes have small correlations with all nodes: deviations gain, and means lose little."""
    modes = Modes(highest=4, noise=NOISE)
    alone, localised = (quality(way, 80, modes) for way in (None, BY_CHANCE))
    assert localised[0] < 1.15 * alone[0]
    assert localised[1] < 0.8 * alone[1]


def gain(localisation, ensemble, observation, basis, n, residuals):
    """The gain by an ensemble (members, channel, *grid), of residuals (batch, size)."""
    channels = ensemble.shape[1]
    seen = observation.on(basis, channels, n).forward(ensemble)
    noise = observation.variances(basis, channels)
    known = located(observation, basis, n, channels)
    return localisation.explained(JointGaussian(ensemble, seen, noise), residuals, known)


def test_an_infinite_radius_changes_nothing():
    _, posterior = short()
    draws = [
        EnsembleSmoother(members=120, localisation=way).draw(posterior, 120, 1, located())
        for way in (None, GaspariCohn(radius=math.inf), GaspariCohn(radius=(math.inf, math.inf)))
    ]
    torch.testing.assert_close(draws[1], draws[0], rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(draws[2], draws[0], rtol=1e-9, atol=1e-9)


def test_many_members_leave_correlations_as_they_are():
    ensemble, residuals = normal(40_000, 1, 8), normal(1, 3, seed=1)
    sensors = RandomPoints(number=3, noise=0.5)
    basis = CosineBasis(1)
    plain = gain(GaspariCohn(radius=math.inf), ensemble, sensors, basis, 8, residuals)
    found = gain(BY_CHANCE, ensemble, sensors, basis, 8, residuals)
    assert float((found - plain).norm()) < 0.01 * float(plain.norm())


def test_the_function_is_that_of_gaspari_and_cohn():
    """The self-convolution in three dimensions of max(0, 1 − 2|x|), which is zero from 2 on."""
    z = torch.tensor([0.0, 1.0, 1.999, 2.0, 5.0], dtype=torch.float64)
    assert gaspari_cohn(z).tolist() == pytest.approx([1, 5 / 24, 0, 0, 0], abs=1e-8)
    x = torch.linspace(-1.5, 1.5, 61, dtype=torch.float64)
    cube = torch.stack(torch.meshgrid(x, x, x, indexing="ij"), -1)

    def cone(shift):
        return (1 - 2 * (cube - torch.tensor([shift, 0, 0])).norm(dim=-1)).clamp_min(0)

    total = (cone(0.0) ** 2).sum()
    for distance in (0.25, 0.5, 0.75):  # c = 1/2, the reach of a cone
        expected = float((cone(0.0) * cone(distance)).sum() / total)
        found = float(gaspari_cohn(torch.tensor(2 * distance).double()))
        assert found == pytest.approx(expected, abs=2e-3)


def test_distances_go_around_periodic_axes_and_are_those_of_the_box():
    """A sensor at the edge of a box of other sides: nodes around it, none beyond the radius."""
    box = Box(
        axes=(
            Axis(kind="neumann", name="y", nodes=10, side=0.5),
            Axis(kind="periodic", name="x", nodes=16, side=2.0),
        )
    )
    sensor, residual = Points(points=((0.1, 0.0),), noise=0.1), torch.ones(1, 1).double()
    ensemble = normal(30, 1, *box.grid(16))
    y, x = (torch.from_numpy(along) for along in box.axis_nodes(16))
    near = torch.minimum(x, 2 - x)
    for radius, distance in (
        (0.3, ((y[:, None] - 0.1) ** 2 + near**2).sqrt() / 0.3),
        ((0.2, 0.6), (((y[:, None] - 0.1) / 0.2) ** 2 + (near / 0.6) ** 2).sqrt()),
    ):
        plain = gain(GaspariCohn(radius=math.inf), ensemble, sensor, box, 16, residual)
        found = gain(GaspariCohn(radius=radius), ensemble, sensor, box, 16, residual)
        taper = found[0, 0] / plain[0, 0]
        torch.testing.assert_close(taper, gaspari_cohn(2 * distance), rtol=1e-9, atol=1e-9)
        assert (taper[distance > 1] == 0).all()
        assert (taper[distance < 0.9] > 0).all()


@pytest.mark.parametrize("localisation", [GaspariCohn(radius=0.4), BY_CHANCE])
def test_functions_on_finer_grids_are_moved_alike(localisation):
    """At the nodes that both grids have; and blocks of data or nodes change nothing."""
    basis, residuals = FourierBasis(1), normal(2, 5, seed=1)
    sensors, coarse = RandomPoints(number=5, noise=0.3), normal(20, 1, 16)
    coarse = basis.restrict(basis.prolong(coarse, 64), 16)
    fine = gain(localisation, basis.prolong(coarse, 64), sensors, basis, 64, residuals)
    found = gain(localisation, coarse, sensors, basis, 16, residuals)
    torch.testing.assert_close(fine[..., ::4], found, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("localisation", [GaspariCohn(radius=0.4), BY_CHANCE])
def test_blocks_change_nothing(localisation, monkeypatch):
    basis, residuals = FourierBasis(1), normal(2, 5, seed=1)
    sensors, ensemble = RandomPoints(number=5, noise=0.3), normal(20, 1, 16)
    whole = gain(localisation, ensemble, sensors, basis, 16, residuals)
    monkeypatch.setattr("fsdiff.inverse.references.localisation.MOST_ENTRIES", 32)
    parts = gain(localisation, ensemble, sensors, basis, 16, residuals)
    torch.testing.assert_close(parts, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("radius", [0.25, 0.5, (0.3, None)])
def test_factors_are_a_covariance_around_a_torus(radius):
    """Those of all nodes; beyond half of a period they would be none, and are refused."""
    mask, way = Mask(resolution=12, share=1.0), GaspariCohn(radius=radius)
    way.check(located(mask, TORUS, 12))
    assert float(torch.linalg.eigvalsh(way.among_data(located(mask, TORUS, 12)))[0]) > -1e-10
    with pytest.raises(ValueError, match=r"radius = 0\.6: more than half of a periodic axis of s"):
        GaspariCohn(radius=(0.6, 0.1)).check(located(mask, TORUS, 12))


PLACES = {
    "channels": (Points(points=((0.1,), (0.6,))), 2, [0.1, 0.6, 0.1, 0.6]),
    "channel": (Channel(channel=1, observation=Averages(resolution=2)), 2, [0.25, 0.75]),
    "some": (Some(observation=Points(points=((0.1,), (0.6,))), data=(3, 0)), 2, [0.6, 0.1]),
    "several": (
        Several(
            observation=(
                Points(points=((0.1,),)),
                Channel(channel=0, observation=Points(points=((0.7,),))),
            )
        ),
        2,
        [0.1, 0.1, 0.7],
    ),
    "modes": (Modes(highest=2), 1, None),
    "partly": (Several(observation=(Points(points=((0.1,),)), Modes(highest=2))), 1, None),
}


@pytest.mark.parametrize(("observation", "channels", "places"), PLACES.values(), ids=PLACES)
def test_all_data_have_places_or_none(observation, channels, places):
    found = observation.places_of_data(CosineBasis(1), channels)
    if places is None:
        assert found is None
        with pytest.raises(ValueError, match="has no place: use kind: correlation"):
            GaspariCohn(radius=1.0).check(located(observation, CosineBasis(1), 8, channels))
    else:
        assert found.shape == (len(observation.deviations(CosineBasis(1), channels)), 1)
        assert found[:, 0].tolist() == places


@pytest.mark.parametrize(
    ("map", "n"),
    [(Membrane(), 8), (DarcySensors(sensors=GridOfPoints(shape=(3, 5))), 16)],
    ids=["membrane", "darcy"],
)
def test_data_of_equations_lie_where_they_are_measured(map, n):
    """Coefficients near a datum tell it most, on whichever side of the diagonal it is."""
    places = Mapped(map=map, noise=0.1).places_of_data(CosineBasis(2), 1)
    assert places.shape == (map.size, 2)
    told = map.jacobian(torch.zeros(1, 1, n, n, dtype=torch.float64))[0, :, 0].abs()
    told = told / told.sum((1, 2), keepdim=True)
    along = (torch.arange(n) + 0.5) / n
    centres = torch.stack([told.sum(2) @ along.double(), told.sum(1) @ along.double()], 1).numpy()
    for axis in range(2):
        assert np.corrcoef(centres[:, axis], places[:, axis])[0, 1] > 0.9
        assert abs(np.corrcoef(centres[:, axis], places[:, 1 - axis])[0, 1]) < 0.1


def test_members_on_other_nodes_have_no_place():
    assert Located.of(SENSORS, TORUS, 1, N, (1, 8, 8)) is None
    with pytest.raises(ValueError, match="or a member, has no place"):
        GaspariCohn(radius=1.0).check(None)
    with pytest.raises(ValueError, match="radius: 3 for 2 axes; give one, or one each"):
        GaspariCohn(radius=(1.0, 1.0, 1.0)).check(located())
    assert issubclass(CorrelationLocalisation, Localisation)
    BY_CHANCE.check(None)

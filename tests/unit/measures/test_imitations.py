"""Laws that imitate fields: which moments they keep, and what they cannot."""

import numpy as np
import pytest
import torch
from scipy.special import ndtri

from fsdiff.measures.imitations import (
    GaussianCopula,
    NodeNoise,
    PrincipalComponents,
    PrincipalDensity,
    Resampled,
    Shrunk,
    Stationary,
)
from fsdiff.measures.priors.kernel import Exponential
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.gram import GramBasis

COUNT = 20_000
LINE = CosineBasis(1)
FIELDS = torch.rand((30, 2, 6), generator=torch.Generator().manual_seed(0)).double().cumsum(-1)
FIELDS = FIELDS.square() + 3


def drawn(imitation, count=COUNT):
    return imitation.draw(FIELDS, LINE, count, np.random.default_rng(0))


def covariance(fields):
    flat = fields.flatten(1)
    centred = flat - flat.mean(0)
    return centred.T @ centred / len(flat)


@pytest.mark.parametrize("imitation", [Resampled(), PrincipalComponents(), PrincipalDensity()])
def test_means_and_covariances_are_those_of_the_fields(imitation):
    found = drawn(imitation)
    deviation = FIELDS.std(0)
    assert float(((found.mean(0) - FIELDS.mean(0)) / deviation).abs().max()) < 0.04
    scale = float(covariance(FIELDS).diagonal().max())
    torch.testing.assert_close(covariance(found), covariance(FIELDS), rtol=0, atol=0.05 * scale)


@pytest.mark.parametrize(
    "imitation", [Resampled(), PrincipalComponents(), PrincipalDensity(), GaussianCopula()]
)
def test_the_law_of_a_single_field_is_that_field(imitation):
    """As that of a class with one training field; there is no deviation to draw from."""
    found = imitation.draw(FIELDS[:1], LINE, 3, np.random.default_rng(0))
    torch.testing.assert_close(found, FIELDS[:1].expand(3, -1, -1))


def test_what_is_resampled_is_among_the_fields():
    assert (drawn(Resampled(), 50)[:, None] == FIELDS).flatten(2).all(2).any(1).all()


def test_a_narrow_kernel_copies_and_a_wide_one_is_gaussian():
    copies = drawn(PrincipalDensity(width=1e-6), 50).flatten(1)
    # All but what is beyond 99.99 % of the variance.
    assert float(torch.cdist(copies, FIELDS.flatten(1)).amin(1).max()) < 0.03 * float(FIELDS.std())
    wide, gaussian = (
        drawn(law)[:, 0, 0] for law in (PrincipalDensity(width=50.0), PrincipalComponents())
    )

    def kurtosis(u):
        return float(((u - u.mean()) / u.std()).pow(4).mean())

    assert kurtosis(wide) == pytest.approx(3, abs=0.15)
    assert kurtosis(gaussian) == pytest.approx(3, abs=0.15)


def test_shrunk_fields_keep_the_mean_and_a_part_of_the_deviation():
    found = drawn(Shrunk(factor=0.3))
    torch.testing.assert_close(covariance(found), 0.09 * covariance(FIELDS), rtol=0.1, atol=0.01)
    assert float((drawn(Shrunk(factor=0.0), 3) - FIELDS.mean(0)).abs().max()) < 1e-12


def test_noise_has_moments_of_channels_and_no_order():
    found = drawn(NodeNoise())
    for channel in range(2):
        values = FIELDS[:, channel]
        assert float(found[:, channel].mean()) == pytest.approx(float(values.mean()), rel=0.01)
        assert float(found[:, channel].var()) == pytest.approx(float(values.var()), rel=0.04)
    correlation = np.corrcoef(found.flatten(1).T)
    assert np.abs(correlation - np.eye(12)).max() < 0.04


def test_a_copula_has_the_law_of_every_node_and_the_correlation_of_normal_scores():
    found = drawn(GaussianCopula()).flatten(1)
    given = FIELDS.flatten(1)
    for place, value in enumerate(given.sort(0).values):
        below = (found <= value).double().mean(0)
        assert float((below - (place + 0.5) / len(given)).abs().max()) < 0.02
    assert bool(((found >= given.amin(0)) & (found <= given.amax(0))).all())
    scores = [np.corrcoef(normal_scores(u).T) for u in (found, given)]
    assert np.abs(scores[0] - scores[1]).max() < 0.06


def normal_scores(values):
    """What normal quantiles the ranks of values (N, d) have."""
    return ndtri((values.argsort(0).argsort(0).numpy() + 0.5) / len(values))


def test_values_that_are_often_the_same_do_not_become_correlated():
    """Counts are zero at night; with 70 % of zeros at independent nodes a copula joins nothing."""
    random = np.random.default_rng(3)
    counts = np.where(random.random((2000, 1, 6)) < 0.7, 0.0, random.random((2000, 1, 6)))
    found = GaussianCopula().draw(torch.from_numpy(counts), LINE, COUNT, np.random.default_rng(0))
    correlation = np.corrcoef(found.flatten(1).T)
    assert np.abs(correlation - np.eye(6)).max() < 0.06
    assert float((found < 1e-9).double().mean()) == pytest.approx(0.7, abs=0.02)
    again = GaussianCopula().draw(torch.from_numpy(counts), LINE, COUNT, np.random.default_rng(0))
    assert torch.equal(found, again)


def correlated(length, count=400, nodes=24):
    """Curves of a Matérn-3/2 process, plus three, in a second channel as well and there larger."""
    h = 3**0.5 * np.abs(np.subtract.outer(np.arange(nodes), np.arange(nodes))) / nodes / length
    factor = np.linalg.cholesky((1 + h) * np.exp(-h))
    values = np.random.default_rng(1).standard_normal((count, 2, nodes)) @ factor.T
    return torch.from_numpy(values * [[1.0], [10.0]] + 3), factor


def test_a_stationary_process_is_found_again():
    fields, factor = correlated(0.2)
    found = Stationary().draw(fields, LINE, COUNT, np.random.default_rng(0))
    assert float(found.mean()) == pytest.approx(3, abs=0.3)
    exact = torch.from_numpy(factor @ factor.T)
    values = (found - found.mean((0, 2), keepdim=True)) / torch.tensor([[1.0], [10.0]])
    for channel in values.unbind(1):
        torch.testing.assert_close(channel.T @ channel / COUNT, exact, rtol=0, atol=0.12)
    assert float(values.prod(1).mean()) == pytest.approx(0, abs=0.02)  # channels are independent


def of_covariance(matrix, shape):
    """Fields (500, 1, *shape) of a covariance."""
    factor = np.linalg.cholesky(matrix + 1e-9 * np.eye(len(matrix)))
    values = np.random.default_rng(1).standard_normal((500, len(matrix))) @ factor.T
    return torch.from_numpy(values).view(500, 1, *shape)


def stationary_covariance(fields, basis):
    values = Stationary().draw(fields, basis, COUNT, np.random.default_rng(0)).flatten(1)
    return (values.T @ values / COUNT).numpy()


def test_on_a_circle_the_first_node_is_beside_the_last():
    angle = 2 * np.pi * np.subtract.outer(np.arange(20), np.arange(20)) / 20
    exact = np.exp(-2 * np.abs(np.sin(angle / 2)) / (2 * np.pi) / 0.3)
    found = stationary_covariance(of_covariance(exact, (20,)), FourierBasis(1))
    assert exact[0, 19] > 0.8 > 0.5 > exact[0, 10]
    assert np.abs(found - exact).max() < 0.1


def test_points_that_are_not_equidistant_are_where_they_are():
    points = (0.0, 0.02, 0.04, 0.06, 0.3, 0.35, 0.8, 0.9, 0.95, 1.0)
    exact = np.exp(-np.abs(np.subtract.outer(points, points)) / 0.2)
    basis = GramBasis(points=points, covariance=Exponential(length=0.1))
    found = stationary_covariance(of_covariance(exact, (10,)), basis)
    assert np.abs(found - exact).max() < 0.1


def test_lengths_are_those_of_the_sides():
    """A strip that is four times as long as wide, with the same nodes along both."""
    axes = ({"kind": "neumann", "name": "y", "nodes": 6, "side": 0.25},)
    basis = Box(axes=(*axes, {"kind": "neumann", "name": "x", "nodes": 6}))
    places = np.stack(np.meshgrid(*basis.axis_nodes(6), indexing="ij"), -1).reshape(-1, 2)
    exact = np.exp(-np.linalg.norm(places[:, None] - places, axis=-1) / 0.2)
    found = stationary_covariance(of_covariance(exact, (6, 6)), basis)
    assert np.abs(found - exact).max() < 0.1


def test_a_stationary_process_does_not_know_where_it_is():
    """Neither the mean nor the deviation at a node, which the given fields have."""
    found = drawn(Stationary())[:, 0]
    assert float(FIELDS[:, 0].std(0).max() / FIELDS[:, 0].std(0).min()) > 3
    assert float(found.std(0).max() / found.std(0).min()) == pytest.approx(1, abs=0.05)


def test_fields_of_more_nodes_than_can_be_factorised_are_refused():
    with pytest.raises(ValueError, match="fields have 2500 nodes: the most that is feasible"):
        Stationary().fit(torch.zeros(2, 1, 50, 50), CosineBasis())

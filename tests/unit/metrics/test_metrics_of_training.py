"""Memory is told by distances to training fields, beside those of fields that nobody was shown."""

import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.measures.priors.kernel import RBF
from fsdiff.metrics.frechet_principal import FrechetPrincipal, principal_directions
from fsdiff.metrics.memorisation import Memorisation, nearest
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.gram import GramBasis
from fsdiff.stages.judge import Judge

BASIS, N = CosineBasis(1), 12


def normal(count, seed):
    random = torch.Generator().manual_seed(seed)
    return torch.randn((count, 2, N), generator=random)


TRAINING, HELD_OUT = normal(300, 0), normal(4000, 1)


def test_distances_are_those_of_functions_and_exactly_zero_for_copies():
    assert float(nearest(TRAINING[7:9], TRAINING).max()) == 0
    moved = TRAINING[:1] + torch.tensor([[3.0], [4.0]])
    assert float(nearest(moved, TRAINING[:1])[0]) == pytest.approx(5.0)


def test_distances_on_points_that_cluster_are_those_of_functions():
    """Twelve points of seventeen are on a tenth of the interval."""
    points = np.concatenate([np.linspace(0.01, 0.1, 12), np.linspace(0.3, 0.95, 5)])
    basis = GramBasis(points=tuple(points), covariance=RBF(length=0.3))
    random = torch.Generator().manual_seed(0)
    training, samples, reference = torch.randn(3, 8, 1, len(points), generator=random)
    found = Memorisation().beside(training, samples, reference, basis)
    apart = (samples[:, None] - training).double().square().squeeze(2)
    nearest_by_mean = basis.mean(apart).sqrt().amin(1)
    assert found["nearest_training"] == pytest.approx(float(nearest_by_mean.median()))
    assert found["nearest_training"] != pytest.approx(
        float(apart.mean(-1).sqrt().amin(1).median()), rel=0.05
    )


@pytest.mark.parametrize("metric", [Memorisation(), FrechetPrincipal(components=8)])
def test_nodes_without_values_count_for_nothing(metric):
    """Whatever stands there; others have weights whose mean is one, as on a smaller domain."""
    present = torch.ones((1, N), dtype=torch.bool)
    present[:, 3:6] = False
    sets = low(200, N, 0), low(100, N, 1), low(100, N, 2)
    noisy = [torch.where(present, fields, normal(len(fields), 7)) for fields in sets]
    found = metric.beside(*sets, BASIS, present)
    assert metric.beside(*noisy, BASIS, present) == found
    assert metric.beside(*noisy, BASIS) != found
    fewer = [fields[..., present[0]] for fields in sets]
    assert found == pytest.approx(metric.found(*(fields.double() for fields in fewer)), rel=1e-6)


def test_copies_are_remembered_and_new_fields_of_the_law_are_not():
    def found(samples):
        return Memorisation().beside(TRAINING, samples, HELD_OUT, BASIS)

    copies = found(TRAINING)
    assert (copies["training_over_test"], copies["memorised"]) == (0.0, 1.0)
    new = found(normal(3000, 2))
    assert new["training_over_test"] == pytest.approx(1.0, abs=0.02)
    assert new["memorised"] == pytest.approx(0.05, abs=0.015)
    assert new["nearest_training"] == pytest.approx(new["nearest_training_reference"], rel=0.02)


def test_one_copy_among_ten_is_seen_in_the_share_and_hardly_in_the_median():
    some = torch.cat([TRAINING[:300], normal(2700, 3)])
    row = Memorisation().beside(TRAINING, some, HELD_OUT, BASIS)
    assert row["memorised"] == pytest.approx(0.1 + 0.9 * 0.05, abs=0.015)
    assert row["training_over_test"] > 0.95


def circle(count, seed, *, noise=0.0):
    """Functions with two coefficients on a circle, and white noise."""
    random = torch.Generator().manual_seed(seed)
    angle = 2 * torch.pi * torch.rand(count, generator=random)
    plane = torch.zeros(count, 2, N)
    plane[:, 0, 0], plane[:, 1, 0] = angle.cos(), angle.sin()
    return plane + noise * torch.randn((count, 2, N), generator=random)


NUMBERS = pytest.mark.parametrize(("training", "test"), [(1000, 1000), (8000, 1000), (1000, 8000)])


@NUMBERS
def test_the_law_of_the_data_has_one_whatever_the_numbers_on_a_thin_manifold(training, test):
    """Eight times as many fields are eight times as near on a curve."""
    found = Memorisation().beside(circle(training, 0), circle(1000, 1), circle(test, 2), BASIS)
    assert found["training_over_test"] == pytest.approx(1.0, abs=0.2)


@NUMBERS
def test_samples_off_a_thin_manifold_have_one_whatever_the_numbers(training, test):
    """They are as far from training as from test fields; a ratio of medians has hundreds."""
    far = circle(400, 1, noise=0.3)
    found = Memorisation().beside(circle(training, 0), far, circle(test, 2), BASIS)
    assert found["training_over_test"] == pytest.approx(1.0, abs=0.05)
    assert found["nearest_training"] > 50 * found["nearest_training_reference"]


def test_each_sample_is_compared_with_what_is_near_it():
    """Copies of training fields in a sparse region, where test fields are also far."""
    sparse = 10 * normal(200, 4)
    training = torch.cat([normal(300, 0), sparse])
    nearly = sparse + 0.5 * normal(200, 5)
    found = Memorisation().beside(training, nearly, HELD_OUT[:500], BASIS)
    assert found["training_over_test"] < 0.3 < 1 / 3 < found["nearest_training"]


def test_a_field_of_both_sets_is_as_near_to_either():
    both = normal(50, 6)
    assert Memorisation().beside(both, both, both, BASIS)["training_over_test"] == 1
    more = torch.cat([both, both])
    assert Memorisation().beside(more, both, both, BASIS)["training_over_test"] == 1


def test_two_sets_of_fields_alone_are_refused():
    with pytest.raises(ValueError, match="is about training fields, and there are none here"):
        Memorisation()(HELD_OUT, HELD_OUT, BASIS)


def low(count, n, seed):
    """Functions of the four lowest modes, in both channels."""
    coefficients = torch.zeros(count, 2, n, dtype=torch.float64)
    coefficients[..., :4] = normal(count, seed)[..., :4].double()
    return BASIS.inverse(coefficients, n)


def test_principal_directions_are_leading_eigenvectors_whichever_is_smaller():
    """Of as many fields as nodes or fewer, and of more; the matrix of second moments says which."""
    for count in (9, 40):
        x = torch.randn((count, 20), generator=torch.Generator().manual_seed(0)).double()
        found = principal_directions(x, 6)
        centred = x - x.mean(0)
        vectors = torch.linalg.eigh(centred.T @ centred).eigenvectors
        torch.testing.assert_close(found @ found.T, torch.eye(6, dtype=x.dtype))
        expected = vectors[:, -6:] @ vectors[:, -6:].T
        torch.testing.assert_close(found.T @ found, expected, rtol=0, atol=1e-9)
    assert len(principal_directions(x[:3], 6)) == 2


@pytest.mark.parametrize("n", [N, 3 * N])
def test_frechet_distance_of_principal_components_has_its_closed_form(n):
    """Of fields that are moved and stretched: ‖b‖² + (a − 1)² tr C, on every grid."""
    training, reference = low(200, n, 0), low(100, n, 1)
    metric = FrechetPrincipal(components=8)
    shift = BASIS.inverse(torch.tensor([0.0, 0.3, 0.0, 0.4, *[0.0] * (n - 4)]).double(), n)
    moved = 1.5 * (reference - reference.mean(0)) + reference.mean(0) + shift
    trace = float(reference.flatten(1).T.cov().trace()) / n
    found = metric.beside(training, moved, reference, BASIS)
    assert found["frechet_principal"] == pytest.approx(2 * 0.25 + 0.25 * trace, rel=1e-6)
    # Nothing of it is seen in directions that training fields have not.
    unseen = BASIS.inverse(torch.eye(n, dtype=torch.float64)[6], n)
    found = metric.beside(training, reference + unseen, reference, BASIS)
    assert found["frechet_principal"] == pytest.approx(0.0, abs=1e-7)
    fewest = metric.fewest("frechet_principal_limit", BASIS, n, channels=1)
    assert fewest == 33
    for count in (fewest - 1, fewest):
        row = metric.beside(training, moved[:count], reference, BASIS)
        assert ("frechet_principal_limit" in row) is (count == fewest)
    assert FrechetPrincipal().fewest("frechet_principal_limit", BASIS, 5, channels=2) == 41


def test_one_component_has_the_distance_of_two_normal_laws():
    training, reference = low(200, N, 0), low(100, N, 1)
    found = FrechetPrincipal(components=1).beside(training, 2 * reference, reference, BASIS)
    direction = principal_directions(training.flatten(1) / N**0.5, 1)[0]
    along = (reference.flatten(1) / N**0.5) @ direction
    expected = float(along.mean().square() + along.std().square())
    assert found["frechet_principal"] == pytest.approx(expected, rel=1e-6)


def test_the_limit_of_many_fields_is_below_the_distance_of_few():
    """Laws that agree: what is left of the excess is a fraction of it."""
    metric, rows = FrechetPrincipal(components=8), []
    for seed in range(20):
        pairs = low(200, N, 2 * seed + 1), low(200, N, 2 * seed + 2)
        rows.append(metric.beside(low(300, N, 0), *pairs, BASIS))
    few, limit = (np.mean([row[name] for row in rows]) for name in metric.results)
    assert abs(limit) < 0.3 * few


def test_the_judge_gives_normalised_training_fields():
    """A channel of a thousandth of the other's size counts as much."""
    split = np.repeat(["train", "validation", "test"], [300, 2, 10])
    fields = torch.cat([TRAINING, TRAINING[:2], HELD_OUT[:10]]).double()
    fields = fields * torch.tensor([[1.0], [1e-3]]) + 5
    scale = fields[:300].transpose(0, 1).flatten(1).std(1, correction=0)
    data = xr.Dataset(
        {
            "field": (("sample", "channel", "x"), fields.numpy()),
            "mean": ("channel", fields[:300].mean((0, 2)).numpy()),
            "scale": ("channel", scale.numpy()),
            "spectrum": (("channel", "mode_x"), np.ones((2, N))),
        },
        {"channel": ["u", "v"]},
    ).assign_coords(split=("sample", split))
    config = {"metrics": {"memory": {"kind": "memorisation"}}, "basis": BASIS_BLOCK}
    judge = Judge.of(config, data)
    row = judge(judge.normalise(fields[:50]), judge.normalise(fields[-10:]))
    assert row["training_over_test"] == 0
    shifted = judge.normalise(fields[:50]) + torch.tensor([[0.0], [0.1]])
    assert judge(shifted, shifted)["nearest_training"] == pytest.approx(0.1, rel=1e-3)
    assert "training_over_test[u]" not in row


BASIS_BLOCK = {"kind": "cosine", "dimension": 1}

"""Kernel and classifier two-sample tests: levels, powers, kernels and intervals, exactly."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import binom, binomtest

from fsdiff.metrics.classifier import ClassifierTest, area_under_curve
from fsdiff.metrics.two_sample import (
    TwoSampleTests,
    exact_interval,
    kernel_matrix,
    rejected,
    rejection_rate,
)
from fsdiff.spaces.bases import CosineBasis

LINE = CosineBasis(1)
KERNELS = ["identity", "squares", "principal", "derivative", "covariance"]


def curves(count: int, n: int = 8, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.randn((count, 1, n), generator=random, dtype=torch.float64).cumsum(-1)


def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize(("successes", "trials"), [(0, 10), (1, 10), (5, 100), (10, 10)])
def test_exact_intervals_are_those_of_clopper_and_pearson(successes, trials):
    low, high = exact_interval(successes, trials)
    expected = binomtest(successes, trials).proportion_ci(0.95, "exact")
    assert (low, high) == pytest.approx((expected.low, expected.high))
    if successes:
        assert binom.sf(successes - 1, trials, low) == pytest.approx(0.025)


def test_no_rejection_of_ten_is_consistent_with_three_of_ten():
    assert exact_interval(0, 10)[1] == pytest.approx(1 - 0.025**0.1)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("protocol", ["calibrated", "published"])
def test_equal_laws_are_rejected_as_often_as_the_level_says(kernel, protocol):
    groups = curves(8000).view(2, 400, 10, 1, 8)
    rate = rejection_rate(rejected(*groups, LINE, random(), kernel, 99, protocol=protocol))
    # 0.05 or a little above for the published quantile: at most 0.05 + 3 deviations + 1/100.
    assert abs(rate.value - 0.05) < 0.045


@pytest.mark.parametrize("kernel", KERNELS)
def test_laws_far_from_each_other_are_always_told_apart(kernel):
    first, second = curves(200).view(2, 10, 10, 1, 8)
    assert rejected(first, 10 + 3 * second, LINE, random(), kernel).all()


@pytest.mark.parametrize("unit", [1e-6, 1e6])
@pytest.mark.parametrize("kernel", KERNELS)
def test_units_are_of_no_account(kernel, unit):
    first, second = curves(200).view(2, 10, 10, 1, 8)
    tests = [
        rejected(scale * first, 3 * scale * second, LINE, random(), kernel) for scale in (1, unit)
    ]
    assert torch.equal(*tests)
    assert kernel == "identity" or tests[0].any()


def test_the_smallest_p_value_is_all_that_few_permutations_can_give():
    first, second = curves(20).view(2, 1, 10, 1, 8)
    far = first, second + 1000
    assert rejected(*far, LINE, random(), permutations=19, level=0.05).all()
    assert not rejected(*far, LINE, random(), permutations=19, level=0.049).any()


def test_squares_see_two_modes_that_distances_hardly_do():
    """±q beside the Gaussian with the same mean and covariance, ten against ten."""
    x = torch.linspace(-1, 1, 8, dtype=torch.float64) ** 2
    sign = torch.randn((2, 200, 10, 1, 1), generator=torch.Generator().manual_seed(1)).double()
    modes, surrogate = sign[0].sign() * x, sign[1] * x
    small = 0.01 * curves(4000).view(2, 200, 10, 1, 8)
    rates = [
        rejected(modes + small[0], surrogate + small[1], LINE, random(), kernel).double().mean()
        for kernel in ("identity", "squares")
    ]
    assert rates[0] < 0.3
    assert rates[1] > 0.8


def test_kernels_pair_by_pair():
    u = curves(5)[None]
    nodes = u.shape[-1]

    def median(values: list[float]) -> float:
        return float(np.median(values))

    def distance(a, b) -> float:
        return math.sqrt(float((a - b).square().sum()) / nodes)

    pairs = list(combinations(range(5), 2))
    width = median([distance(u[0, i], u[0, j]) for i, j in pairs])
    squares = median([distance(u[0, i] ** 2, u[0, j] ** 2) for i, j in pairs])
    plain, both, inner = (
        kernel_matrix(u, LINE, k)[0] for k in ("identity", "squares", "covariance")
    )
    for i, j in pairs:
        expected = math.exp(-0.5 * (distance(u[0, i], u[0, j]) / width) ** 2)
        assert plain[i, j] == pytest.approx(expected)
        factor = math.exp(-0.5 * (distance(u[0, i] ** 2, u[0, j] ** 2) / squares) ** 2)
        assert both[i, j] == pytest.approx(expected * factor)
        assert inner[i, j] == pytest.approx((float((u[0, i] * u[0, j]).sum()) / nodes) ** 2)


def test_principal_components_leave_out_what_varies_little():
    """Of one strong direction and faint noise, only the former counts."""
    strength = torch.linspace(-1, 1, 6, dtype=torch.float64)
    direction = torch.ones(8, dtype=torch.float64)
    u = (strength[:, None] * direction)[None, :, None]
    noisy = u + 1e-3 * curves(6)[None]
    assert torch.allclose(
        kernel_matrix(noisy, LINE, "principal"), kernel_matrix(u, LINE, "identity"), atol=0.02
    )


def test_the_derivative_is_that_of_the_function_on_every_grid():
    """Distances of cos πkx in u and u′ are 1 and πk, on fine grids."""
    x = (torch.arange(512, dtype=torch.float64) + 0.5) / 512
    waves = math.sqrt(2) * torch.cos(torch.pi * torch.arange(1, 4)[:, None] * x)
    matrix = kernel_matrix(waves[None, :, None], LINE, "derivative")[0]
    slopes = {
        (i, j): (torch.pi**2) * ((i + 1) ** 2 + (j + 1) ** 2) for i, j in [(0, 1), (0, 2), (1, 2)]
    }
    middle = sorted(slopes.values())[1]
    for (i, j), squared in slopes.items():
        assert matrix[i, j] == pytest.approx(math.exp(-0.5 * (1 + squared / middle)), rel=1e-4)


def test_the_published_protocol_exchanges_the_blocks_of_sets_of_different_size():
    """Ten curves shrunk to a point against two real ones pass it, and fail the test as it is."""
    first, second = 0.1 * curves(1000), curves(200, seed=1)
    groups = first.view(100, 10, 1, 8), second.view(100, 2, 1, 8)
    published = rejected(*groups, LINE, random(), protocol="published").double().mean()
    larger = curves(1000, seed=1).view(100, 10, 1, 8)
    correct = rejected(groups[0], larger, LINE, random()).double().mean()
    assert published <= 0.02
    assert correct >= 0.95


def test_the_metric_takes_groups_in_order_and_no_field_twice():
    samples, reference = curves(47), curves(35, seed=3)
    metric = TwoSampleTests(sizes=(10, 20), kernels=("identity", "squares"), permutations=99)
    row = metric(samples, reference, LINE)
    assert tuple(row) == metric.results
    groups = samples[:30].view(3, 10, 1, 8), reference[:30].view(3, 10, 1, 8)
    expected = rejection_rate(rejected(*groups, LINE, random=np.random.default_rng(0)))
    assert row["rejection_identity_10"] in {0, 1 / 3, 2 / 3, 1}
    assert row["rejection_identity_10_low"] <= expected.value <= row["rejection_identity_10_high"]
    assert row["rejection_squares_20"] in {0, 1}


def test_sizes_beyond_the_sets_are_refused():
    metric = TwoSampleTests(sizes=(50, 20))
    assert metric.at_least == 50  # which studies compare with the number of samples
    with pytest.raises(ValueError, match=r"samples hold 40 fields; .* needs at least 50"):
        metric(curves(40), curves(60), LINE)


def test_differences_across_gaps_are_refused():
    fields, present = curves(20), torch.ones((1, 8), dtype=torch.bool)
    metric = TwoSampleTests(kernels=("derivative",), sizes=(5,))
    assert metric.compare(fields, fields, LINE, present) == metric(fields, fields, LINE)
    present[0, 3] = False
    with pytest.raises(ValueError, match="some nodes have no values; use other kernels"):
        metric.compare(fields, fields, LINE, present)


@pytest.mark.parametrize(("permutations", "level", "least"), [(19, 0.049, 20), (199, 0.001, 999)])
def test_tests_that_can_reject_nothing_are_refused(permutations, level, least):
    """Whatever the data: no p-value is below 1/(1 + permutations)."""
    with pytest.raises(ValueError, match=f"reject nothing with fewer than {least}$"):
        TwoSampleTests(permutations=permutations, level=level)
    TwoSampleTests(permutations=least, level=level)
    first, second = curves(10), curves(10, seed=3) + 1000
    row = TwoSampleTests(permutations=least, level=level)(first, second, LINE)
    assert row["rejection_identity_10"] == 1


@pytest.mark.parametrize("twice", [{"sizes": (10, 10)}, {"kernels": ("squares", "squares")}])
def test_tests_are_named_once(twice):
    with pytest.raises(ValueError, match="name each once"):
        TwoSampleTests(**twice)


def test_equal_fields_have_no_kernel():
    same = torch.ones(1, 4, 1, 8)
    with pytest.raises(ValueError, match="all fields of a test are equal"):
        rejected(same, same, LINE, random())


def test_area_under_the_curve_by_counting_pairs():
    first, second = np.array([3.0, 1.0, 2.0, 2.0]), np.array([2.0, 0.0, 1.0])
    area, variance = area_under_curve(first, second)
    wins = np.sign(first[:, None] - second) / 2 + 0.5
    assert area == pytest.approx(wins.mean())
    expected = wins.mean(1).var(ddof=1) / 4 + wins.mean(0).var(ddof=1) / 3
    assert variance == pytest.approx(expected)


def test_a_classifier_tells_a_shift_and_no_copy():
    base = curves(120)
    metric = ClassifierTest(epochs=4)
    same = metric(base[:60], base[60:], LINE)
    assert same["c2st_auc_low"] < 0.5 < same["c2st_auc_high"]
    bent = base[:60] + torch.linspace(0, 4, 8).square()
    told = metric(bent, base[60:], LINE)
    assert told["c2st_auc_low"] > 0.7
    assert metric(bent, base[60:], LINE) == told


def test_the_interval_of_an_area_ends_where_areas_do():
    random = torch.Generator().manual_seed(0)
    first, second = torch.randn(2, 12, 1, 8, generator=random)
    told = ClassifierTest(epochs=4)(first, second + 0.8, LINE)
    assert told["c2st_auc_low"] < told["c2st_auc"] < 1 == told["c2st_auc_high"]

"""Targets of posteriors: what is measured, and whether it is met."""

import math

import pandas as pd
import pytest
import torch

from fsdiff.metrics.posterior.base import Cases
from fsdiff.metrics.posterior.moments import PosteriorMoments
from fsdiff.metrics.words import Words
from fsdiff.reports.page import Contents, page
from fsdiff.reports.posteriors.targets import Target, targets
from fsdiff.spaces.bases import FourierBasis

WORDS = [Words("posterior_mean", "error of the mean", "posterior")]


def row(kind, value, posterior="", seed=0, resolution=32, observation="sensors"):
    return {
        "observation": observation,
        "row": kind,
        "posterior": posterior,
        "title": posterior,
        "experiment": "e",
        "seed": seed,
        "resolution": resolution,
        "posterior_mean": value,
    }


TABLE = pd.DataFrame(
    [
        row("kriging", 0.5),
        row("kriging", 9.0, observation="other"),
        row("reference", 0.02),
        row("posterior", 0.1, "told", seed=0),
        row("posterior", 0.14, "told", seed=1),
        row("posterior", 0.18, "told", resolution=64),
        row("posterior", math.nan, "led"),
    ]
)


def target(**settings):
    return Target(statement="s", **{"metric": "posterior_mean", "resolution": 32, **settings})


@pytest.mark.parametrize(
    ("settings", "value"),
    [
        ({"posterior": "told", "at_most": 0.12}, 0.12),
        ({"posterior": "told", "against": "kriging", "at_most": 1}, 0.24),
        ({"posterior": "told", "resolution": 64, "against": "told", "at_most": 2}, None),
        (
            {
                "posterior": "told",
                "resolution": 64,
                "against": "told",
                "against_resolution": 32,
                "at_most": 2,
            },
            1.5,
        ),
        ({"baseline": "reference", "observation": "sensors", "at_most": 0.03}, 0.02),
        ({"baseline": "kriging", "observation": "other", "at_most": 0.03}, 9.0),
    ],
)
def test_numbers_are_means_over_seeds_and_ratios_of_them(settings, value):
    expected = 1.0 if value is None else value
    assert target(**settings).measured(TABLE) == pytest.approx(expected)


def test_a_table_says_what_was_measured_and_whether_targets_are_met():
    asked = [
        target(posterior="told", at_most=0.13),
        target(posterior="told", against="kriging", at_least=0.3, at_most=1),
        target(posterior="led", at_most=0.1),
        target(baseline="laplace", observation="sensors", at_least=0.1),
    ]
    reason = "not measured: there is no such number, as where no reference has converged"
    assert targets(asked, TABLE, WORDS)[2:] == [
        "| s | error of the mean of told at 32, at most 0.13 | 0.12 | yes |",
        "| s | error of the mean of told at 32 over that of kriging, 0.3 to 1 | 0.24 | **no** |",
        f"| s | error of the mean of led at 32, at most 0.1 | – | {reason} |",
        f"| s | error of the mean of Laplace of sensors at 32, at least 0.1 | – | {reason} |",
    ]


def test_nothing_is_measured_in_units_of_zero():
    none = TABLE.assign(**{target(posterior="told", at_most=1).metric: 0.0})
    asked = target(posterior="told", against="kriging", at_most=1)
    assert "not measured: what it is to be a ratio to is zero" in targets([asked], none, WORDS)[2]


def test_what_chance_leaves_is_taken_off_in_squares():
    item = target(posterior="told", at_most=0.08)
    chance = item.by_chance(200, 200)
    assert chance == pytest.approx(0.1)
    assert targets([item], TABLE, WORDS, [chance])[2] == (
        "| s | error of the mean of told at 32, at most 0.08 beyond chance (0.12 in all, of which "
        "0.1 by chance) | 0.0663 | yes |"
    )
    assert target(posterior="told", against="kriging", at_most=1).by_chance(2, 2) == 0
    assert target(posterior="told", metric="crps", at_most=1).by_chance(2, 2) == 0


@pytest.mark.parametrize(("metric", "share"), [("posterior_mean", 1), ("posterior_sd[u]", 0.5)])
def test_draws_of_the_true_posterior_are_so_far_by_chance(metric, share):
    random = torch.Generator().manual_seed(0)
    fields = torch.randn(40, 150, 1, 64, generator=random)
    cases = Cases(fields[:, :50], FourierBasis(1), reference=fields[:, 50:])
    found = PosteriorMoments()(cases)[metric.removesuffix("[u]")]
    item = target(posterior="told", metric=metric, at_most=1)
    assert found == pytest.approx(item.by_chance(50, 100), rel=0.02)
    assert item.by_chance(50, 100) == pytest.approx((share * (1 / 50 + 1 / 100)) ** 0.5)


def test_bounds_themselves_are_met():
    assert target(posterior="told", at_most=0.12).met(0.12)
    assert not target(posterior="told", at_most=0.12).met(0.1201)
    assert not target(posterior="told", at_least=0.5, at_most=0.9).met(0.4)


def test_a_page_has_them_after_the_verdict():
    contents = Contents(
        title="T", text="", posteriors="## Near", targets=[target(posterior="told", at_most=1)]
    )
    text = page(contents, pd.DataFrame(), posteriors=(TABLE, WORDS))
    assert text.index("## Near") < text.index("## Targets") < text.index("| 0.12 | yes |")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"at_most": 1}, "give a posterior, or a baseline and its observation"),
        ({"baseline": "kriging", "at_most": 1}, "give a posterior, or a baseline and its obs"),
        ({"posterior": "told"}, "give at_least or at_most"),
        ({"posterior": "told", "at_least": 1, "at_most": 1}, "give at_least or at_most"),
        ({"posterior": "told", "against_resolution": 8, "at_most": 1}, "say against what, too"),
    ],
)
def test_targets_about_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        target(**settings)

"""Verdicts on claims, from summaries whose truth is known, and the page that tells them."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp, ttest_ind, ttest_rel

from fsdiff import study as config
from fsdiff.reports.claims import Claim, judge, judge_all
from fsdiff.reports.reproduction import page

ABOUT = {"where": "§1", "statement": "it is so"}
SEEDS = range(4)


def rows(experiment, values, resolution=64, metric="distance"):
    """One row of a summary for each seed."""
    return [
        {"row": "model", "experiment": experiment, "resolution": resolution, "seed": s, metric: v}
        for s, v in enumerate(values)
    ]


def around(mean, spread=0.01):
    return mean * (1 + spread * np.array([-1, 1, -0.5, 0.5]))


def claim(**changes):
    return Claim(**{**ABOUT, "metric": "distance", "experiment": "a", "resolution": 64, **changes})


REAL = [{"row": "real", "experiment": None, "resolution": 64, "seed": None, "distance": 99.0}]
GOOD = pd.DataFrame([*REAL, *rows("a", around(1.0)), *rows("b", around(2.0))])
BAD = pd.DataFrame([*REAL, *rows("a", around(2.0)), *rows("b", around(1.0))])
OPEN = pd.DataFrame([*REAL, *rows("a", around(1.0, 0.5)), *rows("b", around(1.05, 0.5)[::-1])])


BETTER = [
    claim(against=("b",), at_most=1.0),
    claim(at_most=1.5),
    claim(at_least=0.5, at_most=1.5),
]


@pytest.mark.parametrize("better", BETTER)
@pytest.mark.parametrize(("summary", "verdict"), [(GOOD, "reproduced"), (BAD, "not reproduced")])
def test_claims_are_found_true_and_false(better, summary, verdict):
    assert judge(better, summary).verdict == verdict


def test_a_claim_that_more_is_better_turns_round():
    opposite = claim(against=("b",), at_least=1.0)
    assert judge(opposite, GOOD).verdict == "not reproduced"
    assert judge(opposite, BAD).verdict == "reproduced"


def test_scatter_leaves_a_claim_open():
    finding = judge(claim(against=("b",), at_most=1.0), OPEN)
    assert finding.verdict == "not checkable"
    why = "on average, but the scatter of 4 seeds leaves both possible"
    assert finding.reason.startswith(f"it holds {why}")
    other = judge(claim(against=("b",), at_least=1.0), OPEN)
    assert other.reason.startswith(f"it fails {why}")


def repeated(values, times):
    """Seeds of the same mean and the same scatter, so many times as many."""
    many = np.tile(values, times)
    unbiased = np.sqrt((many.size - 1) / many.size * values.size / (values.size - 1))
    return values.mean() + (many - values.mean()) * unbiased


@pytest.mark.parametrize("about", [{"at_most": 1.0}, {"at_most": 1.0, "against": ("b",)}])
def test_an_open_claim_says_how_many_seeds_would_decide_it(about):
    values = around(0.9, 0.25)
    of_others = rows("b", around(1.0, 1e-9))
    finding = judge(claim(**about), pd.DataFrame([*rows("a", values), *of_others]))
    (needed,) = re.findall(
        "leaves both possible: about ([0-9]+) seeds would decide it", finding.reason
    )

    def at(seeds):
        more = rows("a", repeated(values, seeds // 4)[:seeds])
        return judge(claim(**about), pd.DataFrame([*more, *of_others])).verdict

    few, enough = int(int(needed) * 0.6) // 4 * 4, -(-int(int(needed) * 1.3) // 4) * 4
    assert (at(few), at(enough)) == ("not checkable", "reproduced")


def test_a_claim_at_its_bound_is_decided_by_no_number_of_seeds():
    summary = pd.DataFrame(rows("a", around(1.0, 0.2)))
    reason = judge(claim(at_most=1.0), summary).reason
    assert reason.endswith("leaves both possible: more than 1000 seeds would decide it")


def test_one_seed_decides_nothing_but_its_number_is_shown():
    one = GOOD[GOOD["seed"].isna() | (GOOD["seed"] == 0)]
    for checked in (claim(at_most=1.5), claim(against=("b",), at_most=1.0)):
        finding = judge(checked, one)
        assert finding.verdict == "not checkable"
        assert "one seed" in finding.reason
        assert finding.estimates[0].value == pytest.approx(0.99 if not checked.against else 0.5)


def test_one_of_several_comparisons_refutes():
    three = pd.DataFrame([*rows("a", around(2)), *rows("b", around(3)), *rows("c", around(1))])
    assert judge(claim(against=("b",), at_most=1.0), three).verdict == "reproduced"
    finding = judge(claim(against=("b", "c"), at_most=1.0), three)
    assert finding.verdict == "not reproduced"
    assert [round(estimate.value, 2) for estimate in finding.estimates] == [0.67, 2.0]
    wide = pd.DataFrame([*rows("a", around(2)), *rows("b", around(3)), *rows("c", around(2, 0.5))])
    assert judge(claim(against=("b", "c"), at_most=1.0), wide).verdict == "not checkable"


def test_the_same_experiment_at_two_resolutions():
    summary = pd.DataFrame([*rows("a", around(1), 32), *rows("a", around(3), 64)])
    finding = judge(claim(against=("a",), against_resolution=32, at_least=2.0), summary)
    assert finding.verdict == "reproduced"
    assert finding.estimates[0].value == pytest.approx(3)


FLOOR = pd.DataFrame(
    [
        *[{"dataset": "one", **row} for row in rows("a", around(3.0))],
        {"dataset": "one", "row": "real", "resolution": 64, "distance": 2.0},
        {"dataset": "other", "row": "real", "resolution": 64, "distance": 1.0},
        {"dataset": "one", "row": "real", "resolution": 32, "distance": 6.0},
    ]
)


def test_references_of_the_same_data_are_something_to_compare_with():
    found = judge(claim(against=("real",), at_most=1.6), FLOOR)
    assert found.verdict == "reproduced"
    (ratio,) = found.estimates
    assert ratio.label == "ratio to real"
    assert ratio.value == pytest.approx(1.5, rel=1e-3)
    own = ttest_1samp(np.log(around(3.0)), 0).confidence_interval(0.95)
    assert (ratio.low, ratio.high) == pytest.approx((np.exp(own.low) / 2, np.exp(own.high) / 2))
    elsewhere = judge(claim(against=("real",), against_resolution=32, at_most=0.6), FLOOR)
    assert elsewhere.estimates[0].value == pytest.approx(0.5, rel=1e-3)
    absent = judge(claim(against=("surrogate",), at_most=1.0), FLOOR)
    assert absent.reason == "the summary has no distance of surrogate at 64"


def test_a_reference_is_of_as_many_fields_and_the_mean_of_divisions():
    """Sizes where a number has either sign, as unbiased squared distances have."""
    few = pd.DataFrame(rows("a", around(3.0))).assign(dataset="one", count=20)
    real = {"dataset": "one", "row": "real", "resolution": 64}
    divisions = [{**real, "count": 20, "distance": d} for d in (-0.2, 0.4, np.nan, -0.6)]
    summary = pd.concat([few, pd.DataFrame([*divisions, {**real, "count": 90, "distance": 7.0}])])
    (ratio,) = judge(claim(against=("real",), at_most=1.0), summary).estimates
    assert ratio.value == pytest.approx(3.0 / 0.4, rel=1e-3)
    assert ratio.seeds == len(around(3.0))
    below = summary.assign(distance=summary["distance"].where(summary["row"] != "real", -2.0))
    reason = judge(claim(against=("real",), at_most=1.0), below).reason
    assert reason == "what it is to be a ratio to may be zero or less"


def test_an_experiment_comes_before_a_reference_of_the_same_name():
    called = [{"dataset": "one", **row} for row in rows("real", around(30.0))]
    table = pd.concat([FLOOR, pd.DataFrame(called)])
    (ratio,) = judge(claim(against=("real",), at_most=1.0), table).estimates
    assert ratio.value == pytest.approx(0.1, rel=1e-3)


def test_one_number_of_an_experiment_against_another():
    summary = pd.DataFrame(rows("a", around(1))).assign(before=2 * around(3))
    finding = judge(claim(against=("a",), against_metric="before", at_most=0.5), summary)
    assert finding.verdict == "reproduced"
    assert finding.estimates[0].value == pytest.approx(1 / 6)


def on_the_way(experiment, *courses):
    """Rows of a table of trajectories, epochs 10, 20 and 30 of each seed."""
    return [
        {**row, "epoch": epoch}
        for epoch, values in zip((10, 20, 30), zip(*courses, strict=True), strict=True)
        for row in rows(experiment, values)
    ]


TRAJECTORIES = pd.DataFrame(
    [
        *on_the_way("a", (9.0, 1.0, 3.0), (9.1, 3.1, 1.1)),
        *on_the_way("b", (2.0, 4.0, 6.0), (np.nan, 4.1, 6.1)),
    ]
)


@pytest.mark.parametrize(
    ("changes", "value"),
    [
        ({"epoch": 10}, 9.05),
        ({"epoch": "best"}, 1.05),
        ({"epoch": 20, "against": ("b",)}, np.sqrt(3.1 / (4.0 * 4.1))),
        ({"epoch": "best", "against": ("b",)}, np.sqrt(1.0 * 1.1 / (2.0 * 4.1))),
    ],
)
def test_claims_about_samples_during_training(changes, value):
    finding = judge(claim(at_most=1.0, **changes), GOOD, TRAJECTORIES)
    assert finding.estimates[0].value == pytest.approx(value)


def test_epochs_without_samples_are_said():
    late = claim(epoch=40, at_most=1.0)
    assert judge(late, GOOD, TRAJECTORIES).reason == "the summary has no distance of a at 64"
    assert judge(late, GOOD).reason == "no samples were drawn during training"


def test_searches_have_claims_too():
    agreement = pd.DataFrame(rows("s", around(0.9), metric="kendall_tau")).assign(row="search")
    summary = pd.concat([GOOD, agreement])
    found = judge(claim(experiment="s", metric="kendall_tau", at_least=0.0), summary)
    assert found.verdict == "reproduced"


def test_values_that_do_not_scatter_are_decided():
    summary = pd.DataFrame(rows("a", [7.0, 7.0], metric="parameters"))
    counted = claim(metric="parameters", at_least=6.0, at_most=8.0)
    assert judge(counted, summary).verdict == "reproduced"
    assert judge(claim(metric="parameters", at_most=6.0), summary).verdict == "not reproduced"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": "absent", "at_most": 1.0}, "the summary has no absent"),
        ({"resolution": 128, "at_most": 1.0}, "the summary has no distance of a at 128"),
        ({"against": ("c",), "at_most": 1.0}, "the summary has no distance of c at 64"),
    ],
)
def test_what_is_not_in_the_summary_is_said(changes, reason):
    finding = judge(claim(**changes), GOOD)
    assert (finding.verdict, finding.reason) == ("not checkable", reason)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("against", [(), ("b",), ("real",)])
def test_a_seed_without_a_number_leaves_a_claim_open(value, against):
    """The others would speak for it."""
    summary = pd.concat([FLOOR, pd.DataFrame(rows("b", around(3.0)))])
    summary.iloc[1, summary.columns.get_loc("distance")] = value
    finding = judge(claim(against=against, at_most=9.0), summary)
    assert finding.verdict == "not checkable"
    assert finding.reason == f"distance of a at 64 is no number for 1 of {len(around(3.0))} seeds"


def test_numbers_about_zero_have_a_ratio_to_others_that_are_not():
    """Unbiased estimates of a squared distance that is zero."""
    summary = pd.DataFrame([*rows("a", [-0.1, 0.0, 0.1, 0.0]), *rows("b", around(2))])
    finding = judge(claim(against=("b",), at_most=0.2), summary)
    assert finding.verdict == "reproduced"
    assert finding.estimates[0].label == "ratio of means to b"
    turned = judge(claim(experiment="b", against=("a",), at_least=1.0), summary)
    assert turned.reason == "what it is to be a ratio to may be zero or less"


def test_equal_outcomes_of_few_searches_decide_nothing():
    searched = [{**row, "row": "search"} for row in rows("s", [1.0, 1.0], metric="regret")]
    best = judge(claim(experiment="s", metric="regret", at_most=1.1), pd.DataFrame(searched))
    assert best.verdict == "not checkable"
    assert best.reason == "it holds here, but 2 seeds with the same outcome may be so by chance"
    assert "regret: 1 (in all seeds)" in page({"a": claim(at_most=1.0)}, {"a": best}, [])


def test_p_values_of_seeds_are_one_together():
    summary = pd.DataFrame(rows("a", [0.002, 0.03, 0.01], metric="mmd_p_value"))
    finding = judge(claim(metric="mmd_p_value", at_most=0.05), summary)
    assert finding.verdict == "reproduced"
    (estimate,) = finding.estimates
    assert estimate.label == "2 × mean of mmd_p_value"
    assert estimate.value == estimate.low == estimate.high == pytest.approx(0.028)
    shown = page({"a": claim(at_most=1.0)}, {"a": finding}, [])
    assert "2 × mean of mmd_p_value: 0.028 |" in shown
    alone = judge(claim(metric="mmd_p_value", at_most=0.05), summary[:1])
    assert alone.verdict == "not checkable"


def test_results_of_a_channel_are_judged_like_those_of_all():
    shares = pd.DataFrame(rows("a", [0.0, 0.0, 0.0], metric="rejected[u]"))
    told = shares.assign(**{"rejected_low[u]": 0.0, "rejected_high[u]": 0.975})
    assert judge(claim(metric="rejected[u]", at_most=0.3), told).verdict == "not checkable"
    values = pd.DataFrame(rows("a", [0.01, 0.02], metric="mmd_p_value[u]"))
    (estimate,) = judge(claim(metric="mmd_p_value[u]", at_most=0.05), values).estimates
    assert estimate.value == pytest.approx(0.03)


def test_a_ratio_of_one_seed_to_zero_is_none():
    summary = pd.DataFrame([*rows("a", [1.0]), *rows("b", [0.0])])
    finding = judge(claim(against=("b",), at_most=1.0), summary)
    assert finding.reason == "what it is to be a ratio to may be zero or less"


def test_shares_of_few_tests_are_known_no_better_than_these_tests_let_them_be():
    shares = pd.DataFrame(rows("a", [0.0, 0.0, 0.0], metric="rejected"))
    told = shares.assign(rejected_low=0.0, rejected_high=0.975, rejected_tests=1)
    few = claim(metric="rejected", at_most=0.3)
    assert judge(few, shares).verdict == "reproduced"
    assert judge(few, told).verdict == "not checkable"
    reason = judge(few, told).reason
    assert reason.startswith("it holds on average, but so few tests of 3 seeds leave both possible")
    assert "about 8 seeds" in reason  # eleven, of intervals that are not yet narrow
    many = shares.assign(rejected_low=0.0, rejected_high=0.06, rejected_tests=60)
    assert judge(few, many).verdict == "reproduced"


def test_what_all_seeds_agree_in_has_no_interval_from_a_number_to_itself():
    summary = pd.DataFrame(rows("a", [0.0, 0.0]))
    asked = {"a": claim(at_most=1.0)}
    assert "0 (in all seeds)" in page(asked, judge_all(asked, summary), [])


def test_intervals_of_shares_end_where_shares_do():
    """And the verdict is that of the interval that is shown; seeds count by all their scatter."""
    values = [0.86, 0.99, 0.99]
    summary = pd.DataFrame(rows("a", values, metric="accuracy"))
    near = claim(metric="accuracy", at_least=0.7, at_most=1.0)
    assert judge(near, summary).verdict == "not checkable"
    found = judge(near, summary, shares={None: ["accuracy"]})
    interval = ttest_1samp(values, 0).confidence_interval()
    assert interval.high > 1.1
    assert (found.estimates[0].low, found.estimates[0].high) == pytest.approx((interval.low, 1.0))
    assert found.verdict == "reproduced"
    wide = pd.DataFrame(rows("a", [0.45, 0.65], metric="accuracy"))
    above = claim(metric="accuracy", at_least=0.5)
    cut, whole = (judge(above, wide, shares={None: names}) for names in (["accuracy"], []))
    assert (cut.estimates[0].low, cut.estimates[0].high) == (0, 1)
    assert cut.reason == whole.reason
    orders = pd.DataFrame(rows("a", [0.9, 1.0, 1.0], metric="kendall_tau"))
    (tau,) = judge(claim(metric="kendall_tau", at_least=0.5), orders).estimates
    assert tau.high == 1


def test_intervals_are_those_of_the_t_tests():
    a, b = np.exp(np.random.default_rng(0).standard_normal((2, 5)) * [[0.2], [0.7]])
    summary = pd.DataFrame([*rows("a", a), *rows("b", b[:4])])
    (mean,) = judge(claim(at_most=1.0), summary).estimates
    assert (mean.low, mean.high) == pytest.approx(tuple(ttest_1samp(a, 0).confidence_interval()))
    (ratio,) = judge(claim(against=("b",), at_most=1.0), summary).estimates
    welch = ttest_ind(np.log(a), np.log(b[:4]), equal_var=False).confidence_interval()
    assert (ratio.low, ratio.high) == pytest.approx(tuple(np.exp(welch)))
    assert ratio.seeds == 4
    pairs = pd.DataFrame([*rows("a", a), *reversed(rows("b", b))])
    (ratio,) = judge(claim(against=("b",), at_most=1.0), pairs).estimates
    paired = ttest_rel(np.log(a), np.log(b)).confidence_interval()
    assert (ratio.low, ratio.high) == pytest.approx(tuple(np.exp(paired)))


def test_a_true_bound_is_rarely_refuted():
    """A mean exactly at the bound: one interval in twenty lies on one side of it."""
    draws = np.random.default_rng(1).standard_normal((2000, 4)) + 5
    verdicts = [
        judge(claim(at_most=5.0), pd.DataFrame(rows("a", values))).verdict for values in draws[:500]
    ]
    decided = len(verdicts) - verdicts.count("not checkable")
    assert 0.02 < decided / len(verdicts) < 0.09


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"not_checkable": "why", "metric": "m"}, "not both"),
        ({"not_checkable": "why", "at_most": 1.0}, "not both"),
        ({}, "or say why it is not_checkable"),
        ({"metric": "m", "experiment": "a", "resolution": 4}, "at_least or at_most"),
        ({"metric": "m", "experiment": "a", "at_most": 1.0}, "give metric, experiment, resolution"),
        (
            {"metric": "m", "experiment": "a", "resolution": 4, "at_least": 2.0, "at_most": 1.0},
            "at_most = 1: give more than at_least, 2",
        ),
    ],
)
def test_claims_must_say_how_they_are_checked(changes, message):
    with pytest.raises(ValueError, match=message):
        Claim(**ABOUT, **changes)


def test_the_page_has_every_claim_and_its_verdict():
    claims = {
        "holds": claim(against=("b",), at_most=1.0, published="a | b"),
        "fails": claim(at_least=1.5),
        "open": Claim(**ABOUT, not_checkable="there are no numbers"),
    }
    experiment = {
        "name": "a",
        "title": "first",
        "dataset": "data",
        "train": 40,
        "levels": [{"resolution": 64, "epochs": 3, "batch_size": 8}],
        "sampler": {"kind": "heun", "steps": 5},
        "count": 10,
        "seeds": [0, 1],
    }
    inner = {"kind": "ddim", "steps": 20}
    other = experiment | {"name": "b", "sampler": {"kind": "multilevel", "sampler": inner}}
    text = page(claims, judge_all(claims, GOOD), [experiment, other])
    assert "1 reproduced, 1 not reproduced, 1 not checkable." in text
    table, settings = (
        [line for line in lines if line.startswith("|")][2:]
        for found, lines in itertools.groupby(
            text.splitlines()[3:], lambda line: not line.startswith("|")
        )
        if not found
    )
    assert len(table) == 3
    assert "**reproduced**" in table[0]
    assert "a \\| b" in table[0]
    assert "ratio to b: 0.5 (" in table[0]
    assert "distance of `a` at 64 over that of `b`: at most 1" in table[0]
    assert "**not reproduced**" in table[1]
    assert "distance: 1 (" in table[1]
    assert "**not checkable**: there are no numbers" in table[2]
    assert settings == [
        "| `a`: first | data, 40 for training | 3 epochs at 64 in batches of 8 | "
        "10 by heun, 5 steps | 0, 1 |",
        "| `b`: first | data, 40 for training | 3 epochs at 64 in batches of 8 | "
        "10 by multilevel of ddim, 20 steps | 0, 1 |",
    ]


def study(**changes):
    made = {**ABOUT, "metric": "vendi", "experiment": "a", "at_most": 1, **changes}
    return {
        "datasets": {
            "waves": {
                "source": {"kind": "random_field", "resolution": 16},
                "split": {"train": 8, "validation": 2, "test": 4},
                "resolutions": [8, 16],
            }
        },
        "experiments": {
            "a": {
                "dataset": "waves",
                "prior": {"kind": "bessel"},
                "process": {"kind": "vp"},
                "prediction": {"kind": "wiener"},
                "network": {"kind": "mlp"},
                "levels": [{"resolution": 8, "epochs": 1}],
                "sampler": {"kind": "ddim"},
                "samples": {"count": 2, "resolutions": [8, 32]},
            }
        },
        "evaluation": {"metrics": {"vendi": {"kind": "vendi"}}},
        "claims": {"first": made},
    }


def test_a_configuration_has_claims_about_its_experiments():
    loaded = config.load(study(resolution=8))
    (described,) = loaded.reproduction_slice()["claims"]
    assert described["name"] == "first"
    assert Claim(**{k: v for k, v in described.items() if k != "name"}).rows == (("a", 8),)
    assert loaded.reproduction_slice()["experiments"][0]["train"] == 8


def test_references_are_known_where_experiments_are_compared():
    raw = study(resolution=8, against=["real", "surrogate"], at_most=2.0)
    assert config.load(raw).claims["first"].part.against == ("real", "surrogate")
    for changes, problem in {
        ("against_resolution", 16): "no references at 16, where no experiment on waves is evalu",
        ("epoch", 1): "no results of a at 8; it is evaluated during training",
    }.items():
        wrong = study(resolution=8, against=["real"], at_most=2.0, **dict([changes]))
        with pytest.raises(config.ConfigurationError) as caught:
            config.load(wrong)
        assert caught.value.problems[0].startswith(f"claims.first: {problem}")


def test_claims_about_epochs_without_samples_are_refused():
    raw = study(resolution=8, epoch=3)
    raw["experiments"]["a"] |= {"levels": [{"resolution": 8, "epochs": 8}]}
    raw["experiments"]["a"] |= {"trajectory": {"every": 2}}
    with pytest.raises(config.ConfigurationError) as caught:
        config.load(raw)
    (problem,) = caught.value.problems
    assert problem.startswith("claims.first: no results of a after epoch 3; it is evaluated")
    assert problem.endswith("during training every 2")
    for epoch in (2, 8):
        raw["claims"]["first"]["epoch"] = epoch
        assert config.load(raw).claims["first"].epoch == epoch


def test_the_best_on_the_way_is_the_least_of_a_distance():
    raw = study(resolution=8, epoch="best", metric="energy_distance")
    raw["experiments"]["a"] |= {"trajectory": {"every": 1}}
    raw["evaluation"]["metrics"]["energy"] = {"kind": "energy_distance"}
    assert config.load(raw).claims["first"].epoch == "best"
    for metric, problem in {
        "vendi": "is best where it is vendi_reference, not where it is least; choose a distance",
        "loss": "no such result; known: vendi, vendi_reference, energy_distance, seconds",
    }.items():
        raw["claims"]["first"]["metric"] = metric
        with pytest.raises(config.ConfigurationError) as caught:
            config.load(raw)
        assert caught.value.problems == (f'claims.first.metric = "{metric}": {problem}',)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"resolution": 32}, "claims.first: no results of a at 32; it is compared with data at 8"),
        (
            {"resolution": 8, "against": ["aa"]},
            "claims.first: no results of aa; known experiments: a",
        ),
        (
            {"resolution": 8, "epoch": 1},
            "claims.first: no results of a at 8; it is evaluated durin",
        ),
        ({"resolution": 8, "epoch": 0}, "claims.first.epoch = 0: "),
        ({"resolution": 8, "limit": 1}, "claims.first.limit = 1: unknown key; allowed: where"),
        ({}, "claims.first: give metric, experiment, resolution"),
    ],
)
def test_claims_about_other_things_are_refused_before_any_job_starts(changes, problem):
    with pytest.raises(config.ConfigurationError) as caught:
        config.load(study(**changes))
    assert caught.value.problems[0].startswith(problem)

"""Claims and tables are about the numbers of analyses that they name."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from fsdiff.reports.claims import Claim, Finding, judge
from fsdiff.reports.findings import Findings, select
from fsdiff.reports.reproduction import page

NETWORK = xr.Dataset(
    {
        "distance": (
            ("seed", "sampler"),
            [[1.0, 4.0], [1.1, 4.4], [0.9, 3.6]],
            {"long_name": "mean distance"},
        ),
        "order": ((), 2.0, {"long_name": "order"}),
        "error": (("seed", "time"), [[1.0, 2.0], [1.0, 2.0], [1.0, 2.0]]),
    },
    {"sampler": ["slow", "fast"], "time": [1e-4, 10.0], "seed": [0, 1, 2]},
)
OTHER = NETWORK.assign(distance=10 * NETWORK.distance, order=3.0)
RESULTS = {"own": NETWORK, "other": OTHER}


def claim(**changes):
    said = {"where": "Table 1", "statement": "It is so."}
    return Claim(**said, **({"analysis": "own", "metric": "distance"} | changes))


def found(**changes):
    return judge(claim(**changes), pd.DataFrame(), None, RESULTS)


def test_a_number_of_an_analysis_has_the_interval_of_its_seeds():
    """Student's t with two degrees of freedom: 4.303 · 0.1/√3."""
    finding = found(at={"sampler": "slow"}, at_most=2.0)
    (estimate,) = finding.estimates
    assert finding.verdict == "reproduced"
    assert (estimate.value, estimate.seeds) == (pytest.approx(1.0), 3)
    assert estimate.high - 1 == pytest.approx(4.303 * 0.1 / 3**0.5, rel=1e-3)
    assert found(at={"sampler": "slow"}, at_most=1.01).verdict == "not checkable"
    assert found(at={"sampler": "fast"}, at_most=2.0).verdict == "not reproduced"


def test_a_number_without_seeds_is_exact():
    finding = found(metric="order", at_least=1.9, at_most=2.1)
    assert finding.verdict == "reproduced"
    assert finding.estimates[0][1:5] == (2.0, 2.0, 2.0, 0)


@pytest.mark.parametrize(
    ("changes", "ratio"),
    [
        ({"against": ("other",)}, 0.1),
        ({"against": ("own",), "against_at": {"sampler": "fast"}}, 0.25),
        ({"against": ("own",), "against_at": {"time": 10.0}, "against_metric": "error"}, 0.5),
        ({"against": ("own",), "against_at": {}, "against_metric": "order"}, 0.5),
    ],
    ids=["analysis", "entry", "metric", "exact"],
)
def test_ratios_are_to_another_analysis_entry_or_metric(changes, ratio):
    (estimate,) = found(at={"sampler": "slow"}, at_most=1.0, **changes).estimates
    mean = np.exp(np.log([1.0, 1.1, 0.9]).mean())
    expected = ratio if changes.get("against_metric") is None else ratio * mean
    assert estimate.value == pytest.approx(expected)
    assert estimate.seeds == 3


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": "size"}, "the analysis has no size"),
        ({}, "say at which sampler distance is meant"),
        ({"at": {"sampler": "quick"}}, "distance has no sampler quick"),
        ({"at": {"n": 3}}, "distance has no dimension n"),
    ],
)
def test_what_is_not_there_is_not_checkable(changes, reason):
    finding = found(at_most=1.0, **changes)
    assert finding.verdict == "not checkable"
    assert finding.reason == reason


def test_numbers_are_found_to_six_digits():
    assert float(select(NETWORK, "error", {"time": 0.0001000000001})[0]) == 1.0


@pytest.mark.parametrize(
    "wrong",
    [
        {"experiment": "unet", "resolution": 32, "at_most": 1.0},
        {"metric": None, "at_most": 1.0},
        {"not_checkable": "because", "metric": None},
        {"analysis": None, "experiment": "unet", "resolution": 32, "at": {"x": 1}, "at_most": 1.0},
    ],
)
def test_claims_are_about_an_experiment_or_an_analysis(wrong):
    with pytest.raises(ValueError, match=r"give metric|say how|leave them out"):
        claim(**wrong)


def test_the_page_says_how_a_claim_was_checked():
    claims = {
        "near": claim(at={"sampler": "slow"}, against=("other",), at_most=1.0),
        "order": claim(metric="order", at_least=1.9, at_most=2.1),
    }
    findings = {name: judge(item, pd.DataFrame(), None, RESULTS) for name, item in claims.items()}
    block = {"kind": "parameterisation", "law": {"kind": "spiral"}, "seeds": [0, 1, 2]}
    described = {"name": "own", "title": "Own", "block": {**block, "steps": 5, "batch_size": 7}}
    text = page(claims, findings, [], None, [described])
    assert "`distance` of `own` (sampler slow) over that of `other`: at most 1" in text
    assert "ratio to other: 0.1 (" in text
    assert "order: 2 (exact)" in text
    settings = ("`own`: Own", "`parameterisation`", "spiral", "5 steps of 7 points", "–", "0, 1, 2")
    assert f"| {' | '.join(settings)} |" in text


def table(**settings):
    return list(Findings(**settings).table(RESULTS, {"own": "Own"}))


def test_a_table_has_a_row_for_each_entry():
    lines = table(analyses=("own", "other"), columns=("distance", "order"), by="sampler")
    assert lines[0] == "|  | mean distance | order |"
    assert lines[2] == "| Own, slow | 1.00 ± 0.100 | 2.00 |"
    assert lines[5] == "| other, fast | 40.0 ± 4.00 | 3.00 |"


def test_a_table_has_a_column_for_each_entry_that_is_left():
    lines = table(analyses=("own",), columns=("distance",))
    assert lines[0] == "|  | mean distance, slow | mean distance, fast |"
    assert lines[2] == "| Own | 1.00 ± 0.100 | 4.00 ± 0.400 |"
    picked = table(analyses=("own",), columns=("distance",), at={"sampler": "fast"})
    assert picked[2] == "| Own | 4.00 ± 0.400 |"


def test_all_dimensions_that_are_left_have_columns():
    numbers = np.arange(12.0).reshape(3, 2, 2)
    result = NETWORK.assign(both=(("seed", "sampler", "time"), numbers))
    lines = list(Findings(analyses=("own",), columns=("both",)).table({"own": result}, {}))
    assert (
        lines[0]
        == "|  | both, slow, 0.0001 | both, slow, 10 | both, fast, 0.0001 | both, fast, 10 |"
    )
    assert lines[2] == "| own | 4.00 ± 4.00 | 5.00 ± 4.00 | 6.00 ± 4.00 | 7.00 ± 4.00 |"


def test_cells_say_of_how_many_seeds_they_are():
    result = NETWORK.assign(distance=NETWORK.distance.where(NETWORK.seed < 2))
    shown = {"analyses": ("own",), "columns": ("distance",), "at": {"sampler": "slow"}}
    (*_, row) = Findings(**shown).table({"own": result}, {})
    assert row == "| own | 1.05 ± 0.0500 (2 of 3 seeds) |"


def test_cells_are_empty_where_an_analysis_has_no_such_number():
    results = {"own": NETWORK, "bare": NETWORK.drop_vars("order")}
    lines = list(Findings(analyses=("own", "bare"), columns=("order",)).table(results, {}))
    assert lines[2:] == ["| own | 2.00 |", "| bare |  |"]


SHARE = xr.Dataset(dict.fromkeys(("rejected", "rejected_low", "rejected_high"), 0.06))
SHARE = SHARE.assign(rejected_low=0.047, rejected_high=0.078)


def test_a_share_of_tests_has_its_own_interval():
    def about(**bounds):
        return claim(analysis="share", metric="rejected", **bounds)

    def judged(**bounds):
        return judge(about(**bounds), pd.DataFrame(), None, {"share": SHARE})

    finding = judged(at_least=0.03, at_most=0.08)
    assert finding.verdict == "reproduced"
    assert finding.estimates[0][1:5] == (0.06, 0.047, 0.078, 0)
    said = page({"it": about(at_most=0.08)}, {"it": finding}, [])
    assert "rejected: 0.06 (0.047 to 0.078)" in said
    assert judged(at_least=0.1).verdict == "not reproduced"
    undecided = "it holds here, but the interval leaves both possible"
    assert judged(at_most=0.07) == Finding("not checkable", finding.estimates, undecided)

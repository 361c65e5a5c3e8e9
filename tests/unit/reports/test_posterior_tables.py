"""The table of posteriors names the right winner, and the verdict says what the numbers say."""

import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_rel

from fsdiff.metrics.posterior.calibration import Coverage, RankedProbabilityScore
from fsdiff.metrics.posterior.moments import Misfit, PosteriorMoments
from fsdiff.reports.posteriors.first_page import in_html, in_markdown
from fsdiff.reports.posteriors.standings import Difference, Place, Standing, posterior_standings
from fsdiff.reports.posteriors.summary import as_table
from fsdiff.reports.posteriors.table import posteriors_html
from fsdiff.reports.posteriors.verdicts import of_posteriors

METRICS = (PosteriorMoments(), RankedProbabilityScore(), Coverage(), Misfit())
KNOWN = [words for metric in METRICS for words in metric.words]


def row(kind, mean, deviation, crps, coverage, name="", title="", seed=None, n=32) -> dict:
    return {
        "observation": "sensors",
        "row": kind,
        "posterior": name,
        "title": title,
        "experiment": "wiener" if name else "",
        "seed": seed,
        "resolution": n,
        "posterior_mean": mean,
        "posterior_sd": deviation,
        "crps": crps,
        "coverage_90": coverage,
        "misfit": 1.0 if name != "narrow" else 0.5,
    }


def results(**changes) -> pd.DataFrame:
    """A good posterior of two seeds, one with half the deviations, one beside the truth."""
    rows = [
        row("prior", 2.0, 1.0, 0.6, 0.9),
        row("kriging", 0.4, 0.3, 0.25, 0.88),
        row("reference", 0.1, 0.05, 0.2, 0.9),
        row("posterior", 0.16, 0.12, 0.21, 0.89, "good", "a good one", 0),
        row("posterior", 0.20, 0.12, 0.21, 0.89, "good", "a good one", 1),
        row("posterior", 0.15, 0.50, 0.26, 0.62, "narrow", "<b>narrow</b>", 0),
        row("posterior", 0.90, 0.20, 0.40, 0.80, "off", "off", 0),
    ]
    return pd.DataFrame([item | changes for item in rows])


CALIBRATED = {
    ("sensors", 32): {
        "rows": [
            {"posterior": "", "draws": 600, "coverage": 0.9, "low": 0.84, "high": 0.95},
            {"posterior": "good", "draws": 75, "coverage": 0.89, "low": 0.84, "high": 0.95},
            {"posterior": "narrow", "draws": 75, "coverage": 0.62, "low": 0.84, "high": 0.95},
            {"posterior": "off", "draws": 75, "coverage": 0.86, "low": 0.84, "high": 0.95},
        ],
        "remark": "",
    }
}


def cells(page: str, title: str) -> dict[str, tuple[str, str]]:
    """Column title → (classes, text) of one line of the table."""
    heads = re.findall(r"<th[^>]*>([^<]*)</th>", page.split("</thead>")[0].split("</tr><tr>")[1])
    line = re.search(rf"<th>{re.escape(title)}</th>(.*?)</tr>", page)[1]
    found = re.findall(r"<td(?: class=\"([^\"]*)\")?>(.*?)</td>", line)
    return {
        head: (classes, re.sub("<.*?>", "", text))
        for head, (classes, text) in zip(heads[1:], found, strict=True)
    }


def test_the_best_posterior_is_marked_in_every_column():
    page = posteriors_html(results(), known=KNOWN)
    good, narrow, off = (
        cells(page, name) for name in ("a good one", "&lt;b&gt;narrow&lt;/b&gt;", "off")
    )
    mean, deviation = "error of the mean, in deviations", "error of the deviation, relative"
    assert "best" in narrow[mean][0]
    assert "best" not in good[mean][0]
    assert "best" in good[deviation][0]
    # 0.89 is nearer to 0.9 than 0.8, and a misfit of 1 is right.
    assert "best" in good["coverage of 90 % intervals → 0.9"][0]
    assert "best" not in narrow["misfit of draws to the data → 1"][0]
    assert good[mean][1] == "0.180 ± 0.028 ×1.8"
    assert good[deviation][1] == "0.120 ×2.4"
    assert "better" in good[mean][0]
    assert "worse" in off[mean][0]


def test_baselines_are_grey_and_above_in_their_order():
    page = posteriors_html(results(), known=KNOWN, called={"sensors": "8 × 8 <sensors>"})
    assert "<h2>8 × 8 &lt;sensors&gt;</h2>" in page
    body = page.split("<tbody>")[1]
    grey = re.findall(r'<tr class="reference"><th>(.*?)</th>', body)
    assert grey == ["prior, without data", "kriging", "reference, half against half"]
    assert body.index("half against half") < body.index("a good one")
    assert not any(classes for classes, _ in cells(page, "kriging").values() if classes != "first")


def test_what_an_estimate_has_no_number_for_is_left_empty():
    """Interpolation has a CRPS and an error of the mean, and no deviations."""
    nan = float("nan")
    estimate = {**row("bicubic", 0.7, nan, 0.3, nan), "misfit": nan}
    table = pd.concat([results(), pd.DataFrame([estimate])])
    page = posteriors_html(table, known=KNOWN)
    told = [text for _, text in cells(page, "bicubic interpolation").values()]
    assert sorted(told) == ["", "", "", "0.300", "0.700"]
    (standing,) = posterior_standings(table, CALIBRATED, {})
    assert standing.everyone[-1].name == "bicubic interpolation"
    assert "| bicubic interpolation |  | 0.7 |  | 0.3 |  |  |" in in_markdown([standing])
    assert of_posteriors(standing) == of_posteriors(
        posterior_standings(results(), CALIBRATED, {})[0]
    )


def test_where_kriging_is_as_good_as_the_reference_nothing_is_coloured():
    table = results()
    table.loc[table["row"] == "kriging", "posterior_mean"] = 0.14
    page = posteriors_html(table, known=KNOWN)
    column = "error of the mean, in deviations"
    assert cells(page, "kriging")[column][1] == "0.140 †"
    assert not {"better", "worse"} & set(cells(page, "a good one")[column][0].split())


def test_rows_of_no_kind_are_refused():
    with pytest.raises(ValueError, match=r"unknown kind of row \['model'\]"):
        as_table([{"observation": "a", "row": "model", "resolution": 8}])
    with pytest.raises(ValueError, match="no column observation, resolution"):
        as_table([{"row": "prior"}])


def test_posteriors_are_ordered_by_the_distance_of_their_marginal_laws():
    (standing,) = posterior_standings(results(), CALIBRATED)
    assert [place.name for place in standing.places] == ["a good one", "<b>narrow</b>", "off"]
    assert standing.places[0].distance == pytest.approx(math.hypot(0.18, 0.12))
    names = [place.name for place in standing.everyone]
    assert names == ["a good one", "kriging", "<b>narrow</b>", "off", "prior, without data"]
    assert standing.by_chance(standing.places[0]) == pytest.approx(
        math.sqrt(1.5 * (1 / 60 - 1 / 600))
    )


def test_so_many_draws_of_the_true_law_are_so_far_away_by_chance():
    """The distance of two sets of Gaussian draws at many nodes."""
    random = np.random.default_rng(0)
    one, other = (random.standard_normal((count, 20_000)) for count in (40, 120))
    shifts = one.mean(0) - other.mean(0), one.std(0, ddof=1) - other.std(0, ddof=1)
    found = math.sqrt(sum(np.square(shift).mean() for shift in shifts))
    (standing,) = posterior_standings(
        results(),
        {("sensors", 32): {"rows": [{"posterior": "", "draws": 120, "coverage": 0.9}]}},
    )
    assert standing.by_chance(Place("right", draws=40)) == pytest.approx(found, rel=0.01)
    assert math.isnan(standing.by_chance(Place("unknown")))


def test_the_verdict_compares_with_the_reference():
    (standing,) = posterior_standings(results(), CALIBRATED)
    assert of_posteriors(standing) == (
        "Nearest to the true posterior is “a good one”, 0.22 of its standard deviations away, "
        "where "
        "as many draws of the true one would be 0.15 away. "
        "Its 90\u00a0% intervals hold 89\u00a0% of the truths, which chance explains (84 to "
        "95\u00a0%). "
        "Behind it are kriging at 0.5 and prior at 2.2. "
        "“<b>narrow</b>” is 0.52 away, nearly all of it in the deviations, which are off by "
        "50\u00a0%, and has 90\u00a0% intervals that are too narrow and hold 62\u00a0%. "
        "“off” is 0.92 away, nearly all of it in the mean (0.9)."
    )


def test_few_draws_are_not_said_to_lose_what_chance_takes():
    few = Place("few", mean=0.28, deviation=0.2, draws=20)
    many = Place("many", mean=0.04, deviation=0.03, draws=1000)
    standing = Standing("s", "s", 32, (many, few), reference_draws=1000)
    assert "few" not in of_posteriors(standing)
    off = Standing("s", "s", 32, (many, replace(few, draws=200)), reference_draws=1000)
    assert "“few” is 0.34 away, in the mean (0.28)" in of_posteriors(off)


def test_intervals_that_are_the_only_fault_are_told_in_a_sentence():
    narrow = Place("narrow", score=0.2, coverage=0.6, low=0.8, high=0.95)
    standing = Standing("s", "s", 32, (Place("best", score=0.2), narrow))
    assert of_posteriors(standing).endswith(
        "“narrow” has 90\u00a0% intervals that are too narrow and hold 60\u00a0%."
    )


def test_a_reference_that_has_not_converged_is_said_so_and_not_used():
    table = results().drop(columns=["posterior_mean", "posterior_sd"])
    remark = "sample 3: largest R̂ is 1.4"
    told = {key: value | {"remark": remark} for key, value in CALIBRATED.items()}
    (standing,) = posterior_standings(table, told)
    said = of_posteriors(standing)
    assert said.startswith(
        f"The reference has not converged ({remark}) and is not used. The lowest CRPS is that of "
        "“a good one”, 0.21."
    )
    assert "“off” has a CRPS of 0.4" in said
    (standing,) = posterior_standings(table, {})
    assert of_posteriors(standing).startswith("There is no reference")


def test_kriging_that_is_nearer_is_said_so():
    table = results()
    table.loc[table["row"] == "kriging", ["posterior_mean", "posterior_sd"]] = 0.05
    (standing,) = posterior_standings(table, CALIBRATED)
    said = of_posteriors(standing)
    assert "No posterior is nearer than kriging at 0.071; behind it is prior at 2.2." in said
    scores = table.drop(columns=["posterior_mean", "posterior_sd"])
    scores.loc[scores["row"] == "kriging", "crps"] = 0.1
    (standing,) = posterior_standings(scores, CALIBRATED)
    said = of_posteriors(standing)
    assert "No posterior is better than kriging at 0.1; behind it is prior at 0.6." in said


def test_whatever_needs_no_model_and_is_nearer_is_named():
    """An ensemble always; what has one answer where no posterior does better."""
    table = results()
    kriging = table[table["row"] == "kriging"].drop(columns=["posterior_mean", "posterior_sd"])
    others = [
        kriging.assign(row=kind, crps=crps)
        for kind, crps in {"ensemble": 0.23, "bicubic": 0.3, "harmonic": 0.1}.items()
    ]
    scores = table.drop(columns=["posterior_mean", "posterior_sd"])
    (standing,) = posterior_standings(pd.concat([scores, *others]), {})
    assert (
        "No posterior is better than harmonic inpainting at 0.1; behind it are kriging at 0.25, "
        "ensemble smoother at 0.23 and prior at 0.6."
    ) in of_posteriors(standing)


def test_the_standing_is_at_the_finest_resolution_that_has_a_reference():
    finer = results(resolution=64, posterior_mean=math.nan, posterior_sd=math.nan)
    (standing,) = posterior_standings(pd.concat([results(), finer]), CALIBRATED)
    assert standing.resolution == 32
    # The draws of a reference that is coarser than the posteriors count, too.
    both = pd.concat([results(), results(resolution=64)])
    (standing,) = posterior_standings(both, CALIBRATED | {("sensors", 64): {"rows": []}})
    assert (standing.resolution, standing.reference_draws) == (64, 600)
    (standing,) = posterior_standings(finer, {})
    assert standing.resolution == 64
    assert not standing.against_reference


def test_the_first_page_has_sentences_table_and_picture(tmp_path):
    picture = tmp_path / "fields.png"
    picture.write_bytes(b"picture")
    found = posterior_standings(results(), CALIBRATED, {"sensors": "64 sensors"})
    text = in_markdown(found)
    assert text.startswith("## 64 sensors at resolution 32\n\nNearest to the true")
    assert "| a good one | 0.216 | 0.18 | 0.12 | 0.21 | 89 % | 84–95 % |" in text
    assert "| kriging | 0.5 | 0.4 | 0.3 | 0.25 | 88 % |  |" in text
    assert "&lt;b&gt;narrow" in text
    page = in_html(found, {("sensors", 32): picture})
    assert "<b>narrow" not in page
    assert "data:image/png;base64,cGljdHVyZQ==" in page


def numbers_of(distances):
    """Of cases at these distances, all of it in the mean."""
    return [{"posterior_mean": d, "posterior_sd": 0.0, "crps": d} for d in distances]


def test_differences_of_cases_have_the_interval_of_student():
    random = np.random.default_rng(1)
    shared = random.standard_normal(12)
    larger, smaller = shared + 0.3 + 0.2 * random.standard_normal(12), shared
    found = Difference.of(larger, smaller)
    test = ttest_rel(larger, smaller)
    assert found.mean == pytest.approx((larger - smaller).mean())
    np.testing.assert_allclose((found.low, found.high), test.confidence_interval(0.95))
    assert found.by_chance == (test.pvalue > 0.05)
    assert not found.by_chance
    # Unpaired the cases would hide it.
    assert not (larger.min() > smaller.max())
    assert Difference.of([1.0], [2.0]) is None
    assert Difference.of([1.0, 2.0], ()) is None


def test_large_distances_have_no_exponent():
    (standing,) = posterior_standings(results(posterior_mean=1234.0, posterior_sd=250.0), {})
    assert "1,259 of its standard deviations away" in of_posteriors(standing)
    assert "| a good one | 1,259 | 1,234 | 250 |" in in_markdown([standing])


def test_what_the_cases_could_not_show_is_not_said():
    table = results()
    table.loc[table["row"] == "kriging", ["posterior_mean", "posterior_sd"]] = 0.15, 0.1
    both = [numbers_of([0.30, 0.10, 0.2, 0.25]), numbers_of([0.34, 0.14, 0.24, 0.29])]
    known = {("sensors", 32, "posterior", "good"): both}
    scattered = known | {("sensors", 32, "kriging", ""): [numbers_of([0.1, 0.4, 0.1, 0.2])]}
    (standing,) = posterior_standings(table, CALIBRATED, by_case=scattered)
    said = of_posteriors(standing)
    assert "No posterior is nearer" not in said
    assert (
        "Behind it is prior at 2.2; between it and kriging, at 0.18, is no difference that these "
        "4 cases could show (-0.38 to 0.31)." in said
    )
    same = known | {("sensors", 32, "kriging", ""): both}
    (standing,) = posterior_standings(table, CALIBRATED, by_case=same)
    assert "kriging, at 0.18, is as near in each of these 4 cases." in of_posteriors(standing)
    steady = known | {("sensors", 32, "kriging", ""): [numbers_of([0.27, 0.08, 0.17, 0.22])]}
    (standing,) = posterior_standings(table, CALIBRATED, by_case=steady)
    assert "No posterior is nearer than kriging at 0.18; behind it is prior" in of_posteriors(
        standing
    )

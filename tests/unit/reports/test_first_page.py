"""The verdict: which experiment is nearest to the data, from a summary whose numbers are known."""

import base64
from pathlib import Path

import pandas as pd
import pytest

from fsdiff.reports.first_page import in_html, in_markdown
from fsdiff.reports.standings import standings

HOSTILE = "<b>bold</b> | *x* ``"
FLOORS = ("one_point_w1", "gradient_w1")
BLIND = {"sliced_wasserstein": 9.0, "one_point_kurtosis": 9.0, "one_point_kurtosis_reference": 3.0}


def row(kind: str, values: tuple[float, float], **more) -> dict:
    return {
        **{"dataset": "waves", "resolution": 64, "row": kind, **BLIND},
        **dict(zip(FLOORS, values, strict=True)),
        **more,
    }


def model(name: str, *values: tuple[float, float], **more) -> list[dict]:
    """The rows of an experiment, one for each seed."""
    own = {"experiment": name, "title": name, "trained_at": 64, **more}
    return [row("model", value, seed=seed, **own) for seed, value in enumerate(values)]


REAL = row("real", (0.1, 0.2))
SURROGATE = row("surrogate", (0.4, 0.8))
NEAR = model("near", (0.1, 0.6), (0.3, 1.0))  # 2 and 4 floors on average: √8 = 2.8
FAR = model("far", (0.4, 3.2), trained_at=32)  # 4 and 16 floors: 8
COARSE = [row("real", (9.0, 9.0), resolution=32), *model("near", (1.0, 1.0), resolution=32)]
ALL = [*COARSE, *FAR, REAL, SURROGATE, *NEAR]


def lines(*rows: dict) -> list[str]:
    return [line for line in in_markdown(standings(pd.DataFrame(rows))).splitlines() if line]


def test_experiments_are_ranked_by_the_geometric_mean_of_distances_of_structure():
    assert lines(*ALL) == [
        "## waves at resolution 64",
        "Nearest is near, at 2.8 times the distance between two sets of real data (mean over 2 "
        "seeds); the Gaussian surrogate: 4.0.",
        "|  | mean | derivative W₁ | one-point W₁ |",
        "| --- | ---: | ---: | ---: |",
        "| near | 2.8 | 4.0 | 2.0 |",
        "| Gaussian surrogate | 4.0 | 4.0 | 4.0 |",
        "| far (trained up to 32) | 8.0 | 16.0 | 4.0 |",
        "Distances are multiples of the distance between two sets of real data, and their "
        "geometric mean; less is better.",
    ]


def test_one_experiment_is_not_called_the_nearest_of_several():
    assert lines(REAL, SURROGATE, *NEAR)[1] == (
        "near: 2.8 times the distance between two sets of real data (mean over 2 seeds); the "
        "Gaussian surrogate: 4.0."
    )


def test_those_that_are_as_near_are_named_together():
    as_near, even = model("as near", (0.4, 0.8)), model("even", (0.4, 0.8))
    assert lines(REAL, SURROGATE, *as_near, *even)[1] == (
        "Nearest are as near and even, at 4.0 times the distance between two sets of real data "
        "(one seed); the Gaussian surrogate: 4.0."
    )


def test_what_the_surrogate_does_as_well_is_said():
    assert lines(REAL, SURROGATE, *FAR)[1].endswith(
        "; the Gaussian surrogate: 4.0, which no experiment reaches: they have second moments at "
        "best."
    )


def test_without_a_floor_distances_stand_by_themselves():
    text = lines(SURROGATE, *NEAR, *FAR)
    assert text[1] == (
        "Nearest is near, at a mean distance of 0.4 (mean over 2 seeds); the Gaussian surrogate: "
        "0.566; distances stand by themselves, because there is none of real data from real data."
    )
    assert text[4] == "| near | 0.4 | 0.8 | 0.2 |"


def test_a_floor_of_zero_is_no_unit():
    (standing,) = standings(pd.DataFrame([row("real", (0.1, 0.0)), *NEAR]))
    assert standing.columns == ("one-point W₁",)
    assert standing.places[0].mean == pytest.approx(2.0)


def test_experiments_with_unknown_distances_are_last():
    broken = model("broken", (float("nan"), 0.1))
    (standing,) = standings(pd.DataFrame([*broken, *ALL]))
    assert [place.name for place in standing.everyone] == [
        *("near", "Gaussian surrogate", "far", "broken")
    ]
    assert lines(REAL, *broken)[1] == (
        "Experiments are not ranked, because none has numbers in all of these columns."
    )


def test_metrics_that_see_no_structure_rank_nothing():
    blind = [{k: v for k, v in line.items() if not k.endswith("_w1")} for line in ALL]
    text = "\n".join(lines(*blind))
    assert "no metric of this study sees structure" in text.lower()
    assert "|" not in text


def test_experiments_without_samples_at_the_finest_resolution_are_named():
    elsewhere = model("elsewhere", (0.1, 0.1), resolution=32)
    assert lines(*ALL, *elsewhere)[-1] == "Without samples at this resolution: elsewhere."


def test_every_data_set_has_a_section_at_its_own_resolution():
    other = [{**line, "dataset": "flows", "resolution": 16} for line in (REAL, SURROGATE, *NEAR)]
    alone = [{**REAL, "dataset": "alone"}]
    found = standings(pd.DataFrame([*ALL, *other, *alone]))
    assert [(item.dataset, item.resolution) for item in found] == [("waves", 64), ("flows", 16)]


def test_the_page_holds_the_picture_and_titles_as_text(tmp_path: Path):
    picture = tmp_path / "samples.png"
    picture.write_bytes(b"a picture")
    found = standings(pd.DataFrame([REAL, SURROGATE, *model(HOSTILE, (0.1, 0.2)), *NEAR]))
    page = in_html(found, {"waves": picture})
    assert f'src="data:image/png;base64,{base64.b64encode(b"a picture").decode()}"' in page
    assert page.index("<strong>Nearest") < page.index("<img") < page.index("<table>")
    assert "<b>" not in page
    assert "<td>&lt;b&gt;bold&lt;/b&gt; | *x* ``</td><td>1.0</td>" in page
    assert r"&lt;b&gt;bold&lt;/b&gt; \| \*x\* \`\`, at 1.0 times" in in_markdown(found)

"""The page of a study is written from its tables, with the figures that are its own."""

import pandas as pd
import pytest

from fsdiff.reports import tables
from fsdiff.stages import page as stage
from fsdiff.stages.page import write_page
from fsdiff.study import load, strict_yaml

STUDY = """
datasets:
  waves:
    source: {kind: random_field, resolution: 16}
    split: {train: 16, validation: 4, test: 8}
    resolutions: [8, 16]
experiments:
  one:
    title: One
    dataset: waves
    process: {kind: vp}
    prediction: {kind: wiener}
    network: {kind: fno, width: 4, modes: 2, layers: 1, projection: 4}
    levels: [{resolution: 8, epochs: 4, batch_size: 8}]
    sampler: {kind: ddim, steps: 2}
    samples: {count: 4, resolutions: [8, 16]}
    trajectory: {every: 2}
    seeds: [0, 1]
    vary:
      prior:
        rough: {title: rough, prior: {kind: bessel, power: 0.6}}
        white: {title: white, prior: {kind: standard}}
evaluation:
  metrics:
    one_point: {kind: one_point}
page:
  title: Noise
  text: Which?
  differences: [{resolution: 16, columns: [one_point_w1], title: Differ}]
  sooner:
    - {resolution: 16, columns: [one_point_w1], against: [one_white], significance: null}
  tables:
    - {resolution: 8, columns: [one_point_w1]}
    - {resolution: 16, columns: [one_point_w1], rows: moments, samples: 10}
  combinations: [{resolutions: [8, 16], columns: [one_point_w1]}]
  figures: [{path: waves/pareto.svg, caption: Costs.}]
"""

DISTANCES = {"one_rough": 2.0, "one_white": 1.0}
"""After four epochs, half of that after two; the floor is one half."""


def rows() -> pd.DataFrame:
    floors = [
        {"row": "real", "experiment": "", "title": "", "resolution": n, "one_point_w1": 0.5}
        for n in (8, 16)
    ]
    models = [
        {
            "row": "model",
            "experiment": name,
            "title": name.replace("_", " "),
            "resolution": n,
            "seed": seed,
            "training_seconds": 8.0,
            "seconds_per_sample": 0.1,
            "one_point_w1": distance * n / 8,
        }
        for name, distance in DISTANCES.items()
        for n in (8, 16)
        for seed in (0, 1)
    ]
    return pd.DataFrame(floors + models).assign(dataset="waves", trained_at=8)


def moments(summary: pd.DataFrame) -> pd.DataFrame:
    ends = summary[summary["row"] == "model"].drop(columns="seconds_per_sample")
    ends = ends.rename(columns={"training_seconds": "seconds"}).assign(epoch=4)
    early = ends.assign(epoch=2, seconds=4.0, one_point_w1=ends["one_point_w1"] / 2)
    return pd.concat([early, ends])


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The page and its figures by name."""
    drawn = {}
    monkeypatch.setattr(stage, "save", lambda figure, path: drawn.update({path.name: figure}))
    tables.write(rows(), tmp_path / "summary.csv")
    tables.write(moments(rows()), tmp_path / "trajectories.csv")
    told = {"claims": "# Claims\n\n1 reproduced.\n", "posteriors": "## Posteriors\n\nSharp.\n"}
    for name, text in told.items():
        (tmp_path / f"{name}.md").write_text(text, encoding="utf-8")
    write_page(
        {"config": load(strict_yaml.parse(STUDY)).page_slice()},
        summary=tmp_path / "summary.csv",
        trajectories=tmp_path / "trajectories.csv",
        **{name: tmp_path / f"{name}.md" for name in told},
        output=tmp_path / "page.md",
    )
    return (tmp_path / "page.md").read_text(encoding="utf-8"), drawn


def test_all_parts_are_there_in_their_order(written):
    text, _ = written
    places = [
        text.index(part)
        for part in (
            "# Noise\n\nWhich?",
            "## Claims\n\n1 reproduced.",
            "## Posteriors\n\nSharp.",
            "## Differ",
            "| one-point W₁ | 1.00 to 2.00 | 2.00 to 4.00 | 0.500 | 0 | one white |",
            # White is at its nearest, 1, at the first moment already; rough has 2 at the least.
            "| one rough | never, never |",
            "| one rough | 2.00 |",
            "| one rough after 2 epochs | 4 | 5 | 2.00 |",
            "| white | 2.83 | 2.00 / 4.00 |",
            "Costs.\n\n![Costs.](figures/waves/pareto.svg)",
            "![page-2.svg](page-2.svg)",
            "![page-combinations-1.svg](page-combinations-1.svg)",
        )
    ]
    assert places == sorted(places)


def test_figures_are_drawn_of_the_moments_and_the_combinations(written):
    _, drawn = written
    assert drawn.keys() == {"page-2.svg", "page-combinations-1.svg"}
    curves = {line.get_label(): line for line in drawn["page-2.svg"].axes[0].lines}
    assert curves["one rough"].get_xdata().tolist() == [5.0, 9.0]
    assert curves["one rough"].get_ydata().tolist() == [2.0, 4.0]
    cells = [text.get_text() for text in drawn["page-combinations-1.svg"].axes[0].texts]
    assert cells[:4] == ["4", "8", "2", "4"]

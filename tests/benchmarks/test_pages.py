"""Pages of studies that have run: made anew from tables, and copied with their figures."""

import sys

import pandas as pd
import pytest
from PIL import Image
from test_benchmarks import BENCHMARKS

from fsdiff.reports import tables
from fsdiff.reports.labels import REFERENCES
from fsdiff.study import load

pytestmark = pytest.mark.benchmarks

DISTANCES = ("one_point_w1", "gradient_w1", "patch_sliced_wasserstein", "log_spectrum_error")


@pytest.fixture
def page(monkeypatch):
    """The module that makes pages."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import page

    return page


def rows(study) -> pd.DataFrame:
    """A summary: distances of experiments are 2, 3, …, each seed's more by a half; floors are 1."""
    (dataset,) = study.datasets
    known = [{"row": row, "experiment": "", "title": ""} for row in ("real", "surrogate")]
    known += [
        {
            "row": "model",
            "experiment": name,
            "title": item.title,
            "seed": seed,
            "training_seconds": 10.0 * place,
            "seconds_per_sample": 0.5,
            **{key: float(place + (place % 2 * seed) / 2) for key in DISTANCES},
        }
        for place, (name, item) in enumerate(study.experiments.items(), start=2)
        for seed in item.seeds
    ]
    common = {"dataset": dataset, "resolution": 128, "trained_at": 128}
    return pd.DataFrame([{**dict.fromkeys(DISTANCES, 1.0), **common, **row} for row in known])


def moments(summary: pd.DataFrame) -> pd.DataFrame:
    """The models of a summary half-way, twice as far from the data, and at the end."""
    ends = summary[summary["row"] == "model"].assign(epoch=2)
    ends = ends.rename(columns={"training_seconds": "seconds"})
    ends = ends.drop(columns=["seconds_per_sample"])
    early = {key: 2 * ends[key] for key in DISTANCES}
    return pd.concat([ends.assign(epoch=1, seconds=ends["seconds"] / 2, **early), ends])


def test_a_page_is_made_anew_from_tables(page, tmp_path, monkeypatch):
    (study, results), output = (
        (load(*page.configurations("schedules")), tmp_path),
        tmp_path / "p.md",
    )
    summary = rows(study)
    tables.write(summary, results / "summary.csv")
    tables.write(moments(summary), results / "trajectories.csv")
    command = ["page.py", "schedules", "--results", str(results), "--output", str(output)]
    monkeypatch.setattr(sys, "argv", command)
    page.main()
    lines = output.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# Schedules of levels"
    assert f"| *{REFERENCES['real']}* |  |  | 1.00 | 1.00 | 1.00 | 1.00 |" in lines
    assert f"| 32 only after 2 epochs | 20 | 70 |{' 2.00 |' * 4}" in lines
    # 128 only ends at 4, 32 only is there half-way: 40 s and 10 s, and 50 s of samples.
    assert "| 32 only | 1.50, 1.50 | 1.50, 1.50 | 1.50, 1.50 | 1.50, 1.50 |" in lines
    assert "![page-1.svg](p-1.svg)" in lines
    assert (tmp_path / "p-1.svg").stat().st_size > 2000
    assert any(
        f"Made by `python benchmarks/page.py schedules --output {output}`" in x for x in lines
    )


def test_a_study_without_moments_has_its_page_too(page, tmp_path):
    files = page.configurations("structure")
    summary = rows(load(*files))
    kurtosis = ("one_point_kurtosis", "gradient_kurtosis")
    summary = summary.assign(**dict.fromkeys(kurtosis, 3.0))
    tables.write(summary, tmp_path / "summary.csv")
    page.write_from_tables(files, tmp_path)
    text = (tmp_path / "page.md").read_text(encoding="utf-8")
    assert "| 28 epochs at 32 | 20.0 | 2.00 (2.0) |" in text


def test_a_file_in_a_folder_is_merged_into_the_study_of_that_name(page):
    files = page.configurations("multilevel_diffusion/laptop")
    assert [path.relative_to(page.ROOT / "configs").as_posix() for path in files] == [
        "multilevel_diffusion.yaml",
        "multilevel_diffusion/laptop.yaml",
    ]
    assert load(*files).page.claims


def results_with_figures(folder):
    """Results with a page, two figures and a picture."""
    results = folder / "results"
    (results / "figures" / "waves").mkdir(parents=True)
    (results / "figures" / "waves" / "pareto.svg").write_text("one")
    (results / "page-1.svg").write_text("two")
    Image.new("RGB", (1800, 500)).save(results / "figures" / "waves" / "samples.png")
    shown = ("figures/waves/pareto.svg", "page-1.svg", "figures/waves/samples.png")
    text = "# T\n\n" + "\n".join(f"![{name}]({name})" for name in shown)
    (results / "page.md").write_text(text, encoding="utf-8")
    return results


def test_the_page_of_a_study_is_copied_with_its_figures(page, tmp_path):
    results = results_with_figures(tmp_path)
    page.publish(results, tmp_path / "mine.md", None, "python benchmarks/page.py mine")
    text = (tmp_path / "mine.md").read_text(encoding="utf-8")
    assert "(mine-waves-pareto.svg)" in text
    assert "(mine-1.svg)" in text
    assert "Made by `python benchmarks/page.py mine`: " in text
    assert (tmp_path / "mine-waves-pareto.svg").read_text() == "one"
    assert (tmp_path / "mine-1.svg").read_text() == "two"


def test_figures_may_lie_in_a_folder_and_pictures_are_no_larger_than_a_page(page, tmp_path):
    results, docs = results_with_figures(tmp_path), tmp_path / "docs"
    page.publish(results, docs / "mine.md", docs / "images" / "mine", "command")
    assert "(images/mine/waves-samples.png)" in (docs / "mine.md").read_text(encoding="utf-8")
    with Image.open(docs / "images" / "mine" / "waves-samples.png") as picture:
        assert picture.size == (900, 250)


def test_processor_hours_are_those_of_all_jobs(page, tmp_path):
    for name, seconds in (("a", 3600.0), ("b", 5400.0)):
        path = tmp_path / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"s\tcpu_time\n1.0\t{seconds}\n")
    assert page.hours(tmp_path) == " in 2.5 processor hours"
    assert page.hours(tmp_path / "nowhere") == ""

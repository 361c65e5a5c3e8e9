"""The tables that rows of many files go into, and which libraries they and pages are made with."""

import subprocess
import sys

import pytest
import xarray as xr

from fsdiff.data import json_files, storage
from fsdiff.reports import tables
from fsdiff.stages.summary import summarise, with_all_levels
from fsdiff.stages.trajectories import gather_trajectories

MODEL = {
    **{"experiment": "nan", "title": "=1", "dataset": "waves", "row": "model"},
    **{"seed": 2**60 + 1, "resolution": 16, "count": 4, "trained_at": 8},
}
REFERENCE = MODEL | {"experiment": "", "row": "real", "seed": None, "trained_at": None}


def test_a_summary_has_what_identifies_rows_first_and_whole_numbers_whole(tmp_path):
    config = {"references": [REFERENCE], "models": [MODEL]}
    paths = {name: tmp_path / f"{name}.json" for name in ("real", "model")}
    json_files.write(paths["real"], {"rows": [{"w1": 0.5}]})
    json_files.write(paths["model"], {"rows": [{"loss": 3.0, "w1": 0.25}]})
    output = tmp_path / "summary.csv"
    summarise(
        {"config": config}, references=[paths["real"]], models=[paths["model"]], output=output
    )
    table = tables.read(output)
    assert table.columns.tolist() == [*tables.IDENTITY, "w1", "loss"]
    assert table["row"].tolist() == ["real", "model"]
    assert table["title"].tolist() == ["=1", "=1"]
    assert table["w1"].tolist() == [0.5, 0.25]
    assert f",{2**60 + 1},16,4,8," in output.read_text()
    assert table["loss"].isna().tolist() == [True, False]


def test_models_have_spent_no_time_on_the_levels_of_others():
    coarse, fine = ({f"training_seconds_at_{n}": n / 1.0, "training_seconds": 1.0} for n in (8, 16))
    *models, reference = with_all_levels([coarse, fine, {"w1": 0.5}])
    assert [row["training_seconds_at_8"] for row in models] == [8.0, 0.0]
    assert [row["training_seconds_at_16"] for row in models] == [0.0, 16.0]
    assert reference == {"w1": 0.5}


def test_a_summary_of_nothing_is_refused(tmp_path):
    job = {"config": {"references": [], "models": []}}
    with pytest.raises(ValueError, match="nothing has been evaluated yet"):
        summarise(job, references=[], models=[], output=tmp_path / "summary.csv")


def test_moments_of_models_follow_each_other(tmp_path):
    paths, models = [], []
    for name, epochs in (("a", [1, 2]), ("b", [4])):
        found = xr.Dataset(
            {"w1": ("epoch", [0.1 * epoch for epoch in epochs])},
            {"epoch": epochs, "seconds": ("epoch", [10 * e for e in epochs]), "resolution": 16},
        )
        path = tmp_path / f"{name}.nc"
        storage.write(found, path, title=name, provenance=storage.Provenance({}, "0" * 16, 0))
        paths.append(path)
        models.append(MODEL | {"experiment": name})
    output = tmp_path / "trajectories.csv"
    gather_trajectories({"config": {"models": models}}, trajectories=paths, output=output)
    table = tables.read(output)
    assert table.columns.tolist() == [*tables.IDENTITY, "epoch", "seconds", "w1"]
    assert table[["experiment", "epoch", "seconds"]].to_numpy().tolist() == [
        *(["a", 1, 10], ["a", 2, 20], ["b", 4, 40]),
    ]
    assert table["w1"].tolist() == pytest.approx([0.1, 0.2, 0.4])


def test_tables_and_pages_are_made_without_what_arrays_need():
    """It takes longer to load than the rest of such a job, of which a study has many."""
    stages = ("summary", "table", "verdict", "posterior_summary", "posterior_reports")
    imports = ", ".join(f"fsdiff.stages.{name}" for name in (*stages, "reproduction"))
    heavy = "{'torch', 'xarray', 'netCDF4', 'h5py', 'matplotlib'} & sys.modules.keys()"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys, {imports}; print({heavy})"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"

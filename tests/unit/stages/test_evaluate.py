"""The floor of every distance: real data against real data."""

from collections.abc import Iterable

import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.data import json_files, storage
from fsdiff.data.hierarchy import statistics, with_transforms
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.metrics.densities import OnePointDensity
from fsdiff.metrics.diversity import VendiScore
from fsdiff.metrics.evaluate import evaluate
from fsdiff.metrics.kernels import GaussianKernelDiscrepancy
from fsdiff.reports.summary import as_table, columns, reference
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages.judge import Judge
from fsdiff.stages.references import _floor, evaluate_references

METRICS = {"one_point": OnePointDensity()}
PLAIN = Statistics(mean=torch.zeros(1), scale=torch.ones(1), spectrum=torch.ones(1), resolution=1)
JUDGE = Judge(METRICS, CosineBasis(), PLAIN, {})
SIX = torch.randn(6, 1, 8, 8)


def mean_deviation(name: str, judge: Judge, rows: Iterable[dict[str, float]]) -> float:
    """As every reader of the summary has it, of rows about real data."""
    table = as_table({"row": "real", "resolution": 8, **row} for row in rows)
    known = [words for metric in judge.metrics.values() for words in metric.words]
    (column,) = (column for column in columns(table, known) if column.name == name)
    return reference(table, "real", column, table)


def floor(fields: torch.Tensor, count: int) -> float:
    return mean_deviation("one_point_w1", JUDGE, _floor(JUDGE, fields, count))


def test_floor_does_not_depend_on_the_order_of_the_data() -> None:
    # Fields about 0 first, then about 1: the halves as they lie differ by 1, random ones do not.
    fields = 0.01 * torch.randn(128, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    fields[64:] += 1
    halves = evaluate(METRICS, fields[64:], fields[:64], CosineBasis())
    assert abs(halves["one_point_w1"] - 1) < 0.01
    # The difference of the halves' means has mean modulus sqrt(2 / (127π)) = 0.071.
    assert 0 < floor(fields, 64) < 0.2


def test_floor_of_equal_fields_is_zero() -> None:
    fields = torch.randn(1, 1, 8, 8).expand(10, -1, -1, -1)
    assert floor(fields, 5) < 1e-6


def test_floor_of_fewer_fields_is_larger() -> None:
    fields = torch.randn(256, 1, 1, 1, generator=torch.Generator().manual_seed(1))
    floors = [floor(fields, count) for count in (128, 8)]
    # Empirical laws of 128 and of 8 normal numbers are about 0.1 and 0.35 from one of 128.
    assert floors[0] < 0.2 < floors[1]


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        (GaussianKernelDiscrepancy(), "rbf_mmd"),
        (VendiScore(), "vendi"),
        (OnePointDensity(), "one_point_kurtosis"),
    ],
)
def test_the_floor_is_what_a_model_of_the_same_law_deviates_by(metric, name) -> None:
    """Also of numbers that have either sign, whose mean over divisions is nearly zero."""
    judge, random, count = Judge({name: metric}, CosineBasis(), PLAIN, {}), torch.Generator(), 12
    random.manual_seed(0)
    floors, deviations = [], []
    for _ in range(150):
        fields = torch.randn(3 * count, 1, 4, 4, generator=random)
        floors.append(mean_deviation(name, judge, _floor(judge, fields[count:], count)))
        own = judge(fields[:count], fields[-count:])
        deviations.append(mean_deviation(name, judge, [own]))
    assert np.mean(floors) == pytest.approx(np.mean(deviations), rel=0.15)


def test_what_is_not_defined_in_one_division_is_known_from_the_others(monkeypatch) -> None:
    rows = [{"a": 1.0, "b": 2.0}, {"a": 3.0}, {"a": 2.0, "c": 5.0}, {}]
    monkeypatch.setattr(Judge, "__call__", lambda *_: rows.pop(0))
    found = as_table([{"row": "real", "resolution": 8, **row} for row in _floor(JUDGE, SIX, 3)])
    floors = {column.name: reference(found, "real", column, found) for column in columns(found)}
    assert floors == {"a": 2.0, "b": 2.0, "c": 5.0}


def test_rows_are_about_physical_fields_whatever_a_model_is_trained_on(tmp_path) -> None:
    basis, n = CosineBasis(), 12
    random = torch.Generator().manual_seed(0)
    coarse = torch.randn(120, 1, 4, 4, generator=random, dtype=torch.float64)
    fields = basis.prolong(coarse, n).exp().float().numpy()
    nodes = basis.nodes(n)
    split = np.repeat(["train", "validation", "test"], [60, 20, 40])
    data = xr.Dataset(
        {"field": (("sample", "channel", "y", "x"), fields)},
        {"sample": range(120), "channel": ["a"], "y": nodes, "x": nodes},
    ).assign_coords(split=("sample", split))
    data = data.merge(statistics(data, basis))
    sets = {"plain": data, "log": with_transforms(data, {"all": {"kind": "log"}}, basis)}
    config = {"basis": {"kind": "cosine"}, "count": 20}
    config["metrics"] = {"one_point": {"kind": "one_point"}}
    job, rows = {"config": config, "code": ""}, {}
    for name, dataset in sets.items():
        source, output = tmp_path / f"{name}.nc", tmp_path / f"{name}.json"
        storage.write(dataset, source, title=name, provenance=Provenance({}, "", 0))
        evaluate_references(job, data=source, output=output)
        rows[name] = {row["row"]: row for row in json_files.read(output)["rows"]}
    assert rows["log"]["real"] == rows["plain"]["real"]
    assert rows["log"]["white_noise"] == rows["plain"]["white_noise"]
    # A Gaussian of the logarithm has the law of the data, one of the fields themselves has not.
    better, worse = (rows[name]["surrogate"]["one_point_w1"] for name in ("log", "plain"))
    assert better < worse / 2

"""The floor of every distance: real data against real data."""

import numpy as np
import torch
import xarray as xr

from fsdiff.data import json_files, storage
from fsdiff.data.hierarchy import statistics, with_transforms
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.metrics.densities import OnePointDensity
from fsdiff.metrics.evaluate import evaluate
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages.judge import Judge
from fsdiff.stages.references import _floor, evaluate_references

METRICS = {"one_point": OnePointDensity()}
PLAIN = Statistics(mean=torch.zeros(1), scale=torch.ones(1), spectrum=torch.ones(1), resolution=1)
JUDGE = Judge(METRICS, CosineBasis(), PLAIN, {})


def test_floor_does_not_depend_on_the_order_of_the_data() -> None:
    # Fields about 0 first, then about 1: the halves as they lie differ by 1, random ones do not.
    fields = 0.01 * torch.randn(128, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    fields[64:] += 1
    halves = evaluate(METRICS, fields[64:], fields[:64], CosineBasis())
    floor = _floor(JUDGE, fields, 64)
    assert abs(halves["one_point_w1"] - 1) < 0.01
    # The difference of the halves' means has mean modulus sqrt(2 / (127π)) = 0.071.
    assert 0 < floor["one_point_w1"] < 0.2


def test_floor_of_equal_fields_is_zero() -> None:
    fields = torch.randn(1, 1, 8, 8).expand(10, -1, -1, -1)
    assert _floor(JUDGE, fields, 5)["one_point_w1"] < 1e-6


def test_floor_of_fewer_fields_is_larger() -> None:
    fields = torch.randn(256, 1, 1, 1, generator=torch.Generator().manual_seed(1))
    floors = [_floor(JUDGE, fields, count)["one_point_w1"] for count in (128, 8)]
    # Empirical laws of 128 and of 8 normal numbers are about 0.1 and 0.35 from one of 128.
    assert floors[0] < 0.2 < floors[1]


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

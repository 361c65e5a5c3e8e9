"""Studies that nothing would hold are refused with the key and the number; large ones are told."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
import yaml
from test_config import EXPERIMENT, PATTERNS, problems, study

from fsdiff.blocks.types import LARGEST
from fsdiff.randomness import generator
from fsdiff.study import load, sizes
from fsdiff.study.__main__ import main

STANDARD = study()["experiments"]["standard"]
REFUSED = {
    "a seed that 53 bits do not hold": (
        (f"{PATTERNS}/seed", 2**53),
        "datasets.patterns.seed = 9007199254740992: too large; integers are exact up to "
        "9007199254740991, 2^53 - 1",
    ),
    "a seed of a model": (
        (f"{EXPERIMENT}/seeds", [0, 2**63]),
        "experiments.bessel.seeds[1] = 9223372036854775808: too large; ",
    ),
    "a seed of a metric": (
        ("evaluation/metrics/sliced/seed", 2**128 - 1),
        "evaluation.metrics.sliced.seed = 3402823669209384634633746074317",
    ),
    "a number of projections": (
        ("evaluation/metrics/sliced/projections", 10**15),
        "evaluation.metrics.sliced.projections = 1000000000000000: expected an integer >= 1 "
        "and <= 100000",
    ),
    "samples for no disk": (
        (f"{PATTERNS}/split/train", 10**12),
        "datasets.patterns.split.train = 1000000000000: the data would take 217 PB of disk, more "
        "than 1 PB; use fewer",
    ),
    "shards for no memory": (
        (f"{PATTERNS}/split/train", 10**9),
        "datasets.patterns.shards = 4: each takes 16.4 TB of memory, more than 4 TB; use shards "
        ">= 17",
    ),
    "test samples for no memory": (
        (f"{PATTERNS}/split/test", 10**9),
        "datasets.patterns.split.test = 1000000000: they take 65.5 TB of memory, more than 4 TB",
    ),
    "nodes of a source": (
        (f"{PATTERNS}/source/resolution", 10**9),
        "datasets.patterns.source.resolution = 1000000000: expected an integer >= 2 and <= 16384",
    ),
    "nodes of samples": (
        (f"{EXPERIMENT}/samples/resolutions", [10**9]),
        "experiments.bessel.samples.resolutions[0] = 1000000000: expected an integer >= 1 and <= "
        "16384",
    ),
    "a width": (
        (f"{EXPERIMENT}/network/width", 10**6),
        "experiments.bessel.network.width = 1000000: out of reach; use at most 10000",
    ),
    "weights for no memory": (
        (f"{EXPERIMENT}/network/width", 10**4),
        "experiments.bessel.network: 2.2e+11 parameters, more than 4 TB of memory can train",
    ),
    "a batch of training": (
        (f"{EXPERIMENT}/levels/1/batch_size", 10**8),
        "experiments.bessel.levels[1].batch_size = 100000000: its features on 64 nodes take 52.4 "
        "TB of memory, more than 4 TB; use fewer",
    ),
    "epochs": (
        (f"{EXPERIMENT}/levels/0/epochs", 10**30),
        "experiments.bessel.levels[0].epochs = 1000000000000000000000000000000: out of reach",
    ),
    "jobs": (
        (f"{EXPERIMENT}/seeds", [*range(60000)]),
        "experiments.bessel.seeds: 480,000 of 480,016 jobs; Snakemake can plan 200,000, use fewer",
    ),
    "a long name": (
        (f"experiments/{'a' * 230}", STANDARD),
        f"experiments.{'a' * 230}: names are made of a-z, 0-9 and _, and start with a letter; 100 "
        "characters at most",
    ),
    "a name that repeats itself": (
        (f"experiments/x{'ab' * 20}", STANDARD),
        f"experiments.x{'ab' * 20}: it ends in a repetition of twenty or more, which Snakemake "
        "refuses",
    ),
    "an experiment among the references": (
        ("experiments/reference", STANDARD),
        "experiments.reference: a folder of other results has this name; choose another one",
    ),
    "a data set among the figures of searches": (
        ("datasets/searches", study()["datasets"]["patterns"]),
        "datasets.searches: a folder of other results has this name; choose another one",
    ),
    "a search called as an experiment": (
        ("searches", {"bessel": {}}),
        "searches.bessel: an experiment has this name; choose another one",
    ),
    "combinations of hyperparameters": (
        (
            "searches",
            {
                "modes": {
                    "experiment": "bessel",
                    "parameters": {f"network.p{i}": [1, 2] for i in range(60)},
                    "coarse": {"resolution": 32, "epochs": 1},
                    "fine": {"resolution": 64, "epochs": 1},
                    "metric": "loss",
                }
            },
        ),
        "searches.modes.parameters: 1.153e+18 combinations; give fewer values, 2000 combine at "
        "most",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_out_of_reach_is_refused(what):
    edit, told = REFUSED[what]
    found = problems(edit)
    assert [line for line in found if line.startswith(told)], found
    assert not any("\n" in line for line in found)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{PATTERNS}/seed", 2**53 - 1),
        (f"experiments/{'a' * 19}", STANDARD),
        (f"experiments/{'abc' * 33}x", STANDARD),
        (f"{PATTERNS}/split/train", 10**6),
    ],
)
def test_what_is_within_reach_is_not(path, value):
    load(study((path, value)))


def test_the_size_of_a_study():
    """Twice 1088 fields on 128 nodes, once on each grid; samples of three models."""
    patterns = 1088 * 4 * (2 * 128**2 + 128**2 + 64**2 + 32**2)
    samples = 128 * 4 * (128**2 + 64**2 + 32**2) + 2 * 16 * 4 * 64**2
    assert sizes.disk(load(study())) == patterns + samples
    shards, grids, two_levels, three_grids, other = 4, 3, 2, 3, 2
    found = sizes.jobs(load(study()))
    assert found["datasets.patterns.shards"] == shards + grids + 3
    assert found["experiments.bessel.seeds"] == two_levels + 2 * three_grids
    assert found["experiments.standard.seeds"] == other * 3


def test_the_check_tells_of_a_large_study_and_of_a_disk_that_is_too_small(
    tmp_path, capsys, monkeypatch
):
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study()))
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out == ""
    edits = ((f"{PATTERNS}/split/train", 20_000_000), (f"{PATTERNS}/shards", 40_000))
    path.write_text(yaml.safe_dump(study(*edits)))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**12))
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "a large study: about 4.34 TB of disk, 40,020 jobs",
        "about 4.34 TB of disk are needed; 1 TB are free",
    ]


def test_a_study_of_several_files_is_written_with_a_plus(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(yaml.safe_dump(study()))
    Path("b.yaml").write_text("datasets: {patterns: {split: {train: a few}}}")
    assert main(["check", "a.yaml+b.yaml"]) == 1
    assert 'datasets.patterns.split.train = "a few": expected' in capsys.readouterr().err
    Path("a.yaml+b.yaml").write_text(yaml.safe_dump(study()))  # a name like any other
    assert main(["check", "a.yaml+b.yaml"]) == 0


@pytest.mark.parametrize(
    ("size", "told"),
    [(999, "999 bytes"), (3.2e12, "3.2 TB"), (2e18, "2e+03 PB"), (1e30, "1.0e+15 PB")],
)
def test_bytes_in_words(size, told):
    assert sizes.shown_bytes(size) == told


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (
            f"{EXPERIMENT}/title",
            "x" * 201,
            f'experiments.bessel.title = "{"x" * 56}...: expected text of length >= 1 and of '
            "length <= 200",
        ),
        ("parallel", {"processes": 10**15}, "parallel.processes = 1000000000000000: expected"),
    ],
)
def test_texts_and_processes_have_bounds(path, value, told):
    (found,) = problems((path, value))
    assert found.startswith(told)


def test_the_largest_seed_is_the_same_in_every_file(tmp_path):
    """Two seeds that differ by one stay two, in tables with gaps, which are of floats, as well."""
    largest = load(study((f"{PATTERNS}/seed", LARGEST))).datasets["patterns"].seed
    seeds = [largest - 1, largest]
    xr.Dataset({"x": 0}, attrs={"seed": np.int64(largest)}).to_netcdf(tmp_path / "seed.nc")
    assert int(xr.load_dataset(tmp_path / "seed.nc").attrs["seed"]) == largest
    (tmp_path / "seeds.csv").write_text("seed,row\n" + "\n".join(map(str, seeds)) + "\n,data\n")
    assert [int(seed) for seed in pd.read_csv(tmp_path / "seeds.csv")["seed"].dropna()] == seeds
    assert [int(float(json.dumps(seed))) for seed in seeds] == seeds
    drawn = [generator(seed, 3).integers(2**63 - 1) for seed in seeds]
    assert drawn[0] != drawn[1]
    for number in (*seeds, *map(int, drawn)):
        torch.manual_seed(number)


def test_memory_of_samples_is_that_of_their_fields_twice_and_of_features():
    few, many = (
        load(study((f"{PATTERNS}/split/test", 20_000), (f"{EXPERIMENT}/samples/count", count)))
        for count in (10, 10_000)
    )
    one = sizes.field_bytes(many.datasets["patterns"], 64)
    memory = [sizes.memory_of_samples(each, "bessel", 64) for each in (few, many)]
    assert memory[1] - memory[0] == 2 * one * 9_990


def test_memory_of_a_comparison_holds_what_measures_of_pairs_take():
    """As measured: 2.8 numbers in double precision for each pair, fields beside it."""
    made = load(study())
    pairs = 8 * (10_000 + made.datasets["patterns"].split.test // 2) ** 2
    assert 2.8 * pairs < sizes.memory_of_comparison(made, "patterns", 32, 10_000) < 4 * pairs


@pytest.mark.parametrize("looked_at", [False, True])
def test_training_fields_are_held_where_metrics_look_at_them_or_samples_start_from_them(looked_at):
    """Once as what samples start from, twice as what a metric looks at; baselines read them all."""
    memory = []
    sensors = {"kind": "random_points", "number": 5, "noise": 0.1}
    draws = {"experiment": "bessel", "observation": "sensors", "draws": 20, "resolutions": [64]}
    start = {"kind": "starting_from", "law": "empirical", "sampler": {"kind": "ddim", "steps": 2}}
    changes = [
        (f"{EXPERIMENT}/trajectory", {"every": 1}),
        ("posteriors", {"seen": {**draws, "guidance": {"kind": "wiener"}}}),
    ]
    observed = {"dataset": "patterns", "operator": sensors, "cases": 2}
    changes += [("observations", {"sensors": observed})]
    if looked_at:
        changes += [("evaluation/metrics/memory", {"kind": "memorisation"})]
        changes += [(f"{EXPERIMENT}/sampler", start)]
    for train in (1000, 9000):
        made = load(study(*changes, (f"{PATTERNS}/split/train", train)))
        memory.append(
            (
                sizes.memory_of_comparison(made, "patterns", 64, 10),
                sizes.memory_of_trajectory(made, "bessel", 64),
                sizes.memory_of_draws(made, "seen", 64),
                sizes.memory_of_baselines(made, "sensors", 64),
            )
        )
    one = sizes.field_bytes(made.datasets["patterns"], 64)
    expected = [2, 3, 1, 1] if looked_at else [0, 0, 0, 1]
    assert np.subtract(*memory[::-1]).tolist() == [8000 * one * times for times in expected]

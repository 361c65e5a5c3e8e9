"""The published study of digits and patterns: its sizes fit together, and a tiny one runs."""

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from checkout import REPOSITORY, Checkout
from snakemake.utils import update_config

from fsdiff.reports import tables
from fsdiff.study import Configuration, load

CONFIGS = REPOSITORY / "configs"
PAPER = CONFIGS / "multilevel_diffusion.yaml"
LAPTOP = CONFIGS / "multilevel_diffusion" / "laptop.yaml"
FULL_MNIST = CONFIGS / "multilevel_diffusion" / "full_mnist.yaml"

TINY = {32: 16, 50: 22, 64: 32}
"""Resolutions of the tiny study for the published ones: 22 is no power of two either."""

SEEDS = {"digits_unet": [0], "digits_combined": [0, 1]}
"""Experiments of the tiny study."""

SAMPLED = {"digits_unet": [16, 22, 32], "digits_combined": [32]}
TRAJECTORIES = {"digits_unet": {"every": 1, "resolutions": [32]}, "digits_combined": None}

SEARCH = "patterns_search"
TARGETS = (
    "results/reproduction.md",
    "results/page.md",
    "results/figures/digits/metric_by_epoch.svg",
    f"results/figures/searches/{SEARCH}.svg",
)


def merged(*paths: Path) -> dict[str, Any]:
    """Configurations as Snakemake merges those that are named together."""
    study: dict[str, Any] = {}
    for path in paths:
        update_config(study, yaml.safe_load(path.read_text(encoding="utf-8")))
    return study


@pytest.mark.parametrize("other", ["laptop", "gaussian_mixture"])
def test_files_that_are_named_together_make_one_study(other: str) -> None:
    path = LAPTOP if other == "laptop" else CONFIGS / f"{other}.yaml"
    study, published = load(PAPER, path), load(PAPER)
    assert study == load(merged(PAPER, path))
    taken_away = {"digits_warm_128", "digits_cold_128", "patterns_unet_128"}
    claims_taken_away = {"patterns_unet_at_128"}
    if other != "laptop":
        taken_away, claims_taken_away = set(), set()
    assert published.experiments.keys() - study.experiments.keys() == taken_away
    assert published.claims.keys() - study.claims.keys() == claims_taken_away
    assert bool(study.analyses) == (other == "gaussian_mixture")


def test_digits_and_patterns_apart_are_the_laptop_s_study() -> None:
    folder = LAPTOP.with_suffix("")
    digits, patterns = (
        load(PAPER, LAPTOP, folder / f"{name}.yaml") for name in ("digits", "patterns")
    )
    both = load(PAPER, LAPTOP)
    for block in ("datasets", "experiments", "searches", "claims"):
        apart = {**getattr(digits, block), **getattr(patterns, block)}
        assert apart == getattr(both, block)
        assert not getattr(digits, block).keys() & getattr(patterns, block).keys()


def steps(study: Configuration, experiment: str) -> int:
    """Optimiser steps of all levels."""
    item = study.experiments[experiment]
    train = study.datasets[item.dataset].split.train
    return sum(level.epochs * (train // level.batch_size) for level in item.levels)


def test_the_laptop_s_study_is_the_same_but_smaller() -> None:
    laptop, published = load(PAPER, LAPTOP), load(PAPER)
    for name, item in laptop.experiments.items():
        original = published.experiments[name]
        same = ("title", "dataset", "prior", "process", "prediction", "network", "sampler")
        assert all(getattr(item, part) == getattr(original, part) for part in same), name
        levels = [[level.resolution for level in one.levels] for one in (item, original)]
        assert levels[0] == levels[1], name
        assert steps(laptop, name) < steps(published, name), name
        assert item.samples.count < original.samples.count, name
        assert set(item.seeds) <= set(original.seeds), name
        # One seed does not say how far results scatter, so no claim could be checked.
        assert len(item.seeds) >= 2, name


@pytest.mark.parametrize("paths", [(PAPER,), (PAPER, LAPTOP)])
def test_other_samplers_take_the_weights_that_are_there(paths: tuple[Path, ...]) -> None:
    study = load(*paths)
    assert study.trained_as("patterns_fast_128", 128) == "patterns_warm_128"
    assert study.trained_as("patterns_multilevel_128", 128) == "patterns_warm_128"
    assert study.trained_as("patterns_multilevel_32", 32) == "patterns_bessel"


def test_the_laptop_s_search_has_enough_candidates_to_tell_chance() -> None:
    search = load(PAPER, LAPTOP).searches["patterns_search"]
    candidates = len(search.points()) // 2
    assert 2 / math.factorial(candidates) < 0.01


def idx(shape: tuple[int, ...]) -> bytes:
    """An empty file of this shape in MNIST's format."""
    lengths = np.array(shape, ">u4").tobytes()
    return bytes([0, 0, 8, len(shape)]) + lengths + bytes(int(np.prod(shape)))


def test_all_of_mnist_is_read_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = merged(PAPER, FULL_MNIST)
    source = study["datasets"]["digits"]["source"]
    counts = (60_000, 10_000)
    monkeypatch.chdir(tmp_path)
    Path("data/mnist").mkdir(parents=True)
    for key, shape in (("images", (2, 2)), ("labels", ())):
        for path, count in zip(source[key], counts, strict=True):
            Path(path).write_bytes(idx((count, *shape)))
    loaded = load(study)
    assert loaded.datasets["digits"].samples == sum(counts)
    assert loaded.experiments["digits_cold_128"].samples.count == 2000
    assert loaded.experiments["digits_fno"].trajectory.count == 2000


def tiny_experiment(name: str, item: dict[str, Any]) -> dict[str, Any]:
    """An experiment in seconds."""
    small = {"width": 4} | ({"modes": 4} if item["network"]["kind"] == "fno" else {})
    change = {"epochs": 1, "batch_size": 8}
    return item | {
        "levels": [
            level | change | {"resolution": TINY[level["resolution"]]} for level in item["levels"]
        ],
        "training": item["training"] | {"validate_at": [*TINY.values()]},
        "samples": {"count": 4, "resolutions": SAMPLED[name]},
        "network": item["network"] | small,
        "sampler": item["sampler"] | {"steps": 20},
        "seeds": SEEDS[name],
        "trajectory": TRAJECTORIES[name],
    }


def tiny_search(search: dict[str, Any]) -> dict[str, Any]:
    """The search with two values, on digits."""
    level = {"epochs": 1, "batch_size": 8, "learning_rate": 6e-4}
    return search | {
        "experiment": "digits_combined",
        "parameters": {"network.modes": [2, 4]},
        "seeds": [0],
        **{key: {"resolution": n, **level} for key, n in (("coarse", 16), ("fine", 32))},
    }


def tiny_claim(claim: dict[str, Any]) -> dict[str, Any]:
    """The claim at the resolutions of the tiny study."""
    keys = {"resolution", "against_resolution"} & claim.keys()
    return claim | {key: TINY.get(claim[key], claim[key]) for key in keys}


ON_THE_WAY = {
    "where": "nowhere",
    "statement": "After one epoch digits of a U-Net are far from the data.",
    "metric": "sw_gaussian_approx",
    "experiment": "digits_unet",
    "resolution": 32,
    "epoch": "best",
    "at_least": 0.0,
}


PAGE = {
    "title": "Tiny",
    "text": "Digits.",
    "claims": True,
    "tables": [{"dataset": "digits", "resolution": 32, "columns": ["one_point_w1"]}],
    "figures": [{"path": "digits/metric_by_epoch.svg", "caption": "Figure 4."}],
}


def tiny() -> dict[str, Any]:
    """Some of the experiments on digits, and the claims about them alone."""
    study = merged(PAPER)
    digits = study["datasets"]["digits"]
    digits["source"]["resolution"] = TINY[64]
    digits["resolutions"] = [TINY[n] for n in digits["resolutions"]]
    digits["split"] = {"train": 16, "validation": 4, "test": 8}
    return {
        "datasets": {"digits": digits},
        "experiments": {
            name: tiny_experiment(name, {**study["defaults"], **study["experiments"][name]})
            for name in SEEDS
        },
        "searches": {SEARCH: tiny_search(study["searches"][SEARCH])},
        "evaluation": study["evaluation"],
        "claims": {
            name: tiny_claim(claim)
            for name, claim in study["claims"].items()
            if {claim.get("experiment"), *claim.get("against", [])} <= {None, SEARCH, *SEEDS}
        }
        | {"on_the_way": ON_THE_WAY},
        "page": PAGE,
    }


@pytest.fixture(scope="module")
def reproduced(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which the tiny study has run."""
    pytest.importorskip("mlxtend")
    checkout = Checkout.create(tmp_path_factory.mktemp("reproduced") / "checkout")
    checkout.configuration.write_text(yaml.safe_dump(tiny(), sort_keys=False))
    checkout.snakemake("--cores", "2", *TARGETS)
    return checkout


@pytest.mark.workflow
def test_digits_go_all_the_way_on_grids_that_are_no_powers_of_two(reproduced: Checkout) -> None:
    table = tables.read(reproduced.root / "results/summary.csv")
    rows = table[(table["experiment"] == "digits_unet") & (table["resolution"] == 22)]
    assert len(rows) == 1
    assert rows[["vendi", "sw_gaussian_approx", "one_point_w1", "loss"]].notna().all(axis=None)
    assert all((reproduced.root / target).stat().st_size > 2000 for target in TARGETS)


@pytest.mark.workflow
def test_a_search_ranks_the_same_candidates_on_both_grids(reproduced: Checkout) -> None:
    table = tables.read(reproduced.root / f"results/searches/{SEARCH}.csv")
    assert sorted(table["modes"]) == [2, 4]
    for n in (16, 32):
        assert sorted(table[f"rank_at_{n}"]) == [1, 2]
        assert (table[f"mean_at_{n}"].rank() == table[f"rank_at_{n}"]).all()
    # Trained as an experiment is: its weights are taken.
    assert not (reproduced.root / f"results/models/{SEARCH}/modes~4/at~16").exists()


@pytest.mark.workflow
def test_samples_during_training_are_evaluated(reproduced: Checkout) -> None:
    table = tables.read(reproduced.root / "results/trajectories.csv")
    assert table[["experiment", "seed", "resolution", "epoch"]].to_numpy().tolist() == [
        ["digits_unet", 0, 32, 1]
    ]
    # One epoch in all: what is kept after it is what is kept at the end.
    summary = tables.read(reproduced.root / "results/summary.csv")
    end = summary[(summary["experiment"] == "digits_unet") & (summary["resolution"] == 32)]
    assert table["vendi"].to_list() == end["vendi"].to_list()


@pytest.mark.workflow
def test_who_no_longer_asks_for_a_trajectory_trains_nothing_again(reproduced: Checkout) -> None:
    def without(configuration: dict[str, Any]) -> None:
        configuration["experiments"]["digits_unet"]["trajectory"] = None
        del configuration["claims"]["on_the_way"], configuration["page"]

    with reproduced.configured(without):
        assert reproduced.planned("--", "results/reproduction.md") == {"reproduction": 1}


@pytest.mark.workflow
def test_every_claim_is_on_the_page_with_a_verdict(reproduced: Checkout) -> None:
    page = (reproduced.root / "results/reproduction.md").read_text(encoding="utf-8")
    claims = load(reproduced.configuration).claims
    verdicts = re.findall(r"\*\*(reproduced|not reproduced|not checkable)\*\*", page)
    assert len(verdicts) == len(claims)
    assert all(claim.statement in page for claim in claims.values())
    told = {
        name: next(line for line in page.splitlines() if claim.statement in line)
        for name, claim in claims.items()
    }
    assert "sw_gaussian_approx: " in told["on_the_way"]
    assert "one seed" in told["on_the_way"]
    assert re.search(r"kendall_p_value: (0\.5|1) \(one seed\)", told["coarse_search"])
    # Two seeds of one experiment, one of the other: nothing can be said of their ratio.
    assert "one seed" in told["digits_fno_network_above_training"]
    # The scores of four samples are between 1 and 4, far from the published 7.8.
    line = told["digits_vendi_combined"]
    assert "vendi_physical: " in line
    assert "**not reproduced**" in line or "scatter of 2 seeds" in line


@pytest.mark.workflow
def test_the_page_of_the_study_has_the_claims_as_a_section(reproduced: Checkout) -> None:
    page = (reproduced.root / "results/page.md").read_text(encoding="utf-8")
    claims = (reproduced.root / "results/reproduction.md").read_text(encoding="utf-8")
    assert page.startswith("# Tiny\n\nDigits.\n\n## Published claims and what was found\n")
    assert claims.partition("\n")[2].partition("\n## ")[0] in page
    assert "Figure 4.\n\n![Figure 4.](figures/digits/metric_by_epoch.svg)" in page

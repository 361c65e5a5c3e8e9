"""Parts of a study: one experiment by itself, batches, and a summary while the rest runs."""

from pathlib import Path

import pytest
from checkout import Checkout
from dry_runs import dry_run

from fsdiff.reports import tables

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout in which nothing has run."""
    return Checkout.create(tmp_path_factory.mktemp("untouched") / "checkout")


def test_one_experiment_needs_no_other(untouched: Checkout) -> None:
    planned = untouched.planned("--", "results/summaries/single_level.csv")
    assert planned.pop("experiment") == 1
    assert planned == {
        "simulate": 2,
        "dataset": 1,
        "hierarchy": 2,
        "train": 1,
        "sample": 2,
        "evaluate": 2,
        "reference": 2,
    }


def test_what_is_given_to_rules_that_no_study_has_is_told(untouched: Checkout) -> None:
    """Rules that only some studies have are known."""
    given = ("trian:runtime=9", "draw_absorption:runtime=9", "posterior_forecast:runtime=9")
    options = ["--set-resources", *given, "--set-threads", "train_keeping_weights_2=2"]
    code, output = dry_run(untouched.root, "--quiet", "all", *options)
    assert code == 0, output
    assert "set-resources: no rule is called 'trian' (did you mean 'train'?)" in output
    assert output.count("no rule is called") == 1


def test_a_batch_is_a_part_of_the_models(untouched: Checkout) -> None:
    batch = untouched.planned("--batch", "summary=1/2", "--", "results/summary.csv")
    assert "summary" not in batch
    assert 0 < batch["evaluate"] < 4


def test_what_is_evaluated_is_summarised_beside_a_run(finished: Checkout, tmp_path: Path) -> None:
    running = finished.copy(tmp_path / "checkout")
    (running.root / "results/metrics/multilevel/seed0/32.json").unlink()
    locks = running.root / ".snakemake" / "locks"
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("results/summary.csv\n")
    so_far = "results/summary_so_far.csv"
    running.snakemake("--cores", "1", "--nolock", "--allowed-rules", "so_far", "--", so_far)
    table = tables.read(running.root / so_far)
    models = table[table["row"] == "model"]
    assert sorted(zip(models["experiment"], models["resolution"], strict=True)) == [
        ("multilevel", 16),
        ("single_level", 16),
        ("single_level", 32),
    ]
    references = table.loc[table["row"] != "model", ["row", "resolution"]]
    kinds = {(row, n) for row in ("real", "surrogate", "white_noise") for n in (16, 32)}
    assert set(references.itertuples(index=False, name=None)) == kinds
    assert not (running.root / "results/metrics/multilevel/seed0/32.json").exists()

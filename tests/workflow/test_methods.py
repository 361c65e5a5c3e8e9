"""Experiments whose method is no diffusion, from their data to the report."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
import yaml
from checkout import Checkout

from fsdiff.reports import tables

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def compared(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A small diffusion that has run, and the Gaussian surrogate beside it, run to the end."""
    checkout = finished.copy(tmp_path_factory.mktemp("methods") / "checkout")
    configuration: dict[str, Any] = yaml.safe_load(checkout.configuration.read_text())
    del configuration["experiments"]["multilevel"]
    surrogate = {"method": {"kind": "gaussian"}, "seeds": [0, 1]}
    configuration["experiments"]["surrogate"] = surrogate
    checkout.configuration.write_text(yaml.safe_dump(configuration))
    checkout.snakemake("--cores", "2")
    return checkout


def test_a_surrogate_has_rows_like_any_other_experiment(compared: Checkout) -> None:
    table = tables.read(compared.root / "results/summary.csv")
    rows = table[table["experiment"] == "surrogate"]
    assert sorted(zip(rows["seed"], rows["resolution"], strict=True)) == [
        (seed, n) for seed in (0, 1) for n in (16, 32)
    ]
    assert (rows["trained_at"] == 32).all()
    assert (rows["seconds_per_sample"] > 0).all()
    assert (rows["network_evaluations"] == 0).all()
    assert (rows["training_seconds"] == 0).all()
    losses = [name for name in table if name.startswith(("loss", "validation_loss"))]
    assert len(losses) == 4
    assert rows[losses].isna().all(axis=None)
    assert table.loc[table["experiment"] == "single_level", losses].notna().all(axis=None)
    # With seed 0 it is what the reference row of that name is about.
    reference = table[table["row"] == "surrogate"].set_index("resolution")
    first = rows[rows["seed"] == 0].set_index("resolution")
    for name in ("sliced_wasserstein", "one_point_w1"):
        np.testing.assert_allclose(first[name], reference[name], rtol=1e-4)


def test_samples_of_a_surrogate_are_fields_like_the_data(compared: Checkout) -> None:
    samples = xr.load_dataset(compared.root / "results/samples/surrogate/seed1/16.nc")
    data = xr.load_dataset(compared.root / "results/data/waves/16.nc")
    assert samples["field"].dims == data["field"].dims
    np.testing.assert_allclose(samples["x"], data["x"], rtol=0, atol=1e-12)
    ratio = float(samples["field"].var() / data["field"].var())
    assert 0.3 < ratio < 3


def test_nothing_is_left_to_be_done_and_another_seed_is_measured(compared: Checkout) -> None:
    assert compared.planned() == {}
    configuration = yaml.safe_load(compared.configuration.read_text())
    configuration["experiments"]["surrogate"]["seeds"] = [0, 1, 2]
    compared.configuration.write_text(yaml.safe_dump(configuration))
    planned = compared.planned()
    assert {rule: planned.get(rule) for rule in ("measure", "sample", "evaluate", "train")} == {
        "measure": 1,
        "sample": 2,
        "evaluate": 2,
        "train": None,
    }

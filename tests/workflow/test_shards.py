"""The jobs that make a data set: damaged shards, and a dask scheduler that computes it."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager

import pytest
from checkout import REPOSITORY, Checkout, flip_a_bit
from distributed import LocalCluster

pytestmark = pytest.mark.workflow

DATA = "results/data/waves"


@pytest.fixture(scope="module")
def copy(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A finished run of one's own."""
    return finished.copy(tmp_path_factory.mktemp("copy") / "checkout")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A scheduler with one worker in a process of its own, which imports the repository."""
    os.environ["PYTHONPATH"] = str(REPOSITORY)
    options = {"dashboard_address": ":0", "local_directory": tmp_path_factory.mktemp("scratch")}
    with LocalCluster(n_workers=1, threads_per_worker=2, **options) as cluster:
        yield cluster


def computed_by(checkout: Checkout, scheduler: str) -> AbstractContextManager[None]:
    """Name a scheduler in the configuration."""
    return checkout.configured(lambda raw: raw.update(dask={"scheduler": scheduler}))


def test_a_damaged_shard_stops_the_data_set_and_the_remedy_that_it_names_helps(
    copy: Checkout,
) -> None:
    data = copy.root / DATA
    expected = (data / "dataset.nc").read_bytes()
    copy.snakemake("--cores", "2", "--notemp", "--forcerun", "simulate", "--until", "simulate")
    shards = sorted((data / "shards").glob("*.nc"))
    assert len(shards) == 2
    flip_a_bit(shards[0])
    code, output = copy.attempt("--cores", "2", f"{DATA}/dataset.nc")
    assert code != 0
    name = shards[0].relative_to(copy.root)
    (line,) = [line for line in output.splitlines() if "is damaged" in line]
    assert f"{name} is damaged or was edited" in line
    assert "; delete it and run the workflow again" in line
    assert "Traceback" not in output
    assert not (data / "dataset.nc").exists()
    shards[0].unlink()
    copy.snakemake("--cores", "2", f"{DATA}/dataset.nc")
    assert (data / "dataset.nc").read_bytes() == expected


def test_samples_are_the_same_in_however_many_jobs_they_are_drawn(copy: Checkout) -> None:
    """A number of shards by itself runs nothing; and the shards make the same file to the bit."""
    samples = copy.root / "results/samples/multilevel/seed0/16.nc"
    expected = samples.read_bytes()
    with copy.configured(lambda raw: raw["defaults"]["samples"].update(shards=2)):
        assert copy.planned() == {}
        forced = ("--forcerun", "sample_shard", "--", str(samples.relative_to(copy.root)))
        copy.snakemake("--cores", "2", *forced)
    assert samples.read_bytes() == expected
    assert not list(samples.parent.glob("16/*"))


def test_no_job_depends_on_the_scheduler(finished: Checkout) -> None:
    with computed_by(finished, "tcp://127.0.0.1:8786"):
        assert finished.planned() == {}


def test_a_cluster_computes_the_same_files(copy: Checkout, cluster: LocalCluster) -> None:
    files = [copy.root / DATA / "dataset.nc", copy.root / DATA / "16.nc"]
    expected = [path.read_bytes() for path in files]
    with computed_by(copy, cluster.scheduler_address):
        copy.snakemake("--cores", "2", "--forcerun", "dataset", "--", f"{DATA}/16.nc")
    assert [path.read_bytes() for path in files] == expected
    assert "Receive client connection" in "".join(cluster.get_logs(cluster=False)["Scheduler"])


def test_a_scheduler_that_does_not_run_is_named(copy: Checkout) -> None:
    with computed_by(copy, "tcp://127.0.0.1:1"):
        code, output = copy.attempt(
            "--cores", "2", "--forcerun", "hierarchy", "--", f"{DATA}/16.nc"
        )
    assert code != 0
    assert "no dask scheduler answers at tcp://127.0.0.1:1" in output
    assert "Traceback" not in output


def test_an_address_that_is_none_is_refused_before_any_job(copy: Checkout) -> None:
    with computed_by(copy, "node12"):
        code, output = copy.attempt("--dry-run")
    assert code != 0
    assert 'dask.scheduler = "node12": expected protocol://host:port' in output

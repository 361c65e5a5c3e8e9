"""Lazy fields are computed on threads or by a dask scheduler, with the same bits in the files."""

import logging
import os
import socket
import sys
import threading
import time
from pathlib import Path

import dask
import dask.array
import numpy as np
import pytest
import xarray as xr
from distributed import LocalCluster

from fsdiff import study as config
from fsdiff.data import hierarchy, storage
from fsdiff.data.storage import Provenance
from fsdiff.jobs import workers
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.downsampling import Spectral
from fsdiff.study import strict_yaml

PROVENANCE = Provenance({"source": {"kind": "test"}, "seed": 5}, "0123456789abcdef", 5)
SPLIT = {"train": 30, "validation": 5, "test": 5}
BASIS = CosineBasis()
WORKFLOW = Path(__file__).parents[2] / "workflow"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler with one worker in a process of its own."""
    scratch = tmp_path_factory.mktemp("scratch")
    options = {"threads_per_worker": 2, "dashboard_address": ":0", "local_directory": scratch}
    with LocalCluster(n_workers=1, **options) as cluster:
        yield cluster


@pytest.fixture
def connected(cluster):
    """Dask's configuration names the scheduler."""
    with dask.config.set({"scheduler-address": cluster.scheduler_address}):
        yield cluster.scheduler_address


@pytest.fixture
def shards(tmp_path, monkeypatch):
    """Two shards, of ten chunks together."""
    monkeypatch.setattr(storage, "CHUNK_BYTES", 4 * 4 * 32**2)
    values = np.random.default_rng(1).standard_normal((40, 1, 32, 32), np.float32)
    nodes = BASIS.nodes(32)
    coordinates = {"sample": range(40), "channel": ["u"], "y": nodes, "x": nodes}
    dims = ("sample", "channel", "y", "x")
    fields = xr.Dataset({"field": (dims, values)}, coordinates)
    paths = [tmp_path / "0.nc", tmp_path / "1.nc"]
    for path, part in zip(paths, (slice(17), slice(17, None)), strict=True):
        storage.write(fields.isel(sample=part), path, title="a shard", provenance=PROVENANCE)
    return paths


def make(shards, folder):
    """The bytes of a data set and of its restriction."""
    folder.mkdir()
    names = ("dataset.nc", "8.nc")
    with workers.workers(2):
        dataset = hierarchy.merge(shards, split=SPLIT, expected=PROVENANCE)
        dataset = dataset.assign(hierarchy.statistics(dataset, BASIS))
        storage.write(dataset, folder / names[0], title="all", provenance=PROVENANCE)
        whole = storage.read(folder / names[0], chunks="auto")
        coarse = hierarchy.restrict(whole, 8, Spectral(), BASIS)
        storage.write(coarse, folder / names[1], title="8", provenance=PROVENANCE)
    return [(folder / name).read_bytes() for name in names]


def refused(address, monkeypatch):
    """The message of a refused connection, which must not take long."""
    monkeypatch.setattr(workers, "TIMEOUT", 1.0)
    start = time.monotonic()
    with (
        dask.config.set({"scheduler-address": address}),
        pytest.raises(ConnectionError, match=f"no dask scheduler answers at {address}") as caught,
        workers.workers(1),
    ):
        pass
    assert time.monotonic() - start < 10
    return str(caught.value)


def test_threads_are_used_where_no_scheduler_is_named():
    with workers.workers(3):
        assert dask.config.get("scheduler") == "threads"
        assert dask.config.get("num_workers") == 3


def test_a_cluster_writes_the_same_bytes(shards, tmp_path, connected):
    with dask.config.set({"scheduler-address": None}):
        expected = make(shards, tmp_path / "here")
    assert make(shards, tmp_path / "there") == expected


def test_the_cluster_computes(connected):
    with workers.workers(2):
        chunks = dask.array.zeros(4, chunks=1)
        processes = chunks.map_blocks(lambda _: np.array([os.getpid()]), dtype=int).compute()
    assert os.getpid() not in processes


def test_errors_on_a_worker_name_the_file(shards, tmp_path, connected):
    fields = storage.read(shards[1], chunks="auto")
    broken = fields.assign(field=fields["field"].where(fields["sample"] != 39))
    with (
        pytest.raises(StorageError, match=r"not finite in sample 39: .*2\.nc was not written"),
        workers.workers(1),
    ):
        storage.write(broken, tmp_path / "2.nc", title="a shard", provenance=PROVENANCE)
    assert not (tmp_path / "2.nc").exists()


def test_a_scheduler_that_does_not_run_is_named(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    message = refused(f"tcp://127.0.0.1:{port}", monkeypatch)
    assert "correct or remove dask.scheduler" in message


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_something_else_at_the_address_is_no_scheduler(monkeypatch, answer):
    """Something that never says a word would be waited for without end."""
    end = threading.Event()

    def serve():
        connection, _ = server.accept()
        with connection:
            connection.sendall(answer)
            end.wait(20)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        refused(f"tcp://127.0.0.1:{server.getsockname()[1]}", monkeypatch)
        end.set()
        thread.join()


def test_workers_with_other_code_are_refused(monkeypatch, connected):
    monkeypatch.setattr(workers, "_CODE", "edited since")
    with (
        pytest.raises(RuntimeError, match="not loaded the code that is here: tcp://127"),
        workers.workers(1),
    ):
        pass


def test_workers_without_the_package_are_refused(monkeypatch, tmp_path):
    options = {"dashboard_address": ":0", "local_directory": tmp_path}
    with LocalCluster(processes=False, n_workers=1, **options) as cluster:
        monkeypatch.setitem(sys.modules, "fsdiff.jobs.workers", None)
        with (
            dask.config.set({"scheduler-address": cluster.scheduler_address}),
            pytest.raises(RuntimeError, match="start them in the folder and the environment"),
            workers.workers(1),
        ):
            pass


def test_a_scheduler_without_workers_is_said_to_be_waited_for(caplog, tmp_path):
    options = {"dashboard_address": ":0", "local_directory": tmp_path}
    with (
        LocalCluster(processes=False, n_workers=0, **options) as cluster,
        dask.config.set({"scheduler-address": cluster.scheduler_address}),
        caplog.at_level(logging.WARNING),
        workers.workers(1),
    ):
        pass
    assert "has no workers yet" in caplog.text


# The configuration


def configured(**dask):
    """The tiny study with a block ``dask``."""
    raw = strict_yaml.parse((WORKFLOW / "tiny.yaml").read_text())
    return config.load({**raw, "dask": dask})


def test_the_scheduler_is_named_in_the_configuration_and_in_no_slice_of_it():
    without, named = configured(), configured(scheduler="tcp://node12:8786")
    assert without.dask.scheduler is None
    assert named.dask.scheduler == "tcp://node12:8786"
    for study in (without, named):
        assert "8786" not in str([study.simulate_slice("waves"), study.dataset_slice("waves")])


@pytest.mark.parametrize(
    "address", ["node12:8786", "tcp://node12", "http://node12:8786", "tcp://:1"]
)
def test_what_is_no_address_is_refused(address):
    with pytest.raises(config.ConfigurationError, match="expected protocol://host:port"):
        configured(scheduler=address)


def test_the_package_that_is_needed_is_named(monkeypatch):
    monkeypatch.setattr("fsdiff.study.study.find_spec", lambda name: None)
    with pytest.raises(config.ConfigurationError, match=r"pip install 'fsdiff\[cluster\]'"):
        configured(scheduler="tcp://node12:8786")

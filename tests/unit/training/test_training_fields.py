"""Streamed training fields: every sample once an epoch, in an order that can be resumed."""

import os
import signal
import threading
from itertools import chain

import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.data import hierarchy, statistics, storage
from fsdiff.jobs.failures import StorageError
from fsdiff.jobs.interruption import Interrupted
from fsdiff.methods.diffusion import Diffusion
from fsdiff.randomness import generator
from fsdiff.spaces.bases import FourierBasis
from fsdiff.stages.files import StoredSplit, normalised_split
from fsdiff.stages.train import train
from fsdiff.training.fields import InMemory, Streamed, training_fields

COUNT, BLOCK, SIZE = 45, 4, 7
"""The last block has one sample; an epoch has six batches and drops three samples."""


class Numbered:
    """Stored fields whose values are the sample's index; remembers what was read."""

    shape, block = (COUNT, 1, 2, 2), BLOCK

    def __init__(self):
        self.reads, self.threads = [], set()

    def read(self, samples):
        self.reads.append(samples)
        self.threads.add(threading.current_thread())
        values = torch.arange(samples.start, samples.stop, dtype=torch.float32)
        return values.view(-1, 1, 1, 1).expand(-1, *self.shape[1:])

    def whole(self, part=slice(None)):
        return self.read(range(COUNT)[part])


def random(epoch):
    return generator(3, epoch)


def bytes_of(blocks):
    """The memory in which two windows of so many blocks fit."""
    return 2 * blocks * BLOCK * 4 * 4


def indices(fields, steps, size=SIZE):
    return [batch[:, 0, 0, 0].int().tolist() for batch in fields.batches(size, steps, random)]


@pytest.mark.parametrize("blocks", [1, 3, 5])
@pytest.mark.parametrize("size", [SIZE, 1, COUNT])
def test_every_epoch_has_each_sample_once_in_its_own_order(blocks, size):
    fields = Streamed(Numbered(), bytes_of(blocks))
    assert fields.blocks == blocks
    length = COUNT // size
    found = indices(fields, range(3 * length), size)
    assert [len(batch) for batch in found] == [size] * 3 * length
    epochs = [list(chain(*found[i * length : (i + 1) * length])) for i in range(3)]
    assert all(len(set(epoch)) == length * size for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


@pytest.mark.parametrize("fields", [InMemory(Numbered().whole()), Streamed(Numbered(), 200.0)])
def test_a_run_that_starts_in_the_middle_has_the_same_batches(fields):
    whole = indices(fields, range(20))
    for first in (1, 5, 6, 13, 20):
        assert indices(fields, range(first, 20)) == whole[first:]


def test_only_the_blocks_that_are_needed_are_read():
    """Two windows of four blocks hold the last steps of an epoch of three windows."""
    stored = Numbered()
    fields = Streamed(stored, bytes_of(4))
    indices(fields, range(4, 6))
    assert len(stored.reads) == 8
    assert all(len(samples) == BLOCK or samples.stop == COUNT for samples in stored.reads)
    stored.reads.clear()
    indices(fields, range(6))
    assert len(stored.reads) == 12


def test_samples_are_shuffled_beyond_their_blocks():
    """In one window, samples that were neighbours in a block end up anywhere."""
    fields = Streamed(Numbered(), bytes_of(12))
    order = np.array(list(chain(*indices(fields, range(COUNT), 1))))
    neighbours = np.abs(np.diff(order)) == 1
    # A random order has 2·44/45 on average.
    assert neighbours.sum() < 10


def test_the_next_window_is_read_meanwhile_in_the_same_memory():
    stored = Numbered()
    fields = Streamed(stored, bytes_of(3))
    batches = fields.batches(6, range(14), random)
    next(batches)
    thread = stored.threads.pop()
    assert thread is not threading.current_thread()
    batches.close()
    assert not thread.is_alive()
    # 12 samples are a window: one in use, one ahead.
    assert len(stored.reads) <= 6


def test_batches_do_not_change_while_the_next_ones_are_read():
    fields = Streamed(Numbered(), bytes_of(1))
    batches = list(fields.batches(SIZE, range(12), random))
    assert [batch[:, 0, 0, 0].int().tolist() for batch in batches] == indices(fields, range(12))


def test_an_error_while_reading_ahead_ends_the_training():
    class Damaged(Numbered):
        def read(self, samples):
            if samples.start == 8:
                raise ValueError("sample 9 is damaged")
            return super().read(samples)

    with pytest.raises(ValueError, match="sample 9"):
        indices(Streamed(Damaged(), bytes_of(2)), range(6))


def test_fields_are_streamed_where_they_exceed_the_memory():
    megabytes = COUNT * 4 * 4 / 1e6
    assert isinstance(training_fields(Numbered(), megabytes), InMemory)
    streamed = training_fields(Numbered(), 0.999 * megabytes)
    assert isinstance(streamed, Streamed)
    assert len(streamed) == COUNT


# From files

N = 32
SPLIT = {"train": 1300, "validation": 60, "test": 40}
"""1300 fields on 32 × 32 nodes are 5.3 MB: two blocks of 512 samples and one of 276."""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A data set's file."""
    count, place = sum(SPLIT.values()), np.arange(N) / N
    values = 3 + np.random.default_rng(0).standard_normal((count, 1, N, N)).astype(np.float32)
    dataset = xr.Dataset(
        {"field": (storage.FIELD_DIMENSIONS, values)},
        {
            "sample": np.arange(count),
            "channel": ["u"],
            "y": place,
            "x": place,
            "split": ("sample", np.repeat([*SPLIT], [*SPLIT.values()])),
        },
    )
    measured = hierarchy.statistics(dataset.chunk(sample=512), FourierBasis(2))
    path = tmp_path_factory.mktemp("data") / f"{N}.nc"
    made = storage.Provenance({}, "code", 0)
    storage.write(dataset.merge(measured), path, title="noise", provenance=made)
    return path


@pytest.mark.parametrize("name", SPLIT)
def test_a_split_is_read_piece_by_piece(path, name):
    with storage.read(path) as dataset:
        chosen = dataset["field"][(dataset["split"] == name).values].values
        expected = statistics.Statistics.of(dataset).normalise(torch.from_numpy(chosen))
    stored = StoredSplit(path, name)
    assert stored.shape == expected.shape
    assert stored.block == 512
    assert stored.read(range(7, 31)).equal(expected[7:31])
    assert normalised_split(path, name).equal(expected)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_samples_that_are_damaged_are_named(path, tmp_path, value):
    damaged = tmp_path / "damaged.nc"
    damaged.write_bytes(path.read_bytes())
    place = damaged.read_bytes().find(storage.read(path)["field"].values[1305].tobytes())
    with damaged.open("r+b") as file:
        file.seek(place)
        file.write(np.float32(value).tobytes())
    assert StoredSplit(damaged, "train").whole().isfinite().all()
    with pytest.raises(StorageError, match=r"damaged.nc is damaged .* in sample 1305;"):
        StoredSplit(damaged, "validation").read(range(10))


def weights_of_training(path, folder, **options):
    """The bytes of the weights that are trained from a file."""
    network = {"kind": "fno", "width": 4, "modes": 2, "layers": 1, "projection": 4}
    config = {
        "basis": {"kind": "fourier", "dimension": 2},
        "method": {"kind": "diffusion"},
        "prior": {"kind": "bessel", "power": 0.6},
        "process": {"kind": "vp"},
        "prediction": {"kind": "wiener"},
        "network": network,
        "time_sampling": {"kind": "uniform"},
        "training": options,
        "level": {"resolution": N, "epochs": 3, "batch_size": 200},
        "seed": 0,
    }
    train(
        {"config": config, "code": "code"},
        data={N: path},
        warm_start=None,
        weights=folder / "model.safetensors",
        sidecar=folder / "model.json",
        history=folder / "history.nc",
        states=folder,
    )
    return (folder / "model.safetensors").read_bytes()


def test_streamed_training_that_is_interrupted_ends_with_the_same_weights(
    path, tmp_path, monkeypatch
):
    expected = weights_of_training(path, tmp_path / "undisturbed", memory_mb=5)
    in_memory = weights_of_training(path, tmp_path / "memory")
    assert expected != in_memory

    calls, loss = iter(range(100)), Diffusion.loss

    def interrupting(*arguments, **options):
        if next(calls) == 9:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(*arguments, **options)

    monkeypatch.setattr(Diffusion, "loss", interrupting)
    with pytest.raises(Interrupted):
        weights_of_training(path, tmp_path / "stopped", memory_mb=5)
    assert weights_of_training(path, tmp_path / "stopped", memory_mb=5) == expected

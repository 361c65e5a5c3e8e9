"""States of interrupted jobs: damaged or foreign ones are discarded with a warning, not fatal."""

import json
import logging
import os

import pytest
import safetensors.torch
import torch
from test_interruption import Model
from test_simulate import INDICES, JOB, PART, drawn, interrupted, shard  # noqa: F401 (a fixture)
from test_training import make_trainer, same, weights_of

from fsdiff.data import tensors
from fsdiff.diffusion.samplers.samples import concatenate
from fsdiff.jobs.failures import DamagedError, StorageError
from fsdiff.jobs.states import saved
from fsdiff.stages.sample import Drawn, draw
from fsdiff.training.kept import KeptWeights
from fsdiff.training.state import TrainingState


def cut(share):
    return lambda path: os.truncate(path, int(share * path.stat().st_size))


def flip(share):
    def flipped(path):
        content = bytearray(path.read_bytes())
        content[int(share * (len(content) - 1))] ^= 4
        path.write_bytes(content)

    return flipped


def plain(path):
    """What the library alone writes."""
    path.write_bytes(safetensors.torch.save({"fields": torch.zeros(2, 1, 4, 4)}))


DAMAGES = {
    "empty": cut(0),
    "cut in its header": cut(0.01),
    "cut in its middle": cut(0.5),
    "cut at its end": cut(0.999),
    "a bit of its length": flip(0),
    "a bit of its header": flip(0.02),
    "a bit of its middle": flip(0.6),
    "its last bit": flip(1),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "without digest": plain,
    "text": lambda path: path.write_text("not a state"),
}


def warnings(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def check_warning(caplog, path, reason=""):
    (warning,) = warnings(caplog)
    assert warning.startswith("what an interrupted attempt has left is discarded and made again: ")
    assert str(path) in warning
    assert reason in warning
    assert "delete" not in warning


# Training


@pytest.fixture(scope="module")
def half_trained(tools, tmp_path_factory):
    """A state after two of four epochs."""
    path = tmp_path_factory.mktemp("training") / "state.safetensors"
    make_trainer(tools, path, epochs=2).run()
    return path.read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tools):
    trainer = make_trainer(tools)
    trainer.run()
    return weights_of(trainer)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_training_starts_afresh_where_its_state_is_damaged(
    tools, half_trained, undisturbed, tmp_path, caplog, damage
):
    path = tmp_path / "state.safetensors"
    path.write_bytes(half_trained)
    damage(path)
    trainer = make_trainer(tools, path)
    trainer.run()
    assert same(weights_of(trainer), undisturbed)
    check_warning(caplog, path)


def test_a_whole_state_is_taken_up_without_a_warning(tools, half_trained, tmp_path, caplog):
    path = tmp_path / "state.safetensors"
    path.write_bytes(half_trained)
    trainer = make_trainer(tools, path)
    with caplog.at_level(logging.INFO):
        trainer._resume(path)
    assert "resumed at step 6 from" in caplog.text
    assert warnings(caplog) == []


def edited(path, change):
    """Another state with a digest of its own."""
    held, about = tensors.read(path)
    change(held, about["progress"])
    tensors.write(path, held, about)


FOREIGN = {
    "steps": lambda held, progress: progress.update(step=1000),
    "a negative step": lambda held, progress: progress.update(step=-1),
    "a step of text": lambda held, progress: progress.update(step="6 or 7"),
    "no rows": lambda held, progress: progress.update(rows=[]),
    "rows of other resolutions": lambda held, progress: [
        row.update(validation_loss=[1.0]) for row in progress["rows"]
    ],
    "rows without a loss": lambda held, progress: progress["rows"][0].pop("training_loss"),
    "rows of later epochs": lambda held, progress: progress["rows"][-1].update(epoch=4),
    "an unknown best epoch": lambda held, progress: progress.update(best_epoch=7),
    "a tensor is missing": lambda held, progress: held.pop("average/lift.weight"),
    "an optimiser's tensor is missing": lambda held, progress: held.pop(
        "optimizer.exp_avg/lift.bias"
    ),
    "a tensor too many": lambda held, progress: held.update(more=torch.zeros(2)),
    "another shape": lambda held, progress: held.update({"best/lift.bias": torch.zeros(9)}),
    "another type": lambda held, progress: held.update({"best/lift.bias": torch.zeros(8).double()}),
}


@pytest.mark.parametrize("change", FOREIGN.values(), ids=FOREIGN)
def test_training_starts_afresh_where_its_state_is_of_another(
    tools, half_trained, tmp_path, caplog, change
):
    path = tmp_path / "state.safetensors"
    path.write_bytes(half_trained)
    edited(path, change)
    trainer = make_trainer(tools, path)
    before = weights_of(trainer)
    trainer._resume(path)
    assert trainer.progress.step == 0
    assert trainer.progress.rows == []
    assert not trainer.optimizer.state
    assert same(weights_of(trainer), before)
    check_warning(caplog, path)


def test_parameters_that_had_no_gradient_are_resumed(tools, tmp_path):
    path = tmp_path / "state.safetensors"
    network = torch.nn.Linear(2, 2)
    network.bias.requires_grad_(False)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(2)).sum().backward()
    optimizer.step()
    state = TrainingState(network, optimizer)
    state.save(path)
    _, held = TrainingState(network, optimizer).read(path)
    assert "optimizer.step/weight" in held
    assert "optimizer.step/bias" not in held


@pytest.mark.parametrize("damage", [*DAMAGES.values(), os.unlink], ids=[*DAMAGES, "missing"])
def test_training_starts_afresh_where_weights_that_it_kept_are_damaged(
    tools, undisturbed, tmp_path, caplog, damage
):
    path = tmp_path / "state.safetensors"
    kept = KeptWeights(path, 1)
    first = make_trainer(tools, path)
    first.kept = kept
    first.run()
    expected = kept._path(2).read_bytes()
    damage(kept._path(2))
    again = make_trainer(tools, path)
    again.kept = kept
    again.run()
    check_warning(caplog, kept._path(2))
    assert same(weights_of(again), undisturbed)
    assert tensors.shapes(tensors.read(kept._path(2))[0]) == tensors.shapes(first.state.average)
    assert safetensors.torch.load(kept._path(2).read_bytes()).keys() == (
        safetensors.torch.load(expected).keys()
    )


def test_a_state_that_may_not_be_read_is_kept(tmp_path, monkeypatch):
    """What a lack of file descriptors would cost hours."""
    path = tmp_path / "state.safetensors"
    tensors.write(path, {"a": torch.zeros(2)}, {})

    def refused(path):
        raise StorageError(f"cannot read {path} (Too many open files)")

    with pytest.raises(StorageError, match="Too many open files"):
        saved(path, refused)
    assert path.exists()


# Sampling


CONFIG = {
    "sampler": {"kind": "ddim"},
    "samples": {"count": 5, "batch_size": 2},
    "resolution": 4,
    "seed": 0,
}


def some_drawn(path, count=4, n=4):
    """A state with so many samples."""
    part = Drawn()
    part.parts.append(Model().sample(None, n, range(count), 0))
    part.seconds = 1.0
    part.save(path)


def resumed(path):
    fields = (5, (1, 4, 4))
    return saved(path, lambda path: Drawn.load(path, *fields)) or Drawn()


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_sampling_starts_afresh_where_its_state_is_damaged(tmp_path, caplog, damage):
    path = tmp_path / "state.safetensors"
    expected = draw(range(5), Model(), CONFIG, path)
    some_drawn(path)
    assert resumed(path).count == 4
    damage(path)
    model = Model()
    found = draw(range(5), model, CONFIG, path)
    assert model.drawn == [0, 1, 2, 3, 4]
    assert concatenate(found.parts).fields.equal(concatenate(expected.parts).fields)
    check_warning(caplog, path)


@pytest.mark.parametrize(
    ("held", "about"),
    [
        ({"fields": torch.zeros(6, 1, 4, 4)}, {"seconds": 1, "evaluations": [{4: 1}] * 6}),
        ({"fields": torch.zeros(2, 1, 8, 8)}, {"seconds": 1, "evaluations": [{8: 1}] * 2}),
        ({"fields": torch.zeros(2, 2, 4, 4)}, {"seconds": 1, "evaluations": [{4: 1}] * 2}),
        ({"fields": torch.zeros(2, 1, 4, 4)}, {"seconds": 1, "evaluations": [{4: 1}]}),
        ({"fields": torch.zeros(0, 1, 4, 4)}, {"seconds": 1, "evaluations": []}),
        ({"fields": torch.tensor(1.0)}, {"seconds": 1, "evaluations": []}),
        ({"fields": torch.zeros(1, 1, 4, 4)}, {"seconds": -1, "evaluations": [{4: 1}]}),
        ({"fields": torch.zeros(1, 1, 4, 4)}, {"seconds": 1, "evaluations": [{"x": 1}]}),
        ({"fields": torch.zeros(1, 1, 4, 4)}, {"evaluations": [{4: 1}]}),
        ({"field": torch.zeros(1, 1, 4, 4)}, {"seconds": 1, "evaluations": [{4: 1}]}),
        (
            {"fields": torch.zeros(2, 1, 4, 4)},
            {"seconds": 1, "evaluations": [{4: 1}] * 2, "diagnostics": [{"a": 1.0}]},
        ),
    ],
)
def test_samples_of_another_job_are_not_taken_up(tmp_path, caplog, held, about):
    path = tmp_path / "state.safetensors"
    tensors.write(path, held, {"environment": {}, "diagnostics": []} | about)
    assert resumed(path).count == 0
    check_warning(caplog, path)


# Simulation


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_part_of_a_shard_is_made_again(tmp_path, drawn, caplog, damage):  # noqa: F811
    expected = shard(tmp_path).read_bytes()
    drawn.clear()
    interrupted(tmp_path, drawn)
    part = tmp_path / "state" / f"5-{4 + PART}.nc"
    before = part.read_bytes()
    damage(part)
    same_bytes = part.read_bytes() == before
    assert not same_bytes
    assert shard(tmp_path).read_bytes() == expected
    if len(drawn) > len(INDICES) - 2 * PART:  # HDF5 leaves room that means nothing
        assert list(drawn) == [*INDICES[:PART], *INDICES[2 * PART :]]
        check_warning(caplog, part)


def test_a_part_with_other_samples_is_made_again(tmp_path, drawn):  # noqa: F811
    expected = shard(tmp_path).read_bytes()
    drawn.clear()
    interrupted(tmp_path, drawn)
    first, second = (tmp_path / "state" / f"{a}-{a + PART - 1}.nc" for a in (5, 5 + PART))
    second.write_bytes(first.read_bytes())
    assert shard(tmp_path).read_bytes() == expected


# Tensors


def test_tensors_of_every_kind_are_read_back(tmp_path):
    held = {
        "a number": torch.tensor(3, dtype=torch.int64),
        "none": torch.zeros(0, 2),
        "complex": torch.randn(2, 3, dtype=torch.complex64),
        "short": torch.ones(3, dtype=torch.bfloat16),
        "truth": torch.tensor([True, False]),
        "strided": torch.arange(6.0).reshape(2, 3).T,
    }
    about = {"loss": float("inf"), "more": [1, None, {"8": 2.5}]}
    digest = tensors.write(tmp_path / "a.safetensors", held, about)
    found, said = tensors.read(tmp_path / "a.safetensors")
    assert said == about
    assert found.keys() == held.keys()
    assert all(found[name].equal(tensor) for name, tensor in held.items())
    assert tensors.read_header(tmp_path / "a.safetensors").digest == digest
    assert tensors.write(tmp_path / "b.safetensors", held, about) == digest
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_no_flipped_bit_of_tensors_is_overlooked(tmp_path):
    path = tmp_path / "a.safetensors"
    tensors.write(path, {"a": torch.randn(3, 4), "b": torch.randn(2)}, {"step": 1})
    content = path.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with pytest.raises(DamagedError, match=r"a\.safetensors"):
            tensors.read(path)


def test_a_part_of_the_tensors_is_checked_without_the_rest(tmp_path):
    path = tmp_path / "a.safetensors"
    tensors.write(path, {"1/a": torch.zeros(3), "2/a": torch.ones(4)}, {})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1  # of the last tensor
    path.write_bytes(content)
    assert tensors.read(path, "1/")[0].keys() == {"1/a"}
    with pytest.raises(DamagedError, match="the digest of 2/a differs"):
        tensors.read(path, "2/")


@pytest.mark.parametrize(
    "said",
    [
        "[" * 100_000,
        "9" * 100_000,
        "[]",
        "{}",
        json.dumps({"about": 1, "tensors": 2, "digest": 3}),
        json.dumps({"about": {}, "tensors": {}, "digest": "0" * 64}),
    ],
    ids=lambda value: value[:20],
)
def test_headers_from_elsewhere_are_refused_by_name(tmp_path, said):
    path = tmp_path / "a.safetensors"
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(2)}, {tensors.KEY: said}))
    with pytest.raises(DamagedError, match=r"a\.safetensors"):
        tensors.read(path)


def test_a_full_disk_gives_the_promised_message(tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(StorageError, match=r"cannot write .*a\.safetensors .* make room") as caught:
        tensors.write(tmp_path / "a.safetensors", {"a": torch.zeros(2)}, {})
    assert "A file that was there before is untouched" in str(caught.value)
    assert list(tmp_path.iterdir()) == []

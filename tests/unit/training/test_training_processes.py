"""Several processes train as one does: same losses, same resume, stopped at the same step."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from test_training import N, make_trainer, two_states, weights_of

from fsdiff.jobs.devices import VARIABLE, chosen_device
from fsdiff.jobs.launching import LAUNCHER, PROCESSES, first, processes, run_in_processes
from fsdiff.training.processes import Processes
from fsdiff.training.trainer import TrainingError

# 48 samples are three batches of 15, which two processes share as 7 and 8.
LEVEL = {"epochs": 7, "batch_size": 15}
OPTIONS = {"augmentation": "square", "gradient_clip": 0.1, "validate_every": 7}
FOLDERS = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
STOP = 9
"""The step after which the second process is asked to stop."""

PROGRAM = f"""
import json, os, signal, sys, time
from pathlib import Path
from types import SimpleNamespace

from fsdiff.jobs.launching import run_in_processes

run_in_processes(Path(sys.argv[0]))

import safetensors.torch
import torch

sys.path[:0] = {FOLDERS!r}
from conftest import make_denoiser
from test_training import make_trainer, weights_of

from fsdiff.jobs.interruption import Interrupted
from fsdiff.training.processes import joined

torch.set_num_threads(1)
folder = Path(sys.argv[0]).parent
tools = SimpleNamespace(make_denoiser=make_denoiser)


def trainer(state=None, weights=0):
    made = make_trainer(
        tools, state, options={OPTIONS!r}, weights=weights, processes=group, **{LEVEL!r}
    )
    made.losses, record = [], made._record
    made._record = lambda loss: (made.losses.append(loss), record(loss))
    return made


with joined(torch.device("cpu")) as group:
    whole = trainer()
    curves = whole.run()

    state = folder / "state.safetensors"
    stopped = trainer(state)
    loss = stopped.method.loss

    def interrupting(*arguments, **options):
        if group.rank == 1 and stopped.progress.step == {STOP}:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss(*arguments, **options)

    stopped.method.loss = interrupting
    save = stopped.state.save
    stopped.state.save = lambda path: (time.sleep(0.5), save(path))  # others wait for it
    try:
        stopped.run()
    except Interrupted:
        resumed = trainer(state, weights=7)
        resumed.run()

    found = {{
        "losses": whole.losses,
        "validation": curves["validation_loss"].values.tolist(),
        "stopped": stopped.progress.step,
        "resumed": resumed.losses,
    }}
    (folder / f"{{group.rank}}.json").write_text(json.dumps(found))
    for name, one in (("whole", whole), ("resumed", resumed)):
        safetensors.torch.save_file(weights_of(one), folder / f"{{name}}{{group.rank}}")
    group.largest(0)  # all have written before one ends, which ends the others
raise Interrupted
"""


def run_together(folder, program, count):
    """How a program ends that several processes run, in a file of the folder."""
    path = folder / "program.py"
    path.write_text(program)
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, PROCESSES: str(count), "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    command = [sys.executable, str(path)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """The folder to which two processes have written, and their end."""
    folder = tmp_path_factory.mktemp("processes")
    return folder, run_together(folder, PROGRAM, 2)


def results(two, rank):
    folder, ended = two
    assert (folder / f"{rank}.json").exists(), ended.stderr
    return json.loads((folder / f"{rank}.json").read_text())


@pytest.fixture
def one(tools):
    """The same training in one process, and the losses of its steps."""
    trainer, losses = make_trainer(tools, options=OPTIONS, **LEVEL), []
    record = trainer._record
    trainer._record = lambda loss: (losses.append(loss), record(loss))
    return trainer, trainer.run(), losses


def test_losses_and_weights_are_those_of_one_process_up_to_rounding(two, one):
    trainer, curves, losses = one
    assert len(losses) == 21
    for rank in (0, 1):
        found = results(two, rank)
        np.testing.assert_allclose(found["losses"], losses, rtol=1e-5)
        np.testing.assert_allclose(found["validation"], curves["validation_loss"], rtol=1e-5)
        weights = safetensors.torch.load_file(two[0] / f"whole{rank}")
        for name, expected in weights_of(trainer).items():
            torch.testing.assert_close(weights[name], expected, rtol=1e-4, atol=1e-5)


def test_all_stop_after_the_same_step_and_go_on_from_one_state(two):
    for rank in (0, 1):
        found = results(two, rank)
        assert found["stopped"] == STOP + 1
        assert found["resumed"] == found["losses"][STOP + 1 :]
        whole, resumed = (two[0] / f"{name}{rank}" for name in ("whole", "resumed"))
        assert whole.read_bytes() == resumed.read_bytes()
    assert (two[0] / "whole0").read_bytes() == (two[0] / "whole1").read_bytes()


def test_interrupted_processes_end_as_one_does(two):
    _, ended = two
    assert ended.returncode == os.EX_TEMPFAIL, ended.stderr
    assert f"interrupted at step {STOP + 1} of 21 by SIGTERM; state saved" in ended.stderr


def test_processes_that_are_ended_by_an_interrupted_one_count_as_interrupted(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from fsdiff.jobs.launching import run_in_processes\n"
        "run_in_processes(Path(sys.argv[0]))\n"
        "sys.exit(os.EX_TEMPFAIL) if os.environ['RANK'] == '1' else time.sleep(60)\n"
    )
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, PROCESSES: "2", "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    command = [sys.executable, str(program)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == os.EX_TEMPFAIL, ended.stderr


@pytest.mark.parametrize(
    ("end", "status", "told"),
    [
        ("raise Interrupted", os.EX_TEMPFAIL, ""),
        ("raise ValueError('no such field')", 1, "ValueError: no such field"),
        ("sys.exit('that is all')", 1, "that is all"),
        ("pass", 0, ""),
    ],
)
def test_what_fails_once_the_work_is_done_is_no_failure(tmp_path, end, status, told):
    """Such as a thread of a library that aborts the process while Python is taken apart."""
    program = tmp_path / "program.py"
    program.write_text(
        "import atexit, os, sys\n"
        "from pathlib import Path\n"
        "from fsdiff.jobs.launching import run_in_processes\n"
        "run_in_processes(Path(sys.argv[0]))\n"
        "from fsdiff.jobs.interruption import Interrupted\n"
        "told = f'worked {__name__} {Path(sys.argv[0]) == Path(__file__)}\\n'\n"
        "os.write(1, told.encode())\n"  # at once, or words of the two processes mix
        "atexit.register(os.abort)\n"
        f"{end}\n"
    )
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, PROCESSES: "2", "OMP_NUM_THREADS": "1", "PYTHONPATH": root}
    command = [sys.executable, str(program)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert ended.returncode == status, ended.stderr
    assert "worked __main__ True" in ended.stdout
    assert told in ended.stderr


SHARED = f"""
import sys
from pathlib import Path

from fsdiff.jobs.launching import run_in_processes

run_in_processes(Path(sys.argv[0]))

import torch

sys.path[:0] = {FOLDERS!r}
from test_training_fields import COUNT, SIZE, Numbered, bytes_of, indices, random

from fsdiff.training.fields import InMemory, Streamed, training_fields
from fsdiff.training.processes import joined

with joined(torch.device("cpu")) as group:
    steps = range(3, 20)
    for memory in (bytes_of(1), bytes_of(3), 1e9):
        alone = training_fields(Numbered(), memory / 1e6)
        stored = Numbered()
        shared = training_fields(stored, memory / 1e6, group)
        assert isinstance(shared, InMemory if memory == 1e9 else Streamed)
        assert len(shared) == COUNT
        places = range(SIZE)[group.part(SIZE)]
        for found, whole in zip(indices(shared, steps), indices(alone, steps), strict=True):
            assert found == [n if i in places else 0 for i, n in enumerate(whole)]
        together = [batch[:, 0, 0, 0] for batch in shared.batches(SIZE, steps, random, whole=True)]
        expected = [batch[:, 0, 0, 0] for batch in alone.batches(SIZE, steps, random)]
        assert all(torch.equal(*pair) for pair in zip(together, expected, strict=True))
        if isinstance(shared, InMemory):
            assert len(shared.fields) == COUNT // group.count
            assert stored.reads == [range(COUNT)[group.part(COUNT)]]
        else:  # twice, for three epochs; of four samples one process has two
            assert sum(map(len, stored.reads)) < 0.55 * 2 * 3 * COUNT
"""


def test_processes_hold_a_part_of_the_fields_each_and_get_what_one_would(tmp_path):
    ended = run_together(tmp_path, SHARED, 3)
    assert ended.returncode == 0, ended.stderr


class Stored:
    """Validation fields in a file, of which it is known what was read."""

    def __init__(self, fields):
        self.fields, self.shape, self.block, self.parts = fields, tuple(fields.shape), 4, []

    def read(self, samples):
        raise NotImplementedError

    def whole(self, part=slice(None)):
        self.parts.append(part)
        return self.fields[part].clone()


def test_processes_read_and_hold_their_part_of_the_validation_fields(tools):
    fields, group = two_states(first=1), [Processes(rank, 3) for rank in range(3)]
    stored = [Stored(fields) for _ in group]
    parts = [
        make_trainer(tools, processes=one, validation={N: file}).validation[N]
        for one, file in zip(group, stored, strict=True)
    ]
    assert [file.parts for file in stored] == [[one.part(len(fields))] for one in group]
    whole = make_trainer(tools).validation[N]
    for name in ("data", "t", "noise"):
        held = [getattr(part, name) for part in parts]
        torch.testing.assert_close(torch.cat(held), getattr(whole, name), rtol=0, atol=1e-6)
        size = max(tensor.untyped_storage().nbytes() for tensor in held)
        assert size <= getattr(whole, name)[:17].nbytes


@pytest.mark.parametrize(("size", "count"), [(15, 2), (16, 3), (7, 7), (100, 8)])
def test_parts_make_up_the_batch(size, count):
    parts = [Processes(rank, count).part(size) for rank in range(count)]
    indices = [list(range(size))[part] for part in parts]
    assert sum(indices, []) == list(range(size))  # noqa: RUF017
    assert {len(part) for part in indices} <= {size // count, size // count + 1}


def test_more_processes_than_samples_in_a_batch_are_refused(tools):
    with pytest.raises(TrainingError, match="15 samples at resolution 16 cannot be divided among"):
        make_trainer(tools, processes=Processes(0, 16), **LEVEL)


def test_one_process_is_not_started_again(monkeypatch):
    monkeypatch.delenv(PROCESSES, raising=False)
    run_in_processes(Path("absent.py"))
    assert processes() == 1
    assert first()


def test_a_launcher_takes_the_place_of_the_process(monkeypatch):
    seen = []
    monkeypatch.setattr(os, "execvp", lambda *arguments: seen.append(arguments))
    monkeypatch.setenv("HEAD", "node7")
    monkeypatch.setenv(LAUNCHER, "srun --nodes=2 torchrun --rdzv-endpoint=$HEAD:29400")
    run_in_processes(Path("train.py"))
    command = ["srun", "--nodes=2", "torchrun", "--rdzv-endpoint=node7:29400", "train.py"]
    assert seen == [("srun", command)]


def test_each_process_of_a_machine_has_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setenv(VARIABLE, "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen_device() == torch.device("cuda")
    monkeypatch.setenv("LOCAL_RANK", "3")
    assert chosen_device() == torch.device("cuda", 3)
    monkeypatch.setenv(VARIABLE, "cpu")
    assert chosen_device() == torch.device("cpu")

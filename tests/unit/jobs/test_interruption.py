"""Work in steps: saved from time to time, stopped by signals between steps, continued exactly."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import safetensors.torch
import torch
from test_training import make_trainer

from fsdiff.diffusion.samplers.samples import Samples, concatenate
from fsdiff.jobs.interruption import UNWANTED, Interrupted, interruptible, watched
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages.sample import Drawn, draw
from fsdiff.threads import single_thread


class Work:
    """Counts steps and remembers after which of them it was saved."""

    def __init__(self):
        self.step, self.saved = 0, []

    def save(self):
        self.saved.append(self.step)

    def run(self, steps, *, at=None, number=signal.SIGTERM, save=True, every=1e9):
        with interruptible(self.save if save else None, every=every) as work:
            for self.step in range(1, steps + 1):
                if self.step == at:
                    os.kill(os.getpid(), number)
                work.check(f"step {self.step} of {steps}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ends_work_after_the_step_and_saves_it(number, caplog):
    work = Work()
    with pytest.raises(Interrupted) as stopped:
        work.run(8, at=3, number=number)
    assert work.saved == [3]
    assert stopped.value.code == 75
    assert caplog.messages == [
        f"interrupted at step 3 of 8 by {number.name}; state saved; the next attempt continues"
    ]
    assert caplog.records[0].levelno == logging.WARNING


def test_work_that_cannot_be_saved_says_that_it_starts_again(caplog):
    work = Work()
    with pytest.raises(Interrupted):
        work.run(8, at=3, save=False)
    assert work.saved == []
    assert caplog.messages == [
        "interrupted at step 3 of 8 by SIGTERM; the next attempt starts again"
    ]


def test_work_that_is_unwanted_ends_after_the_step_and_is_saved(caplog):
    work, reasons = Work(), iter([None, "nobody waits for it"])
    with watched(lambda: next(reasons)):
        work.run(1)
        with pytest.raises(Interrupted) as stopped:
            work.run(8)
    assert stopped.value.code == 75
    assert work.saved == [1]
    assert caplog.messages == [
        "interrupted at step 1 of 8 because nobody waits for it; state saved; the next attempt "
        "continues"
    ]
    work.run(8)


def test_looking_whether_work_is_wanted_costs_nothing():
    looks = []
    with watched(lambda: looks.append(1)):
        Work().run(1000)
    assert len(looks) <= 2


@pytest.mark.parametrize(("number", "told"), [(signal.SIGTERM, "by SIGTERM"), (UNWANTED, "at the")])
def test_processes_stop_for_what_another_of_them_was_told(caplog, number, told):
    asked = iter([0, number, number])
    with interruptible(lambda: None, agree=lambda _: next(asked)) as work:
        work.check("step 1")
        with pytest.raises(Interrupted):
            work.check("step 2")
    assert f"interrupted at step 2 {told}" in caplog.text


def test_work_is_saved_as_often_as_asked():
    often, never = Work(), Work()
    often.run(3, every=0.0)
    never.run(3)
    assert often.saved == [1, 2, 3]
    assert never.saved == []


def test_a_signal_while_the_state_is_saved_is_not_lost():
    work = Work()
    saves = iter([lambda: os.kill(os.getpid(), signal.SIGTERM)])

    def save():
        work.save()
        next(saves, lambda: None)()

    with interruptible(save, every=0.0) as interruption:
        interruption.check("step 1")
        work.step = 1
        with pytest.raises(Interrupted):
            interruption.check("step 2")
    assert work.saved == [0, 1]


def test_handlers_are_put_back():
    former = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)]
    with pytest.raises(Interrupted):
        Work().run(2, at=1)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)] == former


def test_other_threads_work_without_handlers():
    former = signal.getsignal(signal.SIGTERM)
    work, seen = Work(), []

    def run():
        with interruptible(work.save, every=0.0) as interruption:
            seen.append(signal.getsignal(signal.SIGTERM))
            interruption.check("step 1")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [former]
    assert work.saved == [0]


class Model:
    """Stands for a model; asks its process to stop while it draws sample ``at``."""

    statistics = SimpleNamespace(mask=None, mean=torch.zeros(1))
    method = SimpleNamespace(basis=CosineBasis(2))

    def __init__(self, at=None):
        self.at, self.drawn = at, []

    def sample(self, sampler, n, indices, seed):
        self.drawn += indices
        if self.at in indices:
            os.kill(os.getpid(), signal.SIGTERM)
        fields = [torch.randn(1, n, n, generator=torch.Generator().manual_seed(i)) for i in indices]
        return Samples(torch.stack(fields), [{n // 2: i, n: 3} for i in indices])


def test_sampling_goes_on_after_the_last_finished_batch(tmp_path, caplog):
    config = {
        "sampler": {"kind": "ddim"},
        "samples": {"count": 7, "batch_size": 2},
        "resolution": 4,
        "seed": 0,
    }
    state, indices = tmp_path / "states" / "state.safetensors", range(10, 17)
    undisturbed = draw(indices, Model(), config, state)
    assert not state.exists()

    with pytest.raises(Interrupted):
        draw(indices, Model(at=12), config, state)
    assert "interrupted at sample 4 of 7 by SIGTERM" in caplog.text
    assert Drawn.load(state, 7, (1, 4, 4)).seconds > 0
    model = Model()
    resumed = draw(indices, model, config, state)
    assert model.drawn == [14, 15, 16]
    samples, expected = concatenate(resumed.parts), concatenate(undisturbed.parts)
    assert samples.fields.equal(expected.fields)
    assert samples.evaluations == expected.evaluations
    assert samples.cost(CosineBasis(2)) == expected.cost(CosineBasis(2))


EPOCHS = 6
TRAINING = """
import sys
from pathlib import Path
from types import SimpleNamespace

import safetensors.torch

sys.path[:0] = {folders!r}
from conftest import make_denoiser
from test_training import make_trainer

tools, state = SimpleNamespace(make_denoiser=make_denoiser), Path(sys.argv[1])
trainer = make_trainer(tools, state, epochs={epochs})
trainer.run()
safetensors.torch.save_file(dict(trainer.state.parameters), sys.argv[2])
"""


def train(state: Path, weights: Path) -> subprocess.Popen[str]:
    """Training as a process of its own, which writes its state after every step."""
    tests = Path(__file__).parents[1]
    folders = [str(tests), str(tests / "training")]
    program = TRAINING.format(folders=folders, epochs=EPOCHS)
    command = [sys.executable, "-c", program, str(state), str(weights)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)


def test_training_stopped_by_sigterm_ends_with_the_weights_of_an_undisturbed_run(tools, tmp_path):
    state, weights = tmp_path / "state.safetensors", tmp_path / "weights.safetensors"
    stopped = train(state, weights)
    while not state.exists() and stopped.poll() is None:
        time.sleep(0.01)
    stopped.send_signal(signal.SIGTERM)
    _, errors = stopped.communicate()
    assert stopped.returncode == 75, errors
    assert "of 18 by SIGTERM; state saved; the next attempt continues" in errors
    assert not weights.exists()

    resumed = train(state, weights)
    undisturbed = make_trainer(tools, epochs=EPOCHS)
    with single_thread():
        undisturbed.run()
    _, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    expected = tmp_path / "expected.safetensors"
    safetensors.torch.save_file(dict(undisturbed.state.parameters), expected)
    assert weights.read_bytes() == expected.read_bytes()

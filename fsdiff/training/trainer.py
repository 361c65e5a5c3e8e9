"""Training one level of a model: the loop, moving average, best checkpoint, exact resume.

All randomness of step k is a function of (seed, resolution, k), so a run that is killed and
resumed takes the same steps as one that is not, bit for bit on a CPU.
"""

import logging
import math
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path

import torch
import xarray as xr
from torch import Tensor
from tqdm import tqdm

from fsdiff.errors import Error
from fsdiff.jobs.failures import DamagedError
from fsdiff.jobs.interruption import interruptible
from fsdiff.jobs.states import saved
from fsdiff.methods.base import Method, Validation
from fsdiff.randomness import generator
from fsdiff.streams import Stream
from fsdiff.training.augmentation import random_symmetry
from fsdiff.training.fields import InMemory, StoredFields, TrainingFields
from fsdiff.training.kept import KeptWeights
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.processes import ALONE, Processes
from fsdiff.training.state import Progress, TrainingState

logger = logging.getLogger(__name__)

MEASURED = 4096
"""The most fields of which a method measures more than the statistics tell."""


class TrainingError(Error, RuntimeError):
    """Training cannot go on; the message says why and what to change."""


class Trainer:
    """Trains the network of a method on one level.

    ``data`` are normalised training fields (samples, channel, *grid) at the level's resolution, or
    a source of batches of these; ``validation`` maps the level's resolution, and others, to
    validation fields, in memory or stored; where there are none, the last averaged weights are the
    best. With ``state_file``, a path in an existing folder, progress is saved there every
    ``save_every`` seconds and when the process is asked to stop, and an interrupted run continues.
    ``kept`` gets the averaged weights after some epochs. All ``processes`` that train together are
    given the same, but for a source of batches, of which each has a part, and hold their parts of
    it; the first of them writes files.
    """

    def __init__(
        self,
        method: Method,
        level: Level,
        options: TrainingOptions,
        *,
        data: Tensor | TrainingFields,
        validation: Mapping[int, Tensor | StoredFields],
        seed: int,
        state_file: Path | None = None,
        kept: KeptWeights | None = None,
        save_every: float = 20.0,
        device: torch.device | str = "cpu",
        processes: Processes = ALONE,
    ) -> None:
        self.method, self.level, self.options = method, level, options
        self.device = torch.device(device)
        method.network.to(self.device)
        if isinstance(data, Tensor):
            data = InMemory(data[processes.part(len(data))], len(data), processes)
        self.data = data
        self.seed, self.processes = seed, processes
        self.state_file, self.save_every, self.kept = state_file, save_every, kept
        self.batch_size = min(level.batch_size, len(data))
        self.steps_per_epoch = len(data) // self.batch_size
        self.validated = validation[level.resolution].shape[0] > 0
        self._check_batches()
        self._check_patience()
        if options.compile:
            method.network.compile()
        self.optimizer = torch.optim.AdamW(
            method.parameter_groups(),
            lr=level.learning_rate,
            weight_decay=options.weight_decay,
            # The fused step has no complex numbers, which networks of other packages may have.
            fused=not any(p.is_complex() for p in method.network.parameters()),
        )
        self.state = TrainingState(method.network, self.optimizer)
        if not method.prepared:
            method.prepare(self._some_fields().to(device))
        self.validation = {n: self._validation(fields) for n, fields in validation.items()}

    @property
    def progress(self) -> Progress:
        """How far training is."""
        return self.state.progress

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole level."""
        return self.level.epochs * self.steps_per_epoch

    def run(self) -> xr.Dataset:
        """Train to the end; the network then holds the best averaged weights.

        Returns the loss curves: ``training_loss`` (epoch), the mean since the last row,
        ``validation_loss`` (epoch, resolution), ``learning_rate`` and cumulative ``seconds``.
        SIGTERM and SIGUSR1 end it between two steps, with Interrupted.
        """
        if self.state_file is not None:
            self._resume(self.state_file)
        if not self.progress.rows:
            self._validate()
        save = None
        if self.state_file is not None and self.processes.first:
            save = partial(self.state.save, self.state_file)
        agree = self.processes.largest
        with (
            closing(self._batches()) as batches,
            self._progress_bar() as bar,
            interruptible(save, every=self.save_every, agree=agree) as work,
        ):
            while self.progress.step < self.steps and not self._out_of_patience():
                self._step(batches)
                bar.update()
                if self._validation_due():
                    self._validate()
                    bar.set_postfix(best=f"{self.progress.best_loss:.4f}")
                self._keep()
                work.check(f"step {self.progress.step} of {self.steps}")
        if self.progress.step < self.steps:
            logger.info("no lower loss since epoch %d: ended early", self.progress.best_epoch)
        self.state.set_weights(self.state.best)
        return self._history()

    def _resume(self, path: Path) -> None:
        """Go on from what an interrupted run has left, if all processes find it whole."""
        left = saved(path, self._read_state)
        if self.processes.largest(int(left is None)) or left is None:
            return
        self.state.take(*left)
        logger.info("resumed at step %d from %s", self.progress.step, path)

    def _read_state(self, path: Path) -> tuple[Progress, dict[str, Tensor]]:
        """The state in a file, and DamagedError unless this training can go on from there."""
        progress, tensors = self.state.read(path)
        if not progress.fits(self.steps, self.steps_per_epoch, len(self.validation)):
            raise DamagedError(f"{path} is the state of another training")
        if self.kept is not None:
            self.kept.check(progress.step // self.steps_per_epoch, self.state.average)
        return progress, tensors

    def _check_batches(self) -> None:
        """Every process must have something to do."""
        count = self.processes.count
        if self.batch_size < count:
            raise TrainingError(
                f"batches of {self.batch_size} samples at resolution {self.level.resolution} "
                f"cannot be divided among {count} processes: use fewer, or a larger batch_size"
            )

    def _check_patience(self) -> None:
        """Without validation fields no loss tells when to end."""
        if self.level.patience is not None and not self.validated:
            raise TrainingError(
                f"patience at resolution {self.level.resolution} waits for a lower validation loss,"
                " and there are no validation fields: keep some, or leave patience out"
            )

    def _progress_bar(self) -> tqdm:
        label = f"train at {self.level.resolution}"
        hidden = None if self.processes.first else True  # None: where nobody watches
        return tqdm(
            total=self.steps, initial=self.progress.step, desc=label, unit="step", disable=hidden
        )

    def _out_of_patience(self) -> bool:
        """Whether the last validations, ``patience`` in a row, found no lower loss."""
        if self.level.patience is None:
            return False
        epochs = self.progress.epochs[-1] - self.progress.best_epoch
        return epochs >= self.level.patience * self.options.validate_every

    def _keep(self) -> None:
        """Keep the averaged weights after epochs where that is asked for."""
        if self.kept is None or not self.processes.first:
            return
        epoch, position = divmod(self.progress.step, self.steps_per_epoch)
        if position == 0 and epoch % self.kept.every == 0:
            self.kept.keep(epoch, self.progress.seconds, self.state.average)

    def _validation_due(self) -> bool:
        epoch, position = divmod(self.progress.step, self.steps_per_epoch)
        due = epoch % self.options.validate_every == 0 or epoch == self.level.epochs
        return position == 0 and due

    def _validation(self, fields: Tensor | StoredFields) -> Validation:
        """What this process measures the loss on, its part of the fields."""
        count = fields.shape[0]
        part = self.processes.part(count)
        held = fields[part] if isinstance(fields, Tensor) else fields.whole(part)
        return self.method.validation(held.to(self.device), first=part.start, count=count)

    def _some_fields(self) -> Tensor:
        """Training fields to measure, ``MEASURED`` of them or all, in a random order."""
        order = partial(generator, self.seed, Stream.CONDITION, self.level.resolution)
        count = min(len(self.data), MEASURED)
        with closing(self.data.batches(count, range(1), order, whole=True)) as batches:
            return next(batches)

    def _batches(self) -> Generator[Tensor]:
        """The fields of each step that is left; each epoch has its own order of the data."""
        steps = range(self.progress.step, self.steps)
        order = partial(generator, self.seed, Stream.ORDER, self.level.resolution)
        return self.data.batches(self.batch_size, steps, order)

    def _step(self, batches: Iterator[Tensor]) -> None:
        """One optimiser step."""
        started = time.monotonic()
        stream = (Stream.TRAINING_STEP, self.level.resolution, self.progress.step)
        number = int(generator(self.seed, *stream).integers(2**63 - 1))
        random = torch.Generator().manual_seed(number)
        data = next(batches)
        if self.options.augmentation != "none":
            channels = data.shape[1] - (self.method.labels is not None)
            data = random_symmetry(
                self.options.augmentation, data, random, self.method.basis.axes, channels=channels
            )
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate() * group.get("factor", 1.0)
        parameters = self.state.parameters.values()
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._losses(data.to(self.device), random).sum() / len(data)
        loss.backward()
        self._record(self.processes.sum_gradients(parameters, loss))
        torch.nn.utils.clip_grad_norm_(parameters, self.options.gradient_clip)
        self.optimizer.step()
        self.progress.step += 1
        self.state.update_average(self.options.average_decay)
        self.progress.seconds += time.monotonic() - started

    def _losses(self, data: Tensor, random: torch.Generator) -> Tensor:
        """Of this process's part of the batch."""
        precision = getattr(torch, self.options.precision)
        part = self.processes.part(len(data))
        return self.method.loss(data, random, part, precision=precision)

    def _record(self, loss: float) -> None:
        """Add a loss to the mean of this row; stop where it is not finite."""
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} in step {self.progress.step + 1} of {self.steps} at "
                f"resolution {self.level.resolution}: lower the level's learning_rate (now "
                f"{self.level.learning_rate:g}) or gradient_clip, or check the data"
            )
        self.progress.record(loss)

    def _learning_rate(self) -> float:
        step = self.progress.step
        return self.options.learning_rate(self.level.learning_rate, step, self.steps)

    def _validate(self) -> None:
        """Record the losses of the averaged weights; keep them if they are the best so far."""
        progress, state = self.progress, self.state
        epoch = progress.step // self.steps_per_epoch
        # Compiling for every resolution would take longer than it saves.
        compiled = self.options.compile
        eager = torch.compiler.set_stance("force_eager") if compiled else nullcontext()
        with state.averaged(), eager:
            losses = {
                n: self.processes.mean(data.mean_loss(), len(data))
                for n, data in self.validation.items()
            }
        own = losses[self.level.resolution]
        if own < progress.best_loss or not self.validated:
            state.keep_average(own, epoch)
        training_loss = progress.take_mean_loss()
        progress.rows.append(
            {
                "epoch": epoch,
                "training_loss": training_loss,
                "validation_loss": list(losses.values()),
                "learning_rate": self._learning_rate(),
                "seconds": progress.seconds,
            }
        )
        known = {n: loss for n, loss in losses.items() if len(self.validation[n])}
        shown = ", ".join(f"{n}: {loss:.5f}" for n, loss in known.items()) or "of no fields"
        logger.info("epoch %d: training %.5f, validation %s", epoch, training_loss, shown)

    def _history(self) -> xr.Dataset:
        curves = self.progress.curves().assign_coords(resolution=list(self.validation))
        return curves.assign_attrs(
            level=self.level.resolution,
            steps=self.progress.step,
            parameters=sum(p.numel() for p in self.state.parameters.values()),
        )

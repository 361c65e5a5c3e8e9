"""Training one level of a model: the loop, moving average, best checkpoint, exact resume.

All randomness of step k is a function of (seed, resolution, k), so a run that is killed and
resumed takes the same steps as one that is not, bit for bit on a CPU.
"""

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import safetensors.torch
import torch
import xarray as xr
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt
from safetensors import safe_open
from torch import Tensor
from tqdm import tqdm

from fsdiff.denoiser import Denoiser
from fsdiff.interruption import interruptible
from fsdiff.randomness import generator
from fsdiff.storage import atomic
from fsdiff.validation import ValidationSet

logger = logging.getLogger(__name__)

ORDER_STREAM, STEP_STREAM = 11, 12
"""Stream numbers of the order of the data and of the randomness of a step."""


class TrainingError(RuntimeError):
    """Training cannot go on; the message says why and what to change."""


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of coarse-to-fine training: ``epochs`` passes over the data at ``resolution``."""

    resolution: PositiveInt
    epochs: PositiveInt
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 1e-3


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What all levels of a model share.

    The learning rate rises linearly over the first ``warmup`` part of a level's steps, then falls
    to zero along a cosine (or stays, ``schedule: constant``). ``average_decay`` is that of the
    exponential moving average of the weights, which is what is validated, saved and sampled.
    ``augmentation: square`` applies a random symmetry of the square to each sample: sound for
    scalar fields of equations with these symmetries. The loss is recorded, and the best weights
    are kept, every ``validate_every`` epochs.
    """

    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    weight_decay: NonNegativeFloat = 0.0
    gradient_clip: PositiveFloat = 1.0
    augmentation: Literal["none", "square"] = "none"
    validate_every: PositiveInt = 1


@dataclass
class _Progress:
    """Everything that changes during training besides tensors."""

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    rows: list[dict] = field(default_factory=list)


class Trainer:
    """Trains a denoiser's network on one level.

    ``data`` are normalised training fields (samples, channel, *grid) at the level's resolution,
    ``validation`` maps every resolution of the hierarchy to validation fields. With ``state``, a
    file in an existing folder, progress is saved there every ``save_every`` seconds and when the
    process is asked to stop, and an interrupted run continues.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        level: Level,
        options: TrainingOptions,
        *,
        data: Tensor,
        validation: Mapping[int, Tensor],
        seed: int,
        state: Path | None = None,
        save_every: float = 20.0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.denoiser, self.level, self.options = denoiser.to(device), level, options
        self.device = torch.device(device)
        self.data, self.seed = data, seed
        self.state, self.save_every = state, save_every
        self.batch_size = min(level.batch_size, len(data))
        self.steps_per_epoch = len(data) // self.batch_size
        self.parameters = dict(denoiser.network.named_parameters())
        self.average = {k: p.detach().clone() for k, p in self.parameters.items()}
        self.best = {k: p.detach().clone() for k, p in self.parameters.items()}
        self.optimizer = torch.optim.AdamW(
            self.parameters.values(),
            lr=level.learning_rate,
            weight_decay=options.weight_decay,
            # The fused step has no complex numbers, which networks of other packages may have.
            fused=not any(p.is_complex() for p in self.parameters.values()),
        )
        self.validation = {
            n: ValidationSet.of(denoiser, fields.to(device)) for n, fields in validation.items()
        }
        self.progress = _Progress()

    def run(self) -> xr.Dataset:
        """Train to the end; the network then holds the best averaged weights.

        Returns the loss curves: ``training_loss`` (epoch), the mean since the last row,
        ``validation_loss`` (epoch, resolution), ``learning_rate`` and cumulative ``seconds``.
        SIGTERM and SIGUSR1 end it between two steps, with Interrupted.
        """
        if self.state is not None and self.state.exists():
            self._load_state()
            logger.info("resumed at step %d from %s", self.progress.step, self.state)
        if not self.progress.rows:
            self._validate()
        save = None if self.state is None else self._save_state
        with self._progress_bar() as bar, interruptible(save, every=self.save_every) as work:
            while self.progress.step < self.steps:
                self._step()
                bar.update()
                if self._validation_due():
                    self._validate()
                    bar.set_postfix(best=f"{self.progress.best_loss:.4f}")
                work.check(f"step {self.progress.step} of {self.steps}")
        self._load_weights(self.best)
        return self._history()

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole level."""
        return self.level.epochs * self.steps_per_epoch

    def _progress_bar(self) -> tqdm:
        label = f"train {self.level.resolution}²"
        return tqdm(
            total=self.steps, initial=self.progress.step, desc=label, unit="step", disable=None
        )

    def _validation_due(self) -> bool:
        epoch, position = divmod(self.progress.step, self.steps_per_epoch)
        due = epoch % self.options.validate_every == 0 or epoch == self.level.epochs
        return position == 0 and due

    def _batch(self) -> Tensor:
        """The fields of this step; each epoch has its own order of the data."""
        epoch, position = divmod(self.progress.step, self.steps_per_epoch)
        stream = (ORDER_STREAM, self.level.resolution, epoch)
        order = torch.from_numpy(generator(self.seed, *stream).permutation(len(self.data)))
        return self.data[order[position * self.batch_size :][: self.batch_size]]

    def _step(self) -> None:
        """One optimiser step."""
        started = time.monotonic()
        stream = (STEP_STREAM, self.level.resolution, self.progress.step)
        number = int(generator(self.seed, *stream).integers(2**63 - 1))
        random = torch.Generator().manual_seed(number)
        data = self._batch()
        if self.options.augmentation == "square":
            data = random_square_symmetry(data, random)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        loss = self.denoiser.loss(data.to(self.device), random).mean()
        self._record(float(loss.detach()))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), self.options.gradient_clip)
        self.optimizer.step()
        self.progress.step += 1
        self._update_average()
        self.progress.seconds += time.monotonic() - started

    def _record(self, loss: float) -> None:
        """Add a loss to the mean of this row; stop where it is not finite."""
        if not math.isfinite(loss):
            raise TrainingError(
                f"the loss is {loss} in step {self.progress.step + 1} of {self.steps} at "
                f"{self.level.resolution}²: lower the level's learning_rate (now "
                f"{self.level.learning_rate:g}) or gradient_clip, or check the data"
            )
        self.progress.loss_sum += loss
        self.progress.loss_count += 1

    def _learning_rate(self) -> float:
        warmup = max(1, round(self.options.warmup * self.steps))
        step = self.progress.step
        rise = min(1.0, (step + 1) / warmup)
        if self.options.schedule == "constant":
            return self.level.learning_rate * rise
        fall = max(0, step - warmup) / max(1, self.steps - warmup)
        return self.level.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * fall))

    @torch.no_grad()
    def _update_average(self) -> None:
        # Early on the average forgets faster, or it would remember the initial weights.
        step = self.progress.step
        decay = min(self.options.average_decay, (1 + step) / (10 + step))
        parameters = [p.detach() for p in self.parameters.values()]
        torch._foreach_lerp_(list(self.average.values()), parameters, 1 - decay)

    def _validate(self) -> None:
        """Record the losses of the averaged weights; keep them if they are the best so far."""
        progress = self.progress
        epoch = progress.step // self.steps_per_epoch
        current = {k: p.detach().clone() for k, p in self.parameters.items()}
        self._load_weights(self.average)
        losses = {n: data.loss(self.denoiser) for n, data in self.validation.items()}
        self._load_weights(current)
        own = losses[self.level.resolution]
        if own < progress.best_loss:
            progress.best_loss, progress.best_epoch = own, epoch
            self.best = {k: p.clone() for k, p in self.average.items()}
        count = progress.loss_count
        training_loss = progress.loss_sum / count if count else math.nan
        progress.loss_sum, progress.loss_count = 0.0, 0
        progress.rows.append(
            {
                "epoch": epoch,
                "training_loss": training_loss,
                "validation_loss": list(losses.values()),
                "learning_rate": self._learning_rate(),
                "seconds": progress.seconds,
            }
        )
        shown = ", ".join(f"{n}² {loss:.5f}" for n, loss in losses.items())
        logger.info("epoch %d: training %.5f, validation %s", epoch, training_loss, shown)

    @torch.no_grad()
    def _load_weights(self, weights: Mapping[str, Tensor]) -> None:
        for name, parameter in self.parameters.items():
            parameter.copy_(weights[name])

    def _history(self) -> xr.Dataset:
        rows = self.progress.rows
        columns = {
            name: ("epoch", np.array([row[name] for row in rows], dtype=np.float64))
            for name in ("training_loss", "learning_rate", "seconds")
        }
        losses = np.array([row["validation_loss"] for row in rows], dtype=np.float64)
        columns["validation_loss"] = (("epoch", "resolution"), losses)
        history = xr.Dataset(
            columns,
            coords={"epoch": [row["epoch"] for row in rows], "resolution": list(self.validation)},
            attrs={
                "level": self.level.resolution,
                "best_epoch": self.progress.best_epoch,
                "best_loss": self.progress.best_loss,
                "steps": self.steps,
                "parameters": sum(p.numel() for p in self.parameters.values()),
            },
        )
        history["seconds"].attrs.update(units="s", long_name="training time, validation excluded")
        return history

    def _save_state(self) -> None:
        tensors = {}
        for name, parameter in self.parameters.items():
            tensors[f"weights/{name}"] = parameter.detach()
            tensors[f"average/{name}"] = self.average[name]
            tensors[f"best/{name}"] = self.best[name]
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{key}/{name}"] = value
        metadata = {"progress": json.dumps(self.progress.__dict__)}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        with atomic(self.state) as temporary:
            safetensors.torch.save_file(tensors, temporary, metadata=metadata)

    @torch.no_grad()
    def _load_state(self) -> None:
        with safe_open(self.state, framework="pt") as file:
            self.progress = _Progress(**json.loads(file.metadata()["progress"]))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        for name, parameter in self.parameters.items():
            parameter.copy_(tensors[f"weights/{name}"])
            self.average[name].copy_(tensors[f"average/{name}"])
            self.best[name].copy_(tensors[f"best/{name}"])
            self.optimizer.state[parameter] = {
                group.removeprefix("optimizer."): tensor.to(parameter.device)
                for key, tensor in tensors.items()
                for group, _, of in [key.partition("/")]
                if of == name and group.startswith("optimizer.")
            }


def random_square_symmetry(fields: Tensor, random: torch.Generator) -> Tensor:
    """Each of the fields (batch, channel, n, n) under a random one of the square's 8 symmetries."""
    element = torch.randint(8, (len(fields),), generator=random)
    result = torch.empty_like(fields)
    for code in range(8):
        chosen = element == code
        image = fields[chosen]
        if code & 1:
            image = image.flip(-1)
        if code & 2:
            image = image.flip(-2)
        if code & 4:
            image = image.transpose(-1, -2)
        result[chosen] = image
    return result

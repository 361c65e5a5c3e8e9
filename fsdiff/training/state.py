"""Everything that changes while a network is trained, saved to a file and taken up from there."""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from pydantic import NonNegativeFloat, NonNegativeInt, TypeAdapter
from torch import Tensor, nn

from fsdiff.data import tensors
from fsdiff.jobs.failures import DamagedError
from fsdiff.jobs.versions import environment, warn_of_changes

Row = dict[str, int | float | list[float]]
"""Of the loss curves; validation losses are those at each resolution."""

ROW = {"epoch", "training_loss", "validation_loss", "learning_rate", "seconds"}


@dataclass
class Progress:
    """What changes besides tensors; ``rows`` are those of the loss curves."""

    step: NonNegativeInt = 0
    seconds: NonNegativeFloat = 0.0
    loss_sum: float = 0.0
    loss_count: NonNegativeInt = 0
    best_loss: float = math.inf
    best_epoch: NonNegativeInt = 0
    rows: list[Row] = field(default_factory=list)

    @property
    def epochs(self) -> list[int]:
        """Those of the rows."""
        return [row["epoch"] for row in self.rows if isinstance(row["epoch"], int)]

    def record(self, loss: float) -> None:
        """Add the loss of a step to the mean of the next row."""
        self.loss_sum += loss
        self.loss_count += 1

    def take_mean_loss(self) -> float:
        """The mean of the losses since this was last asked; nan where there were none."""
        mean = self.loss_sum / self.loss_count if self.loss_count else math.nan
        self.loss_sum, self.loss_count = 0.0, 0
        return mean

    def fits(self, steps: int, steps_per_epoch: int, resolutions: int) -> bool:
        """Whether training of ``steps`` steps can be here."""
        if any(row.keys() != ROW for row in self.rows):
            return False
        epochs = self.epochs
        return (
            self.step <= steps
            and len(epochs) == len(self.rows)
            and epochs == sorted(set(epochs))
            and epochs[:1] == [0]
            and epochs[-1] <= self.step // steps_per_epoch
            and self.best_epoch in epochs
            and all(np.shape(row["validation_loss"]) == (resolutions,) for row in self.rows)
        )

    def curves(self) -> xr.Dataset:
        """The rows by epoch, with the losses' resolutions to be named as a coordinate."""
        columns: dict[str, Any] = {
            name: ("epoch", np.array([row[name] for row in self.rows], dtype=np.float64))
            for name in ("training_loss", "learning_rate", "seconds")
        }
        losses = np.array([row["validation_loss"] for row in self.rows], dtype=np.float64)
        columns["validation_loss"] = (("epoch", "resolution"), losses)
        curves = xr.Dataset(columns, {"epoch": [row["epoch"] for row in self.rows]})
        curves["seconds"].attrs.update(units="s", long_name="training time, validation excluded")
        return curves.assign_attrs(best_epoch=self.best_epoch, best_loss=self.best_loss)


class TrainingState:
    """A network's weights in training, their moving average, the best of these, the optimiser's."""

    def __init__(self, network: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.parameters = dict(network.named_parameters())
        self.optimizer = optimizer
        self.average = _copies(self.parameters)
        self.best = _copies(self.parameters)
        self.progress = Progress()

    @torch.no_grad()
    def update_average(self, largest_decay: float) -> None:
        """Move the average towards the weights."""
        # Early on the average forgets faster, or it would remember the initial weights.
        step = self.progress.step
        decay = min(largest_decay, (1 + step) / (10 + step))
        parameters = [p.detach() for p in self.parameters.values()]
        torch._foreach_lerp_(list(self.average.values()), parameters, 1 - decay)

    def keep_average(self, loss: float, epoch: int) -> None:
        """Take the average, whose loss this is, for the best weights so far."""
        self.progress.best_loss, self.progress.best_epoch = loss, epoch
        self.best = _copies(self.average)

    @torch.no_grad()
    def set_weights(self, weights: Mapping[str, Tensor]) -> None:
        """Give the network these weights."""
        for name, parameter in self.parameters.items():
            parameter.copy_(weights[name])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside the block the network has the averaged weights."""
        current = _copies(self.parameters)
        self.set_weights(self.average)
        try:
            yield
        finally:
            self.set_weights(current)

    def save(self, path: Path) -> None:
        """Write everything to a file."""
        saved: dict[str, Tensor] = {}
        for name, parameter in self.parameters.items():
            saved[f"weights/{name}"] = parameter
            saved[f"average/{name}"] = self.average[name]
            saved[f"best/{name}"] = self.best[name]
            for key, value in self.optimizer.state[parameter].items():
                saved[f"optimizer.{key}/{name}"] = value
        about = {"progress": asdict(self.progress), "environment": self._environment()}
        tensors.write(path, saved, about)

    def read(self, path: Path) -> tuple[Progress, dict[str, Tensor]]:
        """What ``save`` has written; DamagedError where it is not of this network."""
        saved, about = tensors.read(path)
        try:
            progress = _PROGRESS.validate_python(about["progress"])
            made_with = _VERSIONS.validate_python(about["environment"])
        except (KeyError, ValueError) as error:
            raise DamagedError(f"{path} is no state of training") from error
        if self._shapes(saved) != tensors.shapes(saved):
            raise DamagedError(f"{path} is the state of another network")
        warn_of_changes(path, made_with, self._environment())
        return progress, saved

    def _shapes(self, saved: Iterable[str]) -> tensors.Shapes:
        """Types and shapes that must be in a file; the optimiser knows what had gradients only."""
        stepped = {name.partition("/")[2] for name in saved if name.startswith("optimizer.")}
        expected: tensors.Shapes = {}
        for name, shape in tensors.shapes(self.parameters).items():
            kinds = dict.fromkeys(("weights", "average", "best"), shape)
            if name in stepped:
                kinds |= dict.fromkeys(("optimizer.exp_avg", "optimizer.exp_avg_sq"), shape)
                kinds["optimizer.step"] = torch.float32, ()
            expected |= {f"{kind}/{name}": of_it for kind, of_it in kinds.items()}
        return expected

    @torch.no_grad()
    def take(self, progress: Progress, saved: Mapping[str, Tensor]) -> None:
        """Go on from what ``read`` has returned."""
        self.progress = progress
        for name, parameter in self.parameters.items():
            parameter.copy_(saved[f"weights/{name}"])
            self.average[name].copy_(saved[f"average/{name}"])
            self.best[name].copy_(saved[f"best/{name}"])
            self.optimizer.state[parameter] = {
                group.removeprefix("optimizer."): tensor.to(parameter.device)
                for key, tensor in saved.items()
                for group, _, of in [key.partition("/")]
                if of == name and group.startswith("optimizer.")
            }

    def _environment(self) -> dict[str, str]:
        """What the rounding of a step depends on."""
        device = next(iter(self.parameters.values())).device.type
        return environment(device=device, threads=torch.get_num_threads())


_PROGRESS = TypeAdapter(Progress)
_VERSIONS = TypeAdapter(dict[str, str])


def _copies(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}

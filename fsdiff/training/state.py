"""Everything that changes while a network is trained, saved to a file and taken up from there."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
import xarray as xr
from safetensors import safe_open
from torch import Tensor, nn

from fsdiff.storage import atomic


@dataclass
class Progress:
    """What changes besides tensors; ``rows`` are those of the loss curves."""

    step: int = 0
    seconds: float = 0.0
    loss_sum: float = 0.0
    loss_count: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def record(self, loss: float) -> None:
        """Add the loss of a step to the mean of the next row."""
        self.loss_sum += loss
        self.loss_count += 1

    def take_mean_loss(self) -> float:
        """The mean of the losses since this was last asked; nan where there were none."""
        mean = self.loss_sum / self.loss_count if self.loss_count else math.nan
        self.loss_sum, self.loss_count = 0.0, 0
        return mean

    def curves(self) -> xr.Dataset:
        """The rows by epoch, with the losses' resolutions to be named as a coordinate."""
        columns = {
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
        """Take the average for the best weights so far where its loss is lower than theirs."""
        if loss < self.progress.best_loss:
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
        tensors = {}
        for name, parameter in self.parameters.items():
            tensors[f"weights/{name}"] = parameter.detach()
            tensors[f"average/{name}"] = self.average[name]
            tensors[f"best/{name}"] = self.best[name]
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{key}/{name}"] = value
        metadata = {"progress": json.dumps(asdict(self.progress))}
        tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
        with atomic(path) as temporary:
            safetensors.torch.save_file(tensors, temporary, metadata=metadata)

    @torch.no_grad()
    def load(self, path: Path) -> None:
        """Read what ``save`` has written."""
        with safe_open(path, framework="pt") as file:
            self.progress = Progress(**json.loads(file.metadata()["progress"]))
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


def _copies(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in weights.items()}

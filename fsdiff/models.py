"""Trained models on disk: safetensors weights beside a JSON description, never unpickled.

The two files are self-contained: parts, statistics of the data and provenance travel with the
weights, so that samples can be drawn without the training data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors.torch
import torch
import xarray as xr
from torch import Tensor, nn

from fsdiff.denoiser import Denoiser
from fsdiff.devices import CPU
from fsdiff.parts import build
from fsdiff.precision import sufficient_type
from fsdiff.provenance import package_version
from fsdiff.randomness import generator
from fsdiff.storage import StorageError, atomic, read_json, write_json
from fsdiff.validation import ValidationSet

if TYPE_CHECKING:
    from fsdiff.samplers.base import Sampler, Samples

INITIAL_WEIGHTS_STREAM = 10
"""Stream number of a network's initial weights."""

MOMENTS = ("mean", "scale", "spectrum")
"""What the weights' file holds of the data's statistics."""

DESCRIBED = {"config", "spectrum_resolution"}
"""What a description must say for its model to be rebuilt."""


@dataclass(frozen=True)
class Statistics:
    """What training data tell a model: per channel mean, scale and mean-square coefficients.

    ``spectrum`` (channel, *coefficients) belongs to normalised fields on ``resolution`` nodes. The
    frames of series are channels, time by time.
    """

    mean: Tensor
    scale: Tensor
    spectrum: Tensor
    resolution: int

    @classmethod
    def of(cls, dataset: xr.Dataset) -> "Statistics":
        """Those stored in a data set's file."""
        mean, scale, spectrum = (dataset[name].values.copy() for name in MOMENTS)
        return cls(
            mean=torch.from_numpy(mean).flatten(),
            scale=torch.from_numpy(scale).flatten(),
            spectrum=torch.from_numpy(spectrum).flatten(0, mean.ndim - 1),
            resolution=int(dataset["spectrum"].sizes["mode_y"]),
        )

    @property
    def precision(self) -> torch.dtype:
        """Of physical fields: float64 where float32 has too few digits for what varies in them."""
        kind = sufficient_type(self.mean.numpy(), self.scale.numpy())
        return torch.float32 if kind == np.float32 else torch.float64

    def normalise(self, fields: Tensor) -> Tensor:
        """Physical (…, channel, y, x) to zero mean and unit mean square.

        In float64 where they have or need it; what is left has digits enough in float32.
        """
        fields = fields.to(torch.promote_types(fields.dtype, self.precision))
        return (fields - self._per_node(self.mean, fields)) / self._per_node(self.scale, fields)

    def denormalise(self, fields: Tensor) -> Tensor:
        """The inverse of ``normalise``, in float64 where float32 would not do."""
        fields = fields.to(torch.promote_types(fields.dtype, self.precision))
        return fields * self._per_node(self.scale, fields) + self._per_node(self.mean, fields)

    @staticmethod
    def _per_node(values: Tensor, like: Tensor) -> Tensor:
        return values.to(like)[:, None, None]


@dataclass(frozen=True)
class Model:
    """A denoiser with the statistics that turn its normalised fields into physical ones."""

    denoiser: Denoiser
    statistics: Statistics
    description: Mapping[str, Any]
    device: torch.device = CPU

    def sample(self, sampler: "Sampler", n: int, indices: Sequence[int], seed: int) -> "Samples":
        """Physical fields (len(indices), channel, n, n), on the CPU, and what they cost."""
        self.denoiser.eval()
        prior = self.denoiser.prior
        samples = sampler(self.denoiser, prior, n, indices, seed, device=self.device)
        return samples._replace(fields=self.statistics.denormalise(samples.fields.cpu()))

    def test_loss(self, fields: Tensor) -> float:
        """The denoising loss on normalised fields, with times and noise fixed by sample index."""
        return ValidationSet.of(self.denoiser, fields.to(self.device)).loss(self.denoiser)


def describe(weights: Path) -> dict[str, Any]:
    """A model's description, which stands beside its weights with suffix ``.json``."""
    path = Path(weights).with_suffix(".json")
    description = read_json(path)
    if not isinstance(description, dict) or not description.keys() >= DESCRIBED:
        raise StorageError(f"{path} does not describe a model; delete it and train again")
    return description


def make_denoiser(blocks: Mapping[str, Any], statistics: Statistics, seed: int) -> Denoiser:
    """A denoiser from blocks of configuration, its network's weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, INITIAL_WEIGHTS_STREAM).integers(2**63 - 1)))
        network: nn.Module = build("network", blocks["network"], len(statistics.mean))
    return Denoiser(
        network,
        basis=build("basis", blocks["basis"]),
        prior=build("prior", blocks["prior"]),
        process=build("process", blocks["process"]),
        prediction=build("prediction", blocks["prediction"]),
        time_sampling=build("time_sampling", blocks["time_sampling"]),
        spectrum=statistics.spectrum,
        spectrum_resolution=statistics.resolution,
    )


def save(
    denoiser: Denoiser,
    statistics: Statistics,
    description: Mapping[str, Any],
    *,
    weights: Path,
    sidecar: Path,
) -> None:
    """Write a model; ``description`` must hold the blocks of its parts under ``config``."""
    tensors = {f"network.{k}": v.contiguous() for k, v in denoiser.network.state_dict().items()}
    tensors |= {f"statistics.{name}": getattr(statistics, name) for name in MOMENTS}
    with atomic(weights) as temporary:
        safetensors.torch.save_file(tensors, temporary)
    write_json(
        sidecar,
        {
            **description,
            "fsdiff_version": package_version(),
            "spectrum_resolution": statistics.resolution,
        },
    )


def load(weights: Path, device: torch.device | str = "cpu") -> Model:
    """Read a model from its weights and the description beside them, and put it on a device."""
    description = describe(weights)
    tensors = _read_tensors(weights)
    moments = {name: tensors.pop(f"statistics.{name}") for name in MOMENTS}
    statistics = Statistics(**moments, resolution=description["spectrum_resolution"])
    denoiser = make_denoiser(description["config"], statistics, seed=0)
    _load_network(denoiser.network, tensors, weights)
    return Model(denoiser.to(device), statistics, description, torch.device(device))


def warm_start(network: nn.Module, weights: Path) -> None:
    """Start a network from the weights of a model trained on a coarser grid."""
    tensors = {k: v for k, v in _read_tensors(weights).items() if k.startswith("network.")}
    _load_network(network, tensors, weights)


@torch.no_grad()
def set_parameters(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Give a network weights that were kept of it, by the names of its parameters."""
    for name, parameter in network.named_parameters():
        parameter.copy_(weights[name])


def _load_network(network: nn.Module, tensors: Mapping[str, Tensor], weights: Path) -> None:
    state = {name.removeprefix("network."): tensor for name, tensor in tensors.items()}
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise StorageError(f"{weights} holds another network: {error}") from error


def _read_tensors(weights: Path) -> dict[str, Tensor]:
    remedy = "delete it and train again"
    try:
        tensors = safetensors.torch.load_file(weights)
    except (OSError, safetensors.SafetensorError) as error:
        raise StorageError(f"{weights} is not a readable model ({error}); {remedy}") from error
    missing = [name for name in MOMENTS if f"statistics.{name}" not in tensors]
    if missing:
        raise StorageError(f"{weights} lacks the data's {', '.join(missing)}; {remedy}")
    return tensors

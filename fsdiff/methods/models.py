"""Trained models on disk: safetensors weights beside a JSON description, never unpickled.

The two files are self-contained: parts, statistics of the data and provenance travel with the
weights, so that samples can be drawn without the training data.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from fsdiff.blocks import descriptions
from fsdiff.data import json_files, tensors
from fsdiff.data.statistics import COHERENCE, MOMENTS, Statistics
from fsdiff.data.transforms import FUNCTIONS, Transform, Transforms
from fsdiff.jobs.devices import CPU
from fsdiff.jobs.failures import DamagedError, StorageError, first_line
from fsdiff.jobs.versions import environment
from fsdiff.methods.base import Method
from fsdiff.networks.shapes import shapes_alone
from fsdiff.parts import build, find
from fsdiff.provenance import package_version
from fsdiff.spaces.masks import Mask

if TYPE_CHECKING:
    from fsdiff.diffusion.samplers.base import Sampler
    from fsdiff.diffusion.samplers.samples import Samples
    from fsdiff.inverse.observations.base import Observation

logger = logging.getLogger(__name__)

LARGE = 10.0
"""Times the root mean square of the data, which hardly any field of their law has."""

LARGE_SHARE = 0.05
"""Of all samples, which are not that large by chance."""


@dataclass(frozen=True)
class Model:
    """A method with the statistics that turn its normalised fields into physical ones."""

    method: Method
    statistics: Statistics
    description: Mapping[str, Any]
    device: torch.device = CPU

    def sample(
        self,
        sampler: "Sampler | None",
        n: int,
        indices: Sequence[int],
        seed: int,
        condition: Tensor | None = None,
    ) -> "Samples":
        """Physical fields (len(indices), channel, *grid), on the CPU, and what they cost.

        ``condition`` is one for each, or one (condition channel, *grid) for all; without, those of
        a model that is told classes have that which its labels deal to (seed, index). NaN at nodes
        where the data have no values.
        """
        if condition is None and self.method.conditions is not None:
            condition = self.method.conditions.dealt(n, indices, seed)
        if condition is not None and condition.ndim == self.method.basis.dimension + 1:
            condition = condition.expand(len(indices), *condition.shape)
        samples = self.method.sample(
            n, indices, seed, sampler=sampler, condition=condition, device=self.device
        )
        return self.physical(samples)

    def physical(self, samples: "Samples") -> "Samples":
        """Samples of the method as physical fields, on the CPU, NaN at nodes without values."""
        _warn_of_large(samples.fields)
        fields, mask = self.statistics.denormalise(samples.fields.cpu()), self.statistics.mask
        return samples._replace(fields=fields if mask is None else mask.emptied(fields))

    def condition(self, observation: "Observation", data: Tensor, n: int) -> Tensor:
        """What ``sample`` at level n is given for physical data (size,), or (cases, size) at once.

        The observation may be another one than that of training where the condition is general;
        NaN stands for what was not observed. ValueError if the model takes no such condition.
        """
        return self.method.condition(observation, data.to(self.device), n)

    def test_loss(self, fields: Tensor) -> float:
        """The loss on normalised fields, with all that is random fixed by sample index.

        They come with their classes where the method has ``labels``.
        """
        return self.method.validation(fields.to(self.device)).mean_loss()


def describe(weights: Path) -> dict[str, Any]:
    """A model's description, which stands beside its weights with suffix ``.json``.

    Raises StorageError that names the file and the key where it describes no model, or not this
    one.
    """
    path = Path(weights).with_suffix(".json")
    description = json_files.read(path)
    descriptions.check(description, path)
    if description["weights"] != tensors.read_header(weights).digest:
        raise StorageError(
            f"{weights} and {path} do not belong together: these are not the weights that are "
            "described; delete both and run the workflow again"
        )
    return description


def make_method(config: Mapping[str, Any], statistics: Statistics, seed: int) -> Method:
    """A method from blocks of configuration, its network's weights drawn from ``seed``."""
    return find("method", config["method"]["kind"]).configured(config, statistics, seed)


def save(
    method: Method,
    statistics: Statistics,
    description: Mapping[str, Any],
    *,
    weights: Path,
    sidecar: Path,
) -> None:
    """Write a model; ``description`` must hold the blocks of its parts under ``config``.

    It also gets the digest of the weights, so that those of other models are not taken for them.
    """
    held = {f"network.{name}": tensor for name, tensor in method.network.state_dict().items()}
    held |= {f"statistics.{name}": tensor for name, tensor in statistics.tensors.items()}
    device = next((p.device.type for p in method.network.parameters()), CPU.type)
    described = {
        **description,
        "fsdiff_version": package_version(),
        "environment": environment(device=device, threads=torch.get_num_threads()),
        "spectrum_resolution": statistics.resolution,
        "transforms": statistics.transforms.blocks if statistics.transforms else [],
        "weights": tensors.write(weights, held, {}),
    }
    json_files.write(sidecar, described)


def load(weights: Path, device: torch.device | str = "cpu") -> Model:
    """Read a model from its weights and the description beside them, and put it on a device.

    Raises StorageError that names the file where anything does not fit.
    """
    description = describe(weights)
    network, moments, functions = _read(weights)
    mask = _mask(description, functions.pop("present", None), weights)
    coherence = functions.pop(COHERENCE, None)
    transforms = _transforms(description, functions, weights)
    resolution = description["spectrum_resolution"]
    statistics = Statistics(
        **moments, resolution=resolution, transforms=transforms, mask=mask, coherence=coherence
    )
    _check_statistics(statistics, description, weights)
    method = _build(description, statistics, network, weights)
    _load_network(method.network, network, weights)
    method.network.to(device)
    return Model(method, statistics, description, torch.device(device))


def warm_start(network: nn.Module, weights: Path) -> None:
    """Start a network from the weights of a model trained on a coarser grid."""
    _load_network(network, _read(weights)[0], weights)


@torch.no_grad()
def set_parameters(network: nn.Module, weights: Mapping[str, Tensor], origin: Path) -> None:
    """Give a network weights that were kept of it in a file, by the names of its parameters."""
    parameters = dict(network.named_parameters())
    _compare(tensors.shapes(weights), tensors.shapes(parameters), origin)
    for name, parameter in parameters.items():
        parameter.copy_(weights[name])


def _warn_of_large(fields: Tensor) -> None:
    """Say so where normalised fields are larger than chance allows, finite as they may be.

    Of fields with unit mean square, as data are, at most one in a hundred is ten times as large
    (Chebyshev).
    """
    grid = tuple(range(2, fields.ndim))
    lengths = torch.linalg.vector_norm(fields, dim=grid, dtype=torch.float64)
    size = lengths.amax(1) / math.sqrt(fields[0, 0].numel())
    large = (size > LARGE) | ~size.isfinite()
    if float(large.double().mean()) > LARGE_SHARE:
        largest = (
            f"up to {float(size.max()):.2g} times" if size.isfinite().all() else "or no numbers"
        )
        logger.warning(
            "%d of %d samples are more than %g times as large as the data, %s: the "
            "sampler has left what the network knows; train it further or at more times "
            "(time_sampling), or take more steps, another sampler, or less guidance",
            int(large.sum()),
            len(size),
            LARGE,
            largest,
        )


def _read(weights: Path) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """The network's weights in a file, the moments of the data, and what else is known of these."""
    held, _ = tensors.read(weights)
    for name, tensor in held.items():
        if not tensor.isfinite().all():
            raise DamagedError(f"{weights} is no model: {name} is not finite")
    missing = [name for name in MOMENTS if f"statistics.{name}" not in held]
    if missing:
        raise DamagedError(f"{weights} is no model: it lacks the data's {', '.join(missing)}")
    moments = {name: held.pop(f"statistics.{name}") for name in MOMENTS}
    names = [name for name in (*FUNCTIONS, "present", COHERENCE) if f"statistics.{name}" in held]
    functions = {name: held.pop(f"statistics.{name}") for name in names}
    network = {name.removeprefix("network."): tensor for name, tensor in held.items()}
    return network, moments, functions


def _mask(description: Mapping[str, Any], present: Tensor | None, weights: Path) -> Mask | None:
    """The nodes at which the data have values, None if at all."""
    if present is None:
        return None
    basis = build("basis", description["config"]["basis"])
    try:
        return Mask(present == 1, basis)
    except ValueError as error:
        raise DamagedError(f"{weights}: the nodes with values are not those of its data") from error


def _transforms(
    description: Mapping[str, Any], functions: Mapping[str, Tensor], weights: Path
) -> Transforms | None:
    """The transforms that are described, with the functions that the weights' file has."""
    blocks = description.get("transforms") or []
    if not blocks and not functions:
        return None
    channels = tuple(build("transforms", block) if block else Transform() for block in blocks)
    basis = build("basis", description["config"]["basis"])
    transforms = Transforms(channels, basis, *map(functions.get, FUNCTIONS))
    if problem := transforms.problem():
        raise DamagedError(f"{weights} does not hold the transforms that are described: {problem}")
    return transforms


def _check_statistics(
    statistics: Statistics, description: Mapping[str, Any], weights: Path
) -> None:
    """Refuse moments that are not those of the data that are described."""
    times = description["data"].get("times")
    frames = len(times) if isinstance(times, list) else 1
    channels = frames * len(description["data"]["channels"])
    basis = build("basis", description["config"]["basis"])
    if statistics.transforms and len(statistics.transforms.channels) != channels:
        raise DamagedError(f"{weights}: transforms are not those of {channels} channels")
    spectrum = (channels, *basis.coefficient_shape(statistics.resolution))
    expected = {"mean": (channels,), "scale": (channels,), "spectrum": spectrum}
    if statistics.coherence is not None:
        parts = () if basis.half_axis is None else (2,)
        expected[COHERENCE] = (channels, *spectrum, *parts)
    for name, shape in expected.items():
        moment = getattr(statistics, name)
        if moment.shape != shape or not moment.is_floating_point():
            raise DamagedError(
                f"{weights}: the data's {name} has shape {tuple(moment.shape)}, where its "
                f"description means {shape}"
            )
    if statistics.mask and len(statistics.mask.present) != channels:
        raise DamagedError(f"{weights}: the nodes with values are not those of {channels} channels")
    if not (statistics.scale > 0).all() or not (statistics.spectrum >= 0).all():
        raise DamagedError(f"{weights}: the data's scale or spectrum is not positive")


def _build(
    description: Mapping[str, Any],
    statistics: Statistics,
    network: Mapping[str, Tensor],
    weights: Path,
) -> Method:
    """The method that is described, once its network is known to be that of the weights."""
    try:
        found = tensors.shapes(network)
        _compare(found, _shapes(description, statistics, found), weights)
        method = make_method(description["config"], statistics, seed=0)
        method.make_room(found)
        return method
    except (RuntimeError, TypeError, ArithmeticError, MemoryError, ValueError) as error:
        if isinstance(error, StorageError):
            raise
        raise DamagedError(
            f"{Path(weights).with_suffix('.json')} does not describe a model: {first_line(error)}"
        ) from error


def _shapes(
    description: Mapping[str, Any], statistics: Statistics, found: tensors.Shapes
) -> tensors.Shapes:
    """Those of the weights of the network that is described, made without memory for numbers."""
    if "network" not in description["config"]:
        config = description["config"]
        described: type[Method] = find("method", config["method"]["kind"])
        return described.shapes(found, config, statistics)
    count, most = 0, len(found)

    def stop_at_most(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal count
        count += 1
        if count > 2 * most:
            raise ValueError("its network has more weights than there are")

    hook = register_module_parameter_registration_hook(stop_at_most)
    try:
        with shapes_alone():
            blocks = description["config"]
            described = find("method", blocks["method"]["kind"])
            network = described.untrained(blocks, statistics)
    finally:
        hook.remove()
    return tensors.shapes(network.state_dict())


def _load_network(network: nn.Module, weights: Mapping[str, Tensor], origin: Path) -> None:
    _compare(tensors.shapes(weights), tensors.shapes(network.state_dict()), origin)
    network.load_state_dict(weights)


def _compare(found: tensors.Shapes, expected: tensors.Shapes, origin: Path) -> None:
    """Refuse weights of other names, types or shapes than a network's."""
    for name in sorted(found.keys() | expected.keys()):
        if found.get(name) != expected.get(name):
            raise DamagedError(
                f"{origin} holds another network: {name} is {_shown(found.get(name))}, expected "
                f"{_shown(expected.get(name))}"
            )


def _shown(shape: tuple[torch.dtype, tuple[int, ...]] | None) -> str:
    return "absent" if shape is None else f"{str(shape[0]).removeprefix('torch.')} {shape[1]}"

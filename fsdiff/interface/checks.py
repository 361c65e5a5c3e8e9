"""What people give models in Python, checked as configurations are before it is used."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from numbers import Integral
from typing import Any

import torch
from torch import nn

from fsdiff.blocks.checks import first_problem
from fsdiff.data.transforms import Transform
from fsdiff.errors import Error
from fsdiff.jobs.devices import check_gpu
from fsdiff.networks.base import Network
from fsdiff.parts import described, is_own
from fsdiff.spaces.axes import AxisKind
from fsdiff.training.options import Level, out_of_order


def check_part(name: str, part: object, kind: type, example: str = "") -> None:
    """ValueError for a class where an object is meant, an object of another kind, and wrong values.

    Values are those that a configuration may have; parts of one's own check themselves.
    """
    check_kind(name, part, kind, example)
    for place, inner in _innermost(name, part):
        own = type(inner)
        if is_own(own) and (problem := first_problem(own, described(inner))):
            raise ValueError(f"{place}: {own.__name__}: {problem}")


def _innermost(name: str, part: Any) -> Iterator[tuple[str, Any]]:
    """A part, or those that it is made of, with what they are called.

    What a configuration may have in the place of the latter would take seconds to find out.
    """
    if isinstance(part, Network):
        yield name, part
    if not is_dataclass(part):
        return
    several = [
        (f"{name}.{item.name}", inner)
        for item in fields(part)
        for value in [getattr(part, item.name)]
        for inner in (value if isinstance(value, tuple | list) else [value])
        if is_dataclass(inner)
    ]
    for place, inner in several:
        yield from _innermost(place, inner)
    if not several:
        yield name, part


def check_saved(name: str, part: Any) -> None:
    """Refuse to save what has a class of one's own: files have names of parts of fsdiff alone.

    A class that derives from one of these has its name, and would be read as it.
    """
    if not is_own(type(part)):
        raise Error(
            f"{name}: a model with a {type(part).__name__} cannot be saved, as its file would not "
            "say what that does: use parts of fsdiff, or make it one (CONTRIBUTING.md)"
        )
    for item in fields(part) if is_dataclass(part) else ():
        value = getattr(part, item.name)
        for inner in value if isinstance(value, tuple | list) else (value,):
            if is_dataclass(inner):
                check_saved(f"{name}.{item.name}", inner)


def check_trainable(network: nn.Module) -> None:
    """ValueError for a network without parameters, or with frozen ones alone."""
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise ValueError(
            f"network: {type(network).__name__} has no parameters that can be trained: give one "
            "that has, or leave the levels out"
        )


def check_kind(name: str, part: object, kind: type, example: str = "") -> None:
    """ValueError for a class where an object is meant, and for objects of another kind."""
    if isinstance(part, type):
        raise ValueError(f"{name}: give an object, {part.__name__}()")
    if not isinstance(part, kind):
        remedy = f"; give one, such as {example}" if example else ""
        raise ValueError(f"{name} = {str(part)[:40]}: no {kind.__name__}{remedy}")


def check_network(network: object, axes: Sequence[AxisKind]) -> None:
    """ValueError for what is no network, or one of this package that is for other axes."""
    check_part("network", network, nn.Module, "fs.FNO()")
    if isinstance(network, Network):
        for name, problem in network.check(axes, **network.settings):
            value = network.settings.get(name)
            raise ValueError(f"network: {type(network).__name__}: {name} = {value}: {problem}")


def check_module(module: nn.Module, shape: Sequence[int], told: int) -> None:
    """ValueError where a module of one's own makes no fields like them of fields of a shape.

    ``shape`` is (channel, *grid), ``told`` the number of channels of a condition, if there is one.
    """
    name, device = type(module).__name__, next((p.device for p in module.parameters()), None)
    x = torch.zeros(2, *shape, device=device)
    inputs = [x, x.new_zeros(2)]
    if told:
        inputs.append(x.new_zeros(2, told, *shape[1:]))
    given = ", ".join(str(tuple(part.shape)) for part in inputs)
    training = {part: part.training for part in module.modules()}  # some may be frozen
    module.eval()
    try:
        with torch.no_grad():
            found = module(*inputs)
    except Exception as error:
        raise ValueError(
            f"network: {name}, given tensors of shape {given}, fails: {error}; it has to take "
            "fields (batch, channel, *grid), noise levels (batch,), and what a condition tells"
        ) from error
    finally:
        for part, mode in training.items():
            part.training = mode
    made = tuple(found.shape) if isinstance(found, torch.Tensor) else type(found).__name__
    if made != tuple(x.shape):
        raise ValueError(
            f"network: {name} makes {made} of tensors of shape {given}: it has to return fields of "
            f"shape {tuple(x.shape)}"
        )


def check_levels(levels: object) -> None:
    """ValueError for what is no list of levels."""
    if not isinstance(levels, Sequence) or not all(isinstance(level, Level) for level in levels):
        raise ValueError("levels: give a list, such as [fs.Level(resolution=32, epochs=10)]")
    for number, level in enumerate(levels):
        check_part(f"levels[{number}]", level, Level)
    resolutions = [level.resolution for level in levels]
    for number, problem in out_of_order(resolutions):
        raise ValueError(f"levels[{number}]: resolution = {resolutions[number]}: {problem}")


def check_transforms(transforms: object) -> None:
    """ValueError for what is no transform by the name of a channel."""
    if not isinstance(transforms, Mapping):
        raise ValueError('transforms: give one for each channel, such as {"all": fs.Log()}')
    for name, transform in transforms.items():
        check_part(f"transforms.{name}", transform, Transform, "fs.Log()")
        if not is_own(type(transform)):  # it is fitted by its block
            raise ValueError(
                f"transforms.{name}: {type(transform).__name__} would be taken for another one of "
                f"kind {transform.kind}: apply it to the fields, or make it a part of fsdiff "
                "(CONTRIBUTING.md)"
            )


def check_seed(seed: object) -> None:
    """ValueError for what names no stream of random numbers: None would be another each time."""
    if not _counts(seed):
        raise ValueError(f"seed = {seed!r}: give an integer, zero or more")


def check_level(n: object) -> None:
    """ValueError for what is no number of nodes."""
    if not _counts(n) or n == 0:
        raise ValueError(f"n = {n!r}: give the number of nodes along the longest axis")


def check_indices(indices: object) -> None:
    """ValueError for what names no samples."""
    if not isinstance(indices, Sequence) or not indices:
        raise ValueError("indices: give one for each sample, such as range(4)")
    if wrong := [index for index in indices if not _counts(index)]:
        raise ValueError(f"indices: {wrong[0]!r} is none: give integers, zero or more")


def device_of(device: torch.device | str) -> torch.device:
    """The device of a name; DeviceError for a GPU where there is none."""
    found = torch.device(device)
    if found.type == "cuda":
        check_gpu()
    return found


def _counts(number: object) -> bool:
    """Whether a number is 0, 1, 2, …"""
    return isinstance(number, Integral) and int(number) >= 0

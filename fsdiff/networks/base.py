"""What all networks have in common: what they are told of the data, and what they refuse."""

import inspect
from collections.abc import Iterator, Sequence
from numbers import Integral
from typing import Any, ClassVar, Self, get_args

from torch import Tensor, nn

from fsdiff.blocks.checks import first_problem
from fsdiff.networks.axes import wrong_length
from fsdiff.parts import is_own
from fsdiff.spaces.axes import AxisKind


class Network(nn.Module):
    """A map from fields (batch, channel, *grid) and noise levels (batch,) to fields like these.

    The data tell its constructor the numbers of channels and the kinds of axes, configuration all
    else, which is keyword-only. Settings are checked by the class, before there are weights.
    """

    autocast: ClassVar[bool] = True
    """Whether it may be evaluated in bfloat16."""
    weights_counted: ClassVar[bool] = True
    """Whether the number of its weights can be told without building it for seconds."""
    by_axis: ClassVar[tuple[str, ...]] = ()
    """Settings that are one for all axes or one for each."""

    kind: str
    """What a configuration calls it."""
    settings: dict[str, Any]
    """What it was configured by, defaults filled in."""
    dimension: int
    """Of the fields, where the network is built for one."""
    channels: int
    """Of the fields."""

    def __new__(cls, *data: Any, **settings: Any) -> Self:
        """Remember the settings, so that the network can be described.

        Raises ValueError for those that no configuration may have.
        """
        made = super().__new__(cls)
        parameters = inspect.signature(cls.__init__).parameters.values()
        own = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        given = {name: value for name, value in settings.items() if name in own}
        object.__setattr__(made, "settings", own | given)
        if is_own(cls):
            told = ("channels", "conditioning_channels", "axes")
            _check_data(cls, **dict(zip(told, data, strict=False)), **settings)
            missing = inspect.Parameter.empty in made.settings.values()
            problem = None if missing else first_problem(cls, {"kind": cls.kind, **made.settings})
            if problem:
                raise ValueError(f"{cls.__name__}: {problem}")
        return made

    @classmethod
    def check(cls, axes: Sequence[AxisKind], **settings: Any) -> Iterator[tuple[str, str]]:
        """Settings that do not suit data with such axes, each with what is wrong with it."""
        dimension = len(axes)
        if settings.get("dimension") not in (None, dimension):
            yield "dimension", f"the data's dimension is {dimension}; use dimension: {dimension}"
        for name in cls.by_axis:
            if problem := wrong_length(settings.get(name), dimension):
                yield name, problem

    @classmethod
    def check_grid(
        cls, axes: Sequence[AxisKind], grid: Sequence[int], **settings: Any
    ) -> Iterator[str]:
        """Why fields on a grid of this shape are none for a network of such settings."""
        yield from ()


def _check_data(
    network: type[Network],
    *,
    channels: Any = 1,
    conditioning_channels: Any = 0,
    axes: Any = None,
    **_: Any,
) -> None:
    """Refuse what no data tell a network."""
    for name, count, least in (
        ("channels", channels, 1),
        ("conditioning_channels", conditioning_channels, 0),
    ):
        if not isinstance(count, Integral) or isinstance(count, bool) or count < least:
            raise ValueError(
                f"{network.__name__}: {name} = {count!r}: expected an integer >= {least}"
            )
    kinds = get_args(AxisKind)
    if axes is not None and (isinstance(axes, str) or not axes or not {*axes} <= {*kinds}):
        raise ValueError(
            f"{network.__name__}: axes = {axes!r}: give the kind of each axis, {', '.join(kinds)}"
        )


def check_fields(network: Network, x: Tensor, t: Tensor) -> None:
    """Refuse fields x (batch, channel, *grid) that a network is not for, and other than one level.

    Its weights have as many channels and axes as it was made for, and their own precision.
    """
    name, shape = type(network).__name__, tuple(x.shape)
    article = "an" if name == "FNO" else "a"
    if x.ndim != network.dimension + 2:
        raise ValueError(
            f"{article} {name} of dimension {network.dimension} is given fields of shape {shape}; "
            f"use dimension={x.ndim - 2} for a network of such fields"
        )
    if x.shape[1] != network.channels:
        raise ValueError(
            f"{article} {name} of channels={network.channels} is given fields of shape {shape}, "
            f"(batch, channel, *grid); use {name}({x.shape[1]}, …) for a network of such fields"
        )
    if tuple(t.shape) != (len(x),):
        raise ValueError(
            f"{article} {name} is given noise levels of shape {tuple(t.shape)} and fields of shape "
            f"{shape}: give one for each field, ({len(x)},)"
        )

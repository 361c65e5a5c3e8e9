"""What all networks have in common: what they are told of the data, and what they refuse."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn

from fsdiff.networks.axes import wrong_length
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

    settings: dict[str, Any]
    """What it was configured by, defaults filled in."""
    dimension: int
    """Of the fields, where the network is built for one."""

    def __new__(cls, *_: Any, **settings: Any) -> Self:
        """Remember the settings, so that the network can be described."""
        made = super().__new__(cls)
        parameters = inspect.signature(cls.__init__).parameters.values()
        own = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        given = {name: value for name, value in settings.items() if name in own}
        object.__setattr__(made, "settings", own | given)
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


def check_dimension(network: Network, x: Tensor) -> None:
    """Refuse fields x (batch, channel, *grid) of another dimension than a network's."""
    if x.ndim != network.dimension + 2:
        name = type(network).__name__
        raise ValueError(
            f"{'an' if name == 'FNO' else 'a'} {name} of dimension {network.dimension} is given "
            f"fields of shape {tuple(x.shape)}; use dimension={x.ndim - 2} for a network of such "
            "fields"
        )

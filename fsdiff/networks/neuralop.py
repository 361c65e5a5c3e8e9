"""Models of the package neuraloperator as score networks; needs the extra ``neuralop``."""

import importlib
from collections.abc import Iterator, MutableMapping, Sequence
from importlib.util import find_spec
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from fsdiff.networks.base import Network
from fsdiff.networks.embeddings import with_conditioning
from fsdiff.spaces.axes import AxisKind


class NeuralOperator(Network):
    """A neural operator of the package neuraloperator (Kossaifi et al., arXiv 2412.10354).

    ``arguments`` are those of ``neuralop.models.FNO``, ``TFNO`` or ``UNO``, such as ``n_modes`` and
    ``hidden_channels``, without the numbers of channels in and out. The noise level is a constant
    channel behind the field and its conditioning.
    """

    autocast: ClassVar[bool] = False
    weights_counted: ClassVar[bool] = False  # the package takes seconds to import

    kind: Literal["neuralop"] = "neuralop"

    def __init__(
        self,
        channels: int = 1,
        conditioning_channels: int = 0,
        axes: Sequence[AxisKind] | None = None,
        *,
        model: Literal["FNO", "TFNO", "UNO"] = "FNO",
        arguments: dict[str, Any],
    ) -> None:
        super().__init__()
        self.channels, self.conditioning_channels = channels, conditioning_channels
        inputs = channels + conditioning_channels + 1
        try:
            self.model = _models(model)(in_channels=inputs, out_channels=channels, **arguments)
        except TypeError as error:
            raise ValueError(
                f"neuralop.models.{model} refuses its arguments: {error}; give those of its "
                "constructor, without in_channels and out_channels"
            ) from error
        # The package adds how a model was made to its weights, which is no tensor.
        self.register_state_dict_post_hook(_keep_tensors)

    @classmethod
    def check(cls, axes: Sequence[AxisKind], **settings: Any) -> Iterator[tuple[str, str]]:
        """The package must be there."""
        if find_spec("neuralop") is None:
            yield "kind", "needs the package neuraloperator: pip install 'fsdiff[neuralop]'"

    def forward(self, x: Tensor, t: Tensor, conditioning: Tensor | None = None) -> Tensor:
        """Output like x (batch, channel, *grid), at noise levels t (batch,)."""
        x = with_conditioning(x, conditioning, self.conditioning_channels)
        level = t.view(-1, *[1] * (x.ndim - 1)).expand(-1, 1, *x.shape[2:])
        return self.model(torch.cat([x, level], dim=1))


def _models(name: str) -> type[nn.Module]:
    try:
        return getattr(importlib.import_module("neuralop.models"), name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "network kind 'neuralop' needs the package neuraloperator: "
            "pip install 'fsdiff[neuralop]'"
        ) from error


def _keep_tensors(
    module: nn.Module, state: MutableMapping[str, Any], prefix: str, metadata: Any
) -> None:
    for key in [key for key, value in state.items() if not isinstance(value, Tensor)]:
        del state[key]

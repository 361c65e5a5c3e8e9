"""The U-Net as published codes tell it the noise level: by the time itself."""

from typing import Literal

from torch import Tensor
from torch.nn.functional import softplus

from fsdiff.networks.unet import UNet


class UNetInTime(UNet):
    """A U-Net that is told ln(1 + r²/m²) in place of ln(r/m): for comparison, not for use.

    That is the time of the Ornstein–Uhlenbeck process, whose m² is e⁻ᵗ and r² the rest. The same
    sines and cosines of it hardly tell times below a tenth apart, when most steps of a sampler are
    still to come.
    """

    kind: Literal["unet_in_time"] = "unet_in_time"  # type: ignore[assignment]

    def forward(self, x: Tensor, t: Tensor, conditioning: Tensor | None = None) -> Tensor:
        """Output like x (batch, channel, *grid), at noise levels t = ln(r/m), (batch,)."""
        return super().forward(x, softplus(2 * t), conditioning)

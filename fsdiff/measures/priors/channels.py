"""A prior for each channel."""

from dataclasses import dataclass, fields
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.spaces.basis import Basis


@dataclass(frozen=True, kw_only=True)
class ChannelPrior(SpectralPrior):
    """Independent channels, each N(0, Q) with a prior of its own.

    Eigenvalues have shape (channel, *coefficients), and the trace is that of all channels. What
    else priors are configured by stands with each of them.
    """

    priors: Annotated[tuple[SpectralPrior, ...], Field(min_length=1)]
    kind: Literal["by_channel"] = "by_channel"

    def __post_init__(self) -> None:
        """Refuse what is configured here and would count for none of the priors."""
        for item in fields(SpectralPrior):
            if getattr(self, item.name) != item.default:
                raise ValueError(f"{item.name}: give it with each of the priors, where it counts")

    def check(self, dimension: int) -> None:
        """Refuse what one of the priors refuses."""
        for prior in self.priors:
            prior.check(dimension)

    def unnormalised(self, basis: Basis, n: int) -> Tensor:
        """λ_k of the published scalings."""
        pairs = zip(self.priors, basis.by_channel(len(self.priors)), strict=True)
        return torch.stack([prior.unnormalised(own, n) for prior, own in pairs])

    def eigenvalues(self, basis: Basis, n: int) -> Tensor:
        """λ_k over the coefficients at level n, (channel, *coefficients), float64."""
        pairs = zip(self.priors, basis.by_channel(len(self.priors)), strict=True)
        return torch.stack([prior.eigenvalues(own, n) for prior, own in pairs])

"""The Gaussian surrogate: the random field with the mean and the spectrum of the data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

import torch
from torch import Tensor, nn

from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.measures.surrogate import gaussian_fields
from fsdiff.methods.base import Method
from fsdiff.parts import build
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.spectrum import MeasuredSpectrum

if TYPE_CHECKING:
    from fsdiff.diffusion.samplers.base import Sampler


class Gaussian(Method):
    """Fields Σ_k √c_k ξ_k e_k with the data's c_k: second moments are right and nothing else is.

    There is nothing to train. What a model cannot beat, it has not learned.
    """

    kind: Literal["gaussian"] = "gaussian"

    def __init__(self, spectrum: MeasuredSpectrum) -> None:
        self.basis: Basis = spectrum.basis
        self.spectrum, self.network = spectrum, nn.Module()

    @classmethod
    def configured(cls, config: Mapping[str, Any], statistics: Statistics, seed: int) -> Self:
        """From the block of the basis; nothing depends on the seed."""
        basis = build("basis", config["basis"])
        return cls(statistics.measured(basis))

    def loss(
        self,
        data: Tensor,
        random: torch.Generator,
        part: slice = slice(None),
        *,
        condition: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> Tensor:
        """There is none."""
        raise NotImplementedError("a Gaussian field is measured, not trained: it has no loss")

    def validation(self, data: Tensor, condition: Tensor | None = None) -> NoReturn:
        """There is none, as there is no loss."""
        raise NotImplementedError("a Gaussian field is measured, not trained: it has no loss")

    def sample(
        self,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        sampler: "Sampler | None" = None,
        condition: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> Samples:
        """Independent fields, the same functions at every level; no network is evaluated."""
        if sampler is not None or condition is not None:
            raise ValueError("a Gaussian field is drawn without a sampler and without a condition")
        fields = gaussian_fields(self.spectrum, n, indices, seed)
        return Samples(fields.to(device), [{} for _ in indices])

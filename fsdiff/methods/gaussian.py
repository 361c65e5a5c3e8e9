"""The Gaussian surrogate: the random field with the mean and the spectrum of the data."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

from torch import Tensor, nn

from fsdiff.data.statistics import Statistics
from fsdiff.measures.surrogate import gaussian_fields
from fsdiff.methods.measured import Measured
from fsdiff.parts import build
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.spectrum import MeasuredSpectrum


class Gaussian(Measured):
    """Fields Σ_k √c_k ξ_k e_k with the data's c_k: second moments are right and nothing else is.

    There is nothing to train. What a model cannot beat, it has not learned.
    """

    kind: Literal["gaussian"] = "gaussian"
    called: ClassVar[str] = "a Gaussian field"

    def __init__(self, spectrum: MeasuredSpectrum) -> None:
        self.basis: Basis = spectrum.basis
        self.spectrum, self.network = spectrum, nn.Module()

    @classmethod
    def configured(cls, config: Mapping[str, Any], statistics: Statistics, seed: int) -> Self:
        """From the block of the basis; nothing depends on the seed."""
        basis = build("basis", config["basis"])
        return cls(statistics.measured(basis))

    def draw(
        self, n: int, indices: Sequence[int], seed: int, condition: Tensor | None = None
    ) -> Tensor:
        """The same functions at every level."""
        return gaussian_fields(self.spectrum, n, indices, seed)

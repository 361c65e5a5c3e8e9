"""Vendi score: the effective number of different fields in a set.

Friedman and Dieng, "The Vendi score: a diversity evaluation metric for machine learning" (2023),
arXiv 2210.02410; orders other than 1: Pasarkar and Dieng (2023), arXiv 2310.12952.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.fields import gram
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis

NEARLY_ONE = 1e-8
"""Orders that differ from one by less have its score, but for rounding errors."""


@dataclass(frozen=True)
class _Vendi(Metric):
    """What the score is in both units."""

    order: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0

    @property
    def results(self) -> tuple[str, ...]:
        """The score and its target."""
        return self.kind, f"{self.kind}_reference"

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The scores of two sets of fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        # The score grows with the number of fields: that of both is the same.
        count = min(len(samples), len(reference))
        scores = (self.score(fields[:count]) for fields in (samples, reference))
        return dict(zip(self.results, scores, strict=True))

    def score(self, fields: Tensor) -> float:
        """The score of one set; NaN where a field is identically zero and so has no direction."""
        products = gram(fields)
        norms = products.diagonal().sqrt()
        if not (norms > 0).all():
            return float("nan")
        weights = torch.linalg.eigvalsh(products / norms[:, None] / norms / len(fields))
        # Zero eigenvalues come out as ± roundoff; they carry no entropy.
        weights = weights[weights > len(fields) * torch.finfo(weights.dtype).eps]
        if abs(self.order - 1) < NEARLY_ONE:
            return float(torch.exp(-(weights * weights.log()).sum()))
        # By logarithms, as powers of a large order are zero in floating point.
        entropy = torch.logsumexp(self.order * weights.log(), 0) / (1 - self.order)
        return float(entropy.exp())


@dataclass(frozen=True)
class VendiScore(_Vendi):
    """Exponential of the Rényi entropy of the eigenvalues w of K/N, K_ij = cos(u_i, u_j).

    Order 1: exp(−Σ w ln w); order q: (Σ w^q)^{1/(1−q)}. The value lies between 1 (all fields
    parallel) and N (all orthogonal) and grows with N. It measures diversity, not agreement: the
    value wanted is that of as many fields of the reference. Channels come without their mean, which
    would make all fields nearly parallel.

    Returns ``vendi`` of the samples and ``vendi_reference`` of as many reference fields; of the
    first samples only, where there are fewer reference fields than that.
    """

    kind: Literal["vendi"] = "vendi"
    words = (Words("vendi", "Vendi score", "whole field", target="reference"),)


@dataclass(frozen=True)
class PhysicalVendiScore(_Vendi):
    """The same of fields in physical units and with their mean, as it is published of images.

    The larger the mean of a channel beside its deviation, the nearer it is to 1, and the channel of
    the largest values hides all others.

    Returns ``vendi_physical`` and ``vendi_physical_reference``.
    """

    physical: ClassVar[bool] = True
    kind: Literal["vendi_physical"] = "vendi_physical"
    words = (
        Words("vendi_physical", "Vendi score, physical units", "whole field", target="reference"),
    )

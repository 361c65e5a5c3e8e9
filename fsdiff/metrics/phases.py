"""Phases on a grid, of fields that are their cosine and their sine: circular moments, residues."""

import math
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.densities import sorted_values, wasserstein_1
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis


class _OfPhases(Metric):
    """A measure of two channels at once, the cosine and the sine of a phase."""

    joint: ClassVar[bool] = True
    physical: ClassVar[bool] = True

    def compare(
        self, samples: Tensor, reference: Tensor, basis: Basis, present: Tensor | None = None
    ) -> dict[str, float]:
        """The numbers of fields that have values at all nodes."""
        self.check_channels(samples.shape[1], masked=present is not None and not present.all())
        return self(samples, reference, basis)

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The comparison of two sets of fields (N, 2, n, m)."""
        self.check(samples, reference, basis)
        self.check_channels(samples.shape[1], masked=False)
        return dict(zip(self.results, self.numbers(samples, reference, basis), strict=True))

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse grids without loops of four nodes, and what is not in the plane."""
        if basis.dimension != 2 or min(basis.grid(n)) < 2:
            raise ValueError("goes around nodes of a plane; use 2 nodes or more along two axes")

    def check_channels(self, channels: int, *, masked: bool) -> None:
        """Refuse other numbers of channels than two, and gaps, around which phases may turn."""
        if channels != 2:
            raise ValueError(
                f"is about two channels, the cosine and the sine of a phase; there are {channels}: "
                "leave it out"
            )
        if masked:
            raise ValueError("compares phases where all nodes have values; leave it out")

    @abstractmethod
    def numbers(self, samples: Tensor, reference: Tensor, basis: Basis) -> Iterable[float]:
        """The results, in their order."""


@dataclass(frozen=True)
class CircularMoments(_OfPhases):
    """Wasserstein-1 distances between the laws of each field's circular moments over nodes.

    With R_p e^{iT_p} the mean of e^{ipφ} over nodes, the circular variance of a field is 1 − R_1
    and its circular skewness R_2 sin(T_2 − 2T_1)/(1 − R_1)^{3/2}, as published of InSAR phases
    (Rahman et al., arXiv 2205.03017; Lim et al., arXiv 2302.07400). The latter has heavy tails as
    phases become constant; ``circular_asymmetry`` is its numerator, which is bounded. Nothing
    here sees where in the field a phase is.

    Returns ``circular_variance_w1``, ``circular_skewness_w1`` and ``circular_asymmetry_w1``.
    """

    kind: Literal["circular_moments"] = "circular_moments"
    words = (
        Words("circular_variance_w1", "circular variance, W₁", "phase"),
        Words("circular_skewness_w1", "circular skewness, W₁", "phase"),
        Words("circular_asymmetry_w1", "circular asymmetry, W₁", "phase"),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """Three distances."""
        return "circular_variance_w1", "circular_skewness_w1", "circular_asymmetry_w1"

    def numbers(self, samples: Tensor, reference: Tensor, basis: Basis) -> Iterable[float]:
        """Distances of variances, skewnesses and asymmetries."""
        each = zip(circular_moments(samples), circular_moments(reference), strict=True)
        return [wasserstein_1(sorted_values([a]), sorted_values([b])) for a, b in each]


@dataclass(frozen=True)
class Residues(_OfPhases):
    """The share of loops around four neighbouring nodes whose wrapped increments add up to ±2π.

    None of a phase that is smooth on the grid, a third of independent uniform phases: it sees
    whether fringes close. Where there is noise the number depends on the grid.

    Returns ``residues`` of the samples and ``residues_reference``, means over fields, and
    ``residues_w1``, the Wasserstein-1 distance between the laws of each field's share.
    """

    kind: Literal["residues"] = "residues"
    words = (
        Words("residues", "residues of the phase", "phase", target="reference"),
        Words("residues_w1", "residues of the phase, W₁", "phase"),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """A share, its target, and a distance."""
        return "residues", "residues_reference", "residues_w1"

    def numbers(self, samples: Tensor, reference: Tensor, basis: Basis) -> Iterable[float]:
        """Shares in both sets, and how far their laws are apart."""
        own, others = (residues(fields).double().mean((1, 2)) for fields in (samples, reference))
        distance = wasserstein_1(sorted_values([own]), sorted_values([others]))
        return [float(own.mean()), float(others.mean()), distance]


@dataclass(frozen=True)
class PhaseGradientDensity(_OfPhases):
    """Wasserstein-1 distance between the laws of the increments of the phase over their distance.

    Increments between neighbouring nodes are those in [−π, π), pooled over axes.

    Returns ``phase_gradient_w1``, in radians per unit of length.
    """

    kind: Literal["phase_gradient"] = "phase_gradient"
    words = (Words("phase_gradient_w1", "phase gradient, W₁", "phase"),)

    @property
    def results(self) -> tuple[str, ...]:
        """A distance."""
        return ("phase_gradient_w1",)

    def numbers(self, samples: Tensor, reference: Tensor, basis: Basis) -> Iterable[float]:
        """The distance."""
        spacings = basis.spacings(basis.resolution(samples))

        def gradients(fields: Tensor) -> np.ndarray:
            angles, axes = phase(fields), zip(basis.grid_axes(), spacings, strict=True)
            return sorted_values([_wrapped(angles.diff(dim=axis)) / step for axis, step in axes])

        return [wasserstein_1(gradients(samples), gradients(reference))]


@dataclass(frozen=True)
class ModulusError(_OfPhases):
    """How far from the circle values are: the mean of |√(c² + s²) − 1| over nodes and fields.

    Returns ``modulus_error``.
    """

    kind: Literal["modulus_error"] = "modulus_error"
    words = (Words("modulus_error", "distance from the circle", "phase"),)

    def numbers(self, samples: Tensor, reference: Tensor, basis: Basis) -> Iterable[float]:
        """That of the samples."""
        modulus = torch.linalg.vector_norm(samples.double(), dim=1)
        return [float((modulus - 1).abs().mean())]


def phase(fields: Tensor) -> Tensor:
    """Phases (N, *grid) in [−π, π] of fields (N, 2, *grid), float64."""
    return torch.atan2(fields[:, 1].double(), fields[:, 0].double())


def circular_moments(fields: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Variance, skewness and asymmetry of each of the fields (N, 2, *grid), each (N,).

    The skewness of a phase that is constant is zero.
    """
    angles = phase(fields).flatten(1)
    first, second = (torch.polar(torch.ones_like(angles), p * angles).mean(1) for p in (1, 2))
    variance = (1 - first.abs()).clamp(min=0)
    asymmetry = second.abs() * torch.sin(second.angle() - 2 * first.angle())
    skewness = asymmetry / variance.clamp(min=1e-12) ** 1.5
    return variance, torch.where(variance > 1e-9, skewness, 0.0), asymmetry


def residues(fields: Tensor) -> Tensor:
    """Whether the phase turns around each loop of four nodes, (N, n − 1, m − 1)."""
    angles = phase(fields)
    along_x, along_y = _wrapped(angles.diff(dim=-1)), _wrapped(angles.diff(dim=-2))
    turn = along_x[:, :-1] + along_y[..., 1:] - along_x[:, 1:] - along_y[..., :-1]
    return turn.abs() > math.pi


def _wrapped(increment: Tensor) -> Tensor:
    """Angles in [−π, π)."""
    return torch.remainder(increment + math.pi, 2 * math.pi) - math.pi

"""Kriging: the best linear estimate of fields from data, from pairs of both.

Of few pairs and many data the sample covariance knows fewer directions than there are data, and
what it says of the rest is wrong. It is therefore mixed with a covariance of fewer parameters, a
spectrum for each channel and between channels, in the share with which fields that were held out
are estimated best (Ledoit and Wolf, J. Multivariate Anal., 2004, for mixtures of this kind).
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import torch
from torch import Tensor

from fsdiff.inverse.observations.maps import ForwardMapLike
from fsdiff.randomness import normals
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.channels import ChannelBasis
from fsdiff.streams import Stream

SHARES = (0.0, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0)
"""Shares of the target that are tried."""


class Target(ABC):
    """A joint covariance of fields (*shape) and data without noise."""

    @property
    @abstractmethod
    def normals(self) -> int:
        """How many N(0, 1) numbers a draw takes."""

    @abstractmethod
    def draw(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """A field (*shape) and its data (count,), of mean zero, from N(0, 1) numbers."""

    @property
    @abstractmethod
    def of_data(self) -> Tensor:
        """The covariance of data, (count, count)."""

    @abstractmethod
    def with_fields(self, weights: Tensor) -> Tensor:
        """The covariance of fields and data applied to weights (batch, count), (batch, *shape)."""


def factored(covariance: Tensor, noise: Tensor) -> Tensor:
    """The Cholesky factor of a covariance of data (count, count) with noise, (count,) or one.

    ArithmeticError where it is singular.
    """
    errors = torch.diag(noise.double().expand(len(covariance)))
    factor, failed = torch.linalg.cholesky_ex(covariance + errors)
    if failed:
        raise ArithmeticError(
            "the covariance of the data is singular: give the observation some noise"
        )
    return factor


@dataclass(frozen=True, eq=False)
class JointGaussian:
    """Fields and data taken as jointly Gaussian with their sample covariance.

    ``fields`` are (samples, *shape) and ``observations``, without noise, (samples, count);
    ``noise`` is the variance of errors, (count,) or one. ``share`` of the covariance is that of
    ``target``.
    """

    fields: Tensor
    observations: Tensor
    noise: Tensor
    target: Target | None = None
    share: float = 0.0

    def __post_init__(self) -> None:
        """Refuse sets that are not pairs."""
        if len(self.fields) != len(self.observations) or len(self.fields) < 2:
            raise ValueError(
                f"{len(self.fields)} fields and {len(self.observations)} observations: give two "
                "pairs or more"
            )

    @classmethod
    def fitted(
        cls,
        fields: Tensor,
        observations: Tensor,
        noise: Tensor,
        target: Target,
        held_out: tuple[Tensor, Tensor],
    ) -> Self:
        """With the share of the target that estimates pairs which were ``held_out`` best.

        Errors of a channel are in units of its deviation.
        """
        sample = cls(fields, observations, noise, target)
        spread = sample.anomalies[0].square().sum(0).flatten(1).mean(1)
        units = spread.view(-1, *[1] * (fields.ndim - 2))
        errors = {}
        for share in SHARES:
            with suppress(ArithmeticError):
                errors[share] = sample._error(*held_out, share, units)
        return replace(sample, share=min(errors, key=errors.__getitem__, default=0.0))

    def mean(self, data: Tensor) -> Tensor:
        """The estimates for data (cases, count), (cases, *shape)."""
        fields, observations = self._means
        return fields + self.explained(data.double() - observations)

    def sample(self, data: Tensor, indices: Sequence[int], seed: int) -> Tensor:
        """Draws (len(indices), *shape) for data (count,); draw i depends on (seed, i) only."""
        count = len(self.fields) + self.observations.shape[1]
        count += self.target.normals if self.target is not None else 0
        drawn = torch.from_numpy(normals(seed, indices, (count,), Stream.CONDITIONAL))
        return torch.stack([self._conditioned(data.double(), row) for row in drawn])

    def _conditioned(self, data: Tensor, numbers: Tensor) -> Tensor:
        """The draw that N(0, 1) numbers make."""
        (field, observation), (fields, observations) = self._means, self.anomalies
        sizes = [observations.shape[1], len(fields)]
        error, weights, rest = numbers.split([*sizes, len(numbers) - sum(sizes)])
        root = (1 - self.share) ** 0.5
        z, said = root * torch.tensordot(weights, fields, 1), root * (weights @ observations)
        if self.target is not None:
            own, its = self.target.draw(rest)
            z, said = z + self.share**0.5 * own, said + self.share**0.5 * its
        said = observation + said + error * self.noise.double().sqrt()
        return field + z + self.explained((data - said)[None])[0]

    def _error(self, fields: Tensor, observations: Tensor, share: float, units: Tensor) -> float:
        """The mean square error of estimates of fields from noisy data, without drawing noise."""
        factor, (field, observation) = self._factorised(share), self._means
        deviations = self.noise.double().expand(observations.shape[1]).sqrt()
        both = torch.cat([observations.double() - observation, torch.diag(deviations)])
        found = self._gained(both, factor, share)
        biased = found[: len(fields)] + field - fields.double()
        squares = biased.square().mean(0) + found[len(fields) :].square().sum(0)
        return float((squares / units).mean())

    @cached_property
    def _means(self) -> tuple[Tensor, Tensor]:
        return self.fields.double().mean(0), self.observations.double().mean(0)

    @cached_property
    def anomalies(self) -> tuple[Tensor, Tensor]:
        """Deviations from the means over √(samples − 1): their products are covariances."""
        root = (len(self.fields) - 1) ** 0.5
        field_mean, observation_mean = self._means
        fields = (self.fields.double() - field_mean) / root
        return fields, (self.observations.double() - observation_mean) / root

    @cached_property
    def _factor(self) -> Tensor:
        """Of the covariance of noisy data."""
        return self._factorised(self.share)

    def explained(self, residuals: Tensor) -> Tensor:
        """The gain C_uy (C_yy + Γ)⁻¹ applied to residuals (batch, count), (batch, *shape)."""
        return self._gained(residuals, self._factor, self.share)

    def _factorised(self, share: float) -> Tensor:
        observations = self.anomalies[1]
        covariance = (1 - share) * observations.T @ observations
        if self.target is not None:
            covariance = covariance + share * self.target.of_data
        return factored(covariance, self.noise)

    def _gained(self, residuals: Tensor, factor: Tensor, share: float) -> Tensor:
        fields, observations = self.anomalies
        weights = torch.cholesky_solve(residuals.T, factor).T
        of_pairs = (weights @ observations.T @ fields.flatten(1)).view(-1, *fields.shape[1:])
        if self.target is None:
            return of_pairs
        return (1 - share) * of_pairs + share * self.target.with_fields(weights)


class Spectral(Target):
    """Fields whose modes are independent, though not their channels, seen by a linear map.

    The covariance of mode k between channels is that of coefficients of ``anomalies`` (samples,
    channel, *grid). Channels with bases of their own are independent.
    """

    def __init__(self, anomalies: Tensor, basis: Basis, observed: ForwardMapLike) -> None:
        self.basis, self.n = basis, basis.resolution(anomalies)
        self._like = anomalies[:1].double()
        self._covariance = _between_channels(anomalies.double(), basis)
        self._root = _root(self._covariance)
        self._observed = observed

    @property
    def normals(self) -> int:
        """One for each node and channel."""
        return self._like[0].numel()

    def draw(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Correlated coefficients of white noise."""
        by_channel = numbers.view(1, self._like.shape[1], -1)
        white = self.basis.white_noise(by_channel.numpy(), self.n)
        field = self.basis.inverse(_applied(self._root, white), self.n)
        return field[0], self._seen(field)[0]

    @cached_property
    def of_data(self) -> Tensor:
        """H C H*."""
        covariance = self._seen(self._gains)
        return 0.5 * (covariance + covariance.T)

    def with_fields(self, weights: Tensor) -> Tensor:
        """C H* applied to weights."""
        return torch.tensordot(weights, self._gains, 1)

    @cached_property
    def _gains(self) -> Tensor:
        """C H*, a field for each datum."""
        size = self._observed.size
        units = torch.eye(size, dtype=torch.float64)
        rows = self._observed.vjp(self._like.expand(size, *self._like.shape[1:]), units)
        smooth = _applied(self._covariance, self.basis.forward(rows))
        return self.basis.inverse(smooth, self.n)

    def _seen(self, fields: Tensor) -> Tensor:
        return self._observed.jvp(self._like.expand_as(fields), fields)


class Unrelated(Target):
    """Data that are independent, of each other and of the fields, with given variances.

    For maps that are not linear: what is not known of them is taken for noise. Fields have the
    spectra of ``anomalies``.
    """

    def __init__(self, anomalies: Tensor, basis: Basis, variances: Tensor) -> None:
        self.basis, self.n = basis, basis.resolution(anomalies)
        self._shape = anomalies.shape[1:]
        self._root = _root(_between_channels(anomalies.double(), basis))
        self._variances = variances.double()

    @property
    def normals(self) -> int:
        """One for each node, channel and datum."""
        return self._shape.numel() + len(self._variances)

    def draw(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """A field, and data that know nothing of it."""
        own, its = numbers.split([self._shape.numel(), len(self._variances)])
        white = self.basis.white_noise(own.view(1, self._shape[0], -1).numpy(), self.n)
        field = self.basis.inverse(_applied(self._root, white), self.n)[0]
        return field, its * self._variances.sqrt()

    @property
    def of_data(self) -> Tensor:
        """Diagonal."""
        return torch.diag(self._variances)

    def with_fields(self, weights: Tensor) -> Tensor:
        """Zero."""
        return torch.zeros(len(weights), *self._shape, dtype=torch.float64)


def _between_channels(anomalies: Tensor, basis: Basis) -> Tensor:
    """E û û*, (channel, channel, *coefficients), zero on modes that are not resolved."""
    coefficients = basis.forward(anomalies)
    products = torch.einsum("ni...,nj...->ij...", coefficients, coefficients.conj())
    resolved = basis.resolved(basis.resolution(anomalies))
    if isinstance(basis, ChannelBasis):
        own = torch.eye(anomalies.shape[1], dtype=torch.bool)
        return products * own.view(*own.shape, *[1] * basis.dimension) * resolved
    return products * resolved


def _root(covariance: Tensor) -> Tensor:
    """R with R R* = C, mode by mode."""
    matrices = covariance.movedim((0, 1), (-2, -1))
    values, vectors = torch.linalg.eigh(matrices)
    root = vectors * values.clamp_min(0).sqrt()[..., None, :]
    return root.movedim((-2, -1), (0, 1))


def _applied(symbol: Tensor, coefficients: Tensor) -> Tensor:
    """A matrix for each mode times coefficients (batch, channel, *coefficients)."""
    return torch.einsum("ij...,nj...->ni...", symbol, coefficients.to(symbol.dtype))

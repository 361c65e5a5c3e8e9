"""The law of a sampler's samples where every step is affine, without sampling error.

With a denoiser that is affine, as those of Gaussian data are with linear guidance or without, a
sample is b + Σ_j A_j ξ_j in the normals ξ_j that it starts from and that its steps add. The sampler
itself is run on unit vectors in place of the normals, and gives all columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike
from fsdiff.diffusion.samplers.base import Run, Sampler


class Normal(NamedTuple):
    """N(mean, covariance) of nodal values, (nodes,) and (nodes, nodes), channel by channel."""

    mean: Tensor
    covariance: Tensor

    def distance(self, other: "Normal") -> float:
        """The Wasserstein distance W2, in the norm of the mean over nodes."""
        root = _root(other.covariance)
        cross = _root(root @ self.covariance @ root)
        trace = (self.covariance + other.covariance - 2 * cross).trace().clamp_min(0)
        squared = (self.mean - other.mean).square().sum() + trace
        return float((squared / len(self.mean)).sqrt())

    @property
    def size(self) -> float:
        """√E‖X‖²."""
        return float(((self.mean.square().sum() + self.covariance.trace()) / len(self.mean)).sqrt())


COLUMNS = 2048
"""How many unit vectors are followed at a time."""


def law_of_samples(sampler: Sampler, denoiser: DenoiserLike, n: int) -> Normal:
    """The law of what ``sampler`` draws at level n, in float64."""
    run = UnitNormals(denoiser, n, 0, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        centre = _samples(sampler, run, (-1,))
        everything = range(len(run.slots) * run.size)
        columns = [
            _samples(sampler, run, everything[first : first + COLUMNS])
            for first in range(0, len(everything), COLUMNS)
        ]
    factor = (torch.cat(columns) - centre).T
    return Normal(centre[0], factor @ factor.T)


def _samples(sampler: Sampler, run: Run, indices: Sequence[int]) -> Tensor:
    return sampler.draw(run, [tuple(indices)])[0].fields.flatten(1)


@dataclass(frozen=True)
class UnitNormals(Run):
    """A run whose normals are unit vectors: sample i has the i-th of all of them, −1 has none.

    ``slots`` collects what normals are drawn for, in the order in which it is first asked for.
    """

    slots: list[tuple[int, ...]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """How many normals a field is made of."""
        return self.law.channels * self.law.basis.size(self.n)

    def unit(self, indices: Sequence[int], *stream: int) -> Tensor:
        """The normals of a slot, (len(indices), size)."""
        if stream not in self.slots:
            self.slots.append(stream)
        first = self.slots.index(stream) * self.size
        own = torch.tensor(indices) - first
        inside = (own >= 0) & (own < self.size)
        normals = torch.zeros(len(indices), self.size, dtype=torch.float64)
        normals[inside, own[inside]] = 1.0
        return normals

    def normals(self, indices: Sequence[int], count: int, *stream: int) -> Tensor:
        """The first of those of a slot, which are to be no more than a field is made of."""
        if count > self.size:
            raise ValueError(f"{count} normals are drawn, and fields are made of {self.size}")
        return self.unit(indices, *stream)[:, :count]

    def _coloured(self, indices: Sequence[int], symbol: Tensor, n: int, *stream: int) -> Tensor:
        basis, unit = self.law.basis, self.unit(indices, *stream)
        normals = unit.view(len(indices), self.law.channels, -1)[..., : basis.size(n)]
        return basis.inverse(basis.white_noise(normals.numpy(), n) * symbol, n).to(self.dtype)


def _root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return (vectors * values.clamp_min(0).sqrt()) @ vectors.T


def posterior(prior: Normal, observed: Tensor, noise: Tensor, data: Tensor) -> Normal:
    """N(μ, P) given data, for the matrix H (size, nodes) of nodal values and a diagonal Γ."""
    cross = prior.covariance @ observed.T
    bracket = observed @ cross + torch.diag(noise)
    mean = prior.mean + cross @ torch.linalg.solve(bracket, data - observed @ prior.mean)
    return Normal(mean, prior.covariance - cross @ torch.linalg.solve(bracket, cross.T))

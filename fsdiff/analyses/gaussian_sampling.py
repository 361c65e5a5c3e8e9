"""Gaussian data and the exact score: what a sampler makes of them, free of sampling error."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import torch
import xarray as xr
from pydantic import Field, PositiveFloat
from torch import Tensor
from tqdm import tqdm

from fsdiff.analyses.base import Analysis, results
from fsdiff.analyses.runs import sample_variance
from fsdiff.blocks.checks import first_problem
from fsdiff.blocks.explain import Problem
from fsdiff.diffusion.exact import ExactDenoiser, gaussian
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.metrics.spectra import radial_spectrum
from fsdiff.parts import described
from fsdiff.spaces.bases import Basis, FourierBasis, Nodes


@dataclass(frozen=True, kw_only=True)
class GaussianSampling(Analysis):
    """A sampler's error on data N(0, C), in a distance of laws, against network evaluations.

    With the exact score every sampler acts on each mode linearly, so its samples are Gaussian and
    commute with C, and W₂² = Σ_k (√v_k − √c_k)² for their mode variances v_k. The field ``setting``
    of the sampler, or of the sampler inside it, takes the ``values`` in turn.
    """

    numbers: ClassVar[tuple[str, ...]] = (
        "distance",
        "evaluations",
        "kept",
        "log_spectrum_error",
    )

    covariance: SpectralPrior
    sampler: Sampler
    setting: Literal["steps", "tolerance"] = "steps"
    values: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    basis: Basis = field(default_factory=lambda: FourierBasis(1))
    prior: SpectralPrior = field(default_factory=Bessel)
    process: GaussianPath = field(default_factory=VariancePreserving)
    resolution: Annotated[Nodes, Field(ge=3)] = 64
    kind: Literal["gaussian_sampling"] = "gaussian_sampling"

    def check(self) -> Iterator[Problem]:
        """Refuse a setting that the sampler has not, and values that it cannot have."""
        varied, name = varied_by(self.sampler, self.setting), self.setting
        if name not in _settings(varied):
            has = sorted({"steps", "tolerance"} & _settings(varied))
            use = f"setting: {has[0]}" if has else "another sampler"
            yield ("setting",), f"{varied.kind} has no setting {name}; use {use}"
            return
        for i, value in enumerate(self.values):
            block = described(varied) | {name: _as_setting(name, value)}
            if name == "steps" and value != round(value):
                yield ("values", i), "expected a whole number of steps"
            elif problem := first_problem(type(varied), block):
                yield ("values", i), f"a value of the sampler's setting: {problem}"

    def run(self) -> xr.Dataset:
        """``distance`` and its like (setting), ``variance`` (setting, wavenumber) and exact."""
        law = gaussian(self.basis, self.covariance)
        denoiser = ExactDenoiser(law, noise=self.prior, process=self.process)
        data = law.spectrum(self.resolution)[0]
        found, evaluations = [], []
        for value in tqdm(self.values, desc=self.sampler.kind, disable=None):
            sampler = with_setting(self.sampler, self.setting, value)
            variance, cost = sample_variance(sampler, denoiser, self.resolution)
            found.append(variance)
            evaluations.append(cost)
        multiplicity = self.basis.multiplicity(self.resolution)
        total = float((multiplicity * data).sum())
        distances = [wasserstein(v, data, multiplicity) / total**0.5 for v in found]
        shells = torch.stack([self._shells(v) for v in found])
        exact = self._shells(data)
        # Of a shell without data, such as constants of sines, samples have nothing either.
        kept = torch.where((exact == 0) & (shells == 0), 1.0, shells / exact)
        # Without the mean, as of the spectra of fields.
        missed = kept[:, 1:].log().abs().mean(1)
        where = ("setting", "wavenumber")
        return results(
            {
                "evaluations": ("setting", evaluations, "network evaluations on the fine grid"),
                "distance": ("setting", distances, "W₂ to the data over root mean square of data"),
                "variance": (where, shells, "energy per shell of the samples"),
                "kept": (where, kept, "energy per shell over that of the data"),
                "log_spectrum_error": ("setting", missed, "mean error of the log spectrum"),
                "exact": ("wavenumber", exact, "energy per shell of the data"),
            },
            {
                "setting": ("setting", list(self.values), self.setting),
                "wavenumber": ("wavenumber", torch.arange(len(exact)), "wavenumber |k|"),
            },
        )

    def _shells(self, variance: Tensor) -> Tensor:
        """Energy of each shell of wavenumbers."""
        typical = self.basis.inverse(variance.sqrt(), self.resolution)
        return radial_spectrum(typical[None, None], self.basis)[1][0]


def wasserstein(a: Tensor, b: Tensor, multiplicity: Tensor) -> float:
    """W₂ between zero-mean Gaussians with mode variances a and b: √Σ_k (√a_k − √b_k)²."""
    return float((multiplicity * (a.sqrt() - b.sqrt()).square()).sum().sqrt())


def with_setting(sampler: Sampler, name: str, value: float) -> Sampler:
    """The sampler with another value of a setting, of its own or of the sampler inside it."""
    if varied_by(sampler, name) is sampler:
        return dataclasses.replace(sampler, **{name: _as_setting(name, value)})
    inner = with_setting(getattr(sampler, "sampler"), name, value)  # noqa: B009 (not all have one)
    return dataclasses.replace(sampler, **{"sampler": inner})


def varied_by(sampler: Sampler, name: str) -> Sampler:
    """Whose setting it is: the sampler's, or that of the sampler inside it."""
    inner = getattr(sampler, "sampler", None)
    if inner is not None and (name not in _settings(sampler) or name == "steps"):
        return varied_by(inner, name)
    return sampler


def _settings(sampler: Sampler) -> set[str]:
    return {item.name for item in dataclasses.fields(sampler)}


def _as_setting(name: str, value: float) -> Any:
    return round(value) if name == "steps" else value

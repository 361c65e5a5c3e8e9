"""Priors given by their covariance between two points, c(‖x − y‖) with a length scale."""

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.spaces.basis import Basis, Kernel


@dataclass(frozen=True, kw_only=True)
class KernelPrior(SpectralPrior, Kernel):
    """N(0, Q) with covariance ``variance``·c(‖x − y‖), trace class in every dimension.

    On a grid λ_k is the kernel's spectral density at ω_k: in the Fourier basis the covariance is
    that of the kernel made periodic, in the cosine basis that of its images in the walls, and away
    from the walls it is the kernel, as far as ``length`` is short against the box and long against
    the cells. In a ``GramBasis`` it is the kernel at all pairs of points. ``length`` is in the unit
    of the sides of the box (squares have side 1); ``variance`` is the scale without ``normalize``.
    """

    length: PositiveFloat = 0.1
    variance: PositiveFloat = 1.0

    def unnormalised(self, basis: Basis, n: int) -> Tensor:
        """variance · spectral density, or the eigenvalues of the Gram matrix."""
        return self.variance * basis.kernel_spectrum(self, self._omega_squared(basis, n))


@dataclass(frozen=True, kw_only=True)
class RBF(KernelPrior):
    """c(h) = exp(−h²/(2 length²)): analytic samples, smoother than most data.

    Lim et al. (NeurIPS 2023) write exp(−h²/ℓ²), which is length = ℓ/√2. The noise that Lim et al.
    (arXiv 2302.07400) call RBF is ``exponential``.
    """

    kind: Literal["rbf"] = "rbf"

    def correlation(self, distance: Tensor) -> Tensor:
        """exp(−h²/(2 length²))."""
        return torch.exp(-0.5 * (distance / self.length).square())

    def spectral_density(self, omega_squared: Tensor, dimension: int) -> Tensor:
        """(2π length²)^(d/2) exp(−½ length² |ω|²)."""
        scale = (2 * math.pi * self.length**2) ** (dimension / 2)
        return scale * torch.exp(-0.5 * self.length**2 * omega_squared)


@dataclass(frozen=True, kw_only=True)
class _MaternFamily(KernelPrior):
    """c(h) = 2^(1−ν)/Γ(ν) z^ν K_ν(z), z = √(2ν) h/length, with ν = ``smoothness``."""

    @property
    @abstractmethod
    def smoothness(self) -> float:
        """ν: samples have just less than ν derivatives."""

    def correlation(self, distance: Tensor) -> Tensor:
        """2^(1−ν)/Γ(ν) z^ν K_ν(z), through logarithms; 1 at zero."""
        from scipy.special import kve  # a tenth of a second that no other prior needs

        nu = self.smoothness
        z = math.sqrt(2 * nu) * distance / self.length
        bessel = torch.as_tensor(kve(nu, z.numpy()))
        constant = (1 - nu) * math.log(2) - math.lgamma(nu)
        values = torch.exp(constant + nu * z.log() + bessel.log() - z)
        return torch.where(z > 1e-8, values, 1.0)

    def spectral_density(self, omega_squared: Tensor, dimension: int) -> Tensor:
        """2^d π^(d/2) Γ(ν + d/2)/Γ(ν) κ^(2ν) (κ² + |ω|²)^(−ν − d/2) with κ² = 2ν/length²."""
        nu, half = self.smoothness, dimension / 2
        log_rate = math.log(2 * nu / self.length**2)
        constant = dimension * math.log(2) + half * math.log(math.pi)
        constant += math.lgamma(nu + half) - math.lgamma(nu) + nu * log_rate
        return torch.exp(constant - (nu + half) * (math.exp(log_rate) + omega_squared).log())


@dataclass(frozen=True, kw_only=True)
class Matern(_MaternFamily):
    """Matérn kernel: samples with just less than ``smoothness`` = ν derivatives.

    c(h) = 2^(1−ν)/Γ(ν) z^ν K_ν(z) with z = √(2ν) h/length, so λ_k falls like |ω|^(−2ν − d): the law
    of ``bessel`` with power = ν/2 + d/4. ν = ½ is ``exponential`` and ν → ∞ is ``rbf``.
    """

    smoothness: Annotated[float, Field(gt=0, le=30)] = 1.5
    kind: Literal["matern"] = "matern"


@dataclass(frozen=True, kw_only=True)
class Exponential(_MaternFamily):
    """c(h) = exp(−h/length), the Matérn kernel of smoothness ½: continuous, rough samples.

    The published "RBF, scale γ" of Lim et al. (arXiv 2302.07400) and of Yao et al. (arXiv
    2505.17004) computes exp(−h/(2γ²)), which is this kernel of length 2γ²: 0.005 for their
    γ = 0.05, less than one cell of their grids and so nearly white noise there.
    """

    smoothness: ClassVar[float] = 0.5
    kind: Literal["exponential"] = "exponential"

"""What is known of X_t before any training: of the noise all, of the data their second moments."""

from functools import lru_cache, partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from fsdiff.diffusion.joint import JointModes
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.measures.priors.spectral import SpectralPrior, coloured
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.masks import Mask


class SecondMoments(Protocol):
    """What is known of the data: mean-square coefficients, on every grid."""

    @property
    def channels(self) -> int:
        """Number of channels of a field."""

    @property
    def resolution(self) -> int:
        """The level whose modes are known, finer ones being continued."""

    def spectrum(self, n: int) -> Tensor:
        """E|û_k|² on the grid of level n, (channel, *coefficients), float64."""

    def joint(self, n: int) -> Tensor | None:
        """E û_a û_b* of channels a, b, (channel, channel, *coefficients); None if not known."""


class Law:
    """The law of X_t = M_t X_0 + R_t η, η ~ N(0, Q), as far as second moments determine it.

    ``noise`` is N(0, Q) and ``data`` tells the second moments of X_0, fields of zero mean. Where
    nodes have no values, ``mask`` says so, and X_0 is the harmonic continuation of all others.
    Networks and their training play no part in it.
    """

    def __init__(
        self,
        *,
        basis: Basis,
        noise: SpectralPrior,
        process: GaussianPath,
        data: SecondMoments,
        mask: Mask | None = None,
    ) -> None:
        self.basis, self.noise, self.process, self.data = basis, noise, process, data
        self.mask = mask
        self._on = lru_cache(maxsize=32)(self._make_spectra)
        self._joint_on = lru_cache(maxsize=32)(self._make_joint)
        self._fillings: dict[int, HarmonicFilling | None] = {}

    @property
    def channels(self) -> int:
        """Number of channels of a field."""
        return self.data.channels

    def marginal(self, t: Tensor, n: int) -> Marginal:
        """The law of X_t given X_0 at level n and times t, (batch,) or (1,) for a whole batch.

        Its scales have the precision of t and lie where t does.
        """
        spectra = self._on(n, t.dtype, t.device)
        time = t.double().view(-1, *[1] * (self.basis.dimension + 1))
        joint = partial(self._joint_on, n, t.dtype, t.device)
        return Marginal(self.basis, self.process, time, *spectra, joint_modes=joint)

    def noise_spectrum(self, n: int) -> Tensor:
        """λ_k at level n, float64: (*coefficients), or (channel, *coefficients)."""
        return self._on(n, torch.float64, torch.device("cpu")).noise

    def colour(self, white: Tensor) -> Tensor:
        """Noise η ~ N(0, Q) from independent N(0, 1) nodes (batch, channel, *grid)."""
        n = self.basis.resolution(white)
        return coloured(white, self._on(n, white.dtype, white.device).noise, self.basis)

    def continued(self, data: Tensor) -> Tensor:
        """Fields (batch, channel, *grid) as X_0 is: where there are no values, those around.

        On a grid with no node at all that has values of some channel they stay as they are.
        """
        filling = self._filling(self.basis.resolution(data))
        return data if filling is None else filling(data)

    def _filling(self, n: int) -> HarmonicFilling | None:
        if self.mask is None:
            return None
        if n not in self._fillings:
            try:
                self._fillings[n] = HarmonicFilling(self.mask, n)
            except ValueError:  # no cell of so coarse a grid is known
                self._fillings[n] = None
        return self._fillings[n]

    def _make_spectra(self, n: int, dtype: torch.dtype, device: torch.device) -> "_Spectra":
        return _Spectra(
            omega_squared=self.basis.omega_squared(n).to(device),
            noise=self.noise.eigenvalues(self.basis, n).to(device, dtype),
            data=self.data.spectrum(n).to(device, dtype),
            multiplicity=self.basis.multiplicity(n).to(device, dtype),
        )

    def _make_joint(self, n: int, dtype: torch.dtype, device: torch.device) -> JointModes | None:
        covariance = self.data.joint(n)
        if covariance is None:
            return None
        noise = self.noise.eigenvalues(self.basis, n).expand(covariance.shape[1:])
        return JointModes.of(covariance, noise, self.basis).to(device, dtype)


class _Spectra(NamedTuple):
    """What is known of a grid, in the order of a marginal's arguments."""

    omega_squared: Tensor
    noise: Tensor
    data: Tensor
    multiplicity: Tensor

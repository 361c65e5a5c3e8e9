"""Estimates of fields that have no values at some nodes."""

from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike, Estimate
from fsdiff.diffusion.marginal import Marginal
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.masks import Mask


class FilledDenoiser:
    """A denoiser whose estimates are continued harmonically over nodes without values.

    The loss says nothing of what a network answers there, and a sampler would lead it back to the
    network in the next step. The fields of the training data are such continuations, linear in
    their values at other nodes, and so are their conditional expectations: of a perfect denoiser
    nothing changes. On grids with no such node of a channel at all estimates stay as they are.
    """

    def __init__(self, denoiser: DenoiserLike, mask: Mask) -> None:
        self.denoiser, self.law, self.mask = denoiser, denoiser.law, mask
        self._fillings: dict[int, HarmonicFilling | None] = {}

    def __call__(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) at times t (batch,) or (1,)."""
        return self.estimate(x, self.law.marginal(t, self.law.basis.resolution(x)), condition)

    def estimate(self, x: Tensor, marginal: Marginal, condition: Tensor | None = None) -> Estimate:
        """Estimates given fields x (batch, channel, *grid) of the law ``marginal``."""
        found = self.denoiser.estimate(x, marginal, condition)
        filling = self._filling(self.law.basis.resolution(x))
        if filling is None:
            return found
        data = filling(found.data)
        return Estimate(data, marginal.noise_from_data(x, data), marginal)

    def _filling(self, n: int) -> HarmonicFilling | None:
        """How fields of a level are filled, None where a channel has nothing to continue."""
        if n not in self._fillings:
            try:
                self._fillings[n] = HarmonicFilling(self.mask, n)
            except ValueError:  # no cell of so coarse a grid is known
                self._fillings[n] = None
        return self._fillings[n]

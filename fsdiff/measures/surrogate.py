"""Gaussian fields with the second moments of data: what is left of these without all structure."""

from collections.abc import Sequence

from torch import Tensor

from fsdiff.measures.priors.spectral import white_noise
from fsdiff.spaces.spectrum import MeasuredSpectrum
from fsdiff.streams import Stream
from fsdiff.threads import single_thread


@single_thread()
def gaussian_fields(
    spectrum: MeasuredSpectrum, n: int, indices: Sequence[int], seed: int
) -> Tensor:
    """Fields Σ_k √c_k ξ_k e_k at level n, (len(indices), channel, *grid), zero mean, float32."""
    basis, channels = spectrum.basis, spectrum.channels
    white = white_noise(basis, n, indices, seed, Stream.SURROGATE, channels=channels)
    return basis.inverse(white * spectrum.spectrum(n).sqrt(), n).float()

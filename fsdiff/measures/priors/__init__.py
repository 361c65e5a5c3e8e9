"""Gaussian measures on functions: the noise that diffusion models start from."""

from fsdiff.measures.priors.convolution import FNO, Bessel, Combined, Laplacian, Standard
from fsdiff.measures.priors.kernel import RBF, Exponential, Matern
from fsdiff.measures.priors.spectral import SpectralPrior, white_noise

__all__ = [
    "FNO",
    "RBF",
    "Bessel",
    "Combined",
    "Exponential",
    "Laplacian",
    "Matern",
    "SpectralPrior",
    "Standard",
    "white_noise",
]

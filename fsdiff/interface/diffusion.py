"""Diffusion models as objects."""

import copy
from collections.abc import Sequence
from typing import Any, Literal, Self

from torch import Tensor, nn

from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.predictions import Prediction, Wiener
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.diffusion.time_sampling import Spectral, TimeSampling
from fsdiff.errors import Error
from fsdiff.interface.model import Model
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.methods import models
from fsdiff.methods.diffusion import Diffusion as Method
from fsdiff.methods.weights import initialised
from fsdiff.networks.base import Network
from fsdiff.parts import described
from fsdiff.spaces.basis import Basis


class Diffusion(Model):
    """A diffusion model: noise N(0, Q) is turned into fields by a network that was trained to.

    A network of this package is made anew when the model is fitted, for as many channels as the
    data have and with weights that depend on the seed alone; any other module
    ``network(x, noise_level)`` is trained from the weights that it has.
    """

    kind: Literal["diffusion"] = "diffusion"

    def __init__(
        self,
        network: nn.Module,
        *,
        basis: Basis,
        noise: SpectralPrior,
        process: GaussianPath | None = None,
        prediction: Prediction | None = None,
        time_sampling: TimeSampling | None = None,
    ) -> None:
        super().__init__(basis)
        self.network, self.noise = network, noise
        self.process = process or VariancePreserving()
        self.prediction = prediction or Wiener()
        self.time_sampling = time_sampling or Spectral()
        self.prediction.check(self.process)
        self.time_sampling.check(self.process)

    @property
    def denoiser(self) -> Denoiser:
        """What samplers are given; NotFittedError before there are data."""
        return _diffusion(self.fitted).denoiser

    def sample(
        self,
        sampler: Sampler | None = None,
        *,
        n: int,
        indices: Sequence[int],
        seed: int = 0,
        condition: Tensor | None = None,
    ) -> Samples:
        """``fields`` (len(indices), channel, *grid) at level n, in the unit of the data.

        Sample i depends on (seed, i) only, and is the same function at all levels as far as the
        network is; ``sampler`` is DPM-Solver++ in 20 steps unless another one is given.
        """
        sampler = sampler or DPMSolver()
        sampler.check(self.process)
        sampler.check_grid(self.process, self.basis, n)
        return self._sample(sampler, n, indices, seed, condition)

    def _method(self, statistics: Statistics, seed: int) -> Method:
        data = statistics.measured(self.basis)
        law = Law(basis=self.basis, noise=self.noise, process=self.process, data=data)
        if isinstance(self.network, Network):
            network = initialised(described(self.network), self.basis, law.channels, seed)
        else:
            network = copy.deepcopy(self.network)
        return Method(Denoiser(law, network, self.prediction), self.time_sampling, statistics.mask)

    def _blocks(self) -> dict[str, Any]:
        if not isinstance(self.network, Network):
            name = type(self.network).__name__
            raise Error(
                f"a model with a {name} cannot be saved, as it does not know its settings: use a "
                "network of fsdiff, or save the module's state_dict"
            )
        return {
            "prior": described(self.noise),
            "process": described(self.process),
            "prediction": described(self.prediction),
            "network": described(self.network),
            "time_sampling": described(self.time_sampling),
        }

    @classmethod
    def of(cls, fitted: models.Model) -> Self:
        """The model of a method that was read from files."""
        method = _diffusion(fitted)
        denoiser = method.denoiser
        model = cls(
            denoiser.network,
            basis=denoiser.law.basis,
            noise=denoiser.law.noise,
            process=denoiser.law.process,
            prediction=denoiser.prediction,
            time_sampling=method.denoising_loss.time_sampling,
        )
        model._fitted = fitted
        return model


def _diffusion(fitted: models.Model) -> Method:
    if not isinstance(fitted.method, Method):
        raise TypeError(f"{type(fitted.method).__name__} is no diffusion")
    return fitted.method

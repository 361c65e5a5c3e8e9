"""Denoising diffusion: a network that undoes noise, and a sampler that applies it step by step."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from torch import Tensor

from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.classifier_free import ClassifierFree
from fsdiff.diffusion.denoiser import Denoiser, DenoiserLike
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.loss import DenoisingLoss
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.diffusion.time_sampling import TimeSampling
from fsdiff.diffusion.validation import ValidationSet
from fsdiff.methods.base import Method
from fsdiff.methods.weights import conditioning_of, initialised
from fsdiff.parts import build

if TYPE_CHECKING:
    from fsdiff.inverse.conditions.base import Condition


class Diffusion(Method):
    """A denoiser, trained by the denoising loss, that samplers of any kind draw from."""

    needs: ClassVar[tuple[str, ...]] = (
        "prior",
        "process",
        "prediction",
        "network",
        "levels",
        "sampler",
    )
    takes: ClassVar[tuple[str, ...]] = ("time_sampling", "training", "trajectory", "condition")

    kind: Literal["diffusion"] = "diffusion"

    def __init__(self, denoiser: Denoiser, time_sampling: TimeSampling) -> None:
        self.denoiser = denoiser
        self.basis, self.network = denoiser.law.basis, denoiser.network
        self.conditions = denoiser.conditions
        self.denoising_loss = DenoisingLoss(denoiser, time_sampling)

    @classmethod
    def configured(cls, config: Mapping[str, Any], statistics: Statistics, seed: int) -> Self:
        """From the blocks of basis, prior, process, prediction, network, condition and times."""
        basis = build("basis", config["basis"])
        law = Law(
            basis=basis,
            noise=build("prior", config["prior"]),
            process=build("process", config["process"]),
            data=statistics.measured(basis),
            mask=statistics.mask,
        )
        conditioning = conditioning_of(config, basis, statistics)
        network = initialised(config["network"], basis, law.channels, seed, conditioning)
        prediction = build("prediction", config["prediction"])
        denoiser = Denoiser(law, network, prediction, conditioning)
        return cls(denoiser, build("time_sampling", config["time_sampling"]))

    @classmethod
    def check_condition(cls, condition: "Condition") -> None:
        """Take any."""

    def loss(
        self,
        data: Tensor,
        random: torch.Generator,
        part: slice = slice(None),
        *,
        condition: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> Tensor:
        """The denoising loss at random times, (len(part),).

        Where the network is a conditional one, conditions are drawn unless they are given.
        """
        self.denoiser.precision = precision
        try:
            return self.denoising_loss(data, random, part, condition)
        finally:
            self.denoiser.precision = torch.float32

    def validation(
        self, data: Tensor, *, first: int = 0, count: int | None = None
    ) -> ValidationSet:
        """Fields with a time and a noise field for each."""
        return ValidationSet.of(self.denoising_loss, data, first=first, count=count)

    def sample(
        self,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        sampler: Sampler | None = None,
        condition: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> Samples:
        """Samples that ``sampler`` draws, and what each of them cost.

        Without a condition those of a conditional network are those given nothing.
        """
        if sampler is None:
            raise ValueError("a diffusion is sampled by a sampler: give one, such as dpm_solver")
        self.denoiser.eval()
        denoiser: DenoiserLike = self.denoiser
        scale = 1.0 if self.conditions is None else self.conditions.guidance_scale
        if condition is not None and scale != 1:
            denoiser = ClassifierFree(self.denoiser, scale)
        return sampler(denoiser, n, indices, seed, condition=condition, device=device)

"""A sampler that starts from another law than that of X_T, as published ones do."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, Self

import torch
from pydantic import PositiveFloat
from torch import Tensor

from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.base import Run, State
from fsdiff.diffusion.samplers.ends import keeps_the_mean
from fsdiff.diffusion.samplers.wrapper import Wrapper
from fsdiff.parts import check_defaults
from fsdiff.randomness import generator
from fsdiff.streams import Stream
from fsdiff.threads import single_thread

StartLaw = Literal["noise", "unit_noise", "blurred", "empirical"]


@dataclass(frozen=True, kw_only=True)
class StartingFrom(Wrapper):
    """``sampler``, from the ``law`` N(0, R_T Q R_T) (``noise``), N(0, Q) (``unit_noise``) or data.

    Without it samplers start from N(0, M_T C M_T + R_T Q R_T), the second moments of X_T, which
    differs from the first by what is left of the data. The others are for comparison. The code of
    Lim et al. (NeurIPS 2023) starts from the second, although noise of the stochastic heat equation
    has variances 1/a_k. Rissanen et al. (ICLR 2023) start from training images, blurred by a
    Gaussian of width ``blur``, a fraction of the side, with noise of a small ``deviation`` δ:
    ``blurred`` is the Gaussian law with the moments of these, e^{−blur²|ω|²} C + δ² Q.

    From ``empirical``, a sample starts as a training field x has become at the end of the process,
    M_T x + R_T η: the very law of X_T of the training data, and of blurring processes the published
    start. Which field it is depends on the seed and the index alone, among those of the class that
    the sample is told, if it is told one. Samples may then resemble it, so that ``memorisation``
    belongs beside other measures.

    A reverse process forgets where it started, mode by mode, as the Wiener gain m c/(m²c + r²λ)
    says, and its probability flow does not. Modes without any noise, of which nothing else would be
    known, start as they would without it.
    """

    law: StartLaw = "noise"
    blur: PositiveFloat = 24 / 32
    deviation: PositiveFloat = 0.0125
    kind: Literal["starting_from"] = "starting_from"
    _training: ClassVar[Tensor | None] = None

    def __post_init__(self) -> None:
        """Refuse settings that other laws do not have."""
        if self.law != "blurred":
            check_defaults(self, "blur", "deviation", where=f"law: {self.law}")

    starts_elsewhere: ClassVar[bool] = True

    @property
    def of_training(self) -> bool:
        """Whether it starts from training fields."""
        return self.law == "empirical"

    def given(self, training: Tensor) -> Self:
        """The same sampler, which knows training fields (N, channel, *grid) if it starts there.

        Those of models that are told classes have their number as a further channel.
        """
        if not self.of_training:
            return self
        informed = copy.copy(self)
        object.__setattr__(informed, "_training", training)
        return informed

    def draw(self, run: Run, groups: Sequence[tuple[int, ...]]) -> list[State]:
        """The sampler's own, from another start."""
        shared = {item.name: getattr(run, item.name) for item in fields(Run)}
        if not self.of_training:
            return self.sampler.draw(_Started(**shared, start=self, own=run), groups)
        if self._training is None:
            raise ValueError(
                f"{self.kind}: law: empirical starts from training fields, and there are none "
                "here: use given() first, or another law"
            )
        return self.sampler.draw(_FromTraining(**shared, training=self._training), groups)

    def check(self, process: GaussianPath) -> None:
        """As the sampler; and refuse processes that end with much of the data left."""
        super().check(process)
        if self.law in ("blurred", "empirical"):
            return
        if keeps_the_mean(process):
            raise ValueError(
                f"{self.kind}: much of the mean of the data is left at the end of {process.kind}, "
                "which noise alone has not; use the sampler inside by itself"
            )


@dataclass(frozen=True, kw_only=True)
class _Started(Run):
    """A run whose first states are those of its ``own``, mode by mode made larger or smaller."""

    start: StartingFrom
    own: Run

    def noise(self, state: State, n: int, *stream: int) -> Tensor:
        """The same."""
        return self.own.noise(state, n, *stream)

    def gaussian(self, indices: Sequence[int], t: float, n: int) -> Tensor:
        """From N(0, v) to the other law."""
        drawn = self.own.gaussian(indices, t, n)
        marginal = self.law.marginal(torch.tensor([t], dtype=torch.float64), n)
        return self.law.basis.multiply(drawn, self._ratio(marginal).to(drawn))

    def _ratio(self, marginal: Marginal) -> Tensor:
        """Of the deviations of the two laws, (1, channel, *modes); one where there is no noise."""
        start, variance = self.start, marginal.variance
        wanted = marginal.noise_spectrum.expand_as(variance)
        if start.law == "noise":
            wanted = wanted * marginal.noise_scale.square()
        elif start.law == "blurred":
            kept = torch.exp(-(start.blur**2) * marginal.omega_squared).to(wanted)
            wanted = kept * marginal.data_spectrum + start.deviation**2 * wanted
        return torch.where(wanted > 0, wanted / variance, 1.0).sqrt()


@dataclass(frozen=True, kw_only=True)
class _FromTraining(Run):
    """A run whose first states are those that training fields (N, channel, *grid) have become.

    They may have the number of their class as a further channel.
    """

    training: Tensor

    def gaussian(self, indices: Sequence[int], t: float, n: int) -> Tensor:
        """M_t x + R_t η: Gaussian given x, a training field that (seed, index) choose."""
        marginal = self.law.marginal(torch.tensor([t], dtype=torch.float64), n)
        noise = marginal.noise_scale * marginal.noise_spectrum.sqrt()
        chosen = [self._chosen(index) for index in indices]
        with single_thread():
            fields = self.training[chosen, : self.law.channels].cpu().double()
            data = self.law.basis.resample(fields, n)
            kept = marginal.apply(marginal.mean_scale, data)
        return kept.to(self.device, self.dtype) + self._coloured(indices, noise, n, Stream.NOISE)

    def _chosen(self, index: int) -> int:
        """Of all training fields, or of those of the class that the sample is told."""
        places = self._places(self._told(index))
        return int(places[generator(self.seed, index, Stream.START).integers(len(places))])

    def _told(self, index: int) -> int | None:
        """The number of the class that a sample is told, None if it is told none."""
        conditions = getattr(self.denoiser, "conditions", None)
        if conditions is None or index not in self.conditions:
            return None
        return conditions.class_told(self.conditions[index])

    def _places(self, told: int | None) -> Tensor:
        """Those of the training fields of a class, or of all."""
        if told is None:
            return torch.arange(len(self.training))
        if self.training.shape[1] == self.law.channels:
            raise ValueError(f"{StartingFrom.kind}: give the classes of the training fields, too")
        classes = self.training[:, self.law.channels].flatten(1)[:, 0].round()
        if not len(places := (classes == told).nonzero()[:, 0]):
            raise ValueError(
                f"{StartingFrom.kind}: no training field is of the class that samples are told, "
                f"number {told}; draw others, or start from another law"
            )
        return places

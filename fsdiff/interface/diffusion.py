"""Diffusion models as objects."""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from fsdiff.data.labels import Class, meant, with_classes
from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.denoiser import Denoiser
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.predictions import Prediction, Wiener
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.diffusion.samplers.base import Sampler
from fsdiff.diffusion.samplers.dpm_solver import DPMSolver
from fsdiff.diffusion.samplers.ends import check_start_of_classes, check_start_of_observed
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.diffusion.time_sampling import Spectral, TimeSampling
from fsdiff.errors import Error
from fsdiff.interface.checks import (
    check_level,
    check_module,
    check_network,
    check_part,
    check_seed,
)
from fsdiff.interface.fields import (
    Classes,
    Fields,
    Labelled,
    classes_of,
    labelled,
    real_numbers,
    tensor_of,
)
from fsdiff.interface.model import Model
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.methods import models
from fsdiff.methods.diffusion import Diffusion as Method
from fsdiff.methods.weights import initialised
from fsdiff.networks.base import Network
from fsdiff.parts import described, is_own
from fsdiff.spaces.basis import Basis
from fsdiff.stages.labels import coordinates_along

if TYPE_CHECKING:
    from fsdiff.inverse.conditions.base import Condition, Conditioning
    from fsdiff.inverse.guidance.base import Guidance
    from fsdiff.inverse.observations.base import Observation
    from fsdiff.methods.guided import Guided


Data = Tensor | np.ndarray | xr.DataArray | Sequence[float]
"""Data of an observation, (size,)."""


class Diffusion(Model):
    """A diffusion model: noise N(0, Q) is turned into fields by a network that was trained to.

    A network of this package is made anew when the model is fitted, for as many channels as the
    data have and with weights that depend on the seed alone; any other module
    ``network(x, noise_level)`` is trained from the weights that it has. With a ``condition`` the
    network is trained to know data as well, as ``network(x, noise_level, condition)``.
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
        condition: "Condition | None" = None,
    ) -> None:
        super().__init__(basis)
        check_network(network, basis.axis_kinds)
        check_part("noise", noise, SpectralPrior, "fs.Bessel()")
        noise.check(len(basis.refined_axes))
        self.network, self.noise = network, noise
        self.process = process or VariancePreserving()
        self.prediction = prediction or Wiener()
        self.time_sampling = time_sampling or Spectral()
        check_part("process", self.process, GaussianPath, "fs.VariancePreserving()")
        check_part("prediction", self.prediction, Prediction, "fs.WienerPrediction()")
        check_part("time_sampling", self.time_sampling, TimeSampling, "fs.SpectralTimes()")
        if condition is not None:
            from fsdiff.inverse.conditions.base import Condition

            check_part("condition", condition, Condition, "fs.KrigingCondition()")
        self.condition = condition
        self._led: tuple[models.Model, tuple[Any, ...], Guided] | None = None
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
        observed: "tuple[Observation, Data] | None" = None,
        guidance: "Guidance | None" = None,
        label: Class | None = None,
        guidance_scale: float | None = None,
        training: Fields | None = None,
        labels: Classes | None = None,
    ) -> Samples:
        """``fields`` (len(indices), channel, *grid) at level n, in the unit of the data.

        Sample i depends on (seed, i) only, and is the same function at all levels as far as the
        network is; ``sampler`` is DPM-Solver++ in 20 steps unless another one is given. With
        ``observed=(observation, y)`` these are draws given data y (size,), in the unit of the data
        as well: of any model that ``guidance`` leads to them, or without it of a model with a
        condition, which knows them. Channels may be called by the names that fields have, and
        places be those of their coordinates (``measured="data"``). Those of a model that is told
        classes are all of one, ``label``, or without it of those that (seed, i) decide, as often as
        training fields; ``classes`` says which. With a ``guidance_scale`` above that of the
        condition, 1 by default, they are more typical of their class and less diverse.

        A sampler that starts from training fields has those that ``fit`` was given. No file has
        them: a model that was loaded is told them again, ``training`` in the unit of the data, with
        their classes, ``labels`` as for ``fit``, if it is told these.
        """
        sampler = sampler or DPMSolver()
        check_part("sampler", sampler, Sampler, "fs.DPMSolver()")
        check_level(n)
        check_seed(seed)
        sampler.check(self.process)
        sampler.check_grid(self.process, self.basis, n)
        if sampler.of_training:
            sampler = sampler.given(self._shown(training, labels))
        elif training is not None or labels is not None:
            given = "labels" if training is None else "training"
            raise ValueError(f"{given}: {sampler.kind} does not start from fields; leave them out")
        if guidance is not None:
            from fsdiff.inverse.guidance.base import Guidance

            check_part("guidance", guidance, Guidance, "fs.WienerGuidance()")
            others = (condition, label, guidance_scale)
            if observed is None or any(other is not None for other in others):
                raise ValueError("guidance leads to data: give observed=(observation, data) alone")
            draw = self._guided(guidance, sampler, *self._observed(observed), n, seed)
            return self._drawn(draw, indices)
        if label is not None or self.told_classes:
            if observed is not None or condition is not None:
                raise ValueError("a model that is told classes knows no other data: lead it")
            with self._told_at(guidance_scale):
                return self._of_classes(label, sampler, n, indices, seed)
        if guidance_scale is not None:
            raise ValueError(
                f"guidance_scale = {guidance_scale}: this model is told no classes; guidance by "
                "data has settings of its own"
            )
        if observed is not None:
            if self.condition is None:
                raise ValueError(
                    "this model knows no data: lead it, guidance=fs.WienerGuidance(), or train one "
                    "with a condition"
                )
            check_start_of_observed(self.process)
            condition = self.fitted.condition(*self._observed(observed), n)
        return self._sample(sampler, n, indices, seed, condition)

    @contextmanager
    def _told_at(self, scale: float | None) -> Iterator[None]:
        """Samples go by their classes at another guidance scale."""
        from fsdiff.inverse.conditions.label import Label

        conditions = self.fitted.method.conditions
        if scale is None or conditions is None or not isinstance(conditions.condition, Label):
            yield
            return
        asked = replace(conditions.condition, guidance_scale=scale)
        check_part("guidance_scale", asked, Label)
        own, conditions.guidance_scale = conditions.guidance_scale, scale
        try:
            yield
        finally:
            conditions.guidance_scale = own

    def _of_classes(
        self, label: Class | None, sampler: Sampler, n: int, indices: Sequence[int], seed: int
    ) -> Samples:
        """Samples of one class, or of those that labels deal."""
        from fsdiff.inverse.conditions.label import LabelConditioning

        method = _diffusion(self.fitted)
        if (labels := method.labels) is None:
            raise ValueError(f"label = {label}: this model was trained without classes")
        check_start_of_classes(sampler, self.process)
        if label is None:
            drawn = self._sample(sampler, n, indices, seed, None)
            numbers = labels.dealt(drawn.indices, seed)
        else:
            assert isinstance(method.conditions, LabelConditioning)  # as it has labels
            label = meant(label, labels.classes)
            told = method.conditions.of_class(label, 1, n)[0]
            drawn = self._sample(sampler, n, indices, seed, told)
            numbers = np.repeat(labels.numbers([label]), len(drawn.fields))
        return drawn._replace(classes=tuple(labels.classes[number] for number in numbers))

    def _shown(self, training: Fields | None, labels: Classes | None) -> Tensor:
        """Training fields at zero mean and unit mean square, those of ``fit`` unless given.

        The number of their class is a further channel where the model is told it.
        """
        fitted, known, classes = self.fitted, self._training, self._classes
        if training is not None:
            data = labelled(training, self.basis)
            known = tensor_of(data)
            classes = classes_of(labels, training, data["field"], told=self.told_classes)
        elif labels is not None:
            raise ValueError("labels: give the training fields that are of these classes, too")
        if known is None:
            raise ValueError(
                "the sampler starts from training fields, and a model that was loaded has none: "
                "give them, model.sample(sampler, training=fields, …), or fit it again"
            )
        if (channels := len(fitted.statistics.mean)) != known.shape[1]:
            raise ValueError(f"training: its fields have {known.shape[1]} channels, not {channels}")
        fields = fitted.statistics.normalise(known).float()
        if classes is None or fitted.method.labels is None:
            return fields
        numbers = fitted.method.labels.numbers(classes.values)
        return with_classes(fields, torch.from_numpy(numbers))

    def _observed(self, observed: "tuple[Observation, Data]") -> "tuple[Observation, Tensor]":
        """In numbers of channels and places of the box, and data in float64."""
        if not isinstance(observed, tuple) or len(observed) != 2:
            raise ValueError("observed: give a pair, (observation, data)")
        from fsdiff.inverse.observations.base import Observation

        observation, data = observed
        check_part("observed", observation, Observation, "fs.Points(...)")
        about, basis = self.fitted.description["data"], self.basis
        own = basis.axis_nodes(self.fitted.statistics.resolution)
        nodes = [
            coordinates_along(axis, along) for axis, along in zip(about["axes"], own, strict=True)
        ]
        observation = observation.named(about["channels"]).placed(nodes, basis)
        values = np.array(real_numbers(data, "data"), np.float64)
        return observation, torch.from_numpy(values)

    def _guided(
        self,
        guidance: "Guidance",
        sampler: Sampler,
        observation: "Observation",
        data: Tensor,
        n: int,
        seed: int,
    ) -> Callable[[Sequence[int]], Samples]:
        """Draws given data; what depends on the observation alone is kept for the next data."""
        from fsdiff.methods.guided import Guided  # which only those load who ask for it

        fitted, key = self.fitted, (guidance, sampler, observation, n)
        known = self._led is not None and self._led[0] is fitted and self._led[1] == key
        if self._led is None or not known or sampler.of_training:  # of which others may be given
            statistics = fitted.statistics
            mask, channels = statistics.mask, len(statistics.mean)
            if mask is not None:
                observation = observation.where_present(mask, self.basis)
            observation.check(self.basis, channels)
            transformed = statistics.transforms is not None
            guidance.check_observation(
                *(sampler, observation, self.basis, channels, n),
                process=self.process,
                transformed=transformed,
            )
            finest = max(n, statistics.resolution)
            self._led = (fitted, key, Guided.of(fitted, guidance, sampler, observation, finest))
        return self._led[2].given(data, n, seed)

    @property
    def told_classes(self) -> bool:
        """Whether it has to be told the classes of fields."""
        return self.condition is not None and self.condition.of_classes

    @property
    def _built(self) -> bool:
        """Whether the network is built for the data: one's own is taken as it is.

        So is one of a class that derives from a network of this package.
        """
        return isinstance(self.network, Network) and is_own(type(self.network))

    def _method(self, statistics: Statistics, seed: int, classes: Labelled | None = None) -> Method:
        basis = self.basis
        law = Law(
            basis=basis,
            noise=self.noise,
            process=self.process,
            data=statistics.measured(basis),
            mask=statistics.mask,
        )
        conditioning = self._conditioning(statistics, classes)
        if self._built:
            block = described(self.network)
            network = initialised(block, basis, law.channels, seed, conditioning)
        else:
            network = copy.deepcopy(self.network)
        denoiser = Denoiser(law, network, self.prediction, conditioning)
        return Method(denoiser, self.time_sampling)

    def _check_at(self, method: Any, n: int) -> None:
        """Refuse a module of one's own that makes no fields at level n."""
        if not self._built:
            told = 0 if method.conditions is None else method.conditions.channels
            shape = (method.denoiser.law.channels, *self.basis.grid(n))
            check_module(method.network, shape, told)

    def _conditioning(
        self, statistics: Statistics, classes: Labelled | None
    ) -> "Conditioning | None":
        if self.condition is None:
            return None
        condition = self.condition if classes is None else self.condition.of(*classes)
        if statistics.mask is not None:
            condition = condition.where_present(statistics.mask, self.basis)
        condition.check_prediction(self.prediction)
        transformed = statistics.transforms is not None
        condition.check(self.basis, len(statistics.mean), transformed=transformed)
        return condition.conditioning(self.basis, statistics)

    def _saved(self) -> dict[str, Any]:
        names = ("noise", "process", "prediction", "time_sampling", "condition")
        parts = {name: getattr(self, name) for name in names}
        known = {name: part for name, part in parts.items() if part is not None}
        return {**super()._saved(), **known}

    def _blocks(self) -> dict[str, Any]:
        if not self._built:
            name = type(self.network).__name__
            raise Error(
                f"a model with a {name} cannot be saved, as it does not know its settings: use a "
                "network of fsdiff, or save the module's state_dict"
            )
        told = self.denoiser.conditions
        return {
            **({} if told is None else {"condition": described(told.condition)}),
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
            condition=None if denoiser.conditions is None else denoiser.conditions.condition,
        )
        model._fitted = fitted
        return model


def _diffusion(fitted: models.Model) -> Method:
    if not isinstance(fitted.method, Method):
        raise TypeError(f"{type(fitted.method).__name__} is no diffusion")
    return fitted.method

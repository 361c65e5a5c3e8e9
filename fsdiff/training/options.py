"""What training is configured by: the levels, and what they share."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from fsdiff.training.augmentation import Augmentation


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of coarse-to-fine training: ``epochs`` passes over the data at ``resolution``.

    With ``patience`` it ends sooner, after that number of validations in a row without a lower loss
    at its resolution: better with a constant learning rate, as one that falls has not fallen far by
    then.
    """

    resolution: PositiveInt
    epochs: PositiveInt
    batch_size: PositiveInt = 32
    learning_rate: PositiveFloat = 1e-3
    patience: PositiveInt | None = None


def out_of_order(resolutions: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The numbers of levels that are no finer than the one before, and what to say of each."""
    for number, (before, after) in enumerate(pairwise(resolutions), 1):
        if before >= after:
            yield number, f"levels go coarse to fine, but the one before has {before}"


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """What all levels of a model share.

    The learning rate rises linearly over the first ``warmup`` part of a level's steps, then falls
    to zero along a cosine (or stays, ``schedule: constant``). ``average_decay`` is that of the
    exponential moving average of the weights, which is what is validated, saved and sampled.
    ``augmentation: square`` applies a random symmetry of the square to each sample: sound for
    scalar fields of equations with these symmetries. ``pseudoscalar`` changes the sign with each
    reflection besides, as the vorticity of a flow in the plane does. ``flips`` turns each of the
    last two axes around or not. Of a periodic axis the first node stays where it is. The loss is
    recorded, and the best weights are kept, every ``validate_every`` epochs, on validation fields
    at the level's resolution, which is what decides, and at those of ``validate_at``, which cost
    time on finer grids. Training fields of more than ``memory_mb`` megabytes stay in their file:
    they are streamed through so much memory, and shuffled within it.
    ``precision`` is that of the network in training steps; in bfloat16 its spectral layers, its
    weights and the loss stay in float32. ``compile`` lets PyTorch compile the network.
    """

    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.05
    average_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    weight_decay: NonNegativeFloat = 0.0
    gradient_clip: PositiveFloat = 1.0
    augmentation: Augmentation = "none"
    validate_every: PositiveInt = 1
    validate_at: tuple[PositiveInt, ...] = ()
    memory_mb: PositiveInt = 2000
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False

    def learning_rate(self, peak: float, step: int, steps: int) -> float:
        """The learning rate of step ``step`` = 0 … ``steps`` − 1; ``peak`` is the level's own."""
        warmup = max(1, round(self.warmup * steps))
        rise = min(1.0, (step + 1) / warmup)
        if self.schedule == "constant":
            return peak * rise
        fall = max(0, step - warmup) / max(1, steps - warmup)
        return peak * rise * 0.5 * (1 + math.cos(math.pi * fall))

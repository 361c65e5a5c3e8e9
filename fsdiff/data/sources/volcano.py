"""Interferograms of volcanoes, made up of what those of satellites are made up of."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveFloat, PositiveInt

from fsdiff.data.interferometry.atmosphere import isotropic_field, terrain, turbulence_spectrum
from fsdiff.data.interferometry.deformation import SOURCES, Unrest, range_increase
from fsdiff.data.interferometry.radar import Geometry, averaged_looks, phase_of
from fsdiff.data.sources.labels import label
from fsdiff.data.sources.source import Source
from fsdiff.measures.initial import GaussianRandomField
from fsdiff.randomness import generator
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.bases import CosineBasis
from fsdiff.streams import Stream


def _usual() -> dict[Unrest, NonNegativeFloat]:
    return {"none": 0.2, "mogi": 0.3, "sill": 0.2, "dyke": 0.2, "two": 0.1}


@dataclass(frozen=True)
class VolcanoData(Source):
    """Phases of synthetic interferograms: a stand-in for observed ones, not a model of any place.

    A sample is the cosine and the sine of the phase of a scene ``side`` metres long and wide, x to
    the east and y to the north, as Sentinel-1 sees it from a random place of its swath. The phase
    is the sum of parts that are drawn independently, so that a change of one leaves all others:

    * deformation by a source of one kind, or two, or none, with the odds of ``unrest``: a sphere
      (``mogi``), a horizontal point crack, a sill or a dyke (Okada 1985), of 0.3 to 12 fringes;
    * turbulent delays on two dates, each with a root mean square on the scene whose median is
      ``turbulence`` and whose logarithm has deviation 0.4 (metres of zenith delay);
    * a delay that is linear in the height of the ground, with a deviation of ``stratification``
      radians per kilometre, over a volcano 0.5 to 2.5 km high;
    * a ramp of up to ``ramp`` fringes across the scene, in a random direction.

    What is seen of it is the mean over 4 to 32 looks (``looks``, one of them at random) of signals
    whose coherence is γ₀/(1 + exp(−a − b g)), with γ₀ the ``coherence``, a and b the
    ``coherence_contrast`` and g a Matérn field of correlation length 0.2 sides. With no unrest, no
    atmosphere, no ramp and coherence one with b = 0 and a large the phase is constant.

    Scenes on other grids are the same functions up to what their nodes do not resolve and to the
    noise of the looks, which is that of pixels. ``interferogram`` gives the complex numbers, for
    files such as observed ones have.
    """

    resolution: Annotated[Nodes, Field(ge=4)] = 128
    side: PositiveFloat = 12_800.0
    unrest: dict[Unrest, NonNegativeFloat] = field(default_factory=_usual)
    turbulence: NonNegativeFloat = 0.006
    stratification: NonNegativeFloat = 4.0
    ramp: NonNegativeFloat = 1.0
    coherence: Annotated[float, Field(gt=0, le=1)] = 0.95
    coherence_contrast: tuple[FiniteFloat, FiniteFloat] = (2.0, 1.5)
    looks: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (4, 8, 16, 32)
    kind: Literal["volcano"] = "volcano"

    channels: ClassVar[tuple[str, ...]] = ("cosine", "sine")

    def __post_init__(self) -> None:
        if not sum(self.unrest.values()) > 0:
            raise ValueError(f"unrest = {self.unrest}: give some kind of unrest, or none, odds > 0")
        if self.unrest.get("two", 0) > 0 and not self._single:
            raise ValueError(
                f"unrest = {self.unrest}: two sources are of kinds that have odds themselves; give "
                f"some to one of {', '.join(SOURCES)}"
            )

    @property
    def basis(self) -> CosineBasis:
        """Cosines: nothing is periodic, and there are no walls."""
        return CosineBasis()

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, y, x), float32, with cos² + sin² = 1.
        ``progress`` is called with the number of samples finished since the last call.
        """
        n = self.resolution
        fields = np.empty((len(indices), 2, n, n), np.float32)
        for position, index in enumerate(indices):
            fields[position] = circle(self.interferogram(index, seed))
            if progress is not None:
                progress(1)
        return label(
            fields,
            indices,
            basis=self.basis,
            nodes=dict.fromkeys(("y", "x"), self._places * 1.0),
            measured_from="south-western corner",
            channels=self.channels,
            meaning="phase of an interferogram",
            units={"x": "m", "y": "m"},
        )

    def interferogram(self, index: int, seed: int) -> np.ndarray:
        """The complex interferogram (y, x) of a sample, complex64."""
        random = generator(seed, index, Stream.DECORRELATION)
        looks = int(random.choice(self.looks))
        level, contrast = self.coherence_contrast
        coherence = self.coherence / (1 + np.exp(-level - contrast * self._matern(index, seed)))
        phase = self.phase(index, seed)
        return averaged_looks(phase, coherence, looks, random).astype(np.complex64)

    def phase(self, index: int, seed: int) -> np.ndarray:
        """The phase (y, x) of a sample before it is wrapped and noise is added to it."""
        geometry = Geometry.drawn(generator(seed, index, Stream.GEOMETRY))
        zenith = self._turbulence(index, seed) + self._stratification(index, seed)
        slant = zenith / math.cos(geometry.incidence)
        return phase_of(self._deformation(index, seed, geometry) + slant) + self._ramp(index, seed)

    def _deformation(self, index: int, seed: int, geometry: Geometry) -> np.ndarray:
        random = generator(seed, index, Stream.DEFORMATION)
        odds = np.array(list(self.unrest.values()))
        unrest: Unrest = list(self.unrest)[random.choice(len(odds), p=odds / odds.sum())]
        scene = (self._places[None, :], self._places[:, None], self.side)
        return range_increase(unrest, self._single, geometry, scene, random)

    def _turbulence(self, index: int, seed: int) -> np.ndarray:
        """The difference of the zenith delays on two dates, in metres."""
        difference = np.zeros((self.resolution, self.resolution))
        for date, sign in enumerate((1, -1)):
            random = generator(seed, index, Stream.TURBULENCE, date)
            size = self.turbulence * math.exp(0.4 * random.standard_normal())
            if size > 0:
                field = isotropic_field(turbulence_spectrum, self.resolution, self.side, random)
                difference += sign * size * field
        return difference

    def _stratification(self, index: int, seed: int) -> np.ndarray:
        """The difference of the zenith delays that go with height, in metres."""
        if self.stratification == 0:
            return np.zeros((self.resolution, self.resolution))
        random = generator(seed, index, Stream.STRATIFICATION)
        slope = self.stratification / 1000 * random.standard_normal()  # radians per metre
        heights = terrain(
            self._places[None, :],
            self._places[:, None],
            self.side,
            generator(seed, index, Stream.TERRAIN),
        )
        return slope / phase_of(np.ones(())) * (heights - heights.mean())

    def _ramp(self, index: int, seed: int) -> np.ndarray:
        """A phase that is linear in place."""
        random = generator(seed, index, Stream.ORBIT)
        direction, size = random.uniform(0, 2 * math.pi), self.ramp * random.uniform()
        x, y = self._places[None, :] / self.side, self._places[:, None] / self.side
        return 2 * math.pi * size * (x * math.cos(direction) + y * math.sin(direction))

    def _matern(self, index: int, seed: int) -> np.ndarray:
        law = GaussianRandomField(correlation_length=0.2)
        stream = Stream.DECORRELATION
        drawn = law.sample(self.basis, self.resolution, [index], seed, channels=1, stream=stream)
        return drawn[0, 0].numpy()

    @cached_property
    def _places(self) -> np.ndarray:
        """Coordinates of the nodes along each axis, in metres."""
        return self.basis.nodes(self.resolution) * self.side

    @property
    def _single(self) -> tuple[Unrest, ...]:
        """The kinds of single sources that there are."""
        return tuple(kind for kind, odds in self.unrest.items() if kind in SOURCES and odds > 0)


def circle(interferogram: np.ndarray) -> np.ndarray:
    """Cosine and sine (2, *shape) of the phase of complex numbers; that of zero is 0."""
    phase = np.angle(interferogram)
    return np.stack([np.cos(phase), np.sin(phase)])

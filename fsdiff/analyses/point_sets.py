"""One model on many sets of points: is what it draws a function, or an array?"""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor
from tqdm import tqdm

from fsdiff.analyses.base import Analysis, results
from fsdiff.analyses.modes import check_uniform, squared_scales
from fsdiff.data.sources.quadratic import SCALE, UNITS, Quadratic
from fsdiff.data.sources.source import Source
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import CosineVariancePreserving
from fsdiff.diffusion.samplers.times import Steps, time_grid
from fsdiff.measures.priors.kernel import RBF
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.metrics.parabolas import fitted
from fsdiff.networks.points import PointFNO, PointSet
from fsdiff.randomness import generator
from fsdiff.spaces.bases import CosineBasis
from fsdiff.streams import Stream

NOISE_MODES = 128
"""Cosines that noise is made of."""

DENSE = 400
"""Regular points that are added to a set where functions on it are compared."""

LARGEST_GRADIENT = 1.0
"""The norm of gradients beyond which they are shortened."""

SHOWN = 6
"""How many functions are kept for figures."""


@dataclass(frozen=True, kw_only=True)
class PointSets(Analysis):
    """A diffusion of random parabolas, trained on random points and drawn from on others.

    Data and noise are functions: noise is Σ_k √λ_k ξ_k e_k(x) at whatever points. Each step of
    training has as many random points as it draws between ``fewest`` and ``most``. Functions are
    drawn by DPM-Solver++(2M), from the same noise on each of five sets, and on that set with 400
    regular points more. If the model is an operator both agree on the set.

    ``blind`` networks are not told where points are and take them for equidistant ones, as those
    that are fed values alone do (Lim et al., NeurIPS 2023). One network is trained for each of the
    ``seeds``, which sets of random points are of, too.
    """

    numbers: ClassVar[tuple[str, ...]] = (
        "difference",
        "positive",
        "spread",
        "amplitude",
        "residual",
    )
    shares = ("positive",)

    source: Source = field(default_factory=Quadratic)
    prior: SpectralPrior = field(default_factory=lambda: RBF(length=0.1))
    process: GaussianPath = field(default_factory=CosineVariancePreserving)
    blind: bool = False
    width: PositiveInt = 32
    modes: PositiveInt = 12
    layers: PositiveInt = 3
    fewest: Annotated[int, Field(ge=4)] = 24
    most: PositiveInt = 128
    steps: PositiveInt = 2000
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 3e-3
    sampling_steps: Steps = 20
    samples: Annotated[int, Field(ge=SHOWN)] = 500
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    kind: Literal["point_sets"] = "point_sets"

    def __post_init__(self) -> None:
        """Refuse other curves, processes that treat modes differently, sets that are too small."""
        if not isinstance(self.source, Quadratic):
            raise ValueError("source: give quadratic, which is known at any points")
        check_uniform(self.process)
        if not 2 * self.modes <= self.fewest <= self.most:
            raise ValueError(
                f"fewest = {self.fewest}: use twice the modes, {2 * self.modes}, to most"
            )

    @property
    def law(self) -> Quadratic:
        """Random parabolas."""
        assert isinstance(self.source, Quadratic)
        return self.source

    def run(self) -> xr.Dataset:
        """``difference`` and moments of the parabolas (seed, set), and the first functions."""
        rows = []
        functions: dict[str, Tensor] = {}
        for seed in self.seeds:
            network = self.trained(seed)
            found = {
                name: self._on_set(network, points, seed)
                for name, points in tqdm(point_sets(seed).items(), desc="sets", disable=None)
            }
            rows.append([numbers for numbers, _ in found.values()])
            functions = functions or {name: drawn for name, (_, drawn) in found.items()}
        columns = zip(QUANTITIES, np.array(rows).transpose(2, 0, 1), strict=True)
        places = list(point_sets(self.seeds[0]).values())
        most = max(map(len, places))
        return results(
            {
                **{name: (("seed", "set"), values, meaning) for (name, meaning), values in columns},
                "points": ("set", list(map(len, places)), "points of a set"),
                "place": (("set", "point"), _padded(places, most), "x"),
                "function": (
                    ("set", "sample", "point"),
                    torch.stack([_padded(list(drawn), most) for drawn in functions.values()]),
                    "functions that are drawn",
                ),
            },
            {
                "set": ("set", list(functions), "points that functions are drawn on"),
                "seed": ("seed", list(self.seeds), "seed"),
            },
        )

    def _on_set(
        self, network: PointFNO, points: Tensor, seed: int
    ) -> tuple[tuple[float, ...], Tensor]:
        """Numbers of functions on a set of points, and the first of these."""
        drawn = self.drawn(network, points, seed)
        union = torch.cat([points, _regular(DENSE)]).sort()
        there = (union.indices < len(points)).nonzero().flatten()
        together = self.drawn(network, union.values, seed)[:, there]
        error = (together - drawn).square().mean().sqrt() / drawn.square().mean().sqrt()
        a, shift, rest = fitted(points, drawn, *UNITS)
        moments = (a > 0).double().mean(), shift.std(), a.abs().std(), rest.square().mean().sqrt()
        return (float(error), *map(float, moments)), drawn[:SHOWN]

    def trained(self, seed: int) -> PointFNO:
        """The network after training, on sets of its own in each step."""
        random = generator(seed, Stream.POINT_SETS)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(random.integers(2**63)))
            network = PointFNO(
                width=self.width,
                modes=self.modes,
                layers=self.layers,
                projection=self.width,
                coordinates=not self.blind,
            )
        optimiser = torch.optim.Adam(network.parameters(), lr=self.learning_rate)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, self.steps)
        for _ in tqdm(range(self.steps), desc="train", unit="step", disable=None):
            count = int(random.integers(self.fewest, self.most + 1))
            points = torch.from_numpy(np.sort(random.random(count)))
            loss = self._loss(network, points, random)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            # Random sets with a gap tell little of some modes, and have gradients without bounds.
            torch.nn.utils.clip_grad_norm_(network.parameters(), LARGEST_GRADIENT)
            optimiser.step()
            schedule.step()
        return network.eval()

    def _loss(self, network: PointFNO, points: Tensor, random: np.random.Generator) -> Tensor:
        """The mean square error of the velocity r x_0 − m η, over the interval."""
        data = self._data(points, random, self.batch_size)
        noise = self._noise(points, random, self.batch_size)
        ends = torch.tensor([self.process.smallest_time, self.process.T], dtype=torch.float64)
        low, high = self.process.half_log_signal_to_noise(ends)
        uniform = torch.from_numpy(random.random(self.batch_size))
        t = self.process.time_of(low + (high - low) * uniform)
        kept, spread = (scale.sqrt().float() for scale in squared_scales(self.process, t))
        m, r = kept[:, None, None], spread[:, None, None]
        found = network.on(self._seen(points), m * data + r * noise, (spread / kept).log())
        return PointSet(points).mean((found - (r * data - m * noise)).square()).mean()

    @torch.no_grad()
    def drawn(self, network: PointFNO, points: Tensor, seed: int) -> Tensor:
        """Functions (sample, point) at points, whatever these are, of one and the same noise."""
        random = generator(seed, Stream.POINT_SETS, 1)
        seen, x = self._seen(points), self._noise(points, random, self.samples)
        t = time_grid(self.process, self.sampling_steps, "log_snr")
        kept, spread = squared_scales(self.process, t)
        m, r = kept.sqrt(), spread.sqrt()
        level = (m / r).log()
        before, last = None, 0.0
        for now in range(len(t)):
            data = self._estimate(network, seen, x, m[now], r[now])
            if now + 1 == len(t):
                x = data
                break
            step = float(level[now + 1] - level[now])
            moved = data if before is None else data + (data - before) * step / (2 * last)
            x = float(r[now + 1] / r[now]) * x - float(m[now + 1]) * np.expm1(-step) * moved
            before, last = data, step
        return x[:, 0].double() * self._size

    def _estimate(
        self, network: PointFNO, seen: PointSet, x: Tensor, m: Tensor, r: Tensor
    ) -> Tensor:
        """E[X_0 | x] = m x + r v for m² + r² = 1, scaled where it is not."""
        level = (r / m).log().float().expand(len(x))
        velocity = network.on(seen, x, level)
        total = float(m.square() + r.square())
        return (float(m) * x + float(r) * velocity) / total

    def _seen(self, points: Tensor) -> PointSet:
        """What the network takes the points for."""
        return PointSet(_regular(len(points)) if self.blind else points)

    def _data(self, points: Tensor, random: np.random.Generator, count: int) -> Tensor:
        drawn = np.array([self.law.draw(random) for _ in range(count)])
        values = torch.from_numpy(self.law.at(points.numpy(), drawn)) / self._size
        return values[:, None].float()

    def _noise(self, points: Tensor, random: np.random.Generator, count: int) -> Tensor:
        """Σ_k √λ_k ξ_k e_k at the points, (count, 1, point)."""
        values = self.prior.eigenvalues(CosineBasis(1), NOISE_MODES).sqrt()
        white = torch.from_numpy(random.standard_normal((count, NOISE_MODES)))
        return ((white * values) @ PointSet(points).cosines(NOISE_MODES).mT)[:, None].float()

    @property
    def _size(self) -> float:
        """The root mean square of the data."""
        return float((self.law.parabola**2).mean() + (self.law.deviation / SCALE) ** 2) ** 0.5


QUANTITIES = (
    ("difference", "rms of what differs with 400 points more, over that of the functions"),
    ("positive", "share of a > 0"),
    ("spread", "standard deviation of ε"),
    ("amplitude", "standard deviation of |a|"),
    ("residual", "rms of what is no parabola"),
)
"""Numbers of a set, and what they are."""


def point_sets(seed: int) -> dict[str, Tensor]:
    """Regular points, few and many, random ones, and such with a gap of a quarter, in [0, 1]."""
    random = generator(seed, Stream.POINT_SETS, 2)
    gap = np.sort(random.random(100)) * 0.75
    return {
        "24 regular": _regular(24),
        "100 regular": _regular(100),
        "400 regular": _regular(400),
        "100 random": torch.from_numpy(np.sort(random.random(100))),
        "100 with a gap": torch.from_numpy(gap + 0.25 * (gap > 0.375)),
    }


def _regular(count: int) -> Tensor:
    """Centres of equal cells, (count,)."""
    return (torch.arange(count, dtype=torch.float64) + 0.5) / count


def _padded(rows: list[Tensor], length: int) -> Tensor:
    """Rows with NaN behind them."""
    padded = [torch.nn.functional.pad(r, (0, length - len(r)), value=torch.nan) for r in rows]
    return torch.stack(padded)

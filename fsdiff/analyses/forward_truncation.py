"""What truncating the forward process to a grid costs, against time and resolution."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import torch
import xarray as xr
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt
from torch import Tensor
from tqdm import tqdm

from fsdiff.analyses.base import Analysis, results, times_beyond
from fsdiff.analyses.modes import check_uniform, resolved_by, squared_scales
from fsdiff.blocks.explain import Problem
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.processes.variance_preserving import VariancePreserving
from fsdiff.measures.priors.convolution import Bessel
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.randomness import generator
from fsdiff.spaces.bases import Basis, FourierBasis, Nodes
from fsdiff.streams import Stream

TIMES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)
"""Times that are shown."""


@dataclass(frozen=True, kw_only=True)
class ForwardTruncation(Analysis):
    """E‖X_t − X_t^n‖² for the process on n nodes, driven by the same data and the same noise.

    X^n is the projection of X, so the error is m² tail(X_0) + r² tail(Q), with tail the energy of
    the modes that n nodes do not resolve, and sup_t of it is at most tail(X_0) + tail(Q). Doob's
    inequality bounds the supremum inside the expectation by 2 tail(X_0) + 8 (r_T/m_T)² tail(Q)
    (Hagemann et al., arXiv 2303.04772, Theorem 3.2). All are compared with ``paths`` simulated with
    exact transitions at ``steps`` times; data are N(0, C), and ``finest`` nodes per axis stand for
    the function space.
    """

    levelled: ClassVar[tuple[str, ...]] = ("finest", "resolutions")

    covariance: SpectralPrior
    basis: Basis = field(default_factory=FourierBasis)
    prior: SpectralPrior = field(default_factory=Bessel)
    process: GaussianPath = field(default_factory=VariancePreserving)
    finest: Nodes = 128
    resolutions: Annotated[tuple[Nodes, ...], Field(min_length=1)] = (4, 8, 16, 32, 64)
    times: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)] = TIMES
    paths: PositiveInt = 64
    steps: PositiveInt = 100
    seed: NonNegativeInt = 0
    kind: Literal["forward_truncation"] = "forward_truncation"

    def __post_init__(self) -> None:
        """Refuse processes for which the formula is another."""
        check_uniform(self.process)

    def check(self) -> Iterator[Problem]:
        """Refuse times beyond the end of the process."""
        yield from times_beyond(self.times, self.process.T)

    def run(self) -> xr.Dataset:
        """``formula``, ``measured`` (time, resolution) and suprema over time (resolution)."""
        data, noise = self._tails(self.covariance), self._tails(self.prior)
        grid = self._time_grid()
        errors = self._errors(grid)
        shown = [int(torch.searchsorted(grid, t)) for t in self.times]
        kept, spread = (scale[shown] for scale in squared_scales(self.process, grid))
        formula = kept[:, None] * data + spread[:, None] * noise
        end = squared_scales(self.process, grid[-1])
        doob = 2 * data + 8 * float(end[1] / end[0]) * noise
        where, over = ("time", "resolution"), "resolution"
        return results(
            {
                "formula": (where, formula, "m² tail(X_0) + r² tail(Q)"),
                "measured": (where, errors.mean(0)[shown], "mean of ‖X_t − X_t^n‖² over paths"),
                "deviation": (where, errors.std(0)[shown] / self.paths**0.5, "its standard error"),
                "supremum": (over, errors.amax(1).mean(0), "mean of sup_t ‖X_t − X_t^n‖²"),
                "bound": (over, data + noise, "bound on sup_t E: tail(X_0) + tail(Q)"),
                "doob_bound": (over, doob, "bound on E sup_t"),
                "prior_tail": (over, noise, "tail of tr Q"),
                "data_tail": (over, data, "tail of E‖X_0‖²"),
            },
            {
                "time": ("time", grid[shown], "time"),
                "resolution": (over, list(self.resolutions), "nodes per axis"),
            },
        )

    def _time_grid(self) -> Tensor:
        """Times of the paths, those that are shown among them."""
        even = torch.linspace(0, self.process.T, self.steps + 1, dtype=torch.float64)
        return torch.cat([even, torch.tensor(self.times, dtype=torch.float64)]).unique()

    def _tails(self, law: SpectralPrior) -> Tensor:
        """Energy of the modes that each of the resolutions leaves out, (resolution,)."""
        eigenvalues = law.eigenvalues(self.basis, self.finest)
        return self._beyond() @ (self.basis.multiplicity(self.finest) * eigenvalues).flatten()

    def _beyond(self) -> Tensor:
        """1 for the modes of the finest grid that a resolution leaves out, (resolution, modes)."""
        kept = [resolved_by(self.basis, n, self.finest).flatten() for n in self.resolutions]
        return 1 - torch.stack(kept).double()

    def _errors(self, grid: Tensor) -> Tensor:
        """‖X_t − X_t^n‖² of each path, (path, time, resolution), from exact transitions."""
        basis, n = self.basis, self.finest
        data, noise = (law.eigenvalues(basis, n).sqrt() for law in (self.covariance, self.prior))
        kept, spread = squared_scales(self.process, grid)
        weight = basis.multiplicity(n)
        x, errors = data * self._white(0), []
        for step in tqdm(range(len(grid)), desc="forward paths", disable=None):
            if step:
                decay = kept[step] / kept[step - 1]
                fresh = (spread[step] - decay * spread[step - 1]).clamp_min(0)
                x = decay.sqrt() * x + fresh.sqrt() * noise * self._white(step)
            errors.append((weight * x.abs().square()).flatten(1) @ self._beyond().T)
        return torch.stack(errors, dim=1)

    def _white(self, step: int) -> Tensor:
        """White noise for every path, (path, *coefficients)."""
        shape = (self.paths, self.basis.size(self.finest))
        normals = generator(self.seed, Stream.TRUNCATED_PATH, step).standard_normal(shape)
        return self.basis.white_noise(normals, self.finest)

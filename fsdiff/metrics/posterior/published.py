"""Measures of posteriors that are published, as they are in code: warnings come with them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import NonNegativeInt
from scipy.fft import idctn
from torch import Tensor

from fsdiff.metrics.base import Draws
from fsdiff.metrics.densities import wasserstein_1
from fsdiff.metrics.fields import squared_distances
from fsdiff.metrics.posterior.base import Cases, Needed, PosteriorMetric, mean_over_cases
from fsdiff.metrics.words import Words
from fsdiff.randomness import normals
from fsdiff.streams import Stream

_WIDTHS = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Of the kernels of the discrepancy, in medians of squared distances."""

_SHIFT = 9.0
"""τ² of the law of directions."""

_NEGLIGIBLE = 1e-10
"""Power that counts as none, and the least relative error of a shell."""

_FAMILY = "posterior, as published"


@dataclass(frozen=True)
class PublishedPosterior(PosteriorMetric):
    """The five numbers of Yao et al. (arXiv 2609.20794), for comparison only.

    As in the code of that paper: relative errors of the mean, ‖μ − μ*‖/‖μ*‖, and of the deviation,
    ‖σ − σ*‖/‖σ*‖, with squares over N; the discrepancy of a mean of five Gaussian kernels, the
    biased estimate and its root; W₁ in ``projections`` random directions, the mean; and the
    geometric mean over shells of |P − P*|/P* of the power spectra. Fields are physical, those of W₁
    in units of the channel's deviation. The mean over cases and channels; theirs is for each field.

    What to know of them:

    * A mean that is large against the deviations hides all errors of it: use ``posterior_moments``.
    * The biased discrepancy of N draws of the true posterior from M of it is not zero, but about
      √((1/N + 1/M)(1 − E k)); ``posterior_energy_distance`` is without bias.
    * Directions are draws of N(0, (−Δ + 9)⁻²) in cosines without the constant, of length one as
      vectors of node values. So the distance grows as the root of the number of nodes and compares
      on one grid only (theirs has 128 × 128 nodes), and it does not see means over the box:
      ``posterior_sliced_wasserstein`` has neither fault. Their directions are others of the law.
    * Power is that of the periodic Fourier transform, which sees jumps at walls, and shells begin
      with the mean of the field. A geometric mean is small where a single shell agrees by chance:
      use ``posterior_spectrum``.

    Two things differ: the deviation that W₁ is in units of is that from the mean field of the
    training data, theirs that from the mean of all values; and power counts as none below 10⁻¹⁰ in
    the same units, there in physical ones. Nodes without values count as zero.
    """

    projections: Draws = 128
    seed: NonNegativeInt = 0
    kind: Literal["published_posterior"] = "published_posterior"
    needs: ClassVar[tuple[Needed, ...]] = ("reference",)
    words = (
        Words("published_mean_rel_l2", "mean, relative L² (published)", _FAMILY),
        Words("published_std_rel_l2", "deviation, relative L² (published)", _FAMILY),
        Words("published_mmd", "MMD (published)", _FAMILY),
        Words("published_swd", "SWD (published)", _FAMILY),
        Words("published_spectral_rel_geomean", "power spectrum (published)", _FAMILY),
    )

    def measure(self, cases: Cases) -> dict[str, float]:
        """Means over cases and channels."""
        assert cases.reference is not None
        reference = cases.reference
        directions = self.directions(tuple(cases.draws.shape[3:])).to(cases.draws.device)
        origin = cases.draws.new_zeros(()) if cases.origin is None else cases.origin

        def numbers(case: int) -> Tensor:
            sets = ((u[case] - origin).double().unbind(1) for u in (cases.draws, reference))
            rows = [[*_numbers(x, y, directions)] for x, y in zip(*sets, strict=True)]
            return torch.tensor(rows, dtype=torch.float64).mean(0)

        found = mean_over_cases(numbers, cases)
        return dict(zip(self.results, found.tolist(), strict=True))

    def directions(self, grid: tuple[int, ...]) -> Tensor:
        """Those of a channel, (projections, *grid), float64; direction i depends on (seed, i)."""
        squared = np.square(np.indices(grid)).sum(0)
        scale = np.where(squared > 0, 1 / (np.pi**2 * squared + _SHIFT), 0.0)
        noise = normals(self.seed, range(self.projections), grid, Stream.DIRECTIONS)
        fields = torch.from_numpy(idctn(scale * noise, axes=range(1, noise.ndim), norm="ortho"))
        return fields / fields.flatten(1).norm(dim=1).view(-1, *[1] * len(grid))


def _numbers(draws: Tensor, reference: Tensor, directions: Tensor) -> Iterator[float]:
    """The five of one channel (count, *grid)."""
    mean, true_mean = draws.mean(0), reference.mean(0)
    spread, true_spread = (u.std(0, correction=0) for u in (draws, reference))
    yield float((mean - true_mean).norm() / true_mean.norm())
    yield float((spread - true_spread).norm() / true_spread.norm())
    yield discrepancy(draws, reference)
    projected = (u.flatten(1) @ directions.flatten(1).T for u in (draws, reference))
    ascending = (np.sort(u.cpu().numpy().T) for u in projected)
    yield float(np.mean([wasserstein_1(*each) for each in zip(*ascending, strict=True)]))
    yield spectral_error(power(draws), power(reference))


def discrepancy(draws: Tensor, reference: Tensor) -> float:
    """√MMD², the biased estimate, of the mean of five Gaussian kernels of sets (count, *grid)."""
    count = len(draws)
    squared = squared_distances(torch.cat([draws, reference])[:, None])
    median = float(np.median(squared[:count, count:].cpu().numpy())) or 1.0
    kernel = sum(((squared / (-width * median)).exp() for width in _WIDTHS), 0 * squared)
    within = kernel[:count, :count].mean() + kernel[count:, count:].mean()
    value = (within - 2 * kernel[:count, count:].mean()) / len(_WIDTHS)
    return float(value.clamp_min(0).sqrt())


def power(fields: Tensor) -> Tensor:
    """Mean |û|² by shells of the frequency, of a set (count, *grid); shell k is k ≤ m|f| < k + 1.

    f is in cycles a node and m the fewest nodes of an axis; shells end at half a cycle.
    """
    grid, axes = fields.shape[1:], tuple(range(1, fields.ndim))
    squares = torch.fft.fftn(fields, dim=axes).abs().square().mean(0).flatten()
    each = [torch.fft.fftfreq(size, dtype=torch.float64).square() for size in grid]
    radius = sum(torch.meshgrid(*each, indexing="ij"), torch.zeros(grid).double()).sqrt()
    shell = (radius * min(grid) + 1e-9).long().flatten().to(squares.device)
    sums, nodes = (
        squares.new_zeros(int(shell.max()) + 1).index_add_(0, shell, values)
        for values in (squares, torch.ones_like(squares))
    )
    return (sums / nodes)[: -(-min(grid) // 2)]


def spectral_error(found: Tensor, true: Tensor) -> float:
    """The geometric mean of relative errors of shells that have any power."""
    relative = (found - true).abs() / (true + _NEGLIGIBLE)
    return float((relative[true > _NEGLIGIBLE] + _NEGLIGIBLE).log().mean().exp())

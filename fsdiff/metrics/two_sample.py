"""Kernel two-sample tests on groups of fields: how often laws are told apart, and by how few.

Wynne and Duncan, "A kernel two-sample test for functional data", JMLR 23 (2022). Many tests are
worked on at once: sets are (test, field, number), distances L² distances, and the null is that of
permutations of each test's own fields.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.binomial import exact_interval
from fsdiff.metrics.densities import partial_derivatives
from fsdiff.metrics.fields import BLOCK
from fsdiff.metrics.kernels import sums_over_pairs
from fsdiff.metrics.words import Words
from fsdiff.randomness import generator
from fsdiff.spaces.bases import Basis
from fsdiff.spaces.gram import GramBasis

Kernel = Literal["identity", "squares", "principal", "derivative", "covariance"]
"""What of two curves is compared, see ``KERNELS``."""

Protocol = Literal["calibrated", "published"]
"""How tests are decided, see ``rejected``."""

Level = Annotated[float, Field(gt=0, lt=1)]

Permutations = Annotated[int, Field(ge=19, le=10_000)]

EXPLAINED = 0.95
"""The share of the variance that principal components hold."""


class Rate(NamedTuple):
    """A share of tests, its exact 95 % interval, and how many tests there are."""

    value: float
    low: float
    high: float
    tests: float


@dataclass(frozen=True)
class TwoSampleTests(Metric):
    """How often kernel two-sample tests tell ``size`` samples from as many reference fields.

    Fields are taken in order, in groups that share none, as many as there are, at most ``tests``.
    Laws that agree are rejected in a share ``level`` of the tests, and the smallest size at which
    a wrong law is rejected says how wrong it is. With few groups the interval is wide: of 10 tests
    that reject nothing, up to 31 % may.

    Returns, for each of ``kernels`` and ``sizes``, ``rejection_KERNEL_SIZE`` with the ends of its
    exact binomial interval, ``…_low`` and ``…_high``, and the number of tests, ``…_tests``.
    """

    sizes: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)] = (10,)
    kernels: Annotated[tuple[Kernel, ...], Field(min_length=1)] = ("identity",)
    tests: PositiveInt = 100
    permutations: Permutations = 199
    level: Level = 0.05
    seed: NonNegativeInt = 0
    kind: Literal["two_sample_tests"] = "two_sample_tests"

    def __post_init__(self) -> None:
        """Refuse tests that cannot reject, and the same tests twice."""
        check_permutations(self.permutations, self.level)
        for name, values in (("sizes", self.sizes), ("kernels", self.kernels)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name} = {values}: name each once")

    @property
    def at_least(self) -> int:  # type: ignore[override]  # of the class in most
        """As many as one test of the largest size takes."""
        return max(self.sizes)

    @property
    def results(self) -> tuple[str, ...]:
        """A share of tests, and its interval, by kernel and size."""
        return tuple(
            name for kernel in self.kernels for n in self.sizes for name in _names(kernel, n)
        )

    @property
    def words(self) -> tuple[Words, ...]:
        """A share that is best where it is the level, and an interval that is neither."""
        return tuple(
            Words(
                name,
                title,
                "tests",
                self.level if name == _names(kernel, size)[0] else None,
                share=not name.endswith("_tests"),
            )
            for kernel in self.kernels
            for size in self.sizes
            for name, title in zip(_names(kernel, size), _titles(kernel, size), strict=True)
        )

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse derivatives on grids without neighbours."""
        if "derivative" in self.kernels and basis.size(n) < 2:
            raise ValueError(
                "takes differences of neighbouring nodes for the kernel derivative; use 2 nodes or "
                "more, or other kernels"
            )

    def check_channels(self, channels: int, *, masked: bool) -> None:
        """Refuse derivatives where nodes have no values, as there are none across a gap."""
        if masked and "derivative" in self.kernels:
            raise ValueError(
                "takes differences of neighbouring nodes for the kernel derivative, and some nodes "
                "have no values; use other kernels"
            )

    def compare(
        self, samples: Tensor, reference: Tensor, basis: Basis, present: Tensor | None = None
    ) -> dict[str, float]:
        """The same; nodes count alike whatever their distances, as in published tests of curves."""
        if present is None or bool(present.all()):
            return self(samples, reference, basis)
        self.check_channels(samples.shape[1], masked=True)
        return super().compare(samples, reference, basis, present)

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The shares for two sets of fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        random, row = generator(self.seed), dict[str, float]()
        for kernel in self.kernels:
            for size in self.sizes:
                count = min(self.tests, len(samples) // size, len(reference) // size)
                first, second = (
                    fields[: count * size].unflatten(0, (count, size))
                    for fields in (samples, reference)
                )
                decided = kernel, self.permutations, self.level
                found = rejected(first, second, basis, random, *decided)
                row |= dict(zip(_names(kernel, size), rejection_rate(found), strict=True))
        return row


def check_permutations(permutations: int, level: float) -> None:
    """ValueError where no p-value, which is at least 1/(1 + permutations), is at most ``level``."""
    if _most_as_large(permutations, level) < 1:
        least = math.ceil(1 / level - 1e-9) - 1
        raise ValueError(
            f"permutations = {permutations}: tests of level {level:g} reject nothing with fewer "
            f"than {least}"
        )


def _most_as_large(permutations: int, level: float) -> float:
    """How many labellings, the observed one among them, are as large where a test still rejects."""
    return level * (1 + permutations) * (1 + 1e-12)


def _names(kernel: Kernel, size: int) -> tuple[str, ...]:
    name = f"rejection_{kernel}_{size}"
    return name, f"{name}_low", f"{name}_high", f"{name}_tests"


def _titles(kernel: Kernel, size: int) -> tuple[str, ...]:
    title = f"rejected, {size} fields, {kernel} kernel"
    return title, f"{title}, at least", f"{title}, at most", f"{title}, of so many tests"


def rejected(
    first: Tensor,
    second: Tensor,
    basis: Basis,
    random: np.random.Generator,
    kernel: Kernel = "identity",
    permutations: int = 199,
    level: float = 0.05,
    protocol: Protocol = "calibrated",
) -> Tensor:
    """Which tests find two sets of fields (test, field, channel, *grid) different, (test,).

    *calibrated*: the unbiased squared MMD, and the p-value (1 + #{permuted ≥ observed})/(1 + P).
    Where laws agree it is at most ``level`` with no more than that probability.
    *published*: as in the code of Lim et al. (NeurIPS 2023), which rejects beyond the quantile of
    the permuted values, interpolated. It takes M fields of the first set and N of the second, and
    the blocks of the matrix as if there were N and M, but divides by M(M − 1) and N(N − 1).
    """
    counts = first.shape[1], second.shape[1]
    results = []
    for at in _parts(len(first), sum(counts), permutations):
        pooled = torch.cat([first[at], second[at]], dim=1).double()
        matrix = kernel_matrix(pooled, basis, kernel)
        head = counts[0] if protocol == "calibrated" else counts[1]
        members = _members(len(pooled), sum(counts), head, permutations, random).to(matrix)
        statistics = _statistics(matrix, members, counts)
        observed, null = statistics[:, :1], statistics[:, 1:]
        if protocol == "calibrated":
            # The observed labelling, met again among the permutations, has to count as equal.
            rounding = 1e-12 * matrix.abs().mean((1, 2))[:, None]
            as_large = (null >= observed - rounding).sum(1)
            results.append((1 + as_large) <= _most_as_large(permutations, level))
        else:
            results.append(observed[:, 0] > torch.quantile(null, 1 - level, dim=1))
    return torch.cat(results)


def rejection_rate(rejected: Tensor) -> Rate:
    """The share of tests that reject."""
    share, count = float(rejected.double().mean()), len(rejected)
    return Rate(share, *exact_interval(int(rejected.sum()), count), float(count))


def kernel_matrix(pooled: Tensor, basis: Basis, kernel: Kernel = "identity") -> Tensor:
    """k between all fields of each test (test, field, channel, *grid), (test, field, field).

    The product of Gaussian kernels of the maps of fields that ``kernel`` names, each as wide as the
    median distance between different fields.
    """
    if kernel == "covariance":
        flat = _flat(pooled, basis)
        return (flat @ flat.mT).square()
    exponent: Tensor | float = 0.0
    for part in KERNELS[kernel](pooled, basis):
        squared = _squared_distances(part)
        exponent = exponent + squared / _median(squared)
    assert isinstance(exponent, Tensor)
    return torch.exp(-0.5 * exponent)


def _identity(pooled: Tensor, basis: Basis) -> tuple[Tensor, ...]:
    """u."""
    return (_flat(pooled, basis),)


def _squares(pooled: Tensor, basis: Basis) -> tuple[Tensor, ...]:
    """u and u²: Wynne and Duncan's SQR."""
    return _flat(pooled, basis), _flat(pooled.square(), basis)


def _derivative(pooled: Tensor, basis: Basis) -> tuple[Tensor, ...]:
    """u and ∇u, by differences between nodes."""
    if isinstance(basis, GramBasis):
        return _flat(pooled, basis), partial_derivatives(pooled, basis)[0].flatten(2)
    number = 3
    gradients = [
        torch.diff(pooled, dim=number + place).flatten(2) * nodes / axis.side
        for place, (axis, nodes) in enumerate(zip(basis.axes, pooled.shape[number:], strict=True))
    ]
    return _flat(pooled, basis), torch.cat(gradients, dim=2)


def _principal(pooled: Tensor, basis: Basis) -> tuple[Tensor, ...]:
    """Σ_k √ν_k ⟨u, φ_k⟩ φ_k, over principal components of 95 % of the pooled variance: FPCA."""
    flat = _flat(pooled, basis)
    _, singular, axes = torch.linalg.svd(flat - flat.mean(1, keepdim=True), full_matrices=False)
    share = singular.square().cumsum(1) / singular.square().sum(1, keepdim=True)
    left_out = torch.cat([torch.zeros_like(share[:, :1]), share[:, :-1]], dim=1) >= EXPLAINED
    scale = torch.where(left_out, 0.0, singular)
    return ((flat @ axes.mT) * scale[:, None],)


KERNELS: Mapping[str, Callable[[Tensor, Basis], tuple[Tensor, ...]]] = {
    "identity": _identity,
    "squares": _squares,
    "principal": _principal,
    "derivative": _derivative,
}
"""The maps of fields that Gaussian kernels compare; ``covariance`` is ⟨u, v⟩² and has none."""


def _flat(pooled: Tensor, basis: Basis) -> Tensor:
    """Fields (test, field, channel, *grid) as vectors whose norm is that of the fields."""
    nodes = pooled.shape[3:].numel()
    return pooled.flatten(2) / nodes**0.5


def _squared_distances(points: Tensor) -> Tensor:
    """‖x_i − x_j‖² (..., N, N) of points (..., N, d)."""
    centred = points - points.median(-2, keepdim=True).values
    products = centred @ centred.mT
    norms = products.diagonal(dim1=-2, dim2=-1)
    return (norms[..., None] + norms[..., None, :] - 2 * products).clamp_min(0)


def _median(squared: Tensor) -> Tensor:
    """The square of the median distance between different points, (..., 1, 1)."""
    rows, columns = torch.triu_indices(squared.shape[-2], squared.shape[-1], offset=1)
    distances = squared[..., rows, columns].sqrt()
    if not (distances > 0).any(-1).all():
        raise ValueError("all fields of a test are equal: the kernel has no width")
    positive = torch.where(distances > 0, distances, torch.nan)
    median = torch.from_numpy(np.nanmedian(positive.cpu().numpy(), axis=-1)).to(squared)
    return median.square()[..., None, None]


def _members(
    tests: int, pooled: int, count: int, permutations: int, random: np.random.Generator
) -> Tensor:
    """Indicators of the first ``count`` fields and of random ones, (test, pooled, 1 + P)."""
    labels = np.zeros((tests, 1 + permutations, pooled))
    labels[..., :count] = 1
    labels[:, 1:] = random.permuted(labels[:, 1:], axis=-1)
    return torch.from_numpy(labels).mT.contiguous()


def _statistics(matrix: Tensor, members: Tensor, counts: tuple[int, int]) -> Tensor:
    """The squared MMD of each subset, (test, subset), with weights as of ``counts`` fields."""
    first, second = counts
    within_first, within_second, between = sums_over_pairs(matrix, members)
    within_first = within_first / (first * (first - 1))
    within_second = within_second / (second * (second - 1))
    return within_first + within_second - 2 * between / (first * second)


def _parts(tests: int, pooled: int, permutations: int) -> Iterator[slice]:
    """Tests in parts of a bounded number of numbers."""
    size = max(1, BLOCK // (pooled * max(pooled, permutations)))
    return (slice(first, first + size) for first in range(0, tests, size))

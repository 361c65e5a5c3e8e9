"""Whether fields are signed distances, and of what shapes: slopes, components and holes."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.densities import wasserstein_1
from fsdiff.metrics.fields import blocks
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis


@dataclass(frozen=True)
class EikonalResidual(Metric):
    """The median of ||∇s| − 1| over the midpoints of cells and all fields, averaged over channels.

    Signed distances have slope one except where two places of the outline are equally near; the
    median does not see these. Slopes are from the four nodes around a midpoint.

    Returns ``eikonal`` and ``eikonal_reference``.
    """

    physical: ClassVar[bool] = True
    continued: ClassVar[bool] = True
    kind: Literal["eikonal"] = "eikonal"
    words = (Words("eikonal", "eikonal residual", "shape", target="reference"),)

    @property
    def results(self) -> tuple[str, ...]:
        """A residual, and that of the reference."""
        return "eikonal", "eikonal_reference"

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse grids without cells."""
        if min(basis.grid(n)) < 2:
            raise ValueError("takes slopes between nodes; use 2 nodes or more along each axis")

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """Those of two sets of fields (N, channels, *grid)."""
        self.check(samples, reference, basis)
        return {
            name: float(torch.stack([_residual(u, basis) for u in fields.unbind(1)]).mean())
            for name, fields in zip(self.results, (samples, reference), strict=True)
        }


@dataclass(frozen=True)
class Topology(Metric):
    """Components and holes of the sets where fields in the plane are negative.

    Nodes side by side or diagonal to each other are in one component; a hole is what outside nodes
    side by side enclose without reaching the boundary. Periodic fields are taken for what the box
    shows of them, too: what crosses its edge counts on either side. The laws of both numbers are
    compared by their Wasserstein-1 distance; ``few_components`` is the share of fields with one or
    two.

    Returns ``components_w1``, ``holes_w1``, ``few_components`` and ``few_components_reference``.
    """

    joint: ClassVar[bool] = True
    physical: ClassVar[bool] = True
    continued: ClassVar[bool] = True
    kind: Literal["topology"] = "topology"
    words = (
        Words("components_w1", "components, W₁", "shape"),
        Words("holes_w1", "holes, W₁", "shape"),
        Words("few_components", "one or two components", "shape", "reference", True),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """Two distances, and a share with its target."""
        return "components_w1", "holes_w1", "few_components", "few_components_reference"

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse what is not in the plane."""
        if basis.dimension != 2:
            raise ValueError(
                f"counts holes in the plane, and fields are in {basis.dimension}-D: use others"
            )

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The comparison of two sets of fields (N, channels, n, m), channel by channel."""
        self.check(samples, reference, basis)
        found, expected = ([counts(u) for u in x.unbind(1)] for x in (samples, reference))
        distances = [
            [wasserstein_1(np.sort(a), np.sort(b)) for a, b in zip(*pair, strict=True)]
            for pair in zip(found, expected, strict=True)
        ]
        few = (
            np.mean([np.isin(components, (1, 2)) for components, _ in sets])
            for sets in (found, expected)
        )
        return dict(zip(self.results, map(float, (*np.mean(distances, axis=0), *few)), strict=True))


def counts(fields: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Components and holes of {u < 0} of each of the fields (N, n, m), both (N,)."""
    from scipy.ndimage import label

    negative = (fields < 0).cpu().numpy()
    components = [label(inside, np.ones((3, 3)))[1] for inside in negative]
    # With one more ring around it all that reaches the boundary is one region.
    outside = [label(np.pad(~inside, 1, constant_values=True))[1] - 1 for inside in negative]
    return np.array(components, float), np.array(outside, float)


def _residual(u: Tensor, basis: Basis) -> Tensor:
    """The median residual of fields (N, *grid)."""
    n, axes = basis.resolution(u), basis.grid_axes()
    parts = []
    for block in blocks(u):
        squared: Tensor = torch.zeros(())
        for axis, spacing in zip(axes, basis.spacings(n), strict=True):
            slope = block.diff(dim=axis) / spacing
            for other in axes:
                if other != axis:
                    slope = 0.5 * (
                        slope.narrow(other, 0, slope.shape[other] - 1)
                        + slope.narrow(other, 1, slope.shape[other] - 1)
                    )
            squared = squared + slope.square()
        parts.append((squared.sqrt() - 1).abs().flatten())
    return torch.from_numpy(np.asarray(np.median(torch.cat(parts).cpu().numpy())))

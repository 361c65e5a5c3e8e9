"""Averages of wavelet scattering, which see structure that spectra do not, the same on every grid.

Mallat, "Group invariant scattering" (2012), arXiv 1101.2286; Bruna and Mallat, "Invariant
scattering convolution networks" (2013), arXiv 1203.1513. Wavelets are those of Andreux et al.,
"Kymatio" (2020), arXiv 1812.11214, but for their scales, which are parts of the box here.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fsdiff.metrics.fields import BLOCK
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis
from fsdiff.threads import single_thread

COARSEST = 1.5
"""Waves of the largest wavelet along the longest side of the box."""
BANDWIDTH = 4 / (0.8 * 3 * math.pi)
"""Deviation of a wavelet's Gaussian in frequency, over its centre."""
NODES = 16 / 3
"""Nodes in a wave at the centre of a wavelet, on the grid that its modulus is averaged on."""

Grid = tuple[int, ...]


@dataclass(frozen=True)
class Scattering:
    """Means over the box of u, of |u ∗ ψ_a| and of ||u ∗ ψ_a| ∗ ψ_b| for scales b larger than a.

    Wavelets ψ are Morlet's (see ``morlet``). There are ``scales`` of them, with centres of 1.5, 3,
    6, … waves along the longest side of the box, and in the plane as many ``orientations``, at even
    angles over half a turn from the last axis on. Fields are brought to the level that resolves the
    finest wavelets, so that features are the same on all grids that resolve the field.

    Beyond walls a field goes on as its series does: even, or odd where it is zero there.
    """

    basis: Basis
    scales: int
    orientations: int

    @property
    def level(self) -> int:
        """The level that fields are brought to."""
        return round(NODES * COARSEST * 2 ** (self.scales - 1))

    @property
    def directions(self) -> int:
        """How many directions a scale has."""
        return self.orientations if self.basis.dimension == 2 else 1

    @property
    def orders(self) -> tuple[int, int, int]:
        """How many features are of orders zero, one and two."""
        first = self.scales * self.directions
        return 1, first, first * (self.scales - 1) * self.directions // 2

    @single_thread()
    def __call__(self, fields: Tensor) -> Tensor:
        """Features (N, feature) of fields (N, *grid), float64: order by order.

        Both orders begin with the largest a, all its directions; of each follow all b.
        """
        size = max(1, BLOCK // math.prod(self._whole))
        return torch.cat([self._features(block) for block in fields.split(size)])

    def _features(self, fields: Tensor) -> Tensor:
        fields = self._continued(self.basis.resample(fields.double(), self.level))
        spectrum = self._transform(fields)
        first, second = [], []
        for scale in range(self.scales):
            for modulus in self._moduli(spectrum, self._whole, scale):
                first.append(self._mean(modulus))
                again = self._transform(modulus) if scale else modulus
                for larger in range(scale):
                    found = self._moduli(again, self._grids[scale], larger)
                    second += [self._mean(own) for own in found]
        return torch.stack([self._mean(fields), *first, *second], 1)

    def _transform(self, fields: Tensor) -> Tensor:
        return torch.fft.fftn(fields, dim=self._axes)

    def _moduli(self, spectrum: Tensor, grid: Grid, scale: int) -> list[Tensor]:
        """|u ∗ ψ| in all directions, of transforms on a grid, on the grid of the scale."""
        coarse = restricted(spectrum, grid, self._grids[scale])
        return [
            torch.fft.ifftn(coarse * wavelet.to(coarse.device), dim=self._axes).abs()
            for wavelet in self._wavelets[scale]
        ]

    def _continued(self, fields: Tensor) -> Tensor:
        """Fields over one period of what they are beyond walls."""
        for number, axis in enumerate(self.basis.axes, start=1):
            if not axis.periodic:
                sign = -1 if axis.kind == "dirichlet" else 1
                fields = torch.cat([fields, sign * fields.flip(number)], number)
        return fields

    def _mean(self, continued: Tensor) -> Tensor:
        """The mean over the box of fields that were continued."""
        for number, axis in enumerate(self.basis.axes, start=1):
            if not axis.periodic:
                continued = continued.narrow(number, 0, continued.shape[number] // 2)
        return continued.flatten(1).mean(1)

    @property
    def _axes(self) -> tuple[int, ...]:
        """Those of the grid in arrays (N, *grid)."""
        return tuple(range(1, 1 + self.basis.dimension))

    @cached_property
    def _whole(self) -> Grid:
        """The grid of fields that were continued."""
        nodes = zip(self.basis.grid(self.level), self.basis.axes, strict=True)
        return tuple(n if axis.periodic else 2 * n for n, axis in nodes)

    @cached_property
    def _grids(self) -> list[Grid]:
        """Those that the wavelets of each scale are averaged on, as coarse as these allow."""
        return [
            tuple(
                self._coarsened(nodes, axis, NODES * COARSEST * 2**scale)
                for nodes, axis in zip(self._whole, self.basis.axes, strict=True)
            )
            for scale in range(self.scales)
        ]

    def _coarsened(self, nodes: int, axis: Axis, wanted: float) -> int:
        """Nodes of an axis, halved while there are as many as ``wanted`` along the longest side."""
        sides = self._longest / self._period(axis)
        while nodes % 4 == 0 and nodes / 2 * sides >= wanted:
            nodes //= 2
        return nodes

    @cached_property
    def _wavelets(self) -> list[list[Tensor]]:
        """ψ̂ of each scale, in all directions, on its grid."""
        angles = [math.pi * number / self.directions for number in range(self.directions)]
        return [
            [
                morlet(self._frequencies(grid), COARSEST * 2**scale, angle, 4 / self.orientations)
                for angle in angles
            ]
            for scale, grid in enumerate(self._grids)
        ]

    def _frequencies(self, grid: Grid) -> Tensor:
        """Waves along the longest side of each mode, (axis, *grid)."""
        along = [
            torch.fft.fftfreq(nodes, 1 / nodes, dtype=torch.float64)
            * (self._longest / self._period(axis))
            for nodes, axis in zip(grid, self.basis.axes, strict=True)
        ]
        return torch.stack(torch.meshgrid(along, indexing="ij"))

    def _period(self, axis: Axis) -> float:
        return axis.side if axis.periodic else 2 * axis.side

    @property
    def _longest(self) -> float:
        return max(axis.side for axis in self.basis.axes)


def morlet(frequencies: Tensor, centre: float, angle: float, across: float) -> Tensor:
    """ψ̂(f) = e^{−|f−κ|²/2σ²} − e^{−|κ|²/2σ²} e^{−|f|²/2σ²} at frequencies (axis, *grid).

    Its ``centre`` is |κ| and σ = 0.53 |κ|; in the plane κ is at an ``angle`` from the last axis,
    and σ is ``across`` times that at a right angle to it.
    """
    *others, last = frequencies
    along, aside = last, torch.zeros_like(last)
    if others:
        cosine, sine = math.cos(angle), math.sin(angle)
        along = cosine * last + sine * others[0]
        aside = (cosine * others[0] - sine * last) / across
    width = 2 * (BANDWIDTH * centre) ** 2
    wave = torch.exp(-((along - centre).square() + aside.square()) / width)
    return wave - torch.exp(-(centre**2 + along.square() + aside.square()) / width)


def restricted(spectrum: Tensor, fine: Grid, coarse: Grid) -> Tensor:
    """Transforms of fields (N, *fine) as those of their low frequencies at the nodes of ``coarse``.

    A coarse node lies in the middle of the fine ones that it stands for.
    """
    for axis, (nodes, kept) in enumerate(zip(fine, coarse, strict=True), start=1):
        if kept == nodes:
            continue
        modes = torch.fft.fftfreq(kept, 1 / kept, dtype=torch.float64).to(spectrum.device)
        shift = torch.exp(1j * math.pi * modes * (nodes / kept - 1) / nodes) * (kept / nodes)
        spectrum = spectrum.index_select(axis, modes.long() % nodes)
        spectrum = spectrum * shift.view(-1, *[1] * (spectrum.ndim - axis - 1))
    return spectrum

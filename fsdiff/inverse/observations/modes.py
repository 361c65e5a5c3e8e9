"""Coefficients of a function in its basis."""

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
import torch
from pydantic import NonNegativeFloat
from torch import Tensor

from fsdiff.inverse.observations.axis_functionals import AxisFunctions, coefficients_of
from fsdiff.inverse.observations.base import LinearObservation
from fsdiff.inverse.observations.maps import Functionals
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.gram import GramBasis

MOST_PRODUCTS = 10**7
"""Of functions along the axes; more would not fit into memory with fields."""


@dataclass(frozen=True, kw_only=True)
class Modes(LinearObservation):
    """Coefficients of all modes with wavenumber |k| up to ``highest``.

    Wavenumbers are those of spectra: |ω| along the refined axes in units of the lowest frequency
    there is. Coefficients are real and those of orthonormal functions, products of cosines and
    sines along the axes; along held axes all functions are observed. Of curves at arbitrary points
    they are those of the eigenfunctions, of which φ_k counts as the mode of wavenumber k.
    """

    highest: NonNegativeFloat
    kind: Literal["modes"] = "modes"

    def count(self, basis: Basis) -> int:
        """As many as modes."""
        return len(self._kept(basis))

    def on(self, basis: Basis, channels: int, n: int) -> Functionals:
        """Coefficients of fields of level n, zero for modes that it does not resolve."""
        self.check(basis, channels)
        each = [
            [self._along(own, n, number) for number in range(basis.dimension)]
            for own in basis.by_channel(channels)
        ]
        return Functionals(basis, n, each, kept=torch.from_numpy(self._kept(basis)))

    def check(self, basis: Basis, channels: int) -> None:
        """Refuse channels whose modes are different ones, and sets that are empty."""
        if len({tuple(own.axis_kinds) for own in basis.by_channel(channels)}) > 1:
            raise ValueError("modes: channels differ in their basis; observe them one by one")
        if not len(self._kept(basis)):
            raise ValueError(f"modes: there are none with wavenumbers up to {self.highest:g}")

    def _along(self, basis: Basis, n: int, number: int) -> Tensor:
        """Coefficients of the first functions along an axis, (functions, nodes)."""
        count = len(self._observed(basis, number).omega)
        analysis = coefficients_of(basis, n, number)[:count]
        missing = np.zeros((count - len(analysis), analysis.shape[1]))
        return torch.from_numpy(np.concatenate([analysis, missing]))

    def _kept(self, basis: Basis) -> np.ndarray:
        """Which products of functions along the axes are observed."""
        along = (self._observed(basis, number).nodes for number in range(basis.dimension))
        if (number := prod(along)) > MOST_PRODUCTS:
            raise ValueError(
                f"highest = {self.highest:g}: {number} products of functions along the axes are "
                f"looked through; use a lower one, of {MOST_PRODUCTS} or fewer"
            )
        squares = [
            0 * self._observed(basis, number).omega
            if axis.held
            else self._observed(basis, number).omega ** 2
            for number, axis in enumerate(basis.axes)
        ]
        total = sum(np.meshgrid(*squares, indexing="ij", sparse=True))
        highest = (self.highest * basis.angular_frequency()) ** 2 * (1 + 1e-12)
        return np.flatnonzero(total <= highest)

    def _observed(self, basis: Basis, number: int) -> AxisFunctions:
        """The functions along an axis among which the observed ones are."""
        axis = basis.axes[number]
        if axis.held:
            return AxisFunctions(axis, axis.nodes)
        longest = int(self.highest * basis.angular_frequency() / axis.frequency * (1 + 1e-12))
        nodes = int(axis.resolving(np.asarray(longest)))
        # Of curves at arbitrary points there are no more modes than points.
        return AxisFunctions(
            axis, min(nodes, axis.nodes) if isinstance(basis, GramBasis) else nodes
        )

"""Functionals along one axis of a box, as matrices that are applied to the values on its nodes.

A function is its series: cosines, sines, or both on a periodic axis, as far as the nodes resolve
them. Each functional is applied to the functions of the series exactly.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from torch import Tensor

from fsdiff.spaces.axes import Axis
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.gram import GramBasis


@dataclass(frozen=True)
class AxisFunctions:
    """The orthonormal real functions that ``nodes`` nodes of an axis resolve, by frequency.

    They are √2 cos(ωx) and √2 sin(ωx), and 1; on a periodic axis the cosine of a frequency comes
    before its sine.
    """

    axis: Axis
    nodes: int

    @cached_property
    def wavenumbers(self) -> np.ndarray:
        """k of each function, (functions,)."""
        highest = self.axis.highest(self.nodes)
        if self.axis.periodic:
            return (np.arange(2 * highest + 1) + 1) // 2
        return np.arange(int(self.axis.kind == "dirichlet"), highest + 1)

    @cached_property
    def omega(self) -> np.ndarray:
        """ω of each function, in radians per unit of the side."""
        return self.axis.frequency * self.wavenumbers

    @cached_property
    def odd(self) -> np.ndarray:
        """Whether each function is a sine."""
        if self.axis.periodic:
            return (np.arange(len(self.wavenumbers)) % 2 == 0) & (self.wavenumbers > 0)
        return np.full(len(self.wavenumbers), self.axis.kind == "dirichlet")

    def values(self, places: np.ndarray) -> np.ndarray:
        """Their values at physical places, (places, functions)."""
        phase = np.outer(places, self.omega)
        return self._amplitude * np.where(self.odd, np.sin(phase), np.cos(phase))

    def means(self, edges: np.ndarray) -> np.ndarray:
        """Their means over the cells between neighbouring edges, (cells, functions)."""
        middle, width = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
        return self.values(middle) * np.sinc(np.outer(width, self.omega) / (2 * np.pi))

    @cached_property
    def analysis(self) -> np.ndarray:
        """Coefficients from values on the nodes, (functions, nodes)."""
        places = self.axis.side * self.axis.positions(self.nodes)
        return self.values(places).T / self.nodes

    @property
    def _amplitude(self) -> np.ndarray:
        return np.where(self.wavenumbers == 0, 1.0, np.sqrt(2.0))


def values_at(basis: Basis, n: int, number: int, places: np.ndarray) -> Tensor:
    """The matrix (places, nodes) from values on the nodes of an axis to values at places."""
    if isinstance(basis, GramBasis):
        return basis.evaluate(torch.eye(n, dtype=torch.float64), places.tolist()).T
    functions = functions_of(basis, n, number)
    return torch.from_numpy(functions.values(places) @ functions.analysis)


def means_over(basis: Basis, n: int, number: int, edges: np.ndarray) -> Tensor:
    """The matrix (cells, nodes) to means over the cells between edges along an axis."""
    functions = functions_of(basis, n, number)
    return torch.from_numpy(functions.means(edges) @ functions.analysis)


def coefficients_of(basis: Basis, n: int, number: int) -> np.ndarray:
    """The matrix (functions, nodes) to the coefficients of the functions along an axis."""
    if isinstance(basis, GramBasis):
        return basis.forward(torch.eye(n, dtype=torch.float64)).T.numpy()
    return functions_of(basis, n, number).analysis


def functions_of(basis: Basis, n: int, number: int) -> AxisFunctions:
    """The functions along an axis at level n; ValueError where they are not trigonometric."""
    refuse_arbitrary_points(basis)
    return _functions(basis.axes[number], basis.grid(n)[number])


def refuse_arbitrary_points(basis: Basis) -> None:
    """ValueError for functions that are no series of cosines and sines."""
    if isinstance(basis, GramBasis):
        raise ValueError(
            "functions on arbitrary points are observed at points or by their modes: use kind: "
            "points, random_points, grid_of_points, mask or modes"
        )


_functions = lru_cache(maxsize=64)(AxisFunctions)
"""Axes by their nodes: sensors elsewhere take the same coefficients."""

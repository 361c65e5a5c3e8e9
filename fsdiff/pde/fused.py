"""Reaction–diffusion in one pass over memory for each stage, where numba is installed."""

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from fsdiff.pde.integrators import Equations

logger = logging.getLogger(__name__)

CELLS = 64**2
"""On fewer cells solutions are sooner there than compiled loops."""


class Cells(Protocol):
    """Equations on equal, square cells with a ring of ghost cells, without the loops."""

    grid: tuple[int, int]
    exchange_u: float
    exchange_v: float
    neighbours: float
    minus_k: Tensor
    minus_growth: Tensor


class Loops:
    """The compiled loops of one system on one grid, in one precision."""

    def __init__(self, cells: Cells) -> None:
        from fsdiff.pde import loops  # which takes the time that numba takes to be imported

        self.loops, self.grid, self.most_terms = loops, cells.grid, loops.MOST_TERMS
        self.number: Any = np.float32 if cells.minus_k.dtype == torch.float32 else np.float64
        constants = (
            cells.exchange_u,
            cells.exchange_v,
            cells.minus_k.item(),
            cells.minus_growth.item(),
            -1 - cells.neighbours * cells.exchange_v,
        )
        self.constants = tuple(map(self.number, constants))

    def derivative(self, state: Tensor, out: Tensor) -> None:
        """Write the derivative of a state into ``out``, ghost cells included."""
        self.loops.derivative(state.numpy(), out.numpy(), *self.grid, self.constants)

    def stage(
        self, before: Tensor, state: Tensor, weight: float, change: float, out: Tensor
    ) -> None:
        """Write before + weight (state − before) + change · derivative into ``out``."""
        numbers = self.number(weight), self.number(change)
        arrays = before.numpy(), state.numpy(), out.numpy()
        self.loops.stage(*arrays, *numbers, *self.grid, self.constants)

    def combine(self, terms: Sequence[Tensor], weights: Sequence[float], out: Tensor) -> None:
        """Write Σ weights · terms, as many as there may be, into ``out``."""
        arrays = [term.numpy().reshape(-1) for term in terms]
        arrays += arrays[-1:] * (self.most_terms - len(arrays))
        numbers = np.array(weights, self.number)
        self.loops.combine(len(weights), numbers, *arrays, out.numpy().reshape(-1))


def fused(cells: Cells, plain: Equations) -> Loops | None:
    """The loops, if they give the numbers of ``plain`` to the bit on this processor.

    So nothing in a solution depends on whether numba is installed: it is only sooner there.
    """
    n_y, n_x = cells.grid
    precise = cells.minus_k.dtype in (torch.float32, torch.float64)
    if n_y * n_x < CELLS or not precise or find_spec("numba") is None:
        return None
    try:
        loops = Loops(cells)
    except ImportError as error:  # as where numba is not for this NumPy
        logger.warning("reaction–diffusion runs without numba: %s", error)
        return None
    return loops if _agree(loops, plain, cells) else None


def _agree(loops: Loops, plain: Equations, cells: Cells) -> bool:
    """Whether a derivative and stages of random states are the same."""
    (n_y, n_x), random = cells.grid, torch.Generator().manual_seed(0)
    states = torch.randn(2, 1, 2, n_y, n_x, generator=random).to(cells.minus_k)
    padded = [torch.nn.functional.pad(u, (1, 1, 1, 1), mode="replicate") for u in states]
    before, state = (u[0].flatten(1) for u in padded)
    expected, found, slope = (torch.empty_like(state) for _ in range(3))
    plain.derivative(state, expected)
    loops.derivative(state, found)
    if not torch.equal(expected, found):
        return False
    for weight in (0.3, 1.2):
        plain.stage(before, state, weight, 0.01, slope, expected)
        loops.stage(before, state, weight, 0.01, found)
        if not torch.equal(expected, found):
            return False
    terms, weights = [state, before, slope], [0.3, 1.2, -0.7]
    plain.combine(terms, weights, expected)
    loops.combine(terms, weights, found)
    return torch.equal(expected, found)

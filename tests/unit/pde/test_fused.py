"""Loops of reaction–diffusion that numba compiles: the numbers of torch's operations, or none."""

import pytest
import torch

from fsdiff.pde import fused, reaction_diffusion
from fsdiff.pde.reaction_diffusion import ReactionDiffusion, _CellEquations, _loops

SYSTEM = ReactionDiffusion()


@pytest.fixture(autouse=True)
def on_any_grid(monkeypatch):
    """Loops for coarse grids, too; what was known of them before and after is forgotten."""
    monkeypatch.setattr(fused, "CELLS", 1)
    _loops.cache_clear()
    yield
    _loops.cache_clear()


def states(*grid):
    return torch.randn(2, 2, *grid, generator=torch.Generator().manual_seed(0))


def without_loops(monkeypatch):
    monkeypatch.setattr(reaction_diffusion, "_loops", lambda *about: None)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("grid", [(24, 24), (17, 34), (2, 4)])
def test_solutions_are_the_same_to_the_bit(monkeypatch, grid, dtype):
    pytest.importorskip("numba")
    system = ReactionDiffusion(length=(2.0 * grid[0] / grid[1], 2.0), k=0.02)
    if _loops(system, grid, dtype) is None:
        pytest.skip("this processor rounds in another way, and has no loops")
    initial, times = states(*grid).to(dtype), [0.0, 0.3, 1.0]
    found = system.solve(initial, times)
    without_loops(monkeypatch)
    assert torch.equal(found, system.solve(initial, times))


def test_cells_that_are_not_square_have_no_loops():
    assert _loops(ReactionDiffusion(length=(2.0, 1.9)), (24, 24), torch.float64) is None


def test_coarse_grids_and_other_precisions_have_none(monkeypatch):
    assert _loops(SYSTEM, (24, 24), torch.bfloat16) is None
    monkeypatch.setattr(fused, "CELLS", 24 * 24 + 1)
    assert _loops(SYSTEM, (24, 24), torch.float64) is None


def test_without_numba_there_are_none(monkeypatch):
    monkeypatch.setattr(fused, "find_spec", lambda name: None)
    assert _loops(SYSTEM, (24, 24), torch.float64) is None
    assert SYSTEM.solve(states(24, 24), [0.1]).isfinite().all()


def test_a_numba_that_cannot_be_imported_is_told_and_left_out(monkeypatch, caplog):
    def refuse(cells):
        raise ImportError("Numba needs NumPy 2.3 or less")

    monkeypatch.setattr(fused, "find_spec", lambda name: True)
    monkeypatch.setattr(fused, "Loops", refuse)
    assert _loops(SYSTEM, (24, 24), torch.float64) is None
    assert "without numba: Numba needs NumPy 2.3 or less" in caplog.text


class Rounded:
    """Loops whose numbers are those of torch, but for the last digit of one of them."""

    def __init__(self, cells, operation):
        self.cells, self.operation = cells, operation

    def _off(self, name, out):
        if self.operation == name:
            out[0, 30] = torch.nextafter(out[0, 30], torch.tensor(torch.inf).to(out))

    def derivative(self, state, out):
        self.cells.derivative(state, out)
        self._off("derivative", out)

    def stage(self, before, state, weight, change, out):
        self.cells.stage(before, state, weight, change, torch.empty_like(out), out)
        self._off("stage", out)

    def combine(self, terms, weights, out):
        self.cells.combine(terms, weights, out)
        self._off("combine", out)


@pytest.mark.parametrize("operation", ["derivative", "stage", "combine", None])
def test_loops_that_round_in_another_way_are_not_used(monkeypatch, operation):
    monkeypatch.setattr(fused, "find_spec", lambda name: True)
    monkeypatch.setattr(fused, "Loops", lambda cells: Rounded(cells, operation))
    cells = _CellEquations(SYSTEM, (24, 24), torch.empty((), dtype=torch.float64))
    assert (fused.fused(cells, cells) is None) == (operation is not None)

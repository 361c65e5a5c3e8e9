"""Data sets and comparisons made elsewhere are those of the processor, up to rounding.

On a device that refuses tensors of another, see ``elsewhere``.
"""

import elsewhere
import pytest
import torch
import xarray as xr

from fsdiff.data.statistics import Statistics
from fsdiff.metrics.kernels import EnergyDistance
from fsdiff.metrics.posterior.calibration import RankedProbabilityScore
from fsdiff.metrics.posterior.distances import PosteriorEnergyDistance
from fsdiff.metrics.spectra import SpectrumError
from fsdiff.parts import build
from fsdiff.pde import reaction_diffusion
from fsdiff.pde.darcy import Darcy
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.masks import Mask
from fsdiff.stages.judge import Judge
from fsdiff.stages.judge_posteriors import PosteriorJudge

pytestmark = pytest.mark.skipif(not elsewhere.AVAILABLE, reason="needs PyTorch 2.9")

N = 16
BASIS = CosineBasis(2)
ELSEWHERE = torch.device("elsewhere")
SOURCES = {
    "reaction_diffusion": {"resolution": N, "time": (0.0, 0.1), "channels": ("u", "v")},
    "navier_stokes": {"resolution": N, "time": 0.1},
    "burgers": {"resolution": N, "initial_resolution": 32, "viscosity": 0.1, "time": 0.2},
    "darcy": {"resolution": N},
    "poisson": {"resolution": N, "measure": {"kind": "gaussian_random_field"}},
}


@pytest.mark.parametrize("kind", SOURCES)
def test_data_sets(kind):
    """Whatever is solved elsewhere, samples depend on (seed, i) alone."""
    source = build("source", {"kind": kind, **SOURCES[kind]})
    here, there = source.generate([3, 5], 2), source.on(ELSEWHERE).generate([3, 5], 2)
    xr.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-5)
    xr.testing.assert_identical(source.on(ELSEWHERE).generate([5], 2), there.isel(sample=[1]))
    assert source.on(ELSEWHERE) == source  # where it is solved describes no data set
    xr.testing.assert_identical(source.on("cpu").generate([3, 5], 2), here)


@pytest.mark.parametrize("kind", ["reaction_diffusion", "darcy"])
def test_equations_are_solved_where_they_are_to_be(kind, monkeypatch):
    places = []
    system = {"reaction_diffusion": reaction_diffusion.ReactionDiffusion, "darcy": Darcy}[kind]
    solve = system.solve
    monkeypatch.setattr(
        system, "solve", lambda self, u, *times: places.append(u.device) or solve(self, u, *times)
    )
    source = build("source", {"kind": kind, **SOURCES[kind]})
    source.generate([0], 0)
    source.on(ELSEWHERE).generate([0], 0)
    assert [place.type for place in places] == ["cpu", "elsewhere"]


def fields(count, seed=0):
    random = torch.Generator().manual_seed(seed)
    return BASIS.prolong(torch.randn(count, 2, 4, 4, generator=random) + 3, N)


def judge(device, mask):
    measured = Statistics.measure(fields(20), BASIS, mask=mask)
    metrics = {"energy": EnergyDistance(), "spectrum": SpectrumError()}
    return Judge(metrics, BASIS, measured, {"u": [0], "v": [1]}, torch.device(device))


@pytest.mark.parametrize("masked", [False, True])
def test_comparisons(masked):
    present = torch.ones(2, N, N, dtype=torch.bool)
    present[:, :3, :5] = False
    mask = Mask(present, BASIS) if masked else None
    rows = []
    for device in ("cpu", "elsewhere"):
        one = judge(device, mask)
        samples, reference = (one.normalise(fields(6, seed)) for seed in (1, 2))
        rows.append(one(samples, reference))
    assert rows[1] == pytest.approx(rows[0], rel=1e-5)
    assert len(rows[0]) == 3 * 2


def test_comparisons_of_posteriors():
    rows = []
    for device in ("cpu", "elsewhere"):
        metrics = {"crps": RankedProbabilityScore(), "energy": PosteriorEnergyDistance()}
        one = PosteriorJudge(judge(device, None), metrics, fields(2, 7))
        draws, reference = (fields(12, seed).unflatten(0, (2, 6)) for seed in (1, 2))
        rows.append(one.with_reference(reference)(draws, torch.zeros(2, 6, 3)))
    assert rows[1] == pytest.approx(rows[0], rel=1e-5)
    assert len(rows[0]) == 3 * 2

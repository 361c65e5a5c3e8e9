"""Solvers and measures run where their fields are, with the numbers of the processor.

On a device that refuses tensors of another, see ``elsewhere``.
"""

import elsewhere
import pytest
import torch
from elsewhere import MisplacedError, Placed

from fsdiff.inverse.forward.base import Differentiable
from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.measures.initial import GaussianRandomField
from fsdiff.metrics.base import Labelled
from fsdiff.metrics.increments import Increments
from fsdiff.metrics.memorisation import Memorisation
from fsdiff.metrics.parabolas import Parabolas
from fsdiff.metrics.posterior.base import Cases
from fsdiff.metrics.train_on_synthetic import TrainOnSynthetic
from fsdiff.parts import build, find, kinds
from fsdiff.pde import multigrid
from fsdiff.pde.adjoint import Equations
from fsdiff.pde.burgers import Burgers
from fsdiff.pde.darcy import Darcy
from fsdiff.pde.navier_stokes import NavierStokes
from fsdiff.pde.reaction_diffusion import ReactionDiffusion
from fsdiff.spaces.bases import CosineBasis, FourierBasis

pytestmark = pytest.mark.skipif(not elsewhere.AVAILABLE, reason="needs PyTorch 2.9")

N = 16
QUICK = {
    "patch_sliced_wasserstein": {"divisions": 8, "points": 4, "projections": 20},
    "two_sample_tests": {"permutations": 19},
    "classifier_test": {"epochs": 1},
    "calibration": {"bins": 4},
    "c2st": {"iterations": 1},
}


def smooth(basis, channels, count=2, n=N):
    return GaussianRandomField().sample(basis, n, range(count), 0, channels=channels)


def media(count=2, n=N):
    return torch.exp(2 * smooth(CosineBasis(2), 1, count, n))


SOLUTIONS = {
    "reaction_diffusion": lambda on: ReactionDiffusion().solve(
        on(smooth(CosineBasis(2), 2)), [0.0, 0.1, 0.5]
    ),
    "rectangle": lambda on: ReactionDiffusion(length=(2.0, 1.5)).solve(
        on(smooth(CosineBasis(2), 2)[..., :12]), [0.1]
    ),
    "navier_stokes": lambda on: NavierStokes(viscosity=1e-2).solve(
        on(smooth(FourierBasis(2), 1)), [0.0, 0.1, 0.2]
    ),
    "burgers": lambda on: Burgers(viscosity=0.05).solve(
        on(smooth(FourierBasis(1), 1)), [0.0, 0.5, 1.0]
    ),
    "darcy": lambda on: Darcy().solve(on(media())),
    "darcy_in_single_precision": lambda on: Darcy().solve(on(media().float())),
    "darcy_factorised": lambda on: Equations(on(media()[:, 0]), solver="banded").solve(
        on(torch.ones(2, N, N, dtype=torch.float64))
    ),
}


@pytest.mark.parametrize("name", SOLUTIONS)
def test_solutions(name):
    there = SOLUTIONS[name](lambda fields: fields.to("elsewhere"))
    here = SOLUTIONS[name](lambda fields: fields)
    assert isinstance(there, Placed)
    torch.testing.assert_close(there.cpu(), here, rtol=1e-5, atol=1e-5)


def test_sensitivities_of_darcy_flow():
    """The adjoint solve, forwards and backwards."""
    sensors = DarcySensors()
    g = smooth(CosineBasis(2), 1)
    found = []
    for device in ("cpu", "elsewhere"):
        u = g.to(device).detach().requires_grad_()
        sensors.forward(u).square().sum().backward()
        change = sensors.jvp(u.detach(), torch.ones_like(u))
        found.append((u.grad, change))
    for here, there in zip(*found, strict=True):
        assert isinstance(there, Placed)
        torch.testing.assert_close(there.cpu(), here, rtol=1e-6, atol=1e-8)


def test_maps_that_torch_differentiates():
    u = smooth(CosineBasis(2), 1)
    found = []
    for device in ("cpu", "elsewhere"):
        map = Differentiable(lambda v: v.flatten(1)[:, :3] ** 3, 3)
        found.append(map.vjp(u.to(device), torch.ones(2, 3, dtype=u.dtype, device=device)))
    torch.testing.assert_close(found[1].cpu(), found[0])


APART = {"parabolas", "increments", "memorisation", "frechet_principal", "train_on_synthetic"}
APART |= {"frechet_efficientnet", "frechet_inception"}
"""Measures of curves, of training fields, and of pictures."""
ANYWHERE = [
    kind for kind in kinds("metrics") if kind not in APART and not find("metrics", kind).classified
]


@pytest.mark.parametrize("kind", ANYWHERE)
def test_measures(kind):
    metric = build("metrics", {"kind": kind, **QUICK.get(kind, {})})
    # Flows have a plane of their own, without gaps.
    flow = kind in ("enstrophy", "enstrophy_flux")
    basis = FourierBasis(2) if flow else CosineBasis(2)
    samples, reference = smooth(basis, 2, 20).split(10)
    mask = torch.ones(2, N, N, dtype=torch.bool)
    mask[:, 0, :3] = False
    for present in (None,) if metric.joint or flow else (None, mask):
        here, there = (
            metric.compare(
                samples.to(device),
                reference.to(device),
                basis,
                None if present is None else present.to(device),
            )
            for device in ("cpu", "elsewhere")
        )
        assert there == pytest.approx(here, rel=1e-5, abs=1e-7)


def test_measures_of_curves_and_of_training_fields():
    curves, basis = torch.randn(12, 2, N, dtype=torch.float64), CosineBasis(1)
    for device in ("cpu", "elsewhere"):
        samples, reference, training = curves.to(device).split(4)
        found = Memorisation().beside(training, training, reference, basis)
        assert found["training_over_test"] == 0
        classes = torch.tensor([0, 1, 0, 1], device=device)
        shown = Labelled(training, classes)
        taught = TrainOnSynthetic(kernels=20).taught(shown, basis)(shown, shown)
        assert taught == {"synthetic_accuracy": 1, "real_accuracy": 1}
        for metric in (Parabolas(), Increments()):
            row = metric(samples, reference, basis)
            assert row == pytest.approx(metric(samples.cpu(), reference.cpu(), basis))


@pytest.mark.parametrize(
    "kind",
    [kind for kind in kinds("posterior_metrics") if not find("posterior_metrics", kind).classified],
)
def test_measures_of_posteriors(kind):
    metric = build("posterior_metrics", {"kind": kind, **QUICK.get(kind, {})})
    basis, cases, draws = CosineBasis(1), 20, 20
    u = smooth(basis, 1, 2 * cases * draws).view(2, cases, draws, 1, N)
    truth, residuals = u[1, :, 0] + 0.1, u[0, :, :, 0, :5]
    here, there = (
        metric(
            Cases(
                u[0].to(device),
                basis,
                truth=truth.to(device),
                reference=u[1].to(device),
                residuals=residuals.to(device),
            )
        )
        for device in ("cpu", "elsewhere")
    )
    assert there == pytest.approx(here, rel=1e-5, abs=1e-7)


def test_a_solver_that_leaves_something_behind_is_found(monkeypatch):
    """Of multigrid the exact solution on the coarsest grid, which the host computes."""
    inverse = multigrid.Multigrid.apply
    monkeypatch.setattr(multigrid.Multigrid, "apply", lambda self, f: inverse(self, f).cpu())
    SOLUTIONS["darcy"](lambda fields: fields)
    with pytest.raises(MisplacedError):
        SOLUTIONS["darcy"](lambda fields: fields.to("elsewhere"))

"""Solvers of others solve the same equations; rows of those that are not installed are absent."""

import pytest
import torch
from test_benchmarks import BENCHMARKS

from fsdiff.measures.initial import GaussianRandomField, PowerLawField
from fsdiff.pde.darcy import Darcy
from fsdiff.pde.navier_stokes import NavierStokes
from fsdiff.pde.reaction_diffusion import ReactionDiffusion
from fsdiff.spaces.bases import CosineBasis, FourierBasis

pytestmark = pytest.mark.benchmarks


@pytest.fixture(autouse=True)
def peers(monkeypatch):
    """The folder that they are in."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def error(found, exact):
    return float((found - exact).norm() / exact.norm())


@pytest.mark.parametrize("compiled", [False, True])
def test_reaction_diffusion(compiled):
    if compiled:
        pytest.importorskip("numba")
    from peers import reaction_diffusion

    system, times = ReactionDiffusion(tolerance=1e-8), [0.1, 0.3]
    state = GaussianRandomField().sample(CosineBasis(), 24, [0], 0, channels=2)
    options = {"relative": 1e-9, "absolute": 1e-11, "compiled": compiled}
    found = reaction_diffusion.solve(system, state[0], times, **options)
    assert error(found, system.solve(state, times)[0]) < 1e-7


@pytest.mark.parametrize(("precision", "bound"), [("float64", 1e-7), ("float32", 1e-5)])
def test_fourth_order(precision, bound):
    """And its errors fall with the fourth power of the step."""
    pytest.importorskip("jax")
    from peers.navier_stokes import FourthOrder

    system = NavierStokes(tolerance=1e-12)
    state = PowerLawField().sample(FourierBasis(), 32, [0], 0, channels=1)
    exact = system.solve(state, [1.0])[0, 0]
    errors = []
    for steps in (5, 10):
        scheme = FourthOrder(system, 32, 1 / steps, precision)
        errors.append(error(scheme.advance(state[0], steps), exact))
    assert errors[1] < bound
    if precision == "float64":
        assert 12 < errors[0] / errors[1] < 20


@pytest.mark.parametrize(
    ("package", "name"), [("pyamg", "solve_by_multigrid"), ("pypardiso", "solve_by_pardiso")]
)
def test_darcy(package, name):
    pytest.importorskip(package)
    from peers import darcy

    a = torch.exp(GaussianRandomField().sample(CosineBasis(), 32, [0], 0, channels=1))
    found = torch.from_numpy(getattr(darcy, name)(darcy.matrix(a[0, 0].numpy()))).view(1, 1, 32, 32)
    assert error(found, Darcy(tolerance=1e-10).solve(a)) < 1e-6


def test_the_plain_network_is_the_published_one():
    """With the same weights, whose arrangement differs."""
    from peers.networks import PlainFNO, PublishedFNO

    torch.manual_seed(0)
    published, plain = PublishedFNO(8, 4, 2), PlainFNO(8, 4, 2)
    plain.lift.load_state_dict(published.lift.state_dict())
    for number, (spectral, pointwise) in enumerate(
        zip(published.spectral, published.pointwise, strict=True)
    ):
        corners = torch.stack([w.permute(2, 3, 0, 1) for w in spectral.weight])
        plain.spectral[number].data = corners.reshape(-1, 8, 8)
        plain.pointwise[number].weight.data = pointwise.weight[..., 0, 0].clone()
        plain.pointwise[number].bias.data = pointwise.bias.clone()
    for place in (0, 2):
        plain.project[place].weight.data = published.project[place].weight[..., 0, 0].clone()
        plain.project[place].bias.data = published.project[place].bias.clone()
    x, t = torch.randn(2, 1, 16, 16), torch.tensor([0.3, 0.7])
    torch.testing.assert_close(plain(x, t), published(x, t))

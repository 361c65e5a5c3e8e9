"""Observations that are given in Python: their values are those that configurations may have."""

import numpy as np
import pytest
import torch

import fsdiff as fs
from fsdiff.inverse.forward.darcy import DarcySensors
from fsdiff.inverse.observations.mapped import Mapped

WALLED = fs.Box(axes=(fs.Axis(kind="neumann", name="x", nodes=16, side=0.6),))


def model(basis, **settings):
    """Of an untrained network."""
    network = fs.FNO(dimension=1, width=4, modes=2, layers=1, basis="cosine")
    fields = torch.randn(6, 1, 16, generator=torch.Generator().manual_seed(0))
    made = fs.Diffusion(network, basis=basis, noise=fs.Bessel(), **settings)
    return made.fit(fields, [], seed=0)


@pytest.mark.parametrize(
    ("observation", "problem"),
    [
        (fs.Mask(resolution=16, share=2.0), "share"),
        (fs.Mask(resolution=16, share=0.0), "share"),
        (fs.LowPass(resolution=16, width=-1.0), "width"),
        (fs.Averages(resolution=0), "resolution"),
        (fs.RandomPoints(number=0), "number"),
    ],
)
def test_settings_that_are_none_are_refused(observation, problem):
    """Before, a share of two was all nodes, and a number of zero a division by it."""
    with pytest.raises(ValueError, match=f"^observed: .*{problem}"):
        model(fs.CosineBasis(1)).sample(
            n=16, indices=[0], observed=(observation, [0.1]), guidance=fs.WienerGuidance()
        )


def test_noise_is_drawn_by_an_index_for_each_case():
    sensors, basis = fs.RandomPoints(number=3, noise=1.0), fs.CosineBasis(1)
    fields = torch.zeros(3, 1, 16)
    drawn = sensors.draw(fields, basis, 0, [0, 1, 2])
    assert len(torch.unique(drawn)) == 9
    with pytest.raises(ValueError, match="1 indices for 3 cases: give one for each"):
        sensors.draw(fields, basis, 0, [0])


def test_sensors_on_a_wall_are_told_in_single_precision():
    """Half of all sides are rounded up, so that a wall is beyond itself."""
    assert float(np.float32(0.6)) > 0.6
    operator = fs.RandomPoints(number=5, noise=0.1)
    told = model(WALLED, condition=fs.CombinedCondition(operator=operator, fewest=2))
    assert isinstance(told.condition, fs.CombinedCondition)
    on_the_wall = fs.Points(points=((0.1,), (0.6,)), noise=0.1)
    drawn = told.sample(n=16, indices=[0], observed=(on_the_wall, [0.1, 0.2]))
    assert drawn.fields.isfinite().all()


def square(**second):
    """Two walled axes of a square, of which the second may be another."""
    first = {"kind": "neumann", "name": "y", "nodes": 8, "side": 1.0}
    return fs.Box(axes=(fs.Axis(**first), fs.Axis(**{**first, "name": "x", **second})))


@pytest.mark.parametrize(
    ("basis", "channels", "problem"),
    [
        (square(), 2, "is of one channel, and fields have 2: use kind: channel"),
        (fs.CosineBasis(1), 1, "and these have x from 0 to 1, neumann$"),
        (square(side=3.0), 1, "x from 0 to 3, neumann$"),
        (square(nodes=16), 1, "as many nodes along each axis"),
        (fs.FourierBasis(2), 1, "x from 0 to 1, periodic$"),
    ],
)
def test_equations_of_the_unit_square_are_of_no_other_fields(basis, channels, problem):
    """A box of side three had the pressures of side one."""
    pressures = Mapped(map=DarcySensors(), noise=0.1)
    pressures.check(square(), 1)
    with pytest.raises(ValueError, match=f"^map of kind darcy .*{problem}"):
        pressures.check(basis, channels)


@pytest.mark.parametrize("condition", [fs.KrigingCondition, fs.CombinedCondition])
def test_linear_estimates_are_told_nothing_that_is_not_linear(condition):
    told = condition(operator=Mapped(map=DarcySensors(), noise=0.1))
    with pytest.raises(ValueError, match="kind mapped are not linear; use kind: regression"):
        told.check(square(), 1, transformed=False)

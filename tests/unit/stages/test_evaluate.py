"""The floor of every distance: real data against real data."""

import torch

from fsdiff.data.statistics import Statistics
from fsdiff.metrics.densities import OnePointDensity
from fsdiff.metrics.evaluate import evaluate
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages.judge import Judge
from fsdiff.stages.references import _floor

METRICS = {"one_point": OnePointDensity()}
PLAIN = Statistics(mean=torch.zeros(1), scale=torch.ones(1), spectrum=torch.ones(1), resolution=1)
JUDGE = Judge(METRICS, CosineBasis(), PLAIN, {})


def test_floor_does_not_depend_on_the_order_of_the_data() -> None:
    # Fields about 0 first, then about 1: the halves as they lie differ by 1, random ones do not.
    fields = 0.01 * torch.randn(128, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    fields[64:] += 1
    halves = evaluate(METRICS, fields[64:], fields[:64], CosineBasis())
    floor = _floor(JUDGE, fields, 64)
    assert abs(halves["one_point_w1"] - 1) < 0.01
    # The difference of the halves' means has mean modulus sqrt(2 / (127π)) = 0.071.
    assert 0 < floor["one_point_w1"] < 0.2


def test_floor_of_equal_fields_is_zero() -> None:
    fields = torch.randn(1, 1, 8, 8).expand(10, -1, -1, -1)
    assert _floor(JUDGE, fields, 5)["one_point_w1"] < 1e-6


def test_floor_of_fewer_fields_is_larger() -> None:
    fields = torch.randn(256, 1, 1, 1, generator=torch.Generator().manual_seed(1))
    floors = [_floor(JUDGE, fields, count)["one_point_w1"] for count in (128, 8)]
    # Empirical laws of 128 and of 8 normal numbers are about 0.1 and 0.35 from one of 128.
    assert floors[0] < 0.2 < floors[1]

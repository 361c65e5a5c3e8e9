"""Coordinates that sources tell beforehand are those that their files have."""

import numpy as np
import pytest

from fsdiff.parts import build

SOURCES = [
    {"kind": "random_field", "resolution": 8, "length": 2.0},
    {"kind": "poisson", "resolution": 8, "length": 3.0},
    {"kind": "darcy", "resolution": 8, "length": 0.5},
    {"kind": "membrane"},
    {"kind": "burgers", "resolution": 16, "time": 0.1, "time_nodes": 4, "length": 5.0},
    {"kind": "reaction_diffusion", "resolution": 8, "time": 0.1, "length": [1.0, 2.0]},
]


@pytest.mark.parametrize("block", SOURCES, ids=lambda block: block["kind"])
def test_positions_are_those_that_are_written(block):
    source = build("source", block)
    data = source.generate([0], 0)
    assert list(source.node_positions) == [axis.name for axis in source.basis.axes]
    for name, along in source.node_positions.items():
        np.testing.assert_allclose(along, data[name].values, rtol=1e-12)

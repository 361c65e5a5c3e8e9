"""Networks without numbers: the shapes are those of real ones, and the compiler stays away."""

import subprocess
import sys

import pytest
import torch

from fsdiff.networks.shapes import shapes_alone
from fsdiff.parts import build

BLOCKS = {
    "fno": {"width": 6, "modes": 3, "layers": 2},
    "unet": {"width": 8, "multipliers": [1, 2], "blocks": 1},
    "uno": {"width": 8},
    "mlp": {},
}


def network(kind):
    return build("network", {"kind": kind, **BLOCKS[kind]}, 2, 1, ("periodic", "neumann"))


def shapes(module):
    return {name: (tuple(w.shape), w.dtype) for name, w in module.state_dict().items()}


@pytest.mark.parametrize("kind", BLOCKS)
def test_shapes_are_those_of_networks_with_numbers(kind):
    with shapes_alone():
        hollow = network(kind)
    assert all(weight.is_meta for weight in hollow.parameters())
    assert shapes(hollow) == shapes(network(kind))


def test_numbers_are_drawn_again_afterwards():
    with shapes_alone():
        network("fno")
    torch.manual_seed(0)
    assert torch.randn(3).std() > 0
    assert float(torch.nn.init.normal_(torch.zeros(100)).std()) > 0.5
    assert float(torch.ones(1).div_(2)) == 0.5


def test_the_compiler_is_not_imported():
    program = (
        "import sys; from fsdiff.networks.shapes import shapes_alone; "
        "from fsdiff.parts import build\n"
        f"for kind, block in {BLOCKS}.items():\n"
        "    with shapes_alone():\n"
        "        build('network', {'kind': kind, **block}, 2, 1, ('periodic', 'neumann'))\n"
        "assert 'torch._dynamo' not in sys.modules and 'sympy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

"""Grids of any number of nodes: functions are drawn on them, not arrays."""

import pytest
import torch

from fsdiff.diffusion.samplers import DDIM, DPMSolver, Multilevel
from fsdiff.parts import build, kinds

NODES = (33, 24, 17)


@pytest.mark.parametrize("sampler", [DDIM(steps=6), DPMSolver(steps=6)])
def test_samples_on_coarser_grids_are_restrictions(basis, process, sampler, tools):
    """The best linear denoiser treats modes one by one, so no grid tells it anything new."""
    denoiser = tools.make_denoiser(basis, NODES[0], process=process)
    drawn = {n: sampler(denoiser, n, range(2), 7, dtype=torch.float64).fields for n in NODES}
    for n in NODES[1:]:
        tools.close(drawn[n], basis.restrict(drawn[NODES[0]], n), rtol=1e-6, atol=1e-8)


def test_steps_on_coarse_grids_end_on_a_grid_that_they_do_not_divide(basis, tools):
    denoiser = tools.make_denoiser(basis, 33)
    alone = DDIM(steps=12)
    together = Multilevel(sampler=alone, tolerance=0.0, coarsest=9)
    fields = [
        sampler(denoiser, 33, range(2), 7, dtype=torch.float64).fields
        for sampler in (alone, together)
    ]
    tools.close(fields[1], fields[0], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("kind", sorted(set(kinds("network")) - {"neuralop"}))
@pytest.mark.parametrize("n", [33, 85])
def test_networks_are_functions_on_odd_grids(kind, n):
    """The output at all nodes depends on the input at each."""
    torch.manual_seed(0)
    network = build("network", {"kind": kind}, 1)
    for weights in network.parameters():
        torch.nn.init.normal_(weights, std=0.1)
    x = torch.randn(2, 1, n, n, requires_grad=True)
    y = network(x, torch.zeros(2))
    assert y.shape == x.shape
    assert y.isfinite().all()
    y.square().sum().backward()
    assert (x.grad != 0).all()

"""What a sample depends on, its seed and index, neither batch nor grid; and what it costs."""

import pytest
import torch

from fsdiff.diffusion.samplers import (
    DDIM,
    AdaptiveHeun,
    AnnealedLangevin,
    DPMSolver,
    EulerMaruyama,
    Heun,
    Multilevel,
    PredictorCorrector,
    PublishedAnnealedLangevin,
    Renoising,
    StartingFrom,
)
from fsdiff.diffusion.samplers.base import Run
from fsdiff.diffusion.samplers.samples import Samples, concatenate
from fsdiff.networks.fno import FNO
from fsdiff.networks.mlp import MLP
from fsdiff.networks.unet import UNet
from fsdiff.parts import kinds
from fsdiff.spaces.bases import CosineBasis, FourierBasis

N = 8
STEPS = 5

SAMPLERS = {
    "euler": EulerMaruyama(steps=12),
    "ddim": DDIM(steps=STEPS),
    "ddim-eta": DDIM(steps=STEPS, eta=0.7),
    "dpm": DPMSolver(steps=STEPS),
    "dpm-stochastic": DPMSolver(steps=STEPS, stochastic=True),
    "heun": Heun(steps=STEPS),
    "adaptive": AdaptiveHeun(tolerance=0.3),
    "langevin": AnnealedLangevin(steps=STEPS, corrections=6, step_size=1.0),
    "published": PublishedAnnealedLangevin(steps=STEPS, corrections=2, epsilon=1e-6),
    "corrected": PredictorCorrector(sampler=DPMSolver(steps=STEPS), corrections=2),
    "renoising": Renoising(steps=STEPS),
    "started": StartingFrom(sampler=DDIM(steps=STEPS, eta=0.7), law="unit_noise"),
    "from-training": StartingFrom(sampler=DDIM(steps=STEPS), law="empirical").given(
        torch.randn(5, 1, N, N, generator=torch.Generator().manual_seed(0))
    ),
    "multilevel": Multilevel(sampler=DPMSolver(steps=STEPS), coarsest=4, tolerance=0.2),
    "multilevel-stochastic": Multilevel(sampler=DDIM(steps=STEPS, eta=1.0), coarsest=4),
}
EVALUATIONS = {
    "euler": 12,
    "heun": 2 * STEPS - 1,
    "langevin": 6 * STEPS - 5,
    "published": 2 * STEPS,
    "corrected": 3 * STEPS - 2,
}


@pytest.fixture(params=SAMPLERS)
def name(request):
    """Names of samplers."""
    return request.param


@pytest.fixture
def sampler(name):
    """Samplers of all kinds, with few steps."""
    return SAMPLERS[name]


def skip_refused(sampler, process, basis, n):
    """Leave out what no configuration may combine."""
    try:
        sampler.check_grid(process, basis, n)
    except ValueError as error:
        pytest.skip(str(error))


def draw(sampler, denoiser, indices, seed=0, n=N, **options):
    options.setdefault("dtype", torch.float64)
    return sampler(denoiser, n, indices, seed, **options)


def test_every_kind_is_here():
    assert {sampler.kind for sampler in SAMPLERS.values()} == set(kinds("sampler"))


def test_a_sample_does_not_depend_on_its_batch(basis, process, tools, sampler):
    denoiser = tools.make_denoiser(basis, 9, process=process)
    together = draw(sampler, denoiser, range(3), n=9).fields
    assert together.shape == (3, 1, 9, 9)
    apart = [draw(sampler, denoiser, part, n=9).fields for part in ([0], [2, 1])]
    assert torch.cat(apart).equal(together[[0, 2, 1]])


@pytest.fixture(
    params=[
        (FourierBasis(), FNO(width=32, modes=3, layers=1)),
        (CosineBasis(), FNO(width=32, modes=5, layers=1, basis="cosine", stencil_cells=5)),
        (FourierBasis(), UNet(width=16, multipliers=(1, 2))),
        (CosineBasis(), MLP()),
    ],
    ids=["fourier", "cosine", "unet", "mlp"],
)
def drawn(request, tools):
    """What draws samples of a network with random weights, as float32."""
    basis, network = request.param
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(0))
    denoiser = tools.make_denoiser(basis, 16, network=network)

    def drawn(indices, n):
        return draw(DDIM(steps=2), denoiser, indices, n=n, dtype=torch.float32).fields

    return drawn


GRIDS = (6, 7, 15, 16, 23, 32, 37, 64, 65)
"""On grids of all sizes: products of matrices, as in a network, round differently."""


def test_samples_do_not_depend_on_the_number_of_threads(drawn):
    indices = [0, 17, 33]
    for n in GRIDS[1::2]:
        found = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(drawn(indices, n))
            assert torch.get_num_threads() == threads
        assert found[0].equal(found[1])
        assert found[0].equal(found[2])


def test_samples_of_a_network_do_not_depend_on_what_is_drawn_with_them(drawn):
    """In any order, from the middle of blocks, and over their ends."""
    for n in GRIDS:
        together = drawn(range(20), n)
        assert drawn([19], n).equal(together[[19]])
        assert drawn([17, 3, 18, 3], n).equal(together[[17, 3, 18, 3]])


def test_blocks_are_a_matter_of_the_grid_and_the_indices(tools):
    """As many samples as pay; one by one on large grids, and where steps are their own."""
    denoiser = tools.make_denoiser(CosineBasis(), N)

    def groups(n, *indices, kind=DDIM, device="cpu"):
        run = Run(denoiser, n, 0, torch.float32, torch.device(device))
        return kind()._groups(run, indices)

    assert groups(32, 5, 33, 1) == [tuple(range(16)), tuple(range(32, 48))]
    assert groups(64, 5, 33, 6) == [(4, 5, 6, 7), (32, 33, 34, 35)]
    assert groups(128, 5, 33) == [(5,), (33,)]
    assert groups(300, 5, 33) == [(5,), (33,)]
    assert groups(8, 5, 33, device="meta") == [(5, 33)]
    assert groups(8, 5, 33, kind=AdaptiveHeun) == [(5,), (33,)]


def test_samplers_of_all_kinds_share_samples_between_threads(basis, tools, sampler):
    denoiser = tools.make_denoiser(basis, N, FNO(width=32, modes=2, layers=1))
    one = draw(sampler, denoiser, range(5), dtype=torch.float32)
    torch.set_num_threads(3)
    shared = draw(sampler, denoiser, range(5), dtype=torch.float32)
    assert shared.fields.equal(one.fields)
    assert shared.evaluations == one.evaluations


def test_a_batch_that_takes_its_steps_together_differs_by_rounding_errors(basis, tools, sampler):
    """As on an accelerator."""
    denoiser = tools.make_denoiser(basis, N)
    run = Run(denoiser, N, 0, torch.float64, torch.device("cpu"))
    with torch.no_grad():
        groups = [(0, 1, 2)] if sampler.together else [(0,), (1,), (2,)]
        found = concatenate([state.samples() for state in sampler.draw(run, groups)])
    expected = draw(sampler, denoiser, range(3))
    tools.close(found.fields, expected.fields)
    assert found.evaluations == expected.evaluations


def test_samples_depend_on_seed_and_index(basis, tools, sampler):
    denoiser = tools.make_denoiser(basis, N)
    first = draw(sampler, denoiser, [0, 1], seed=1).fields
    torch.manual_seed(123)
    assert draw(sampler, denoiser, [0, 1], seed=1).fields.equal(first)
    assert not torch.allclose(first[0], first[1])
    assert not torch.allclose(draw(sampler, denoiser, [0, 1], seed=2).fields, first)


@pytest.mark.parametrize("coarse", [15, 16])
def test_samples_are_nested_in_resolution(basis, process, tools, sampler, coarse):
    """For a linear denoiser, the sample on a coarse grid is the restricted one of a fine grid."""
    if isinstance(sampler, AdaptiveHeun):
        pytest.skip("its steps follow the errors of all modes that there are")
    skip_refused(sampler, process, basis, 32)
    denoiser = tools.make_denoiser(basis, 32, process=process)
    fine = draw(sampler, denoiser, [0, 3], n=32).fields
    found = draw(sampler, denoiser, [0, 3], n=coarse).fields
    torch.testing.assert_close(basis.restrict(fine, coarse), found, rtol=1e-9, atol=1e-9)


def test_network_evaluations_are_counted(basis, tools, name, sampler):
    denoiser = tools.make_denoiser(basis, N)
    samples = draw(sampler, denoiser, [0, 1])
    if isinstance(sampler, AdaptiveHeun):
        assert 2 * samples.network_evaluations == denoiser.network.calls
    else:  # of both at once
        assert samples.network_evaluations == denoiser.network.calls
        assert samples.network_evaluations == EVALUATIONS.get(name, STEPS)


def test_adaptive_samples_count_their_own_evaluations(basis, tools):
    """Different samples, different steps; the mean is reported."""
    denoiser = tools.make_denoiser(basis, N)
    samples = draw(AdaptiveHeun(tolerance=0.01), denoiser, range(6))
    counts = [evaluations[N] for evaluations in samples.evaluations]
    assert len(set(counts)) > 1
    assert samples.network_evaluations == sum(counts) / 6
    assert sum(counts) == denoiser.network.calls


def test_the_cost_is_in_units_of_evaluations_on_the_fine_grid():
    """Three evaluations on 16² of the nodes of 64², and two of all."""
    samples = Samples(torch.zeros(2, 1, 64, 64), [{16: 3, 64: 2}, {16: 3, 64: 2}])
    basis = CosineBasis(2)
    assert samples.network_evaluations == 5
    assert samples.fine_evaluations(basis) == 3 / 16 + 2
    assert samples.cost(basis) == {
        "network_evaluations": 5,
        "fine_evaluations": 3 / 16 + 2,
        "evaluations": {"16": 3, "64": 2},
    }
    assert concatenate([samples, samples]).cost(basis) == samples.cost(basis)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_precision_and_channels(basis, process, tools, sampler, dtype):
    spectrum = torch.cat([tools.power_law(basis, N), tools.power_law(basis, N, 2.5)])
    denoiser = tools.make_denoiser(basis, N, process=process, spectrum=spectrum)
    fields = draw(sampler, denoiser, [0, 1], dtype=dtype).fields
    assert fields.dtype == dtype
    assert fields.shape == (2, 2, N, N)
    assert torch.isfinite(fields).all()
    assert not fields.requires_grad
    if isinstance(sampler, AdaptiveHeun):
        return  # its steps follow the errors of both channels
    one = draw(sampler, tools.make_denoiser(basis, N, process=process), [0, 1]).fields
    torch.testing.assert_close(fields[:, :1].double(), one, rtol=1e-3, atol=1e-3)


def test_modes_whose_data_are_wholly_gone_are_harmless(tools, prediction, sampler):
    """m underflows on the high modes of a process that smooths strongly: m = 4·10⁻⁴⁵ at t = 1."""
    process, basis = tools.Heat(length=0.2), CosineBasis(1)
    skip_refused(sampler, process, basis, N)
    denoiser = tools.ideal_denoiser(basis, N, process=process, prediction=prediction)
    fields = draw(sampler, denoiser, [0], dtype=torch.float32).fields
    assert torch.isfinite(fields).all()


def test_estimates_that_are_not_finite_stop_adaptive_steps(basis, tools):
    network = tools.Fixed(torch.full((1, 1, N, N), torch.nan, dtype=torch.float64))
    denoiser = tools.make_denoiser(basis, N, network)
    with pytest.raises(FloatingPointError, match=r"adaptive_heun: .* train the model further"):
        draw(AdaptiveHeun(), denoiser, [0])

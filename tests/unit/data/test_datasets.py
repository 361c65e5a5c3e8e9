"""Data that are drawn: laws of fields, and what evolution equations make of them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
import xarray as xr
from pydantic import TypeAdapter, ValidationError

from fsdiff.data.sources.navier_stokes import NavierStokesData
from fsdiff.data.sources.random_fields import RandomFieldData
from fsdiff.data.sources.reaction_diffusion import ReactionDiffusionData
from fsdiff.measures.initial import (
    GaussianRandomField,
    PowerLawField,
    WhiteNoise,
    Zero,
    _matern_trace,
)
from fsdiff.pde.integrators import IntegrationError
from fsdiff.pde.reaction_diffusion import ReactionDiffusion
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.streams import Stream

SMALL = {"resolution": 16, "time": 0.3}
BASES = [CosineBasis(), FourierBasis(), SineBasis()]


def test_white_noise_cells_are_independent_standard_normals():
    fields = WhiteNoise().sample(CosineBasis(), 32, range(20), 0, channels=2)
    assert fields.shape == (20, 2, 32, 32)
    count = fields.numel()
    assert abs(fields.mean()) < 4 / count**0.5
    assert abs(fields.square().mean() - 1) < 4 * (2 / count) ** 0.5
    neighbours = (fields[..., 1:] * fields[..., :-1]).mean()
    assert abs(neighbours) < 4 / count**0.5
    assert abs((fields[:, 0] * fields[:, 1]).mean()) < 4 * (2 / count) ** 0.5


@pytest.mark.parametrize("basis", BASES, ids=str)
@pytest.mark.parametrize("law", [GaussianRandomField(), PowerLawField()], ids=str)
def test_gaussian_fields_are_restrictions_of_finer_ones(law, basis):
    fine = law.sample(basis, 48, [3, 8], 1, channels=2)
    coarse = law.sample(basis, 32, [3, 8], 1, channels=2)
    assert torch.allclose(basis.restrict(fine, 32), coarse, atol=1e-12)


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_gaussian_fields_have_the_stated_variance_and_spectrum(basis):
    law = GaussianRandomField(variance=2.5, correlation_length=0.2)
    values = law.eigenvalues(basis, 32)
    total = float((basis.multiplicity(32) * values).sum())
    assert 0.99 * 2.5 < total < 2.5
    assert torch.isclose(values[2, 3], law.eigenvalues(basis, 64)[2, 3], rtol=1e-14)
    fields = law.sample(basis, 32, range(400), 0, channels=1)
    energy = basis.energy(fields).mean((0, 1))
    expected = basis.multiplicity(32) * values
    # Means of 400 squared normals (one or two of them); five standard deviations.
    assert (energy - expected).abs().max() < 5 * (2 / 400) ** 0.5 * expected.max()
    assert abs(float(energy.sum()) / total - 1) < 0.1


def test_matern_covariance_falls_to_the_textbook_value_at_the_correlation_length():
    """ν = 1: correlation √2 r K₁(√2 r) at r = 1 correlation length, on a torus much larger."""
    from scipy.special import k1

    basis, law = FourierBasis(), GaussianRandomField(correlation_length=1 / 16)
    values = law.eigenvalues(basis, 256).to(torch.complex128)
    covariance = basis.inverse(values, 256)
    correlation = float(covariance[0, 16] / covariance[0, 0])
    assert abs(correlation - 2**0.5 * k1(2**0.5)) < 0.01


@pytest.mark.parametrize("law", [WhiteNoise(), GaussianRandomField(), PowerLawField()])
def test_an_initial_field_depends_on_seed_and_index_only(law):
    basis = CosineBasis()
    together = law.sample(basis, 24, [5, 2, 9], 0, channels=2)
    for field, index in zip(together, [5, 2, 9], strict=True):
        assert torch.equal(field, law.sample(basis, 24, [index], 0, channels=2)[0])
    assert not torch.equal(together, law.sample(basis, 24, [5, 2, 9], 1, channels=2))
    assert torch.equal(together[:, :1], law.sample(basis, 24, [5, 2, 9], 0, channels=1))
    correlation = torch.corrcoef(together.flatten(1))
    assert (correlation - torch.eye(3)).abs().max() < 0.9
    assert not torch.equal(together[:, 0], together[:, 1])
    forcing = law.sample(basis, 24, [5, 2, 9], 0, channels=2, stream=Stream.FORCING)
    assert not torch.equal(forcing, together)


def test_an_initial_field_does_not_depend_on_the_number_of_threads():
    threads, fields = torch.get_num_threads(), []
    for count in (1, 2):
        _matern_trace.cache_clear()
        torch.set_num_threads(count)
        fields.append(GaussianRandomField().sample(CosineBasis(), 128, [0], 0, channels=2))
        assert torch.get_num_threads() == count
    torch.set_num_threads(threads)
    assert torch.equal(*fields)


def test_fields_are_the_solver_s_states_with_coordinates_and_units():
    source = ReactionDiffusionData(**SMALL, channels=("v", "u"))
    data = source.generate([4, 7], seed=2)
    assert data.field.dims == ("sample", "channel", "y", "x")
    assert data.field.dtype == np.float32
    assert data.sample.values.tolist() == [4, 7]
    assert data.channel.values.tolist() == ["v", "u"]
    assert np.allclose(data.x, -1 + (np.arange(16) + 0.5) / 8)
    assert all("units" in data[name].attrs for name in ("field", "time", "y", "x"))
    assert all("long_name" in variable.attrs for variable in data.variables.values())
    initial = GaussianRandomField().sample(CosineBasis(), 16, [4, 7], 2, channels=2)
    states = ReactionDiffusion().solve(initial, [0.3])[:, 0].float()
    assert torch.equal(torch.from_numpy(data.field.values), states[:, [1, 0]])


def test_several_times_make_series_that_contain_the_single_time():
    series = ReactionDiffusionData(resolution=16, time=(0.0, 0.1, 0.3)).generate([4], seed=0)
    single = ReactionDiffusionData(**SMALL).generate([4], seed=0)
    assert series.field.dims == ("sample", "time", "channel", "y", "x")
    assert series.time.values.tolist() == [0.0, 0.1, 0.3]
    assert float(single.time) == 0.3
    xr.testing.assert_identical(series.field.isel(time=-1), single.field)


@pytest.mark.parametrize(
    "source",
    [
        ReactionDiffusionData(**SMALL, initial=WhiteNoise()),
        ReactionDiffusionData(resolution=16, time=(0.0, 0.1, 0.3), channels=("v", "u")),
        NavierStokesData(resolution=16, time=(0.1, 0.3), random_forcing=PowerLawField()),
        RandomFieldData(resolution=16, basis=SineBasis(), channels=("a", "b")),
    ],
    ids=lambda source: source.kind,
)
def test_a_sample_depends_on_seed_and_index_only(source):
    whole = source.generate(range(5), seed=3)
    xr.testing.assert_identical(whole.isel(sample=[3, 4]), source.generate([3, 4], seed=3))
    assert not np.array_equal(whole.field, source.generate(range(5), seed=4).field)


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_random_fields_on_coarse_grids_are_restrictions_of_those_on_fine_ones(basis):
    fine, coarse = (
        RandomFieldData(n, basis, PowerLawField(), ("a", "b"), length=2.0).generate([7, 2], 1)
        for n in (32, 16)
    )
    restricted = basis.restrict(torch.from_numpy(fine.field.values), 16)
    assert torch.allclose(restricted, torch.from_numpy(coarse.field.values), atol=1e-6)
    assert coarse.channel.values.tolist() == ["a", "b"]
    assert coarse.attrs["fsdiff_basis"] == basis.kind
    np.testing.assert_allclose(coarse.x, 2 * basis.nodes(16))


def test_random_fields_in_sines_vanish_at_the_walls():
    smooth = GaussianRandomField(correlation_length=0.3, smoothness=3.0)
    fields = RandomFieldData(256, SineBasis(), smooth).generate(range(3), 0).field.values
    walls = [fields[..., 0], fields[..., -1], fields[..., 0, :], fields[..., -1, :]]
    assert max(np.abs(wall).max() for wall in walls) < 0.1 * fields.std()


# Random forcing


def test_a_weak_random_forcing_from_rest_has_the_linear_response():
    """ω_k = f_k (1 − e^(−ν|ω_k|²t))/(ν|ω_k|²) for each mode, as advection is of second order."""
    law, basis, time = PowerLawField(scale=1e-10), FourierBasis(), 2.0
    source = NavierStokesData(
        resolution=16, time=time, forcing="none", initial=Zero(), random_forcing=law
    )
    found = torch.from_numpy(source.generate([3, 5], 2).field.values).double()
    forcing = law.sample(basis, 16, [3, 5], 2, channels=1, stream=Stream.FORCING)
    rate = source.viscosity * basis.omega_squared(16)
    response = torch.where(rate > 0, -torch.expm1(-rate * time) / rate.clamp_min(1e-9), time)
    expected = basis.multiply(forcing, response)
    assert torch.linalg.norm(found - expected) < 1e-4 * torch.linalg.norm(expected)


def test_forcings_add_up_and_leave_the_mean_at_zero():
    law = GaussianRandomField(correlation_length=0.5)
    options = {"resolution": 16, "time": 0.5, "random_forcing": law, "initial": Zero()}
    both = NavierStokesData(**options).generate([1], 0).field.values
    random = NavierStokesData(**options, forcing="none").generate([1], 0).field.values
    named = NavierStokesData(**options | {"random_forcing": Zero()}).generate([1], 0).field.values
    assert abs(both.mean()) < 1e-6 * np.abs(both).max()
    # Nearly linear at this time.
    assert np.linalg.norm(both - random - named) < 0.1 * np.linalg.norm(both)
    assert np.linalg.norm(random) > 0.1 * np.linalg.norm(named)


def test_progress_counts_samples():
    finished = []
    ReactionDiffusionData(**SMALL).generate(range(3), 0, progress=finished.append)
    assert sum(finished) == 3


def test_default_patterns_have_two_phases():
    """At t = 2.5 values of u lie about two separated levels: kurtosis well below the normal 3."""
    fields = ReactionDiffusionData(resolution=32).generate(range(40), 0).field
    deviation = fields - fields.mean()
    kurtosis = float((deviation**4).mean() / (deviation**2).mean() ** 2)
    assert 1.2 < kurtosis < 1.6


def test_coarse_and_fine_simulations_from_one_law_converge():
    """The same initial function on finer grids: solutions approach each other at second order."""
    source = [ReactionDiffusionData(resolution=n, time=1.0) for n in (32, 64, 128)]
    basis = CosineBasis()
    fields = [torch.from_numpy(s.generate([0], 0).field.values).double() for s in source]
    coarse = [basis.restrict(field, 32) for field in fields]
    distances = [torch.linalg.norm(a - b) for a, b in pairwise(coarse)]
    assert distances[0] > 2.5 * distances[1]


def test_a_solution_that_is_not_finite_names_the_sample():
    source = ReactionDiffusionData(**SMALL, initial=GaussianRandomField(variance=1e300))
    with pytest.raises(IntegrationError, match="sample 6 of seed 2"):
        source.generate([6], seed=2)


@pytest.mark.parametrize(
    ("block", "named"),
    [
        ({"time": 0.0}, "greater than 0"),
        ({"time": [2.0, 1.0]}, "increasing"),
        ({"channels": ["u", "u"]}, "once"),
        ({"channels": ["w"]}, "'u' or 'v'"),
        ({"initial": {"kind": "brown_noise"}}, "white_noise"),
        ({"diffusivity_u": -1.0}, "greater than 0"),
    ],
)
def test_settings_are_checked(block, named):
    with pytest.raises(ValidationError, match=named):
        TypeAdapter(ReactionDiffusionData).validate_python(block)

"""How channels know of each other: what is measured, shrunk, stored and read again."""

import numpy as np
import pytest
import torch
import xarray as xr

import fsdiff as fs
from fsdiff.data.hierarchy import statistics
from fsdiff.data.statistics import Statistics
from fsdiff.spaces import coherence
from fsdiff.spaces.bases import CosineBasis, FourierBasis, SineBasis
from fsdiff.spaces.channels import ChannelBasis

N, SAMPLES = 8, 400
TURN = np.exp(0.7j)
BASES = [CosineBasis(2), FourierBasis(2)]


def kind(basis):
    """Names of cases."""
    return basis.kind


def fields_of(basis, samples=SAMPLES, channels=3):
    """The second channel is 0.8 of the first, turned by a phase, and 0.6 of noise."""
    normals = np.random.default_rng(0).standard_normal((samples, channels, basis.size(N)))
    white = basis.white_noise(normals, N)
    turn = TURN if white.is_complex() else 1.0
    white[:, 1] = 0.8 * turn * white[:, 0] + 0.6 * white[:, 1]
    return basis.inverse(white, N), turn


@pytest.mark.parametrize("basis", BASES, ids=kind)
def test_correlations_are_found_and_those_of_chance_are_not(basis):
    fields, turn = fields_of(basis)
    measured = Statistics.measure(fields, basis).measured(basis)
    found = measured.coherence
    # The modes that a real field has alone have no phase.
    resolved = (basis.multiplicity(N) == 2) if found.is_complex() else basis.resolved(N)
    known = found[:, :, resolved]
    assert (known[1, 0].mean() - 0.8 * turn).abs() < 0.02
    assert torch.allclose(known[0, 1], known[1, 0].conj())
    # By chance alone the squares are 1/400 in the mean.
    assert known[2, :2].abs().square().mean() < 0.75 / SAMPLES * 1.5
    apart = Statistics.measure(fields[:, ::2], basis).measured(basis).coherence
    alone = apart[0, 1, resolved].abs().square()
    assert (alone == 0).double().mean() > 0.5
    assert alone.mean() < 0.6 / SAMPLES


@pytest.mark.parametrize("basis", BASES, ids=kind)
@pytest.mark.parametrize("n", [6, 8, 12])
def test_joint_spectra_are_covariances_with_the_spectrum_on_the_diagonal(basis, n):
    fields, _ = fields_of(basis, samples=12)
    measured = Statistics.measure(fields, basis).measured(basis)
    joint = measured.joint(n)
    assert torch.allclose(joint.diagonal().movedim(-1, 0).real, measured.spectrum(n))
    values = torch.linalg.eigvalsh(joint.movedim((0, 1), (-2, -1)))
    assert values.min() > -1e-12 * values.max()
    if n <= N:
        coarse = measured.joint(N).flatten(2).abs().sum((0, 1)).sort().values
        assert joint.flatten(2).abs().sum((0, 1)).max() <= coarse[-1] * (1 + 1e-12)
    else:  # finer modes were not measured, and channels independent in them
        beyond = basis.wavenumber(n) > basis.wavenumber(N)[basis.resolved(N)].max()
        assert beyond.any()
        assert not joint[0, 1][beyond].any()


def test_channels_that_differ_in_basis_know_nothing_of_each_other():
    basis = ChannelBasis(bases=(SineBasis(2), CosineBasis(2), SineBasis(2)))
    normals = np.random.default_rng(0).standard_normal((50, 3, N * N))
    white = basis.white_noise(normals, N)
    white[:, 1:] += white[:, :1]
    measured = Statistics.measure(basis.inverse(white, N), basis).measured(basis)
    assert not measured.coherence[0, 1].any()
    assert not measured.coherence[1, 2].any()
    assert measured.coherence[0, 2].mean() > 0.4
    two = ChannelBasis(bases=basis.bases[:2])
    assert Statistics.measure(basis.inverse(white, N)[:, :2], two).coherence is None


def test_one_channel_has_none_and_nor_have_too_many(monkeypatch):
    fields, _ = fields_of(CosineBasis(2), samples=10)
    assert Statistics.measure(fields[:, :1], CosineBasis(2)).coherence is None
    monkeypatch.setattr(coherence, "MOST", 9 * N * N - 1)
    assert Statistics.measure(fields, CosineBasis(2)).coherence is None


@pytest.mark.parametrize("basis", BASES, ids=kind)
def test_a_data_set_streamed_has_what_a_tensor_has(basis):
    """Whatever its chunks; frames of series are components like channels."""
    fields, _ = fields_of(basis, samples=20, channels=4)
    names = {"split": ("sample", ["train"] * 20)}
    plain = xr.DataArray(fields.numpy(), dims=("sample", "channel", "y", "x"))
    series = xr.DataArray(
        fields.numpy().reshape(20, 2, 2, N, N), dims=("sample", "time", "channel", "y", "x")
    )
    expected = Statistics.measure(fields, basis).coherence
    for field in (plain, series):
        data = xr.Dataset({"field": field.chunk(sample=7)}, names)
        data = data.merge(statistics(data, basis))
        assert torch.allclose(Statistics.of(data).coherence, expected, atol=1e-12)


@pytest.mark.parametrize("basis", BASES, ids=kind)
def test_models_keep_it_and_those_without_it_are_read(basis, tmp_path):
    fields, _ = fields_of(basis, samples=20)
    model = fs.Gaussian(basis=basis).fit(fields)
    model.save(tmp_path / "model")
    read = fs.load(tmp_path / "model").fitted.statistics
    assert torch.equal(read.coherence, model.fitted.statistics.coherence)
    fs.Gaussian(basis=basis).fit(fields[:, :1]).save(tmp_path / "single")
    assert fs.load(tmp_path / "single").fitted.statistics.coherence is None

"""Measures of phases: closed forms of uniform, normal and constant ones."""

import math

import pytest
import torch

from fsdiff.metrics.evaluate import evaluate
from fsdiff.metrics.phases import (
    CircularMoments,
    ModulusError,
    PhaseGradientDensity,
    Residues,
    circular_moments,
    residues,
)
from fsdiff.spaces.bases import CosineBasis

BASIS, N = CosineBasis(), 32


def on_circle(phase):
    """Fields (N, 2, n, n) of phases (N, n, n)."""
    return torch.stack([phase.cos(), phase.sin()], dim=1)


def normals(count, n=N, seed=0):
    return torch.randn((count, n, n), generator=torch.Generator().manual_seed(seed)).double()


def places(n=N):
    return ((torch.arange(n, dtype=torch.float64) + 0.5) / n).expand(1, n, n)


def test_a_constant_phase_has_no_variance_and_whole_fringes_have_all():
    for count, expected in ((0, 0.0), (1, 1.0), (3, 1.0)):
        variance, _, _ = circular_moments(on_circle(2 * math.pi * count * places() + 0.3))
        assert float(variance) == pytest.approx(expected, abs=1e-12)


def test_wrapped_normals_have_their_moments():
    variance, skewness, asymmetry = circular_moments(on_circle(0.7 * normals(1, 512)))
    assert float(variance) == pytest.approx(1 - math.exp(-(0.7**2) / 2), abs=4e-3)
    assert float(skewness) == pytest.approx(0, abs=0.1)
    assert float(asymmetry) == pytest.approx(0, abs=0.01)


def test_the_second_resultant_of_wrapped_normals_falls_four_times_as_fast():
    # Quantiles in equal parts stand for a normal law around 0 on three rows, around 1 on the last.
    share = (torch.arange(4096, dtype=torch.float64) + 0.5) / 4096
    around = torch.zeros(1, 4, 1, dtype=torch.float64)
    around[:, -1] = 1.0
    _, _, alone = circular_moments(on_circle(around.expand(1, 4, 4096)))
    for v in (0.1, 0.5, 1.5):
        phase = around + math.sqrt(v) * torch.special.ndtri(share)
        _, _, asymmetry = circular_moments(on_circle(phase))
        # R₂ = e^{−2v} beside one normal law, whose direction no variance turns.
        assert float(asymmetry / alone) == pytest.approx(math.exp(-2 * v), abs=1e-3)


def test_the_skewness_of_two_values_is_the_closed_form_and_a_mirror_turns_it():
    # Phase 0 on three quarters of the nodes and 1 on the others.
    phase = torch.zeros(1, 4, 4, dtype=torch.float64)
    phase[:, 0] = 1.0
    first, second = (0.75 + 0.25 * complex(math.cos(p), math.sin(p)) for p in (1, 2))
    turn = math.atan2(second.imag, second.real) - 2 * math.atan2(first.imag, first.real)
    expected = abs(second) * math.sin(turn) / (1 - abs(first)) ** 1.5
    variance, skewness, _ = circular_moments(on_circle(phase))
    assert float(variance) == pytest.approx(1 - abs(first))
    assert float(skewness) == pytest.approx(expected)
    assert float(circular_moments(on_circle(-phase))[1]) == pytest.approx(-expected)


def test_smooth_phases_have_no_residues_and_independent_ones_a_third():
    assert not residues(on_circle(6 * math.pi * places().square())).any()
    uniform = torch.rand((20, N, N), generator=torch.Generator().manual_seed(0)).double()
    share = residues(on_circle(2 * math.pi * uniform)).double().mean()
    assert float(share) == pytest.approx(1 / 3, abs=0.02)


def test_a_vortex_is_one_residue_wherever_it_is():
    y, x = torch.meshgrid(torch.arange(8.0) - 2.4, torch.arange(8.0) - 4.6, indexing="ij")
    for sign in (1, -1):
        found = residues(on_circle(sign * torch.atan2(y, x)[None].double()))[0]
        assert found.nonzero().tolist() == [[2, 4]]


def test_numbers_are_zero_between_equal_sets_and_do_not_see_a_rotation():
    phase = 2 * normals(6)
    metrics = {"m": CircularMoments(), "g": PhaseGradientDensity()}
    row = evaluate(metrics, on_circle(phase + 1.0), on_circle(phase), BASIS)
    assert max(abs(value) for value in row.values()) < 1e-9
    assert set(row) == {*CircularMoments().results, *PhaseGradientDensity().results}


def test_gradients_are_wrapped_and_per_length():
    ramp, still = on_circle(2 * math.pi * 1.25 * places()), on_circle(0 * places())
    found = PhaseGradientDensity()(ramp, still, BASIS)["phase_gradient_w1"]
    assert found == pytest.approx(2 * math.pi * 1.25 / 2)  # along one of two axes


def test_phases_do_not_see_the_modulus():
    fields, modulus = on_circle(2 * normals(4)), 0.2 + normals(4, seed=1).abs()[:, None]
    for metric in (CircularMoments(), Residues(), PhaseGradientDensity()):
        row = metric(modulus * fields, on_circle(normals(4)), BASIS)
        assert row == pytest.approx(metric(fields, on_circle(normals(4)), BASIS), rel=1e-9)


def test_values_off_the_circle_are_counted():
    found = evaluate(
        {"m": ModulusError()}, 1.5 * on_circle(normals(2)), on_circle(normals(2)), BASIS
    )
    assert found["modulus_error"] == pytest.approx(0.5)


def test_residues_of_noise_are_those_of_samples_and_reference():
    row = Residues()(on_circle(9 * normals(4)), on_circle(places()), BASIS)
    assert row["residues_reference"] == 0
    assert row["residues"] > 0.3
    assert row["residues_w1"] == pytest.approx(row["residues"])  # from none at all


def test_residues_that_are_the_same_on_average_are_told_apart_by_their_scatter():
    rough, smooth = on_circle(9 * normals(4)), on_circle(places().expand(4, N, N))
    mixed = torch.cat([rough[:2], smooth[:2]])
    diluted = torch.where((torch.arange(N) < N // 2)[:, None], rough, smooth)
    row = Residues()(mixed, diluted, BASIS)
    assert row["residues"] == pytest.approx(row["residues_reference"], rel=0.1)
    assert (
        row["residues_w1"]
        > 0.4 * row["residues"]
        > 10 * Residues()(rough, rough, BASIS)["residues_w1"]
    )


def test_fields_of_one_channel_are_refused():
    one = torch.zeros(2, 1, N, N)
    with pytest.raises(ValueError, match=r"is about two channels, .* phase; there are 1"):
        Residues()(one, one, BASIS)

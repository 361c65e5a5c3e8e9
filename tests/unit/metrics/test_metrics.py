"""What all measures share, and what they see together: structure beyond second moments."""

import math

import pytest
import torch
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.diversity import VendiScore
from fsdiff.metrics.evaluate import evaluate
from fsdiff.parts import build, find, kinds
from fsdiff.spaces.bases import Basis, CosineBasis, FourierBasis, SineBasis

# What is tested here are measures of any fields; these are of two channels, of flows, shapes and
# curves, of training fields or of what networks see, and are tested beside their closed forms.
OF_PHASES = ("circular_moments", "modulus_error", "phase_gradient", "residues")
OF_THE_PLANE = ("enstrophy", "enstrophy_flux", "published_vorticity", "topology")
OF_CLASSES = tuple(kind for kind in kinds("metrics") if find("metrics", kind).classified)
OF_PICTURES = ("frechet_efficientnet", "frechet_inception")
OTHERS = (*OF_PHASES, *OF_THE_PLANE, *OF_CLASSES, *OF_PICTURES)
OTHERS += ("memorisation", "frechet_principal", "frechet_scattering", "parabolas", "increments")
OTHERS += ("train_on_synthetic",)
ALL = tuple(kind for kind in kinds("metrics") if kind not in OTHERS)
BASES = [CosineBasis(), FourierBasis()]
QUICK = {
    "patch_sliced_wasserstein": {"divisions": 8, "points": 4, "projections": 50},
    "two_sample_tests": {"sizes": [2], "permutations": 19},
    "classifier_test": {"epochs": 1},
}


def metric(kind: str, **options: object) -> Metric:
    return build("metrics", {"kind": kind, **QUICK.get(kind, {}), **options})


def smooth(basis: Basis, count: int, n: int, seed: int, channels: int = 1) -> Tensor:
    """Band-limited random fields, the same functions on every grid of n >= 8 nodes."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn(
        (count, channels, *(8,) * basis.dimension), generator=random, dtype=torch.float64
    )
    return basis.prolong(coarse, n)


def gaussian_surrogate(basis: Basis, data: Tensor, seed: int) -> Tensor:
    """Gaussian fields with the mean and the mode-wise spectrum of the data."""
    n, mean = data.shape[-1], data.mean((0, 2, 3), keepdim=True)
    amplitude = basis.forward(data - mean).abs().square().mean(0).sqrt()
    random = torch.Generator().manual_seed(seed)
    normals = torch.randn((len(data), 1, n**basis.dimension), generator=random, dtype=torch.float64)
    return mean + basis.inverse(amplitude * basis.white_noise(normals.numpy(), n), n)


@pytest.mark.parametrize("basis", [*BASES, CosineBasis(1), FourierBasis(3)], ids=str)
@pytest.mark.parametrize("kind", ALL)
def test_every_measure_is_finite_deterministic_and_accepts_single_precision(kind, basis):
    measure = metric(kind)
    x, y = smooth(basis, 6, 12, 0, channels=2), smooth(basis, 5, 12, 1, channels=2)
    row = measure(x, y, basis)
    assert row == measure(x.clone(), y.clone(), basis)
    single = measure(x.float(), y.float(), basis)
    assert single == pytest.approx(row, rel=1e-4, abs=1e-6)
    assert all(type(value) is float for value in row.values())


@pytest.mark.parametrize("kind", OF_PHASES + OF_THE_PLANE)
def test_so_is_every_measure_of_fields_in_the_plane(kind):
    basis, measure = FourierBasis(), metric(kind)
    x, y = smooth(basis, 6, 12, 0, channels=2), smooth(basis, 5, 12, 1, channels=2)
    row = measure(x, y, basis)
    assert row == measure(x.clone(), y.clone(), basis)
    assert measure(x.float(), y.float(), basis) == pytest.approx(row, rel=1e-4, abs=1e-6)
    assert tuple(row) == measure.results
    assert all(type(value) is float for value in row.values())
    with pytest.raises(ValueError, match="same channels and grid"):
        measure(x, y[:, :1], basis)
    with pytest.raises(ValueError, match="use"):
        measure.check_grid(FourierBasis(1), 12)


@pytest.mark.parametrize("kind", ALL)
def test_arguments_are_left_as_they_were(kind):
    basis = CosineBasis()
    x, y = smooth(basis, 4, 8, 0).float(), smooth(basis, 4, 8, 1).float()
    before = x.clone(), y.clone()
    metric(kind)(x, y, basis)
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])


@pytest.mark.parametrize("kind", ALL)
def test_values_do_not_depend_on_the_size_of_blocks(kind, monkeypatch):
    basis = CosineBasis()
    x, y = smooth(basis, 12, 8, 0, channels=2), smooth(basis, 9, 8, 1, channels=2)
    whole = metric(kind)(x, y, basis)
    for module in ("fields", "sliced", "densities"):
        monkeypatch.setattr(f"fsdiff.metrics.{module}.BLOCK", 300)
    assert metric(kind)(x, y, basis) == pytest.approx(whole, rel=1e-10)


@pytest.mark.parametrize("basis", BASES, ids=str)
@pytest.mark.parametrize(
    "kind",
    [
        "sliced_wasserstein",
        "patch_sliced_wasserstein",
        "sw_gaussian_approx",
        "vendi",
        "rbf_mmd",
        "energy_distance",
    ],
)
def test_values_do_not_depend_on_the_grid(kind, basis):
    measure = metric(kind)
    coarse = measure(smooth(basis, 12, 16, 0), 2 * smooth(basis, 9, 16, 1), basis)
    fine = measure(smooth(basis, 12, 40, 0), 2 * smooth(basis, 9, 40, 1), basis)
    assert fine == pytest.approx(coarse, rel=1e-10)


@pytest.mark.parametrize("basis", BASES, ids=str)
def test_structure_separates_a_gaussian_surrogate_that_projections_hardly_see(basis):
    real = torch.tanh(6 * smooth(basis, 384, 32, 2))
    first, second = real[:192], real[192:]
    surrogate = gaussian_surrogate(basis, first, 3)
    chosen = ("sliced_wasserstein", "spectrum", "one_point", "gradient", "patch_sliced_wasserstein")
    metrics = {kind: metric(kind) for kind in chosen}
    floor = evaluate(metrics, first, second, basis)
    row = evaluate(metrics, surrogate, second, basis)

    assert row["sliced_wasserstein"] < 1.3 * floor["sliced_wasserstein"]
    assert row["log_spectrum_error"] < 0.1
    for key in ("one_point_w1", "gradient_w1", "patch_sliced_wasserstein"):
        assert row[key] > 4 * floor[key], key
    assert floor["one_point_kurtosis"] < 1.5
    assert row["one_point_kurtosis"] == pytest.approx(3, abs=0.2)
    assert row["gradient_kurtosis"] == pytest.approx(3, abs=0.2)
    assert row["gradient_kurtosis_reference"] > 5


@pytest.mark.parametrize("kind", ALL)
def test_results_have_the_names_that_measures_say(kind):
    basis = CosineBasis()
    x, y = smooth(basis, 6, 8, 0), smooth(basis, 6, 8, 1)
    for options in [{}, {"permutations": 9}] if kind == "rbf_mmd" else [{}]:
        measure = metric(kind, **options)
        assert tuple(measure(x, y, basis)) == measure.results


@pytest.mark.parametrize("kind", ALL)
def test_what_a_measure_refuses_is_what_it_says_beforehand(kind):
    basis, measure = CosineBasis(), metric(kind)
    x, y = smooth(basis, measure.at_least, 8, 0), smooth(basis, measure.at_least, 8, 1)
    evaluate({kind: measure}, x, y, basis)
    if measure.at_least > 1:
        with pytest.raises(ValueError, match="needs at least"):
            measure(x[1:], y, basis)
    for n, basis in ((1, CosineBasis()), (1, SineBasis()), (2, SineBasis()), (2, FourierBasis())):
        fields = [torch.randn(5, 2, n, n, dtype=torch.float64) for _ in range(2)]
        try:
            measure.check_grid(basis, n)
        except ValueError:
            with pytest.raises(ValueError, match="use"):
                evaluate({kind: measure}, *fields, basis)
        else:
            evaluate({kind: measure}, *fields, basis)


def test_keys_are_unique_among_all_measures():
    basis = CosineBasis()
    x, y = smooth(basis, 6, 8, 0), smooth(basis, 6, 8, 1)
    metrics = {kind: metric(kind) for kind in ALL}
    metrics["rbf_mmd"] = metric("rbf_mmd", permutations=9)
    row = evaluate(metrics, x, y, basis)
    assert len(row) == sum(len(measure(x, y, basis)) for measure in metrics.values())
    assert all(math.isfinite(value) for value in row.values())


class Unannounced(VendiScore):
    """A measure that gives a number more than it says."""

    def __call__(self, samples, reference, basis):
        return super().__call__(samples, reference, basis) | {"richness": 1.0}


def test_results_that_a_measure_does_not_name_are_refused():
    basis = CosineBasis()
    x = smooth(basis, 4, 8, 0)
    with pytest.raises(ValueError, match=r"'mine' gives 'richness', which is none of .*vendi"):
        evaluate({"mine": Unannounced()}, x, x, basis)


def test_evaluate_names_the_measures_whose_keys_collide():
    basis = CosineBasis()
    x = smooth(basis, 4, 8, 0)
    metrics = {name: metric("vendi") for name in ("one", "two")}
    with pytest.raises(ValueError, match="'one' and 'two' both give 'vendi'"):
        evaluate(metrics, x, x, basis)


def test_evaluate_leaves_out_what_constant_samples_do_not_have(caplog):
    constant, varied = torch.full((4, 1, 8, 8), 0.1), torch.randn(4, 1, 8, 8)
    metrics = {"values": metric("one_point"), "different": metric("vendi")}
    row = evaluate(metrics, constant, varied, CosineBasis())
    assert set(row) == {"one_point_w1", "one_point_kurtosis_reference", "vendi", "vendi_reference"}
    assert "metric 'values' gives no one_point_kurtosis" in caplog.text
    assert "vendi" not in evaluate(metrics, 0 * constant, varied, CosineBasis())


def test_evaluate_names_the_measure_that_the_reference_leaves_undefined():
    constant = torch.full((4, 1, 8, 8), 0.1)
    metrics = {"values": metric("one_point")}
    with pytest.raises(ValueError, match="'values' gives one_point_kurtosis_reference = nan"):
        evaluate(metrics, torch.randn(4, 1, 8, 8), constant, CosineBasis())


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (torch.zeros(4, 8, 8), r"samples have shape \(4, 8, 8\); expected"),
        (torch.zeros(4, 1, 8, 9), r"expected \(fields, channels, n, n\)"),
        (torch.zeros(0, 1, 8, 8), "hold 0 fields"),
        (torch.zeros(4, 1, 16, 16), "same channels and grid"),
        (torch.zeros(4, 2, 8, 8), "same channels and grid"),
        (torch.zeros(4, 1, 8, 8, dtype=torch.long), "int64"),
        (torch.zeros(4, 1, 8, 8, dtype=torch.complex64), "complex64"),
        (torch.full((4, 1, 8, 8), torch.nan), "NaN or infinity, first in field 0"),
    ],
)
@pytest.mark.parametrize("kind", ALL)
def test_unfit_arguments_are_refused(kind, samples, message):
    with pytest.raises(ValueError, match=message):
        metric(kind)(samples, torch.randn(4, 1, 8, 8), CosineBasis())


@pytest.mark.parametrize("kind", ["rbf_mmd", "energy_distance", "autocovariance"])
def test_measures_over_pairs_need_two_fields(kind):
    with pytest.raises(ValueError, match="reference hold 1 fields; this measure needs at least 2"):
        metric(kind)(torch.randn(3, 1, 8, 8), torch.randn(1, 1, 8, 8), CosineBasis())

"""Every channel counts, whatever its unit, its mean and the others: values that metrics give."""

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fsdiff.data.statistics import Statistics
from fsdiff.metrics.results import channel_names, of_channel, parsed
from fsdiff.parts import build, find, kinds
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages.judge import Judge, channels_of

BASIS, N = CosineBasis(), 16
QUICK = {"sliced_wasserstein": {"projections": 100}}
QUICK["patch_sliced_wasserstein"] = {"divisions": 4, "points": 4, "projections": 50}
APART = ("two_sample_tests", "classifier_test", "enstrophy", "enstrophy_flux", "memorisation")
"""What the first two say is no distance: shares and areas; others are of flows, or of training."""
APART += ("frechet_efficientnet", "frechet_inception", "frechet_principal", "frechet_scattering")
APART += ("train_on_synthetic",)
MEASURES = {kind: find("metrics", kind) for kind in kinds("metrics") if kind not in APART}
KINDS = [kind for kind, item in MEASURES.items() if not item.physical and not item.classified]
MEAN, SCALE = (12.0, 0.05), (4.5, 0.004)
"""Of a permeability and of a pressure."""

DISTANCES = {
    "sliced_wasserstein": "sliced_wasserstein",
    "patch_sliced_wasserstein": "patch_sliced_wasserstein",
    "sw_gaussian_approx": "sw_gaussian_approx",
    "energy_distance": "energy_distance",
    "one_point": "one_point_w1",
    "gradient": "gradient_w1",
}
"""Kinds with a distance of degree one → what it is called."""


def metrics(*names: str) -> dict:
    return {kind: build("metrics", {"kind": kind, **QUICK.get(kind, {})}) for kind in names}


def judge(*names: str, mean=MEAN, scale=SCALE, channels=None) -> Judge:
    values = {"mean": torch.tensor(mean).double(), "scale": torch.tensor(scale).double()}
    statistics = Statistics(**values, spectrum=torch.ones(len(mean), N, N), resolution=N)
    return Judge(metrics(*names), BASIS, statistics, channels or {})


def two_channels(**options) -> Judge:
    return judge(*KINDS, channels={"permeability": [0], "pressure": [1]}, **options)


def fields(count: int, seed: int, channels: int = 2) -> Tensor:
    """Normalised fields with fronts, and with a hump in their mean, as a pressure has."""
    random = torch.Generator().manual_seed(seed)
    coarse = torch.randn((count, channels, 4, 4), generator=random, dtype=torch.float64)
    x = torch.sin(torch.pi * (torch.arange(N).double() + 0.5) / N)
    return 0.7 * torch.tanh(4 * BASIS.prolong(coarse, N)) + 1.6 * (x[:, None] * x - 0.405)


def physical(normalised: Tensor, mean=MEAN, scale=SCALE) -> Tensor:
    shape = (-1, 1, 1)
    return normalised * torch.tensor(scale).reshape(shape) + torch.tensor(mean).reshape(shape)


def white_noise(like: Tensor) -> Tensor:
    """As large as fields of the pressure are and with their mean, but without any order."""
    noise = torch.randn(like.shape, generator=torch.Generator().manual_seed(9), dtype=like.dtype)
    return like.mean() + like.std() * noise


def distance(row: dict[str, float], key: str) -> float:
    key, channel = parsed(key)
    target = f"{key}_reference" + (f"[{channel}]" if channel else "")
    name = of_channel(key, channel) if channel else key
    return abs(row[name] - row.get(target, 0.0))


@pytest.fixture(scope="module")
def sets() -> tuple[Tensor, Tensor]:
    """Two sets of real data, in physical units."""
    return physical(fields(40, 1)), physical(fields(40, 0))


# The law of a constant has no kurtosis: that is an error, below.
SPOILED = [(kind, white_noise) for kind in KINDS]
SPOILED += [(kind, torch.zeros_like) for kind in KINDS if kind not in ("one_point", "gradient")]


@pytest.mark.parametrize(("kind", "spoil"), SPOILED)
def test_every_metric_sees_that_the_small_channel_is_spoiled(sets, kind, spoil):
    compare = judge(kind, channels={"permeability": [0], "pressure": [1]})
    samples, target = sets
    spoiled = samples.clone()
    spoiled[:, 1] = spoil(spoiled[:, 1])
    before, after = (
        compare(compare.normalise(u), compare.normalise(target)) for u in (samples, spoiled)
    )
    for key in before:
        if not parsed(key)[1] and not key.endswith("_reference"):
            assert distance(after, key) > 1.8 * distance(before, key), key
            alone = f"{key}[pressure]"
            assert distance(after, alone) > 2 * distance(before, alone), alone
            assert after[f"{key}[permeability]"] == before[f"{key}[permeability]"]


def test_a_channel_without_a_law_is_named(sets):
    compare = judge("one_point", channels={"permeability": [0], "pressure": [1]})
    samples, target = (compare.normalise(u) for u in sets)
    target[:, 1] = 0.0
    with pytest.raises(ValueError, match="channel pressure: metric 'one_point' gives"):
        compare(samples, target)


def test_a_channel_that_is_constant_in_samples_only_leaves_out_what_it_does_not_have(sets):
    compare = two_channels()
    samples, target = (compare.normalise(u) for u in sets)
    whole = compare(samples, target)
    samples[:, 1] = 0.0
    lacking = {"one_point_kurtosis", "gradient_kurtosis"}
    lacking |= {of_channel(key, "pressure") for key in (*lacking, "vendi")}
    assert whole.keys() - compare(samples, target).keys() == lacking


@settings(max_examples=8, deadline=None)
@given(
    scale=st.tuples(*[st.floats(-4, 4).map(lambda x: 10**x)] * 2),
    offset=st.tuples(*[st.floats(-1e3, 1e3)] * 2),
)
def test_units_and_zero_points_of_channels_change_nothing(scale, offset):
    x, y = fields(8, 2), fields(8, 3)
    plain = two_channels(mean=(0.0, 0.0), scale=(1.0, 1.0))
    mean = tuple(a * b for a, b in zip(scale, offset, strict=True))
    other = two_channels(mean=mean, scale=scale)
    row = other(*(other.normalise(physical(u, mean, scale)) for u in (x, y)))
    expected = plain(plain.normalise(x), plain.normalise(y))
    assert row == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_the_score_of_a_channel_is_that_of_the_channel_by_itself(sets):
    together = two_channels()
    row = together(*map(together.normalise, sets))
    for number, name in enumerate(("permeability", "pressure")):
        alone = judge(*KINDS, mean=MEAN[number : number + 1], scale=SCALE[number : number + 1])
        found = alone(*(alone.normalise(u[:, number : number + 1]) for u in sets))
        assert found == {key: row[of_channel(key, name)] for key in found}
    assert len(row) == 3 * len(found)


@pytest.mark.parametrize("kind", DISTANCES)
def test_distances_of_one_channel_are_physical_ones_in_deviations(kind):
    x, y = (physical(fields(10, seed, 1), (3.0,), (0.2,)) for seed in (4, 5))
    compare, key = judge(kind, mean=(3.0,), scale=(0.2,)), DISTANCES[kind]
    row = compare(compare.normalise(x), compare.normalise(y))
    (measure,) = metrics(kind).values()
    assert measure(x, y, BASIS)[key] == pytest.approx(0.2 * row[key], rel=1e-4)


def test_a_large_mean_does_not_hide_that_fields_differ():
    x, y = (physical(fields(20, seed, 1), (1e5,), (0.01,)) for seed in (6, 7))
    large = judge("vendi", "vendi_physical", mean=(1e5,), scale=(0.01,))
    small = judge("vendi", mean=(0.0,), scale=(1.0,))
    row = large(large.normalise(x), large.normalise(y))
    expected = small(small.normalise(fields(20, 6, 1)), small.normalise(fields(20, 7, 1)))
    assert expected["vendi"] > 5
    assert row["vendi"] == pytest.approx(expected["vendi"], rel=1e-3)
    assert row["vendi_reference"] == pytest.approx(expected["vendi_reference"], rel=1e-3)
    assert row["vendi_physical"] == pytest.approx(1, abs=1e-6)


def test_published_metrics_are_of_physical_fields(sets):
    compare = judge("vendi", "vendi_physical", "sw_gaussian_approx", "sw_gaussian_approx_physical")
    row = compare(*map(compare.normalise, sets))
    for kind in ("vendi", "sw_gaussian_approx"):
        (measure,) = metrics(kind).values()
        assert row[f"{kind}_physical"] == pytest.approx(measure(*sets, BASIS)[kind], rel=1e-6)
    assert row["vendi_physical"] < 2 < row["vendi"]


@pytest.mark.parametrize("frame", range(3))
def test_a_frame_of_a_series_counts_however_the_others_grow(frame):
    """Frames of a growing series, 1e3 times as large from one to the next."""
    mean, scale = (1.0, 1e3, 1e6), (0.1, 1e2, 1e5)
    channels = {"u": [0, 1, 2]}
    compare = judge(
        "sliced_wasserstein", "energy_distance", mean=mean, scale=scale, channels=channels
    )
    x, y = (physical(fields(20, seed, 3), mean, scale) for seed in (8, 9))
    real = compare(compare.normalise(x), compare.normalise(y))
    x[:, frame] = 0.0
    row = compare(compare.normalise(x), compare.normalise(y))
    for key in ("sliced_wasserstein", "energy_distance"):
        assert row[key] > 10 * real[key]
        assert row[f"{key}[u]"] == row[key]


def dataset(names: list[str], times: int | None = None) -> xr.Dataset:
    dimensions = ["sample", "time", "channel"] if times else ["sample", "channel"]
    values = np.zeros([2, *([times] if times else []), len(names), 2, 2])
    return xr.Dataset({"field": ([*dimensions, "y", "x"], values)}, {"channel": names})


def test_channels_have_a_number_for_each_frame():
    assert channels_of(dataset(["u", "v"], 3)) == {"u": [0, 2, 4], "v": [1, 3, 5]}
    assert channels_of(dataset(["u", "v"])) == {"u": [0], "v": [1]}
    assert channels_of(dataset(["u"], 3)) == channels_of(dataset(["u"])) == {}


def test_names_of_channels_are_safe_in_tables_and_files():
    given = ["u [m/s]", "=HYPERLINK(1)", "a,b\n", "", "//", "ω", "x" * 99, "u/m/s", "u_m_s_7"]
    names = channel_names(given)
    assert names[:6] == ["u_m_s", "HYPERLINK_1", "a_b", "channel", "channel_4", "ω"]
    assert names[6:] == ["x" * 40, "u_m_s_7", "u_m_s_7_8"]
    assert all(parsed(of_channel("vendi", name)) == ("vendi", name) for name in names)
    assert parsed("vendi") == ("vendi", "")


def test_numbers_of_all_channels_at_once_are_not_taken_of_each():
    both = judge("residues", "vendi", channels={"cosine": [0], "sine": [1]})
    row = both(fields(4, 0), fields(4, 1))
    assert {"residues", "vendi", "vendi[cosine]", "vendi[sine]"} <= row.keys()
    assert not any(name.startswith("residues[") for name in row)

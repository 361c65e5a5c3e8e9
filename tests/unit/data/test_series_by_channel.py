"""Series whose channels differ in basis: the frames of each are in its own."""

import numpy as np
import pytest
import torch
import xarray as xr

import fsdiff as fs
from fsdiff import study
from fsdiff.data import hierarchy
from fsdiff.data.sources.labels import label
from fsdiff.data.statistics import Statistics
from fsdiff.parts import described
from fsdiff.spaces.bases import CosineBasis, SineBasis
from fsdiff.spaces.channels import ChannelBasis
from fsdiff.spaces.downsampling import Spectral

FRAME = ChannelBasis(bases=(CosineBasis(), SineBasis()))
N, TIMES = 8, (0.0, 0.5, 2.0)
SERIES = FRAME.repeated(len(TIMES))


@pytest.fixture(scope="module")
def data():
    """Random series (sample, time, channel, y, x), all of them to train on."""
    values = np.random.default_rng(0).standard_normal((10, len(TIMES), 2, N, N)).astype("f4") + 3
    made = label(
        values,
        range(10),
        basis=FRAME,
        measured_from="corner",
        channels=("a", "p"),
        meaning="any",
        time=TIMES,
    )
    return made.assign_coords(split=("sample", ["train"] * 10)).chunk()


def test_statistics_and_restrictions_are_those_of_each_channel_in_its_basis(data):
    found = hierarchy.statistics(data, SERIES)
    coarse = hierarchy.restrict(data, 4, Spectral(), SERIES)
    for channel, basis in enumerate(FRAME.bases):
        alone = data.isel(channel=[channel])
        expected = hierarchy.statistics(alone, basis)
        xr.testing.assert_equal(
            found.isel(channel=[channel]).drop_vars(["mode_y", "mode_x", "coherence"]),
            expected.drop_vars(["mode_y", "mode_x", "coherence"]),
        )
        own = hierarchy.restrict(alone, 4, Spectral(), basis)["field"]
        np.testing.assert_array_equal(coarse["field"][:, :, [channel]], own)
    assert (found["mean"].sel(channel="p") == 0).all()
    assert (found["mean"].sel(channel="a") > 2).all()


def test_models_of_series_have_a_channel_for_each_frame(data):
    statistics = Statistics.of(data.merge(hierarchy.statistics(data, SERIES)))
    flat = torch.from_numpy(data["field"].values).flatten(1, 2)
    measured = Statistics.measure(flat, SERIES)
    torch.testing.assert_close(statistics.spectrum, measured.spectrum)
    model = fs.Gaussian(SERIES).fit(flat)
    drawn = model.sample(n=2 * N, indices=range(3)).fields
    # Sines vanish at the walls, half a step beyond the outermost nodes: odd about them.
    spectrum = SERIES.forward(model.fitted.statistics.normalise(drawn).double())
    for channel, basis in enumerate(SERIES.bases):
        again = basis.inverse(spectrum[:, channel], 2 * N)
        expected = model.fitted.statistics.normalise(drawn)[:, channel]
        torch.testing.assert_close(again.float(), expected, rtol=0, atol=1e-4)


def test_a_basis_that_is_not_by_channel_is_the_same_for_series():
    assert CosineBasis().repeated(3) == CosineBasis()
    assert SERIES.bases == FRAME.bases * 3
    assert SERIES.select(range(2)) == FRAME


def test_a_study_gives_all_its_jobs_the_basis_of_series(monkeypatch):
    config = {
        "datasets": {
            "patterns": {
                "source": {
                    "kind": "reaction_diffusion",
                    "resolution": 16,
                    "time": [0.5, 1.0],
                    "channels": ["u", "v"],
                },
                "split": {"train": 8, "validation": 4, "test": 4},
                "resolutions": [16],
            }
        },
        "experiments": {
            "surrogate": {
                "dataset": "patterns",
                "method": {"kind": "gaussian"},
                "samples": {"count": 2, "resolutions": [16]},
            }
        },
        "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
    }
    source = type(study.load(config).datasets["patterns"].source.part)
    monkeypatch.setattr(source, "space", property(lambda self: FRAME))
    loaded = study.load(config)
    expected = described(FRAME.repeated(2))
    assert loaded.hierarchy_slice("patterns", 16)["basis"] == expected
    assert loaded.measure_slice("surrogate", 16, 0)["basis"] == expected

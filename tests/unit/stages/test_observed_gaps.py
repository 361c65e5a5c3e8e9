"""Fields of the sea, in degrees and with land: where they are observed, and what becomes of it."""

import netCDF4
import numpy as np
import pytest
import torch

from fsdiff import study as config
from fsdiff.data import hierarchy, masking, storage
from fsdiff.inverse.observations.some import Some
from fsdiff.parts import build
from fsdiff.reports.posteriors.seen import seen
from fsdiff.stages.observe import observe
from fsdiff.stages.observed import Observed
from fsdiff.study import ConfigurationError

N, LAND = 12, (slice(2, 6), slice(5, 10))


@pytest.fixture(scope="module")
def sea(tmp_path_factory):
    """Smooth fields on 12 × 12 nodes between 40° and 51° N, 0° and 22° E, and none on land."""
    path = tmp_path_factory.mktemp("sea") / "sea.nc"
    latitude, longitude = 40.0 + np.arange(N), 2.0 * np.arange(N)
    normals = np.random.default_rng(0).standard_normal((8, 3))
    x, y = np.meshgrid(longitude / 24, latitude / 12)
    waves = np.stack([np.cos(np.pi * x), np.cos(np.pi * y), np.cos(np.pi * (x + y))])
    fields = np.tensordot(normals, waves, 1)
    fields[:, *LAND] = np.nan
    with netCDF4.Dataset(path, "w") as file:
        for name, values in (
            ("sample", np.arange(8)),
            ("latitude", latitude),
            ("longitude", longitude),
        ):
            file.createDimension(name, len(values))
            file.createVariable(name, "f8", (name,))[:] = values
        file["latitude"].units, file["longitude"].units = "degrees_north", "degrees_east"
        names = ("sample", "latitude", "longitude")
        file.createVariable("temperature", "f8", names, fill_value=1e20)[:] = np.ma.masked_invalid(
            fields
        )
    return path


def loaded(sea, **operator):
    source = {"kind": "files", "path": str(sea), "gaps": "mask"}
    split = {"train": 3, "validation": 1, "test": 4}
    return config.load(
        {
            "datasets": {"sea": {"source": source, "split": split, "resolutions": [N]}},
            "experiments": {
                "surrogate": {
                    "dataset": "sea",
                    "method": {"kind": "gaussian"},
                    "samples": {"count": 2, "resolutions": [N]},
                }
            },
            "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
            "observations": {"seen": {"dataset": "sea", "operator": {"noise": 0.1, **operator}}},
        }
    )


def refusal(sea, **operator):
    with pytest.raises(ConfigurationError) as caught:
        loaded(sea, **operator)
    (found,) = caught.value.problems
    return found


def test_points_are_places_in_degrees(sea):
    points = [[41.0, 4.0], [50.5, 20.0]]
    study = loaded(sea, kind="points", measured="data", points=points)
    operator = build("operator", study.observe_slice("seen")["operator"])
    axes = study.datasets["sea"].basis.axes
    latitude, longitude = (axis.side / N * (np.arange(N) + 0.5) for axis in axes)
    expected = [[latitude[1], longitude[2]], [latitude[10] + axes[0].side / N / 2, longitude[10]]]
    np.testing.assert_allclose(operator.points, expected, rtol=1e-9)
    found = refusal(sea, kind="points", measured="data", points=[[52.0, 4.0]])
    assert found.startswith("observations.seen.operator: points: latitude = 52 is outside of the")


def test_nothing_is_seen_on_land(sea):
    found = refusal(sea, kind="points", measured="data", points=[[41.0, 4.0], [44.0, 14.0]])
    assert "is where the data have no values (gaps: mask): leave it out" in found
    found = refusal(sea, kind="averages", resolution=4)
    assert found.startswith("observations.seen.operator: averages looks at nodes without values")
    study = loaded(sea, kind="mask", resolution=N, share=1.0)
    operator = build("operator", study.observe_slice("seen")["operator"])
    land = np.zeros((N, N), bool)
    land[LAND] = True
    assert isinstance(operator, Some)
    assert operator.data == tuple(np.flatnonzero(~land.ravel()).tolist())


def test_residuals_of_fields_without_values_on_land_are_those_of_the_sea(sea, tmp_path):
    """What was seen is at nodes with values; what draws have elsewhere is of no account."""
    study = loaded(sea, kind="mask", resolution=N, share=0.5)
    dataset, block = study.datasets["sea"], study.observe_slice("seen")
    made = storage.Provenance(study.simulate_slice("sea"), "code", 0)
    fields = dataset.source.part.generate(range(8), 0)
    storage.write(fields, tmp_path / "shard.nc", title="shard", provenance=made)
    counts = dataset.split.plain()
    merged = hierarchy.merge([tmp_path / "shard.nc"], split=counts, expected=made)
    merged = merged.merge(hierarchy.statistics(merged, dataset.basis), combine_attrs="override")
    merged = merged.assign(masking.restricted(merged, dataset.basis, N))
    storage.write(merged, tmp_path / "12.nc", title="data", provenance=made)
    job = {"config": block, "code": "code"}
    observe(job, data=tmp_path / "12.nc", output=tmp_path / "seen.nc")
    observed = Observed.read(tmp_path / "seen.nc", dataset.basis)
    operator = build("operator", block["operator"])
    with storage.read(tmp_path / "12.nc") as data:
        truth = torch.from_numpy(data["field"].sel(sample=list(observed.samples)).values)
        mask = masking.mask_in(data)
        known = masking.known(data["field"], data).values[4]
    residuals = observed.residuals(mask.emptied(truth), 0, operator, dataset.basis, mask)
    stored = storage.read_results(tmp_path / "seen.nc")
    expected = (stored["exact"] - stored["data"]).values / 0.1
    np.testing.assert_allclose(residuals[0], expected[0], atol=1e-5)
    # Each is the value of the field at its node, in degrees; the picture is blank elsewhere.
    field, places = known[0], stored["place"].values
    rows, columns = np.rint(places[:, 0] - 40).astype(int), np.rint(places[:, 1] / 2).astype(int)
    np.testing.assert_allclose(stored["exact"].values[0], field[rows, columns], atol=1e-5)
    (image,) = seen(operator, dataset.basis, 1, stored["data"].values[0], N)[0]
    assert np.isfinite(image.values).sum() == len(places)
    assert not np.isfinite(image.values[np.isnan(field)]).any()

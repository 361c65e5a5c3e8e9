"""Methods of transformed fields: what they draw, and what it is compared with, is physical."""

import numpy as np
import pytest
import torch
import xarray as xr

import fsdiff as fs
from fsdiff.data import json_files, storage
from fsdiff.data.fitting import transforms_in
from fsdiff.data.hierarchy import restrict, statistics, with_transforms
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.metrics.densities import OnePointDensity
from fsdiff.parts import described
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, SineBasis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.channels import ChannelBasis
from fsdiff.spaces.downsampling import Spectral
from fsdiff.stages.files import normalised_split, reference_halves
from fsdiff.stages.judge import Judge
from fsdiff.stages.measure import measure
from fsdiff.stages.references import evaluate_references
from fsdiff.stages.train import train

N = 16
BASIS = Box(
    axes=(
        Axis(kind="neumann", name="depth", nodes=8, side=0.5),
        Axis(kind="periodic", name="longitude", nodes=N),
    )
)
LOG = {"permeability": {"kind": "log"}}
MEAN, DEVIATION = -2.0, 0.8
COUNT = 200


def named(basis, fields, channels, train):
    """A data set of fields (sample, channel, *axes), the last of them for validation and tests."""
    axes = [axis.name for axis in basis.axes]
    nodes = zip(axes, basis.axis_nodes(basis.resolution(fields)), strict=True)
    rest = len(fields) - train
    split = np.repeat(["train", "validation", "test"], [train, rest // 2, rest - rest // 2])
    made = xr.Dataset(
        {"field": (("sample", "channel", *axes), fields.float().numpy(), {"units": "m2"})},
        {"sample": range(len(fields)), "channel": channels, **dict(nodes)},
    ).assign_coords(split=("sample", split))
    return made.merge(statistics(made, basis))


def logarithms(count):
    """Gaussian fields on the rectangle, of one law, with MEAN and DEVIATION at each node."""
    noise = torch.randn(
        (count, 1, *BASIS.grid(N)), generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    smooth = BASIS.multiply(noise, (1 + BASIS.omega_squared(N) / 1000) ** -1)
    return MEAN + DEVIATION * smooth / smooth.square().mean(0).sqrt()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Files of log-normal permeabilities on 8 and 16 nodes along the longer side."""
    folder = tmp_path_factory.mktemp("data")
    fine = named(BASIS, logarithms(COUNT).exp(), ["permeability"], COUNT - 40)
    fine = with_transforms(fine, LOG, BASIS)
    for n in (8, N):
        made = restrict(fine, n, Spectral(), BASIS)
        storage.write(made, folder / f"{n}.nc", title="data", provenance=Provenance({}, "", 0))
    return folder


@pytest.fixture(scope="module")
def surrogate(data):
    """The files of the Gaussian surrogate."""
    weights = data / "gaussian.safetensors"
    config = {"basis": described(BASIS), "method": {"kind": "gaussian"}, "seed": 0}
    job = {"config": config, "code": ""}
    measure(job, data=data / f"{N}.nc", weights=weights, sidecar=weights.with_suffix(".json"))
    return weights


@pytest.fixture(scope="module")
def diffusion(data):
    """The files of a diffusion that was trained for a few steps."""
    weights = data / "diffusion.safetensors"
    config = {
        "basis": described(BASIS),
        "method": {"kind": "diffusion"},
        "prior": {"kind": "bessel"},
        "process": {"kind": "vp"},
        "prediction": {"kind": "wiener"},
        "time_sampling": {"kind": "uniform"},
        "network": {"kind": "fno", "width": 4, "modes": 2, "layers": 1, "projection": 4},
        "level": {"resolution": 8, "epochs": 1, "batch_size": 32},
        "training": {},
        "seed": 0,
    }
    train(
        {"config": config, "code": ""},
        data={8: data / "8.nc"},
        warm_start=None,
        weights=weights,
        sidecar=weights.with_suffix(".json"),
        history=data / "history.nc",
        states=data,
    )
    return weights


def test_what_is_trained_on_are_restricted_logarithms(data):
    with storage.read(data / "8.nc") as dataset:
        found = Statistics.of(dataset)
    expected = BASIS.restrict(logarithms(COUNT)[: COUNT - 40], 8)
    expected = (expected - found.mean.item()) / found.scale.item()
    np.testing.assert_allclose(normalised_split(data / "8.nc", "train"), expected, atol=1e-5)


def test_samples_of_a_diffusion_of_logarithms_are_positive_on_every_grid(diffusion):
    model = fs.load(diffusion)
    for n in (8, N, 24):
        fields = model.sample(fs.DDIM(steps=4), n=n, indices=range(8), seed=1).fields
        assert fields.shape == (8, 1, n // 2, n)
        assert (fields > 0).all()
        drawn = fields.double().log()
        assert drawn.mean().item() == pytest.approx(MEAN, abs=1.0)
        assert drawn.min() < MEAN < drawn.max()


@pytest.mark.parametrize("method", ["diffusion", "surrogate"])
def test_models_as_objects_keep_transforms(method, request, tmp_path):
    path = request.getfixturevalue(method)
    options = {"n": 8, "indices": range(3), "seed": 1}
    model = fs.load(path)
    model.save(tmp_path / "again")
    again = fs.load(tmp_path / "again")
    assert again.fitted.statistics.transforms.blocks == [{"kind": "log"}]
    assert again.sample(**options).fields.equal(model.sample(**options).fields)
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_a_model_that_is_fitted_to_physical_fields_has_no_transforms(surrogate):
    model = fs.load(surrogate)
    model.fit(torch.randn(20, 1, *BASIS.grid(N), generator=torch.Generator().manual_seed(1)))
    assert model.fitted.statistics.transforms is None
    assert (model.sample(n=N, indices=range(3)).fields < 0).any()


def test_the_surrogate_of_logarithms_has_the_log_normal_law_at_each_node(surrogate):
    fields = fs.load(surrogate).sample(n=N, indices=range(500), seed=2).fields.double()
    assert (fields > 0).all()
    drawn = (fields.log() - MEAN) / DEVIATION
    assert drawn.mean() == pytest.approx(0, abs=0.03)
    assert drawn.square().mean() == pytest.approx(1, abs=0.04)
    assert (drawn**3).mean() == pytest.approx(0, abs=0.1)
    assert (drawn**4).mean() == pytest.approx(3, abs=0.25)
    expected = np.exp(MEAN + DEVIATION**2 / 2)
    assert fields.mean() == pytest.approx(expected, rel=0.03)
    assert fields.std() == pytest.approx(expected * np.sqrt(np.expm1(DEVIATION**2)), rel=0.06)


def test_the_reference_row_is_that_of_the_method(data, surrogate):
    """The surrogate's row is about the physical fields that the Gaussian method draws."""
    config = {"basis": described(BASIS), "count": 20, "metrics": {"one": {"kind": "one_point"}}}
    output = data / "rows.json"
    evaluate_references({"config": config, "code": ""}, data=data / f"{N}.nc", output=output)
    rows = {row["row"]: row for row in json_files.read(output)["rows"]}
    drawn = fs.load(surrogate).sample(n=N, indices=range(20), seed=0).fields
    with storage.read(data / f"{N}.nc") as dataset:
        judge, (target, _) = Judge.of(config, dataset), reference_halves(dataset)
    numbers = judge(judge.normalise(drawn), judge.normalise(target))
    assert numbers.keys() == set(OnePointDensity().results)
    for name, value in numbers.items():
        assert rows["surrogate"][name] == pytest.approx(value, rel=1e-6)


def test_functions_of_time_have_one_climate_for_all_times():
    """An axis that is called time is one of the functions, where series have frames."""
    time = Axis(kind="neumann", name="time", nodes=4, held=True)
    basis = Box(axes=(time, Axis(kind="periodic", name="x", nodes=8)))
    fields = torch.randn(30, 2, 4, 8, generator=torch.Generator().manual_seed(0)).double()
    made = with_transforms(
        named(basis, fields + torch.arange(4.0)[:, None], ["u", "v"], 20),
        {"v": {"kind": "anomaly"}},
        basis,
    )
    transforms = transforms_in(restrict(made, 4, Spectral(), basis))
    assert transforms.mean.shape == (2, 4, 8)
    training = made["field"].values[:20, 1].astype(float)
    np.testing.assert_allclose(transforms.mean[1], training.mean(0), rtol=1e-12)
    assert Statistics.of(made).mean.shape == (2,)


def test_channels_have_transforms_in_their_own_bases():
    """Permeability has a logarithm in cosines, pressure an anomaly in sines."""
    basis = ChannelBasis(bases=(CosineBasis(), SineBasis()))
    random = torch.Generator().manual_seed(0)
    fields = torch.randn(30, 2, 5, 5, generator=random, dtype=torch.float64)
    fields = torch.stack(
        [CosineBasis().prolong(fields[:, 0], 12).exp(), 1 + SineBasis().prolong(fields[:, 1], 12)],
        1,
    )
    blocks = {"k": {"kind": "log"}, "p": {"kind": "anomaly"}}
    made = with_transforms(named(basis, fields, ["k", "p"], 20), blocks, basis)
    found, training = Statistics.of(made), fields[:20].float().double()
    assert transforms_in(made).basis == basis
    assert found.mean[0] == pytest.approx(training[:, 0].log().mean().item(), rel=1e-6)
    assert found.mean[1] == 0
    coarse = restrict(made, 8, Spectral(), basis)
    expected = CosineBasis().restrict(training[:, 0].log(), 8).exp()
    np.testing.assert_allclose(coarse["field"][:20, 0], expected, rtol=2e-5)
    back = found.denormalise(found.normalise(torch.from_numpy(coarse["field"].values)))
    np.testing.assert_allclose(back, coarse["field"], rtol=1e-4, atol=1e-5)


def test_measured_statistics_are_those_of_files_in_each_channels_basis():
    basis = ChannelBasis(bases=(CosineBasis(), SineBasis()))
    random = torch.Generator().manual_seed(0)
    fields = 3 + torch.randn(20, 2, 8, 8, generator=random)
    ours = Statistics.measure(fields, basis)
    theirs = Statistics.of(named(basis, torch.cat([fields, fields[:4]]), ["k", "p"], 20))
    assert ours.mean[1] == 0
    for name in ("mean", "scale", "spectrum"):
        torch.testing.assert_close(getattr(ours, name), getattr(theirs, name))

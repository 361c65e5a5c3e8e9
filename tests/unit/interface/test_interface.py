"""Models as objects: the numbers of the workflow, arrays of all kinds, files, clear refusals."""

import subprocess
import sys

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

import fsdiff as fs
from fsdiff import parts, study
from fsdiff.data import hierarchy, storage
from fsdiff.methods import models
from fsdiff.stages.files import fields_of
from fsdiff.stages.sample import sample
from fsdiff.stages.train import train

SEED = 2
STUDY = {
    "datasets": {
        "waves": {
            "source": {
                "kind": "random_field",
                "resolution": 16,
                "channels": ["u", "v"],
                "length": 2.0,
            },
            "split": {"train": 12, "validation": 4, "test": 4},
            "resolutions": [8, 16],
        }
    },
    "experiments": {
        "model": {
            "dataset": "waves",
            "prior": {"kind": "bessel", "power": 0.6},
            "process": {"kind": "vp"},
            "prediction": {"kind": "wiener"},
            "network": {"kind": "fno", "width": 4, "modes": 2, "layers": 1, "projection": 4},
            "levels": [
                {"resolution": 8, "epochs": 2, "batch_size": 4},
                {"resolution": 16, "epochs": 2, "batch_size": 4},
            ],
            "sampler": {"kind": "dpm_solver", "steps": 3},
            "samples": {"count": 2, "resolutions": [32]},
        }
    },
    "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
}


@pytest.fixture(scope="module")
def workflow(tmp_path_factory):
    """The study's data, its model's files and its samples, as rules make them."""
    folder, loaded = tmp_path_factory.mktemp("workflow"), study.load(STUDY)
    dataset = loaded.datasets["waves"]
    basis = dataset.basis
    made = storage.Provenance(loaded.simulate_slice("waves"), "code", SEED)
    fields = dataset.source.part.generate(range(dataset.samples), SEED)
    storage.write(fields, folder / "shard.nc", title="shard", provenance=made)
    split = dataset.split.plain()
    merged = hierarchy.merge([folder / "shard.nc"], split=split, expected=made)
    measured = hierarchy.statistics(merged, basis)
    merged = merged.merge(measured, compat="override", combine_attrs="override")
    for n in (8, 16):
        downsampling = parts.build("downsampling", {"kind": "spectral"})
        coarse = hierarchy.restrict(merged, n, downsampling, basis)
        storage.write(coarse, folder / f"{n}.nc", title="data", provenance=made)
    for n, coarser in ((8, None), (16, folder / "8.safetensors")):
        train(
            {"config": loaded.train_slice("model", n, SEED), "code": "code"},
            data={m: folder / f"{m}.nc" for m in (8, 16)},
            warm_start=coarser,
            weights=folder / f"{n}.safetensors",
            sidecar=folder / f"{n}.json",
            history=folder / f"{n}.history.nc",
            states=folder,
        )
    sample(
        {"config": loaded.sample_slice("model", 32, SEED), "code": "code"},
        weights=folder / "16.safetensors",
        output=folder / "samples.nc",
        cost=folder / "cost.json",
        states=folder,
    )
    return folder, fields["field"]


def small_model():
    network = fs.FNO(width=4, modes=2, layers=1, projection=4)
    return fs.Diffusion(network, basis=fs.FourierBasis(2), noise=fs.Bessel(power=0.6))


LEVELS = [fs.Level(resolution=n, epochs=2, batch_size=4) for n in (8, 16)]


@pytest.fixture(scope="module")
def fitted(workflow):
    """The same model, fitted to the same array."""
    fields = workflow[1]
    torch.set_num_threads(1)
    return small_model().fit(fields[:12], LEVELS, seed=SEED, validation=fields[12:16])


def test_it_gives_the_numbers_of_the_workflow(workflow, fitted):
    folder, _ = workflow
    theirs, ours = models.load(folder / "16.safetensors"), fitted.fitted
    for name, tensor in theirs.method.network.state_dict().items():
        found = ours.method.network.state_dict()[name]
        torch.testing.assert_close(found, tensor, rtol=1e-4, atol=1e-6)
    for name in ("mean", "scale", "spectrum"):
        found, expected = getattr(ours.statistics, name), getattr(theirs.statistics, name)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-14)
    drawn = fitted.sample(fs.DPMSolver(steps=3), n=32, indices=range(2), seed=SEED)
    expected = fields_of(folder / "samples.nc")
    error = float((drawn.fields - expected).square().mean() / expected.square().mean()) ** 0.5
    assert error < 1e-4
    assert drawn.network_evaluations == 3


def test_models_of_the_workflow_are_loaded(workflow):
    folder, _ = workflow
    model = fs.load(folder / "16")
    drawn = model.sample(fs.DPMSolver(steps=3), n=32, indices=[1], seed=SEED).fields
    assert drawn.equal(fields_of(folder / "samples.nc")[1:])


def test_samples_start_from_training_fields(workflow, fitted, tmp_path):
    """Of the workflow those of the training split, at the level of training; of fit its own."""
    folder, fields = workflow
    start = {"kind": "starting_from", "law": "empirical", "sampler": {"kind": "ddim", "steps": 3}}
    changed = {**STUDY["experiments"]["model"], "sampler": start}
    loaded = study.load({**STUDY, "experiments": {"model": changed}})
    sample(
        {"config": loaded.sample_slice("model", 16, SEED), "code": "code"},
        weights=folder / "16.safetensors",
        training=folder / "16.nc",
        output=tmp_path / "samples.nc",
        cost=tmp_path / "cost.json",
        states=tmp_path,
    )
    sampler = fs.StartingFrom(law="empirical", sampler=fs.DDIM(steps=3))
    asked = {"n": 16, "indices": range(2), "seed": SEED}
    drawn = fitted.sample(sampler, **asked).fields
    torch.testing.assert_close(drawn, fields_of(tmp_path / "samples.nc"), rtol=1e-3, atol=1e-4)
    # Others start elsewhere, and a file has none.
    other = fitted.sample(sampler, training=fields[12:], **asked).fields
    assert not torch.allclose(other, drawn, rtol=1e-2, atol=1e-2)
    model = fs.load(folder / "16")
    with pytest.raises(
        ValueError, match=r"a model that was loaded has none: give them, model\.sam"
    ):
        model.sample(sampler, **asked)
    again = model.sample(sampler, training=fields[:12], **asked).fields
    torch.testing.assert_close(again, drawn, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="dpm_solver does not start from fields"):
        model.sample(training=fields[:12], **asked)
    with pytest.raises(ValueError, match="its fields have 1 channels, not 2"):
        model.sample(sampler, training=fields[:12, :1], **asked)


def test_samples_are_labelled_like_the_data(workflow, fitted):
    fields = workflow[1]
    drawn = fitted.label(fitted.sample(n=16, indices=[3, 7]))["field"]
    assert drawn.dims == ("sample", "channel", "y", "x")
    assert list(drawn["sample"].values) == [3, 7]
    assert list(drawn["channel"].values) == ["u", "v"]
    np.testing.assert_array_equal(drawn["x"], fields["x"])
    for name in ("channel", "x"):
        assert drawn[name].attrs == fields[name].attrs


def test_a_round_trip_through_files_changes_nothing(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    model = fs.load(tmp_path / "model")
    drawn = [m.sample(fs.DDIM(steps=2), n=16, indices=[4], seed=1).fields for m in (fitted, model)]
    assert drawn[0].equal(drawn[1])
    model.save(tmp_path / "again.safetensors")
    for suffix in (".safetensors", ".json"):
        again = (tmp_path / f"again{suffix}").read_bytes()
        assert again == (tmp_path / f"model{suffix}").read_bytes()


def test_fitting_again_starts_anew_and_leaves_the_global_randomness_alone(workflow):
    fields = workflow[1][:8]
    model = small_model()
    state = torch.get_rng_state()
    drawn = [
        model.fit(fields, LEVELS[:1], seed=seed).sample(n=8, indices=[0]).fields
        for seed in (0, 1, 0)
    ]
    assert torch.get_rng_state().equal(state)
    assert drawn[0].equal(drawn[2])
    assert not drawn[0].equal(drawn[1])


# Other boxes and arrays


def waves(basis, n, count=12):
    return fs.Bessel(power=2.0, reference_resolution=n).sample(basis, n, range(count), 0)


RECTANGLE = fs.Box(
    axes=(
        fs.Axis(kind="dirichlet", name="depth", nodes=6, side=0.75),
        fs.Axis(kind="periodic", name="longitude", nodes=8),
    )
)


@pytest.mark.parametrize(
    "basis", [fs.CosineBasis(1), fs.FourierBasis(3), RECTANGLE], ids=lambda basis: basis.kind
)
def test_models_of_any_box_are_sampled_finer_than_they_were_trained(basis, tmp_path):
    network = fs.FNO(width=4, modes=2, layers=1, projection=4)
    model = fs.Diffusion(
        network, basis=basis, noise=fs.Bessel(power=2.0), process=fs.VarianceExploding()
    )
    model.fit(waves(basis, 8), [fs.Level(resolution=8, epochs=1, batch_size=4)])
    fine = model.sample(fs.DPMSolver(steps=2), n=16, indices=[0]).fields
    assert fine.shape == (1, 1, *basis.grid(16))
    assert fine.isfinite().all()
    names = [axis.name for axis in basis.axes]
    assert list(model.label(fine)["field"].dims[2:]) == names
    model.save(tmp_path / "model")
    again = fs.load(tmp_path / "model").sample(fs.DPMSolver(steps=2), n=16, indices=[0]).fields
    assert again.equal(fine)


def test_arrays_may_have_their_dimensions_in_any_order():
    fields = waves(RECTANGLE, 8)
    model = fs.Gaussian(RECTANGLE).fit(fields)
    named = xr.DataArray(fields[:, 0], dims=("member", "depth", "longitude"))
    for other in (fields[:, 0].numpy(), named, named.transpose("longitude", "member", "depth")):
        found = fs.Gaussian(RECTANGLE).fit(other)
        assert found.sample(n=8, indices=[3]).fields.equal(model.sample(n=8, indices=[3]).fields)


def test_a_network_of_ones_own_is_trained_but_cannot_be_saved(tmp_path):
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(torch.zeros(()))

        def forward(self, x, t):
            return self.factor * x

    own, basis = Own(), fs.CosineBasis(1)
    model = fs.Diffusion(own, basis=basis, noise=fs.Bessel(power=2.0))
    model.fit(waves(basis, 8), [fs.Level(resolution=8, epochs=1, batch_size=4)])
    assert own.factor.item() == 0
    assert model.sample(n=8, indices=[0]).fields.isfinite().all()
    with pytest.raises(fs.Error, match="a model with a Own cannot be saved"):
        model.save(tmp_path / "model")


def test_a_network_that_derives_from_one_of_the_package_keeps_its_code():
    class Halved(fs.FNO):
        def forward(self, x, t):
            return super().forward(x, t) / 2

    basis = fs.CosineBasis(1)
    model = fs.Diffusion(
        Halved(width=4, modes=2, layers=1, dimension=1), basis=basis, noise=fs.Bessel(power=2.0)
    )
    model.fit(waves(basis, 8), [fs.Level(resolution=8, epochs=1, batch_size=4)])
    assert type(model.fitted.method.network) is Halved
    assert model.sample(n=8, indices=[0]).fields.isfinite().all()
    with pytest.raises(fs.Error, match="a model with a Halved cannot be saved"):
        model.save("nowhere")


# Refusals


def test_what_cannot_be_done_is_told_in_one_line():
    basis = fs.CosineBasis(1)
    model = fs.Diffusion(fs.FNO(dimension=1, modes=2), basis=basis, noise=fs.Bessel(power=2.0))
    with pytest.raises(fs.Error, match="this Diffusion has seen no data: call fit first"):
        model.sample(n=8, indices=[0])
    fields = waves(basis, 8)
    with pytest.raises(ValueError, match="not finite"):
        model.fit(fields / 0)
    with pytest.raises(ValueError, match="coarser grids: 8 -> 16"):
        model.fit(fields, [fs.Level(resolution=16, epochs=1)])
    with pytest.raises(ValueError, match=r"expected \(samples, channel, x\)"):
        model.fit(fields[0, 0])
    with pytest.raises(ValueError, match="validation = 1"):
        model.fit(fields, [fs.Level(resolution=8, epochs=1)], validation=1.0)
    with pytest.raises(fs.Error, match=r"nowhere\.json does not exist"):
        fs.load("nowhere")


def test_what_cannot_be_drawn_is_told_in_one_line(fitted):
    with pytest.raises(ValueError, match="indices: give one for each sample"):
        fitted.sample(n=16, indices=[])
    with pytest.raises(ValueError, match=r"sampler: give an object, DPMSolver\(\)"):
        fitted.sample(fs.DPMSolver, n=16, indices=[0])
    seen = (fs.Points(points=((0.5, 0.5),), noise=0.1), [1.0])
    with pytest.raises(ValueError, match=r"guidance: give an object, WienerGuidance\(\)"):
        fitted.sample(n=16, indices=[0], observed=seen, guidance=fs.WienerGuidance)


# Names


def test_every_public_name_is_there_and_importing_the_package_imports_nothing():
    assert all(getattr(fs, name) is not None for name in dir(fs))
    assert {"Diffusion", "FNO", "Bessel", "CosineBasis", "DPMSolver", "Level", "load"} <= {*dir(fs)}
    with pytest.raises(AttributeError, match="module 'fsdiff' has no attribute 'Diffusor'"):
        _ = fs.Diffusor
    program = "import sys, fsdiff; dir(fsdiff); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_parts_are_described_as_they_are_built():
    for part, family in (
        (fs.Multilevel(sampler=fs.DDIM(eta=0.5), coarsest=16), "sampler"),
        (RECTANGLE, "basis"),
        (fs.Combined(modes=(4, 2)), "prior"),
    ):
        assert parts.build(family, parts.described(part)) == part
    network = fs.UNet(2, width=4, multipliers=(1, 2))
    assert network.settings["multipliers"] == (1, 2)
    block = parts.described(network)
    assert block["kind"] == "unet"
    again = parts.build("network", block, 2)
    assert [p.shape for p in again.parameters()] == [p.shape for p in network.parameters()]

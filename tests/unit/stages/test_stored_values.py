"""Numbers of a tiny study, from its data to samples, as they were when this file was written.

Whatever moves inside the library, studies of squares keep their numbers. The stored values are
single precision's, after a few steps of training: processors and releases of PyTorch may round
differently, so they are compared to 5 · 10⁻⁴ of each field's size instead of bit by bit.
"""

import numpy as np
import pytest
import torch

from fsdiff import parts
from fsdiff import study as config
from fsdiff.data import hierarchy, storage, tensors
from fsdiff.stages.files import fields_of
from fsdiff.stages.sample import sample
from fsdiff.stages.train import train
from fsdiff.study import strict_yaml

SEED = 3
STUDY = """
datasets:
  waves:
    source: {kind: random_field, resolution: 16, measure: {kind: power_law_field}}
    split: {train: 12, validation: 4, test: 8}
    resolutions: [8, 16]
defaults:
  dataset: waves
  levels: [{resolution: 8, epochs: 3, batch_size: 4}, {resolution: 16, epochs: 2, batch_size: 4}]
  samples: {count: 2, resolutions: [16, 32]}
experiments:
  fno:
    prior: {kind: standard}
    process: {kind: stochastic_heat}
    prediction: {kind: wiener}
    network: {kind: fno, width: 4, modes: 2, layers: 2, projection: 4, stencil_cells: 8}
    sampler: {kind: dpm_solver, steps: 3}
  unet:
    prior: {kind: bessel, power: 0.6}
    process: {kind: vp}
    prediction: {kind: velocity}
    time_sampling: {kind: log_snr}
    network: {kind: unet, width: 4, multipliers: [1, 2], blocks: 1}
    sampler: {kind: dpm_solver, steps: 3}
evaluation:
  metrics:
    one_point: {kind: one_point}
"""
SAMPLERS = {
    "ddim": {"kind": "ddim", "steps": 4, "spacing": "log_snr", "eta": 0.5},
    "dpm_solver": {"kind": "dpm_solver", "steps": 4, "spacing": "uniform", "stochastic": True},
    "adaptive_heun": {"kind": "adaptive_heun", "tolerance": 0.2, "spacing": "log_snr"},
    "predictor_corrector": {
        "kind": "predictor_corrector",
        "sampler": {"kind": "heun", "steps": 3, "spacing": "log_snr"},
        "corrections": 1,
        "step_size": 0.05,
    },
    "multilevel": {
        "kind": "multilevel",
        "sampler": {"kind": "dpm_solver", "steps": 6, "spacing": "log_snr", "stochastic": False},
        "tolerance": 0.3,
        "coarsest": 8,
    },
}
STORED = {
    "fno losses": (5.983215, -0.2374468, 2.313005, 2.444361),
    "fno weights": (26.45171, -0.2602633, -4.545321, 8.388424),
    "fno ddim 16": (-0.000269224, 0.03367067, 0.002634564, 0.4410709),
    "fno dpm_solver 16": (-0.0002834626, -0.09759984, 0.852229, 0.5912327),
    "fno adaptive_heun 16": (-0.0002668499, 0.1861207, -0.8233459, 0.9895888),
    "fno predictor_corrector 16": (-0.0002564919, 0.08930524, -0.6831375, 0.3133744),
    "fno multilevel 16": (-0.0002683083, 0.171453, -0.7616814, 1.017028),
    "fno ddim 32": (-0.002213915, 0.1707589, -0.03829572, 0.8835642),
    "fno dpm_solver 32": (-0.002332019, 0.401352, -0.08098008, 1.182422),
    "fno adaptive_heun 32": (-0.002194731, -0.05151869, -0.08332727, 1.981377),
    "fno predictor_corrector 32": (-0.00210973, -0.0422786, -0.01841029, 0.6270213),
    "fno multilevel 32": (-0.002205288, -0.03797392, -0.07939764, 2.03558),
    "unet losses": (26.96689, -1.069119, 10.40454, 11.04056),
    "unet weights": (39.83025, -4.657247, 2.254024, 8.637877),
    "unet ddim 16": (1.697918, 0.08880889, -0.07163837, 0.4111448),
    "unet dpm_solver 16": (-0.6843134, -0.1606518, 1.628006, 0.9591632),
    "unet adaptive_heun 16": (0.7538925, 0.2649571, -1.117373, 0.8689273),
    "unet predictor_corrector 16": (3.355759, 0.1744928, -1.161361, 0.8265518),
    "unet multilevel 16": (-1.129644, 0.2587507, -1.144958, 0.8078993),
    "unet ddim 32": (6.594761, 0.1679527, -0.1494127, 0.901512),
    "unet dpm_solver 32": (-2.335293, 3.368613, -0.2141701, 2.076637),
    "unet adaptive_heun 32": (2.874284, -0.2602391, -0.2029975, 1.853931),
    "unet predictor_corrector 32": (12.9451, -0.4369682, -0.2400664, 1.792161),
    "unet multilevel 32": (-4.551199, -0.2277344, -0.1625221, 1.674405),
}


class Run:
    """The study, in a folder."""

    def __init__(self, folder):
        self.folder, self.study = folder, config.load(strict_yaml.parse(STUDY))
        self._make_data()
        for name in ("fno", "unet"):
            self._train(name, 8, None)
            self._train(name, 16, folder / f"{name}-8.safetensors")

    def _make_data(self):
        dataset = self.study.datasets["waves"]
        basis = dataset.basis
        made_from = storage.Provenance(self.study.simulate_slice("waves"), "code", SEED)
        fields = dataset.source.part.generate(range(dataset.samples), SEED)
        storage.write(fields, self.folder / "shard.nc", title="shard", provenance=made_from)
        split = dataset.split.plain()
        merged = hierarchy.merge([self.folder / "shard.nc"], split=split, expected=made_from)
        measured = hierarchy.statistics(merged, basis)
        merged = merged.merge(measured, compat="override", combine_attrs="override")
        for n in (8, 16):
            block = self.study.hierarchy_slice("waves", n)
            downsampling = parts.build("downsampling", block["downsampling"])
            coarse = hierarchy.restrict(merged, n, downsampling, basis)
            storage.write(coarse, self.folder / f"{n}.nc", title="data", provenance=made_from)

    def _train(self, name, n, coarser):
        train(
            {"config": self.study.train_slice(name, n, SEED), "code": "code"},
            data={m: self.folder / f"{m}.nc" for m in (8, 16)},
            warm_start=coarser,
            weights=self.folder / f"{name}-{n}.safetensors",
            sidecar=self.folder / f"{name}-{n}.json",
            history=self.folder / f"{name}-{n}.history.nc",
            states=self.folder,
        )

    def numbers(self):
        """Everything that is compared, by name."""
        found = {}
        for name in ("fno", "unet"):
            history = storage.read_results(self.folder / f"{name}-16.history.nc")
            found[f"{name} losses"] = history["validation_loss"].values.ravel()
            weights, _ = tensors.read(self.folder / f"{name}-16.safetensors")
            sizes = [weights[key].double().norm() for key in sorted(weights)]
            found[f"{name} weights"] = np.array(sizes)
            for n in (16, 32):
                for kind, block in SAMPLERS.items():
                    found[f"{name} {kind} {n}"] = self._drawn(name, block, n)
        return {name: summary(values) for name, values in found.items()}

    def _drawn(self, name, block, n):
        output = self.folder / "samples.nc"
        sample(
            {"config": {**self.study.sample_slice(name, n, SEED), "sampler": block}, "code": ""},
            weights=self.folder / f"{name}-16.safetensors",
            output=output,
            cost=self.folder / "cost.json",
            states=self.folder,
        )
        return fields_of(output).double().numpy().ravel()


def summary(values):
    """Three sums in which every value counts differently, and the size of all values."""
    places = np.arange(len(values))
    weights = np.stack([np.ones(len(values)), np.cos(places), np.sin(7 * places)])
    return (*(weights @ values), float(np.linalg.norm(values)))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Run(tmp_path_factory.mktemp("run")).numbers()
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", STORED)
def test_results_are_those_that_were_stored(found, name):
    *_, size = STORED[name]
    assert found[name] == pytest.approx(STORED[name], rel=5e-4, abs=5e-4 * size)


def test_every_result_is_stored(found):
    assert found.keys() == STORED.keys()

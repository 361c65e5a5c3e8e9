"""Stages that draw: what they take from files, and what of it is in the figures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from matplotlib.text import Text

from fsdiff.data import storage
from fsdiff.data.hierarchy import statistics, with_transforms
from fsdiff.data.storage import Provenance
from fsdiff.reports import tables
from fsdiff.reports.labels import REFERENCES, TEST_DATA
from fsdiff.reports.plotting.style import experiment_styles
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages import comparison, data_pages, fields, resolutions

BASIS, BLOCK = CosineBasis(2), {"kind": "cosine"}
MODE = 3
"""The wavenumber of all fields, along x."""

SPLIT = np.repeat(["train", "validation", "test"], [8, 2, 6])
AMPLITUDES = np.linspace(1.0, 3.0, len(SPLIT))
ENERGY = float(np.square(AMPLITUDES[SPLIT == "test"]).mean())
"""Mean square of the test fields, all of it in one shell."""

WORDS = [{"name": "w1", "title": "a distance", "family": "structure", "target": 0.0}]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that stages save, by path."""
    found = {}
    for stage in (comparison, data_pages, fields, resolutions):
        monkeypatch.setattr(stage, "save", lambda figure, path: found.update({path: figure}))
    return found


def waves(n: int, amplitudes: np.ndarray, offset: float = 0.0) -> xr.Dataset:
    """offset + a √2 cos(3πx) for all amplitudes a, on n × n nodes."""
    x = BASIS.nodes(n)
    wave = np.broadcast_to(np.sqrt(2) * np.cos(MODE * np.pi * x), (n, n))
    values = (offset + amplitudes[:, None, None, None] * wave).astype(np.float32)
    return xr.Dataset(
        {"field": (("sample", "channel", "y", "x"), values)},
        {"sample": range(len(amplitudes)), "channel": ["u"], "y": x, "x": x},
    )


def data(folder: Path, n: int, *, offset: float = 0.0, log: bool = False) -> Path:
    """A data set's file at one resolution."""
    dataset = waves(n, AMPLITUDES, offset).assign_coords(split=("sample", SPLIT))
    dataset = dataset.merge(statistics(dataset, BASIS))
    if log:
        dataset = with_transforms(dataset, {"all": {"kind": "log"}}, BASIS)
    path = folder / "data" / f"{n}.nc"
    storage.write(dataset, path, title="waves", provenance=Provenance({}, "", 0))
    return path


def samples(folder: Path, name: str, n: int, amplitude: float) -> Path:
    """A file of samples that are all alike."""
    path = folder / name / f"{n}.nc"
    dataset = waves(n, np.full(4, amplitude))
    storage.write(dataset, path, title=name, provenance=Provenance({}, "", 0))
    return path


def experiment(name: str, **more) -> dict:
    about = {"name": name, "title": name.title(), "levels": [8], "place": 0, "trained": True}
    return about | more


def lines(axes) -> dict[str, np.ndarray]:
    """What is plotted, by label."""
    return {line.get_label(): np.asarray(line.get_ydata()) for line in axes.lines}


def test_reference_has_the_test_fields_their_energy_and_a_surrogate_of_it(tmp_path):
    reference = fields.Reference.of(data(tmp_path, 16), BASIS)
    assert reference.fields.shape == (6, 1, 16, 16)
    assert (reference.resolution, reference.quantity) == (16, "u")
    assert reference.lengths == pytest.approx({"y": 1.0, "x": 1.0})
    energy = reference.energy(reference.fields)
    assert float(energy[MODE]) == pytest.approx(ENERGY, rel=1e-5)
    assert float(energy.sum()) == pytest.approx(ENERGY, rel=1e-5)
    # Without a mean, and in the one mode that the data have: a Gaussian amplitude for each field.
    surrogate = reference.energy(reference.surrogate())
    assert float(surrogate[MODE] / surrogate.sum()) == pytest.approx(1.0, rel=1e-5)


@pytest.mark.parametrize(
    ("units", "lengths", "slope"),
    [
        (("m", "m"), {"y": 2.0, "x": 3.0}, "derivative of u [(m/s)/m]"),
        (("s", "m"), {"x": 3.0}, "derivative of u [(m/s)/m]"),
    ],
)
def test_squares_and_derivatives_have_units_of_their_own(tmp_path, units, lengths, slope):
    path = data(tmp_path, 16)
    with storage.read(path) as stored:
        dataset = stored.load()
    dataset = dataset.assign_coords(y=2 * dataset["y"], x=3 * dataset["x"])
    dataset["field"].attrs["units"] = "m/s"
    for axis, unit in zip("yx", units, strict=True):
        dataset[axis].attrs["units"] = unit
    scaled = tmp_path / "scaled.nc"
    storage.write(dataset, scaled, title="waves", provenance=Provenance({}, "", 0))
    reference = fields.Reference.of(scaled, BASIS)
    assert (reference.quantity, reference.energy_name) == ("u [m/s]", "u [(m/s)²]")
    assert reference.slope == slope
    assert reference.lengths == pytest.approx(lengths)


def test_noise_is_in_the_unit_of_the_data(tmp_path):
    described = [experiment("one", prior={"kind": "standard"}), experiment("two")]
    reference = fields.Reference.of(data(tmp_path, 16), BASIS)
    (noise,) = reference.noise(described).values()
    # White noise has the same energy in every mode: of unit trace on 64 × 64 nodes, and in the unit
    # of the training data, which is their mean square.
    scale = float(np.square(AMPLITUDES[SPLIT == "train"]).mean())
    counts = torch.bincount(BASIS.wavenumber(16).round().long().flatten())
    assert torch.allclose(noise.double() / noise[0], counts / counts[0].double(), rtol=1e-5)
    assert float(noise.sum()) == pytest.approx(scale * (16 / 64) ** 2, rel=1e-5)


def test_there_is_no_noise_in_the_unit_of_data_with_transforms(tmp_path):
    reference = fields.Reference.of(data(tmp_path, 16, offset=9.0, log=True), BASIS)
    assert reference.noise([experiment("one", prior={"kind": "standard"})]) == {}


def test_samples_stand_beside_data_in_the_order_of_experiments(tmp_path, drawn):
    described = [experiment("one", prior={"kind": "standard"}, place=1), experiment("two", place=3)]
    figures = {name: Path(name) for name in ("samples", "spectra", "densities")}
    files = [samples(tmp_path, name, 16, size) for name, size in (("one", 2.0), ("two", 4.0))]
    job = {"config": {"basis": BLOCK, "experiments": described}}
    fields.fields(job, data=data(tmp_path, 16), samples=files, figures=figures)
    energy, _ = drawn[Path("spectra")].axes
    curves = lines(energy)
    assert curves["One"][MODE] == pytest.approx(4.0, rel=1e-5)
    assert curves["Two"][MODE] == pytest.approx(16.0, rel=1e-5)
    assert curves[TEST_DATA][MODE] == pytest.approx(ENERGY, rel=1e-5)
    assert {"noise of One", REFERENCES["surrogate"]} <= curves.keys()
    rows = [axes.get_ylabel() for axes in drawn[Path("samples")].axes if axes.get_ylabel()]
    assert rows[:4] == [TEST_DATA, "One", "Two", REFERENCES["surrogate"]]
    # The colours of a study's second and fourth experiment, as in figures that have all of them.
    styles = [style["color"] for style in experiment_styles("abcd").values()]
    for axes in (energy, drawn[Path("densities")].axes[0]):
        colours = {line.get_label(): line.get_color() for line in axes.lines}
        assert [colours["One"], colours["Two"]] == [styles[1], styles[3]]


def test_every_experiment_has_a_file(tmp_path, drawn):
    job = {"config": {"basis": BLOCK, "experiments": [experiment("one"), experiment("two")]}}
    with pytest.raises(ValueError, match="shorter"):
        fields.fields(
            job, data=data(tmp_path, 16), samples=[samples(tmp_path, "one", 16, 1.0)], figures={}
        )


def test_samples_may_be_finer_than_data(tmp_path, drawn):
    files = {n: samples(tmp_path, "one", n, 1.0) for n in (8, 16)}
    job = {"config": {"experiments": [experiment("one", title="mine")]}}
    figure = tmp_path / "figure.png"
    resolutions.resolutions(job, data={8: data(tmp_path, 8)}, samples=files, figure=figure)
    axes = [one for one in drawn[figure].axes if one.get_images() or one.get_ylabel()]
    assert sum("mine" in one.get_ylabel() for one in axes) == 3
    titles = [one.get_title() for one in drawn[figure].axes if one.get_title()]
    assert [title.split()[0] for title in titles] == ["8", "16"]


def test_data_are_drawn_at_every_resolution(tmp_path, drawn):
    files = {n: data(tmp_path, n) for n in (8, 16)}
    figures = {name: tmp_path / name for name in ("fields", "spectra", "densities")}
    source = {"kind": "random_field", "resolution": 16}
    job = {"config": {"source": source, "seed": 0, "basis": BLOCK}}
    data_pages.data_pages(job, data=files, figures=figures)
    assert drawn.keys() == set(figures.values())
    energy, ratio = drawn[figures["spectra"]].axes
    whole, coarse = energy.lines
    assert whole.get_label().startswith("16")
    mean = float(np.square(AMPLITUDES).mean())
    for line in (whole, coarse):
        assert line.get_ydata()[MODE] == pytest.approx(mean, rel=1e-5)
    assert ratio.lines[1].get_ydata()[MODE] == pytest.approx(1.0, rel=1e-5)


def test_spectra_of_equations_have_that_of_their_initial_states(tmp_path, drawn):
    source = {"kind": "reaction_diffusion", "resolution": 16, "channels": ["u"], "time": 0.1}
    job = {"config": {"source": source, "seed": 0, "basis": BLOCK}}
    figures = {"spectra": tmp_path / "spectra"}
    data_pages.data_pages(job, data={16: data(tmp_path, 16)}, figures=figures)
    assert "initial states" in lines(drawn[figures["spectra"]].axes[0])


def history(folder: Path, name: str, level: int, losses: list[float]) -> Path:
    """The loss curve of a level, a second for each epoch."""
    epochs = np.arange(len(losses))
    dataset = xr.Dataset(
        {
            "training_loss": ("epoch", losses),
            "validation_loss": (("epoch", "resolution"), np.array(losses)[:, None]),
            "seconds": ("epoch", epochs.astype(float)),
        },
        {"epoch": epochs, "resolution": [level]},
        {"best_epoch": len(losses) - 1, "level": level},
    )
    path = folder / name / f"{level}.nc"
    storage.write(dataset, path, title=name, provenance=Provenance({}, "", 0))
    return path


def summary(folder: Path) -> Path:
    """Two experiments on waves, at 16."""
    rows = [
        {"row": "real", "dataset": "waves", "w1": 0.1},
        {"row": "model", "dataset": "waves", "experiment": "one", "title": "One", "w1": 0.2},
        {"row": "model", "dataset": "waves", "experiment": "two", "title": "Two", "w1": 0.4},
    ]
    cost = {"seconds_per_sample": 0.1, "training_seconds": 3.0, "fine_evaluations": 4.0}
    common = {"seed": 0, "resolution": 16, "trained_at": 16, **cost}
    path = folder / "summary.csv"
    tables.write(
        pd.DataFrame([{"experiment": "", "title": "", **common, **row} for row in rows]), path
    )
    return path


NAMES = ("priors", "losses", "metrics", "transfer", "cost", "pareto")


def compared(folder: Path, drawn: dict, experiments: list[dict], histories: list[Path]) -> dict:
    """The figures of a comparison by name."""
    job = {"config": {"basis": BLOCK, "experiments": experiments, "words": WORDS}}
    comparison.comparison(
        job,
        data=data(folder, 16),
        summary=summary(folder),
        histories=histories,
        figures={name: Path(name) for name in NAMES},
    )
    return {path.name: figure for path, figure in drawn.items()}


def test_files_of_histories_belong_to_levels_of_what_is_trained(tmp_path):
    described = [
        experiment("one", levels=[8, 16]),
        experiment("measured", trained=False),
        experiment("two"),
    ]
    paths = [history(tmp_path, f"h{i}", 8, [1.0, 10.0**-i]) for i in range(3)]
    found = comparison.histories_by_name(described, paths)
    ends = {name: [float(h.training_loss[-1]) for h in kept] for name, kept in found.items()}
    assert ends == {"one": [1.0, 0.1], "two": [0.01]}


def test_experiments_on_a_data_set_are_compared(tmp_path, drawn):
    described = [
        experiment("one", levels=[8, 16], prior={"kind": "standard"}),
        experiment("two", prior={"kind": "standard"}),
    ]
    files = [
        history(tmp_path, "one", 8, [4.0, 2.0, 1.0]),
        history(tmp_path, "one", 16, [2.0, 0.5]),
        history(tmp_path, "two", 8, [8.0, 4.0]),
    ]
    figures = compared(tmp_path, drawn, described, files)
    curves = lines(figures["losses"].axes[0])
    assert curves["One"].tolist() == [4.0, 2.0, 1.0, 2.0, 0.5]
    assert curves["Two"].tolist() == [8.0, 4.0]
    (panel,) = [axes for axes in figures["metrics"].axes if axes.get_title() == "a distance"]
    labels = panel.get_legend_handles_labels()[1]
    assert {"One", "Two"} <= set(labels)
    assert "Three" not in labels
    # Levels of one are stacked: two seconds of epochs, then one; two has one.
    bars = figures["cost"].axes[0].patches
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(0, 2), (2, 1), (0, 1)]


def test_what_is_not_trained_and_has_no_noise_is_said_so(tmp_path, drawn):
    described = [experiment("one", trained=False), experiment("two", trained=False)]
    figures = compared(tmp_path, drawn, described, [])
    told = {name: [text.get_text() for text in figures[name].findobj(Text)] for name in NAMES}
    assert "no experiment here has noise" in told["priors"]
    assert "no experiment here is trained" in told["losses"]
    assert "no experiment here is trained" in told["cost"]

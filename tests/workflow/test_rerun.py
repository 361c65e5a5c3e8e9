"""Which jobs run again after which edit: exactly those whose results it changes.

A dry run cannot know that a job will write what was there before, so all that lies downstream of a
job that runs counts as running, too.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from checkout import Change, Checkout, flip_a_bit

pytestmark = pytest.mark.workflow

Edit = Callable[[Checkout], AbstractContextManager[None]]

NOTHING: dict[str, int] = {}
ENDS = {"summary": 1, "data_summary": 1, "comparison": 1, "table": 1, "verdict": 1, "all": 1}
DATA = {
    **{"simulate": 2, "dataset": 1, "hierarchy": 2, "reference": 2},
    **{"data_pages": 1, "balances": 1},
}
EVERYTHING = {
    **DATA,
    **{"train": 3, "sample": 4, "evaluate": 4, "fields": 2, "resolutions": 2},
    **ENDS,
}
METRICS = {"evaluate": 4, "reference": 2, **ENDS}
SAMPLES = {"sample": 4, "evaluate": 4, "fields": 2, "resolutions": 2, **ENDS}
ONE_MODEL = {"sample": 2, "evaluate": 2, "fields": 2, "resolutions": 1, **ENDS}


def setting(*keys: str | int, value: Any) -> Edit:
    """Set a value of the configuration."""

    def change(configuration: dict[str, Any]) -> None:
        block: Any = configuration
        for key in keys[:-1]:
            block = block[key]
        block[keys[-1]] = value

    return lambda checkout: checkout.configured(change)


def configured(change: Change) -> Edit:
    """Change the configuration."""
    return lambda checkout: checkout.configured(change)


def edited(file: str, old: str, new: str) -> Edit:
    """Replace text in a file of the repository."""
    return lambda checkout: checkout.edited(file, old, new)


def add_experiment(configuration: dict[str, Any]) -> None:
    """One level on the coarse grid."""
    levels = [{"resolution": 16, "epochs": 2, "batch_size": 16}]
    base = configuration["experiments"]["single_level"]
    configuration["experiments"]["coarse"] = {**base, "title": "Coarse", "levels": levels}


def add_sampler(configuration: dict[str, Any]) -> None:
    """The multilevel model again, trained in the same way and sampled in another."""
    base = configuration["experiments"]["multilevel"]
    other = {"title": "More steps", "sampler": {"kind": "ddim", "steps": 6}}
    configuration["experiments"]["more_steps"] = {**base, **other}


def add_surrogate(configuration: dict[str, Any]) -> None:
    """The Gaussian surrogate, which has nothing to train."""
    surrogate = {"title": "Surrogate", "method": {"kind": "gaussian"}}
    configuration["experiments"]["surrogate"] = surrogate


def add_data(configuration: dict[str, Any]) -> None:
    """Other waves, with a Gaussian surrogate."""
    configuration["datasets"]["ripples"] = {**configuration["datasets"]["waves"], "seed": 7}
    surrogate = {"title": "Surrogate", "dataset": "ripples", "method": {"kind": "gaussian"}}
    configuration["experiments"]["surrogate"] = surrogate


def add_search(configuration: dict[str, Any]) -> None:
    """Two values on two grids; one of them is what the multilevel model is trained with first."""
    fine, coarse = ({"resolution": n, "epochs": 3, "batch_size": 16} for n in (32, 16))
    configuration["searches"] = {
        "modes": {
            "experiment": "multilevel",
            "parameters": {"network.modes": [2, 4]},
            **{"coarse": coarse, "fine": fine, "metric": "one_point_w1"},
        }
    }


def add_claim(configuration: dict[str, Any]) -> None:
    """What a page sets beside the summary."""
    claim = {"where": "here", "statement": "Near.", "experiment": "multilevel", "resolution": 32}
    configuration["claims"] = {"near": {**claim, "metric": "one_point_w1", "at_most": 1.0}}


def remove_experiment(configuration: dict[str, Any]) -> None:
    """Without the single-level model."""
    del configuration["experiments"]["single_level"]


def rename_experiment(configuration: dict[str, Any]) -> None:
    """The multilevel model under another name."""
    experiments = configuration["experiments"]
    experiments["renamed"] = experiments.pop("multilevel")


def reverse_keys(configuration: dict[str, Any]) -> None:
    """The same blocks of an experiment with their keys in another order."""
    block = configuration["experiments"]["multilevel"]
    for key, value in block.items():
        if isinstance(value, dict):
            block[key] = dict(reversed(value.items()))


def reverse_metrics(configuration: dict[str, Any]) -> None:
    """The same metrics in another order, which is that of tables."""
    metrics = configuration["evaluation"]["metrics"]
    configuration["evaluation"]["metrics"] = dict(reversed(metrics.items()))


MULTILEVEL = ("experiments", "multilevel")

TABLE: dict[str, tuple[Edit, dict[str, int]]] = {
    "metric: parameter": (
        setting("evaluation", "metrics", "sliced_wasserstein", "projections", value=60),
        METRICS,
    ),
    "metric: code": (
        edited("fsdiff/metrics/sliced.py", "return {", "return {} | {"),
        METRICS,
    ),
    "sampler: steps": (setting("defaults", "sampler", "steps", value=5), SAMPLES),
    "sampler: code": (
        edited(
            "fsdiff/diffusion/samplers/ddim.py", "eta: Annotated[", "omega = 1\n    eta: Annotated["
        ),
        SAMPLES,
    ),
    "training: epochs of the fine level": (
        setting(*MULTILEVEL, "levels", 1, "epochs", value=3),
        {"train": 1, **ONE_MODEL},
    ),
    "training: epochs of the coarse level": (
        setting(*MULTILEVEL, "levels", 0, "epochs", value=4),
        {"train": 2, **ONE_MODEL},
    ),
    "prior: power": (
        setting(*MULTILEVEL, "prior", "power", value=0.7),
        {"train": 2, **ONE_MODEL},
    ),
    "network: code": (
        edited("fsdiff/networks/unet.py", "self.channels = channels", "self.channels = +channels"),
        {"train": 1, **ONE_MODEL},
    ),
    "seeds: one more": (
        setting(*MULTILEVEL, "seeds", value=[0, 1]),
        {"train": 2, "sample": 2, "evaluate": 2, **ENDS},
    ),
    "equation: diffusivity": (
        setting("datasets", "waves", "source", "diffusivity_u", value=2e-3),
        EVERYTHING,
    ),
    "equation: code of the solver": (
        edited("fsdiff/pde/reaction_diffusion.py", "max(1.0, 3", "max(1.5, 3"),
        EVERYTHING,
    ),
    "equation: comment in the solver": (
        edited("fsdiff/pde/reaction_diffusion.py", "\nfrom ", "\n# a comment\nfrom "),
        NOTHING,
    ),
    "script: docstring": (
        edited("workflow/scripts/train.py", '"""Train', '"""Really train'),
        NOTHING,
    ),
    "docstring of a module that trains": (
        edited(
            "fsdiff/training/trainer.py",
            "Training one level of a model",
            "To train a level of a model",
        ),
        NOTHING,
    ),
    "log message: its wording": (
        edited("fsdiff/training/trainer.py", "no lower loss since", "no better one since"),
        NOTHING,
    ),
    "error: its wording": (
        edited("fsdiff/diffusion/time_sampling.py", "and times beyond are", "times beyond are"),
        NOTHING,
    ),
    "launcher: code": (
        edited("fsdiff/jobs/launching.py", 'get(PROCESSES, "1")', 'get(PROCESSES, "1" or "")'),
        NOTHING,
    ),
    "verdict on noise: its wording": (
        edited("fsdiff/reports/roughness.py", "rough enough for", "as rough as it must be for"),
        {"comparison": 1, "all": 1},
    ),
    "verdict on experiments: its wording": (
        edited("fsdiff/reports/verdicts.py", "nearest is", "the nearest is"),
        {"verdict": 1, "all": 1},
    ),
    "metric: its title": (
        edited("fsdiff/metrics/densities.py", "one-point W₁", "W₁ of values"),
        {"comparison": 1, "table": 1, "verdict": 1, "all": 1},
    ),
    "report: a caption": (
        edited("workflow/report/summary.rst", ".", "!"),
        NOTHING,
    ),
    "claims: one, which was not there": (
        configured(add_claim),
        {"reproduction": 1, "all": 1},
    ),
    "claims: code of their page, without any": (
        edited("fsdiff/reports/reproduction.py", "counts = Counter", "counts = +Counter"),
        NOTHING,
    ),
    "data: transform of a channel": (
        setting("datasets", "waves", "transforms", value={"u": {"kind": "anomaly"}}),
        {
            **{"hierarchy": 2, "train": 3, "sample": 4, "evaluate": 4, "reference": 2},
            **{"fields": 2, "resolutions": 2, "data_pages": 1, **ENDS},
        },
    ),
    "data: one more resolution": (
        setting("datasets", "waves", "resolutions", value=[8, 16, 32]),
        NOTHING,  # of what is not asked for
    ),
    "training: validated elsewhere, too": (
        setting("defaults", "training", value={"validate_at": [16]}),
        {"train": 3, **SAMPLES},
    ),
    "data: number of shards": (setting("datasets", "waves", "shards", value=3), NOTHING),
    "configuration: order of keys": (configured(reverse_keys), NOTHING),
    "configuration: order of metrics": (
        configured(reverse_metrics),
        {"comparison": 1, "table": 1, "verdict": 1, "all": 1},
    ),
    "device: a GPU": (setting("device", value="cuda"), NOTHING),
    "device: a GPU for equations": (setting("device_of", value={"data": "cuda"}), NOTHING),
    "parallel: two processes": (setting("parallel", value={"processes": 2}), NOTHING),
    "experiment: title": (
        setting(*MULTILEVEL, "title", value="Another title"),
        {"fields": 2, "resolutions": 2, **ENDS},  # the other is not told apart by name any more
    ),
    "experiment: added": (
        configured(add_experiment),
        {"train": 1, **ONE_MODEL},
    ),
    "experiment: added, with nothing to train": (
        configured(add_surrogate),
        {"measure": 1, **ONE_MODEL},
    ),
    "data: others, with an experiment": (
        configured(add_data),
        {"measure": 1, **DATA, **ONE_MODEL},  # and no comparison of those that there were
    ),
    "experiment: added, trained as another": (
        configured(add_sampler),
        ONE_MODEL,
    ),
    "trajectory: asked for": (
        setting(*MULTILEVEL, "trajectory", value={"every": 1}),
        {
            **{"train_keeping_weights": 1, "trajectory": 2, "trajectories": 1, "progress": 1},
            **ONE_MODEL,
        },
    ),
    "search: of a parameter": (
        configured(add_search),
        {"train": 3, "sample": 4, "evaluate": 4, "search": 1, "all": 1},
    ),
    "experiment: removed": (
        configured(remove_experiment),
        {"fields": 2, "resolutions": 1, **ENDS},  # as with its title
    ),
    "balances: code": (
        edited("fsdiff/diagnostics/reaction_diffusion.py", "_GRADING = 97", "_GRADING = 99"),
        {"balances": 1, "all": 1},
    ),
    "figure: code of the table": (
        edited("fsdiff/reports/plotting/table.py", "BLIND = 1.5", "BLIND = 1.6"),
        {"table": 1, "all": 1},
    ),
}


@pytest.mark.parametrize(("edit", "expected"), TABLE.values(), ids=TABLE)
def test_exactly_these_jobs_run_again(
    finished: Checkout, edit: Edit, expected: dict[str, int]
) -> None:
    with edit(finished):
        assert finished.planned() == expected


def test_every_edit_is_undone(finished: Checkout) -> None:
    assert finished.planned() == NOTHING


def test_what_has_another_name_is_trained_again_only_where_it_is_damaged(
    finished: Checkout, tmp_path: Path
) -> None:
    checkout = finished.copy(tmp_path / "checkout")
    models, logs = checkout.root / "results" / "models", checkout.root / "logs" / "train"
    former = models / "multilevel" / "seed0"
    weights = (former / "32.safetensors").read_bytes()
    flip_a_bit(former / "32.safetensors")
    with checkout.configured(rename_experiment):
        checkout.snakemake("--cores", "1", "results/models/renamed/seed0/32.safetensors")
    copied = [
        "copied" in (logs / "renamed" / "seed0" / f"{n}.log").read_text(encoding="utf-8")
        for n in (16, 32)
    ]
    assert copied == [True, False]
    assert (models / "renamed" / "seed0" / "32.safetensors").read_bytes() == weights

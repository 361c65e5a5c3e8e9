"""Train one level of a model, warm-started from the level below."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from fsdiff.data import storage
from fsdiff.data.statistics import Statistics
from fsdiff.data.storage import Provenance
from fsdiff.jobs import reuse
from fsdiff.jobs.devices import chosen_device
from fsdiff.jobs.failures import StorageError
from fsdiff.jobs.launching import first
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.measures.roughness import compare_prior
from fsdiff.methods import models
from fsdiff.parts import build
from fsdiff.spaces.basis import Basis
from fsdiff.stages.files import StoredSplit, state_path
from fsdiff.stages.job import Job
from fsdiff.stages.measure import prepared
from fsdiff.training.augmentation import check_signs
from fsdiff.training.fields import training_fields
from fsdiff.training.kept import KeptWeights
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.processes import joined
from fsdiff.training.trainer import Trainer

logger = logging.getLogger(__name__)


def warn_of_smooth_noise(noise: SpectralPrior, basis: Basis, statistics: Statistics) -> None:
    """Log a warning where noise is smoother than the data to be trained on, or has not all modes.

    The page about noise and data says more; no wording counts in fingerprints here.
    """
    comparison = compare_prior(statistics.spectrum, noise, basis, statistics.resolution)
    if len(comparison.scarcer):
        logger.warning(
            "%s prior: the noise is too smooth for these data: from wavenumber %d to %d the energy "
            "of the noise goes like k^%.1f and that of the data like k^%.1f; choose a prior that "
            "is rougher (a smaller power, smoothness or length)",
            noise.kind,
            *comparison.fitted,
            *(-exponent for exponent in reversed(comparison.exponents)),
        )
    if comparison.incomplete:
        logger.warning(
            "%s prior: %.3g %% of the data's energy is in modes without any noise, which cannot be "
            "generated; choose a prior that is positive in every mode, like bessel",
            noise.kind,
            100 * comparison.uncovered,
        )


def train(
    job: Job,
    *,
    data: Mapping[int, Path],
    warm_start: Path | None,
    weights: Path,
    sidecar: Path,
    history: Path,
    states: Path,
    keep: tuple[int, Path] | None = None,
) -> None:
    """Train on the files of a hierarchy, {resolution: path}; ``warm_start`` is a coarser model.

    ``keep`` says after every how many epochs to keep the weights, and in which file. An interrupted
    run leaves its state in the folder ``states`` and is continued from there, and a model that is
    there under another name is copied. Where torchrun has started several processes, they train
    together, and the first of them writes all files.
    """
    outputs = [weights, sidecar, history, *([keep[1]] if keep else [])]
    if found := _trained_elsewhere(job, outputs):
        if first():
            reuse.copy(found, outputs)
        return
    config = job["config"]
    level, options = Level(**config["level"]), TrainingOptions(**config["training"])
    method, statistics, about = prepared(config, data[level.resolution])
    check_signs(options.augmentation, statistics)
    if "prior" in config:
        warn_of_smooth_noise(build("prior", config["prior"]), method.basis, statistics)
    spent, inputs = 0.0, list(data.values())
    if warm_start is not None:
        models.warm_start(method.network, warm_start)
        spent = models.describe(warm_start)["training_seconds"]
        inputs.append(warm_start)
    every = f"-every{keep[0]}" if keep else ""
    state = state_path(job, inputs, states, f"train-{level.resolution}{every}")
    kept = KeptWeights(state, keep[0]) if keep else None
    device = chosen_device()
    with joined(device) as processes:
        stored = StoredSplit(data[level.resolution], "train", method.labels)
        trainer = Trainer(
            method,
            level,
            options,
            data=training_fields(stored, options.memory_mb, processes),
            validation={
                n: StoredSplit(path, "validation", method.labels) for n, path in data.items()
            },
            seed=config["seed"],
            state_file=state,
            kept=kept,
            device=device,
            processes=processes,
        )
        curves = trainer.run()
    if not processes.first:
        return
    made = Provenance.of_job(job)
    storage.write(curves, history, title="loss curves", provenance=made)
    description = {
        **about,
        **made.attributes(),
        "parameters": curves.attrs["parameters"],
        "training_seconds": spent + float(curves["seconds"][-1]),
        "validation_loss": curves.attrs["best_loss"],
    }
    models.save(method, statistics, description, weights=weights, sidecar=sidecar)
    if kept and keep:
        kept.gather(int(curves["epoch"][-1]), keep[1], made.attributes())
        kept.remove()
    state.unlink(missing_ok=True)


def _trained_elsewhere(job: Job, outputs: Sequence[Path]) -> list[Path] | None:
    """The files of a model that is whole and was trained by the same job under another name."""
    for found in reuse.under_other_names(outputs, job.get("lineage", "")):
        with suppress(StorageError):
            models.load(found[0])
            return found
    return None

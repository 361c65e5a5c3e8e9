"""Samples of a model on one grid, drawn and compared with test data again and again in training."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from fsdiff.data import json_files, storage
from fsdiff.data.storage import Provenance
from fsdiff.diffusion.samplers.samples import concatenate
from fsdiff.jobs.devices import chosen_device
from fsdiff.jobs.failures import DamagedError
from fsdiff.jobs.states import saved
from fsdiff.methods import models
from fsdiff.stages.files import state_path
from fsdiff.stages.job import Job
from fsdiff.stages.judge import Judge
from fsdiff.stages.sample import SamplingError, draw, model_of, present
from fsdiff.training.kept import kept_weights

logger = logging.getLogger(__name__)

Row = dict[str, float]
_ROWS = TypeAdapter(list[Row])


def trajectory(
    job: Job,
    *,
    weights: Path,
    kept: Path,
    histories: Sequence[Path],
    data: Path,
    output: Path,
    states: Path,
    classifiers: Path | None = None,
    training: Path | None = None,
) -> None:
    """Evaluate samples drawn with weights kept during training, as at the end of it.

    ``weights`` are those of the end, ``histories`` the loss curves of all levels. ``output`` gets
    each number by epoch of the finest level, with the seconds that training had taken on all.
    An interrupted run leaves its state in the folder ``states`` and is continued from there.
    """
    config = job["config"]
    model = model_of(config, weights, chosen_device())
    with storage.read(data, chunks="auto") as dataset:
        judge = Judge.of(config, dataset, model.device, classifiers)
        target, shown = judge.target(dataset)
    told = None
    if (labels := model.method.labels) is not None:
        dealt = labels.dealt(range(config["samples"]["count"]), config["seed"])
        told = judge.told(xr.Dataset(coords=labels.coordinate(dealt)))
    compare = partial(judge, reference=target, classes=(told, shown))
    read = [weights, kept, data, *present(classifiers), *present(training)]
    state = state_path(job, read, states, f"trajectory-{config['resolution']}")
    finished = state.with_suffix(".json")
    rows = saved(finished, _rows_of) or []
    for epoch, seconds, parameters in kept_weights(kept, config["every"]):
        if epoch not in [row["epoch"] for row in rows]:
            models.set_parameters(model.method.network, parameters, kept)
            # Samples of one epoch must not be taken for those of another.
            drawn = state.with_stem(f"{state.stem}-epoch{epoch}")
            found = _evaluated(
                model, config, lambda u: compare(judge.normalise(u)), drawn, training
            )
            rows.append({"epoch": epoch, "seconds": seconds, **found})
            drawn.unlink(missing_ok=True)
            json_files.write(finished, {"rows": rows})
            logger.info("epoch %d: %s", epoch, found or "samples are not finite")
    result = _dataset(rows, _seconds_before(histories), config["resolution"])
    title = "quality of samples during training"
    storage.write(result, output, title=title, provenance=Provenance.of_job(job))
    finished.unlink(missing_ok=True)


def _rows_of(path: Path) -> list[Row]:
    """The rows that an interrupted attempt has left; DamagedError where they are none."""
    try:
        rows = _ROWS.validate_python(json_files.read(path).get("rows"))
    except ValidationError as error:
        raise DamagedError(f"{path} holds no rows of a trajectory") from error
    if not all({"epoch", "seconds"} <= row.keys() for row in rows):
        raise DamagedError(f"{path} holds rows without epochs")
    return rows


def _evaluated(
    model: models.Model,
    config: Mapping[str, Any],
    judged: Callable[[Tensor], Row],
    state: Path,
    training: Path | None,
) -> Row:
    """The numbers of all metrics; none where samples are not finite, as they may be early on."""
    try:
        drawn = draw(range(config["samples"]["count"]), model, config, state, training)
    except SamplingError:
        return {}
    return judged(concatenate(drawn.parts).fields)


def _seconds_before(histories: Sequence[Path]) -> float:
    """How long training on coarser grids took."""
    return sum(float(storage.read_results(path)["seconds"][-1]) for path in histories[:-1])


def _dataset(rows: Sequence[Row], before: float, resolution: int) -> xr.Dataset:
    """Numbers by epoch; nan where there are none."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: np.array([row.get(name, np.nan) for row in rows]) for name in names}
    result = xr.Dataset(
        {name: ("epoch", values) for name, values in columns.items() if name != "epoch"},
        {"epoch": columns["epoch"].astype(int), "resolution": resolution},
    )
    result["seconds"] = result["seconds"] + before
    result["seconds"].attrs.update(units="s", long_name="training time, validation excluded")
    return result

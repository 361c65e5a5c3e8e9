"""Numbers that are none: the job says where they came up and what to change, and writes nothing."""

from pathlib import Path
from typing import Any

import pytest
from study import SIDECAR, WEIGHTS, Folder

from fsdiff.data import json_files, tensors
from fsdiff.study import ConfigurationError

pytestmark = pytest.mark.faults


def stopped(folder: Folder, rule: str, **how: Path) -> str:
    """The message of a job that gives up, after which all results are what they were."""
    before = folder.digests()
    job = folder.run(rule, **how)
    assert job.status == 1, job.screen
    assert folder.digests() == before
    assert folder.remains() == []
    return job.message


def test_a_diverging_loss(folder: Folder) -> None:
    folder.configuration["experiments"]["small"]["levels"][0]["learning_rate"] = 1e15
    message = stopped(folder, "train")
    assert "the loss is " in message
    assert " of 60 at resolution 16: lower the level's learning_rate (now 1e+15)" in message


def test_a_log_that_cannot_be_written_does_not_hide_the_message(folder: Folder) -> None:
    folder.configuration["experiments"]["small"]["levels"][0]["learning_rate"] = 1e15
    assert "the loss is " in stopped(folder, "train", log=Path("/dev/full"))


def test_a_solution_that_cannot_be_followed(folder: Folder) -> None:
    source: dict[str, Any] = {"kind": "navier_stokes", "resolution": 16, "time": 1000.0}
    source["initial"] = {"kind": "power_law_field", "scale": 1e15}
    folder.configuration["datasets"]["rocks"]["source"] = source
    with pytest.raises(ConfigurationError, match=r"rocks\.source: .* lower the scale"):
        stopped(folder, "simulate")


def test_samples_of_a_model_that_was_never_finite(folder: Folder) -> None:
    path, sidecar = folder.path(WEIGHTS), folder.path(SIDECAR)
    held, about = tensors.read(path)
    large = {key: 1e30 * value for key, value in held.items()}
    description = json_files.read(sidecar) | {"weights": tensors.write(path, large, about)}
    json_files.write(sidecar, description)
    message = stopped(folder, "sample")
    assert "are not finite on 16 × 16 nodes: use more sampler steps" in message

"""Draw samples of a model on one grid."""

import time
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from tqdm import tqdm

from fsdiff import models, storage
from fsdiff.parts import build
from fsdiff.stages.files import Job, provenance


class SamplingError(RuntimeError):
    """Samples are unusable; the message says which and what to change."""


def sample(job: Job, *, weights: Path, output: Path, cost: Path) -> None:
    """Draw samples of a model; ``cost`` gets the network evaluations and seconds they took."""
    config = job["config"]
    model = models.load(weights)
    sampler = build("sampler", config["sampler"])
    count, size = config["samples"]["count"], config["samples"]["batch_size"]
    n, seed = config["resolution"], config["seed"]
    parts, evaluations, started = [], 0, time.monotonic()
    for first in tqdm(range(0, count, size), desc=f"sample {n}²", unit="batch", disable=None):
        indices = range(first, min(first + size, count))
        fields, evaluations = model.sample(sampler, n, indices, seed)
        check_finite(fields, first, n)
        parts.append(fields)
    seconds = time.monotonic() - started
    title = f"samples of a diffusion model on {n} x {n} nodes"
    dataset = label(torch.cat(parts), model)
    storage.write(dataset, output, title=title, provenance=provenance(job, seed))
    storage.write_json(
        cost, {"network_evaluations": evaluations, "seconds": seconds, "count": count}
    )


def check_finite(fields: Tensor, first: int, n: int) -> None:
    """Refuse samples that are not finite, naming them."""
    bad = (~fields.isfinite()).flatten(1).any(1).nonzero().flatten()
    if len(bad):
        names = ", ".join(str(first + int(i)) for i in bad[:10])
        raise SamplingError(
            f"samples {names} are not finite on {n} x {n} nodes: use more sampler steps, another "
            "spacing of times, or train the model further"
        )


def label(fields: Tensor, model: models.Model) -> xr.Dataset:
    """Fields (samples, channel, n, n) with names and coordinates of the training data."""
    data = model.description["data"]
    nodes = model.denoiser.basis.nodes(fields.shape[-1]) * data["length"] + data["origin"]
    return xr.Dataset(
        {"field": (("sample", "channel", "y", "x"), fields.numpy(), data["field"])},
        coords={
            "sample": ("sample", np.arange(len(fields)), {"long_name": "sample index"}),
            "channel": ("channel", data["channels"]),
            "y": ("y", nodes, data["y"]),
            "x": ("x", nodes, data["x"]),
        },
    )

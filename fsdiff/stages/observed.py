"""Files of observations, and of draws of posteriors that belong to them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from fsdiff.data import storage
from fsdiff.inverse.observations.base import Observation
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.masks import Mask
from fsdiff.stages.labels import describe_fields, label


@dataclass(frozen=True)
class Observed:
    """What a file of observations says: which samples were observed, where, and what was found.

    ``samples`` (case) are indices in the data set, ``data`` (case, datum) float64, ``deviation``
    (datum) that of the noise, and ``resolution`` the level on which they were observed.
    ``described`` has names and coordinates of the fields. Of measurements samples are numbers of
    cases, and no ``truths`` are known.
    """

    samples: Sequence[int]
    data: Tensor
    deviation: Tensor
    resolution: int
    described: Mapping[str, Any]
    truths: bool = True

    @classmethod
    def read(cls, path: Path, basis: Basis) -> "Observed":
        """From a file; StorageError where it is damaged."""
        dataset = storage.read_results(path)
        if truths := "truth" in dataset:
            resolution = basis.resolution(dataset["truth"])
            described = describe_fields(dataset.rename(truth="field"), basis)
        else:
            resolution = int(dataset.attrs["resolution"])
            described = json.loads(dataset.attrs["fsdiff_fields"])
        return cls(
            samples=[int(index) for index in dataset["sample"].values],
            data=torch.from_numpy(dataset["data"].values.astype(np.float64)),
            deviation=torch.from_numpy(dataset["deviation"].values.astype(np.float64)),
            resolution=resolution,
            described=described,
            truths=truths,
        )

    @torch.no_grad()
    def residuals(
        self,
        draws: Tensor,
        case: int,
        operator: Observation,
        basis: Basis,
        mask: Mask | None = None,
    ) -> Tensor:
        """(G(u) − y)/σ of physical draws (draw, channel, *grid) of a case, (draw, datum), float64.

        Where data have no noise, G(u) − y. Where a ``mask`` says that nodes have no values draws
        are continued, as what was observed is.
        """
        n = basis.resolution(draws)
        if mask is not None:
            draws = HarmonicFilling(mask, n)(draws)
        observed = operator.on(basis, draws.shape[1], n)
        found = [observed.forward(part.double()) for part in draws.split(64)]
        deviation = torch.where(self.deviation > 0, self.deviation, 1.0)
        return (torch.cat(found) - self.data[case]) / deviation


def labelled(draws: Tensor, residuals: Tensor, observed: Observed, basis: Basis) -> xr.Dataset:
    """Draws (case, draw, channel, *grid), physical, and residuals (case, draw, datum) as a file.

    Variables ``draws``, float32, and ``residuals``, with the names and coordinates of the data.
    """
    fields = label(draws[:, 0].float(), basis, observed.described)
    field = fields["field"]
    values = draws.float().numpy().reshape(*draws.shape[:2], *field.shape[1:])
    coordinates = {name: fields[name] for name in field.dims[1:] if name in fields.coords}
    variables = {
        "draws": (("case", "draw", *field.dims[1:]), values, field.attrs),
        "residuals": (("case", "draw", "datum"), residuals.numpy(), {"units": "1"}),
    }
    return xr.Dataset(variables, coordinates | {"sample": ("case", list(observed.samples))})


def physical_draws(dataset: xr.Dataset) -> Tensor:
    """The draws (case, draw, channel, *grid) in a file of them; frames of series are channels."""
    values = torch.from_numpy(dataset["draws"].values)
    return values.flatten(2, 3) if dataset["draws"].dims[2] == "time" else values

"""Models from files, whichever method they are of."""

from pathlib import Path

import torch

from fsdiff.errors import Error
from fsdiff.interface.diffusion import Diffusion
from fsdiff.interface.gaussian import Gaussian
from fsdiff.interface.model import Model, files
from fsdiff.jobs.devices import CPU
from fsdiff.methods import models

CLASSES: dict[str, type[Diffusion] | type[Gaussian]] = {
    "diffusion": Diffusion,
    "gaussian": Gaussian,
}
"""The class of each kind of method."""


def load(path: str | Path, device: torch.device | str = CPU) -> Model:
    """A model that ``save`` or the workflow has written at PATH.safetensors and PATH.json.

    Raises StorageError that names the file where anything is missing, damaged or does not fit.
    """
    fitted = models.load(files(path), device)
    kind = fitted.description["config"]["method"]["kind"]
    if kind not in CLASSES:
        known = ", ".join(CLASSES)
        raise Error(f"{files(path)} is a model of method {kind}; there are objects for {known}")
    return CLASSES[kind].of(fitted)

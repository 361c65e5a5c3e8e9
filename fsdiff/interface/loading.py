"""Models from files, whichever method they are of."""

import importlib
from pathlib import Path

import torch

from fsdiff.errors import Error
from fsdiff.interface.checks import device_of
from fsdiff.interface.model import Model, files
from fsdiff.jobs.devices import CPU
from fsdiff.methods import models
from fsdiff.parts import classes


def load(path: str | Path, device: torch.device | str = CPU) -> Model:
    """A model that ``save`` or the workflow has written at PATH.safetensors and PATH.json.

    Its class is the one in this folder whose ``kind`` is that of the method. Raises StorageError
    that names the file where anything is missing, damaged or does not fit.
    """
    fitted = models.load(files(path), device_of(device))
    kind, known = fitted.description["config"]["method"]["kind"], classes("interface", "model")
    if kind not in known:
        raise Error(
            f"{files(path)} is a model of method {kind}; there are objects for {', '.join(known)}"
        )
    module, name = known[kind]
    described: type[Model] = getattr(importlib.import_module(module), name)
    return described.of(fitted)

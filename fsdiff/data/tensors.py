"""Tensors in safetensors files: written atomically, and compared with their digests when read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import safe_open
from torch import Tensor

from fsdiff.data import checksums
from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.failures import DamagedError, check_file, read_failure

Shapes = dict[str, tuple[torch.dtype, tuple[int, ...]]]
"""Type and shape of each tensor, by name."""

KEY = "fsdiff"
"""Of the metadata; the library would write several keys in any order."""


@dataclass(frozen=True)
class Header:
    """What a file says beside its tensors: ``about``, plain values, and the tensors' digests."""

    about: dict[str, Any]
    tensors: dict[str, str]

    @property
    def digest(self) -> str:
        """Of all that is in the file."""
        return checksums.of_text(json.dumps([self.about, self.tensors], sort_keys=True))


def write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    """Write tensors of any device and plain values; the digest of all of it comes back."""
    held = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    digests = {name: checksums.of_tensor(tensor) for name, tensor in held.items()}
    header = Header(json.loads(json.dumps(about)), digests)
    described = {"about": header.about, "tensors": digests, "digest": header.digest}
    # The library's own way to files leaves its temporary ones behind when it is killed.
    content = safetensors.torch.save(held, {KEY: json.dumps(described, sort_keys=True)})
    with atomic(path) as temporary:
        temporary.write_bytes(content)
    return header.digest


def read_header(path: Path) -> Header:
    """What a file says beside its tensors; StorageError where it is missing or damaged."""
    return _read(path, None)[0]


def read(path: Path, beginning: str = "") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors whose names begin so, on the CPU, and what the file says about them.

    Raises StorageError that names a file that is missing, damaged or was edited.
    """
    header, tensors = _read(path, beginning)
    for name, tensor in tensors.items():
        if checksums.of_tensor(tensor) != header.tensors[name]:
            raise DamagedError(f"{path} is damaged or was edited: the digest of {name} differs")
    return tensors, header.about


def shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    """Type and shape of each tensor, by name."""
    return {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in tensors.items()}


def _read(path: Path, beginning: str | None) -> tuple[Header, dict[str, Tensor]]:
    check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            names, metadata = list(file.keys()), file.metadata() or {}
            found = json.loads(metadata.get(KEY, "{}"))
            chosen = [] if beginning is None else [n for n in names if n.startswith(beginning)]
            tensors = {name: file.get_tensor(name) for name in chosen}
    except Exception as error:  # of damaged files the library says anything
        raise read_failure(path, error, "is truncated or no safetensors file") from error
    return _checked(path, found, names), tensors


def _checked(path: Path, found: Any, names: list[str]) -> Header:
    """The header of a file with tensors of these names, compared with its digest."""
    if not isinstance(found, dict) or found.keys() != {"about", "tensors", "digest"}:
        raise DamagedError(f"{path} was not written by fsdiff: it has no digest")
    header = Header(found["about"], found["tensors"])
    try:
        fits = header.digest == found["digest"] and header.tensors.keys() == set(names)
    except (RecursionError, AttributeError):
        fits = False
    if not fits:
        raise DamagedError(f"{path} is damaged or was edited: its digest does not fit")
    return header

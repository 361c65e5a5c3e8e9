"""Digests and checksums of what is in files, so that what is read is what was written."""

import hashlib
import json
import zlib
from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor


def of_text(text: str) -> str:
    """SHA-256 of a text, 64 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def of_tensor(tensor: Tensor) -> str:
    """SHA-256 of type, shape and numbers of a tensor on the CPU."""
    digest = hashlib.sha256(f"{tensor.dtype} {list(tensor.shape)} ".encode())
    digest.update(tensor.reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def of_samples(values: np.ndarray) -> np.ndarray:
    """CRC-32 of the bytes of each sample of an array (sample, …), uint32."""
    values = np.ascontiguousarray(values)
    return np.fromiter(map(zlib.crc32, values), np.uint32, len(values))


def of_dataset(stored: xr.Dataset) -> str:
    """Digest of a data set as it is stored, not decoded, of ``field`` without its values.

    Names, types, dimensions, attributes and values; ``fsdiff_digest`` itself is left out.
    """
    attributes = {name: value for name, value in stored.attrs.items() if name != "fsdiff_digest"}
    variables = {str(name): _described(name, item) for name, item in stored.variables.items()}
    content = [_plain(attributes), dict(stored.sizes), variables]
    return of_text(json.dumps(content, sort_keys=True))


def _described(name: Hashable, variable: xr.Variable) -> list[Any]:
    """All that is to be known of a variable, as plain values."""
    header = [variable.dims, _plain(variable.attrs)]
    if variable.dtype.kind in "OSU":
        return [*header, "text", variable.values.astype(str).tolist()]
    stored = variable.dtype.newbyteorder("<")
    content = None
    if name != "field":
        content = hashlib.sha256(np.ascontiguousarray(variable.values, stored)).hexdigest()
    return [*header, stored.str, content]


def _plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): np.asarray(value).tolist() for name, value in attributes.items()}

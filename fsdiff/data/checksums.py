"""Digests and checksums of what is in files, so that what is read is what was written."""

import hashlib
import json
import math
from collections.abc import Hashable, Mapping
from functools import lru_cache
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
    digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def of_samples(values: np.ndarray) -> np.ndarray:
    """Σ_j a_j w_j mod 2⁶⁴ over the 32-bit words w_j of each sample of (sample, …), uint64.

    Multilinear hashing (Lemire & Kaser, arXiv 1202.4961) with fixed weights. These are odd, so that
    any change of one word is noticed; of other changes one in 2³² is not. It takes half the time of
    CRC-32, as every sample that is read has to be looked through.
    """
    shape = len(values), math.prod(values.shape[1:])
    stored = np.ascontiguousarray(values).reshape(shape).view(np.uint8)
    if missing := -stored.shape[1] % 4:
        stored = np.pad(stored, ((0, 0), (0, missing)))
    words = stored.view("<u4")
    return np.einsum("ij,j->i", words, _weights(words.shape[1]))


@lru_cache(maxsize=4)
def _weights(count: int) -> np.ndarray:
    """Odd numbers that look random and are the same everywhere, by SplitMix64."""
    x = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) | np.uint64(1)


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
        values = np.ascontiguousarray(variable.values, stored).view(np.uint8)
        content = hashlib.sha256(values.data).hexdigest()
    return [*header, stored.str, content]


def _plain(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    return {str(name): np.asarray(value).tolist() for name, value in attributes.items()}

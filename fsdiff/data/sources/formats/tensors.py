"""Safetensors, to which tensors of a pickle can be saved."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Opaque, Readable, Whole

BFLOAT16 = np.dtype(np.float16, metadata={"name": "bfloat16"})
"""Numbers of two bytes, which numpy does not know: those of single precision with eight digits."""

TYPES = {
    "BF16": BFLOAT16,
    "BOOL": np.dtype(bool),
    **{f"F{8 * size}": np.dtype(f"f{size}") for size in (2, 4, 8)},
    **{f"I{8 * size}": np.dtype(f"i{size}") for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"u{size}") for size in (1, 2, 4, 8)},
}
"""Names of types → those of numpy."""


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """The tensors of a file; bfloat16 in single precision, which holds it exactly."""
    file = stack.enter_context(safe_open(path, framework="pt"))
    return {name: Stored(_readable(file, name)) for name in file.keys()}  # noqa: SIM118


def _readable(file: Any, name: str) -> Readable:
    tensor = file.get_slice(name)
    shape, kind = tensor.get_shape(), tensor.get_dtype()
    if kind not in TYPES:
        return Opaque(shape, kind.replace("C64", "complex64"))
    return Whole(shape, TYPES[kind], partial(_load, file, name))


def _load(file: Any, name: str) -> np.ndarray:
    tensor = file.get_tensor(name)
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()

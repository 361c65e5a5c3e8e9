"""Safetensors, to which tensors of a pickle can be saved."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Opaque, Readable, Whole

TYPES = {
    "BOOL": np.dtype(bool),
    **{f"F{8 * size}": np.dtype(f"f{size}") for size in (2, 4, 8)},
    **{f"I{8 * size}": np.dtype(f"i{size}") for size in (1, 2, 4, 8)},
    **{f"U{8 * size}": np.dtype(f"u{size}") for size in (1, 2, 4, 8)},
}
"""Names of types → those of numpy."""


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """The tensors of a file."""
    file = stack.enter_context(safe_open(path, framework="numpy"))
    return {name: Stored(_readable(file, name)) for name in file.keys()}  # noqa: SIM118


def _readable(file: Any, name: str) -> Readable:
    tensor = file.get_slice(name)
    shape, kind = tensor.get_shape(), tensor.get_dtype()
    if kind not in TYPES:
        return Opaque(shape, kind)
    return Whole(shape, TYPES[kind], partial(file.get_tensor, name))

"""Studies of all of MNIST, or of a data set like it, from empty files of its size."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from snakemake.utils import update_config

from fsdiff.study import Configuration, load

COUNTS = (60_000, 10_000)
"""Images in each file."""


def of_empty_images(configurations: Sequence[Path], dataset: str, folder: Path) -> Configuration:
    """The study of files that are merged, its data set read from empty files in a folder."""
    study: dict[str, Any] = {}
    for path in configurations:
        update_config(study, yaml.safe_load(path.read_text(encoding="utf-8")))
    source = study["datasets"][dataset]["source"]
    for key, shape in (("images", (2, 2)), ("labels", ())):
        paths = [folder / Path(name).name for name in source[key]]
        for path, count in zip(paths, COUNTS, strict=True):
            path.write_bytes(_idx((count, *shape)))
        source[key] = [str(path) for path in paths]
    return load(study)


def _idx(shape: tuple[int, ...]) -> bytes:
    """An empty file of this shape in MNIST's format."""
    lengths = np.array(shape, ">u4").tobytes()
    return bytes([0, 0, 8, len(shape)]) + lengths + bytes(int(np.prod(shape)))

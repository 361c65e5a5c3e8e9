"""Nodes without values that are the same in all samples, such as those on land: filled and kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from fsdiff.data.sources.blocks import Block
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.filling import HarmonicFilling
from fsdiff.spaces.masks import Mask


@dataclass(frozen=True, eq=False)
class Gaps:
    """Where the first sample of files has values, (time, channel, *grid), and all others must."""

    present: np.ndarray
    basis: Basis

    @cached_property
    def mask(self) -> Mask | None:
        """The nodes that have values, frames being channels; None where all have."""
        flat = torch.from_numpy(self.present).flatten(0, 1)
        return None if flat.all() else Mask(flat, self.basis.repeated(len(self.present)))

    @cached_property
    def _filling(self) -> HarmonicFilling | None:
        level = self.basis.resolution(self.present)
        return None if self.mask is None else HarmonicFilling(self.mask, level)

    def filled(self, fields: np.ndarray, indices: Sequence[int], block: Block) -> np.ndarray:
        """Fields (sample, time, channel, *grid) with values at all nodes.

        Raises StorageError that names the file and the sample where others are missing.
        """
        if worst := block.worst(np.isnan(fields) == self.present, indices):
            sample, nodes = worst
            raise StorageError(
                f"{block.path}: {sample} and the first sample differ in whether values are missing "
                f"at {nodes} nodes, and gaps: mask needs the same ones in all samples: fill in the "
                "others, or leave the sample out"
            )
        if self._filling is None:
            return fields
        flat = torch.from_numpy(np.ascontiguousarray(fields)).flatten(1, 2)
        return self._filling(flat).numpy().reshape(fields.shape)

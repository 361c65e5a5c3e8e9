"""Axes of a box: kind of boundary, side, nodes, and the functions of one variable on them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, get_args

import numpy as np
from pydantic import ConfigDict, Field, Strict
from torch import Tensor

from fsdiff.spaces.modes import cosine_matrix, sine_matrix

AxisKind = Literal["periodic", "neumann", "dirichlet"]
Nodes = Annotated[int, Field(ge=1, le=2**14)]
"""Number of nodes per axis; a field on more of them would not fit into memory with its network."""

RESERVED = (
    *("sample", "channel", "field", "checksum", "split"),
    *("mean", "scale", "spectrum", "present"),
)
"""What else files of fields have under a name."""


def is_name(text: str) -> bool:
    """Whether an axis may have this name: a letter and then letters, digits or underscores."""
    return bool(re.fullmatch(r"[A-Za-z]\w{0,79}", text)) and text not in RESERVED


def shape_text(shape: Iterable[int]) -> str:
    """The shape of a grid in words, "64 × 32"."""
    return " × ".join(map(str, shape))


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a box.

    ``kind`` says what functions do at its ends: ``periodic`` (Fourier modes on the nodes j L/n),
    ``neumann`` (cosines) or ``dirichlet`` (sines), both on the cell centres (j + ½) L/n. ``side``
    is its length L, in the unit in which priors have their lengths. ``nodes`` are those at the
    reference shape of the box. An axis that is ``held``, such as time or vertical levels, has these
    nodes at every level.
    """

    # Blocks of YAML that describe axes are checked against this class.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", allow_inf_nan=False)

    kind: AxisKind
    name: Annotated[str, Strict()]
    nodes: Annotated[int, Strict(), Field(ge=1, le=2**14)]
    side: Annotated[float, Strict(), Field(gt=0, ge=1e-30, le=1e15)] = 1.0
    held: Annotated[bool, Strict()] = False

    def __post_init__(self) -> None:
        """Refuse kinds, names, sides and numbers of nodes that are none."""
        if self.kind not in get_args(AxisKind):
            raise ValueError(f"kind = {self.kind!r}: use one of {', '.join(get_args(AxisKind))}")
        if not is_name(self.name):
            raise ValueError(
                f"name = {self.name!r}: use a letter and then letters, digits or underscores, and "
                f"none of {', '.join(RESERVED)}"
            )
        if not 0 < self.side < np.inf:
            raise ValueError(f"side = {self.side:g} of axis {self.name}: use a positive length")
        if self.nodes < 1:
            raise ValueError(f"nodes = {self.nodes} of axis {self.name}: use at least 1")

    @property
    def periodic(self) -> bool:
        """Whether its ends are one point."""
        return self.kind == "periodic"

    @property
    def frequency(self) -> float:
        """|ω| of the mode k = 1: 2π/L if periodic, π/L between walls."""
        return float((2 if self.periodic else 1) * np.pi / self.side)

    @property
    def fewest(self) -> int:
        """The fewest nodes on which there are functions at all."""
        return 2 if self.kind == "dirichlet" else 1

    def positions(self, nodes: int) -> np.ndarray:
        """Coordinates of ``nodes`` nodes in units of the side, in [0, 1]."""
        return np.arange(nodes) / nodes if self.periodic else (np.arange(nodes) + 0.5) / nodes

    def highest(self, nodes: int) -> int:
        """The largest wavenumber |k| that ``nodes`` nodes resolve."""
        return (nodes - 1) // 2 if self.periodic else nodes - 1

    def resolving(self, wavenumbers: np.ndarray) -> np.ndarray:
        """The fewest nodes that resolve each of these wavenumbers."""
        return 1 + (2 if self.periodic else 1) * np.abs(wavenumbers)

    def wavenumbers(self, nodes: int) -> np.ndarray:
        """k of the coefficients along the axis, in their order; signed, as of ``fft``, if periodic.

        0 … n − 1 for cosines, 1 … n for sines, of which the last is not resolved.
        """
        if self.periodic:
            return np.fft.fftfreq(nodes, 1 / nodes).round().astype(int)
        return np.arange(nodes) + (self.kind == "dirichlet")

    def functions(self, nodes: int, modes: int, like: Tensor) -> Tensor:
        """Values of the first ``modes`` cosines or sines on ``nodes`` nodes, (modes, nodes).

        Orthonormal where the nodes resolve them; sines are zero where not.
        """
        values = sine_matrix if self.kind == "dirichlet" else cosine_matrix
        return values(nodes, modes, like.dtype, like.device)

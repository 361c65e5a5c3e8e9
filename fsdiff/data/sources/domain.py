"""The domain of fields in files: a unit square as a basis has it, or the box that files say."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from fsdiff.data.sources.axes import SPACE, Dimension, Dimensions
from fsdiff.data.sources.coordinates import CIRCLE, UNEVEN, Positions
from fsdiff.data.sources.units import same_units, without_direction
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.axes import Axis, AxisKind, is_name, shape_text
from fsdiff.spaces.basis import Basis
from fsdiff.spaces.boxes import Box
from fsdiff.spaces.trigonometric import TrigonometricBasis

DIGITS = 9
"""Of the sides of boxes: positions in files are rounded, too."""

Lengths = float | Mapping[str, float] | None
"""The longest side, or that of each axis, in the unit of the positions."""


@dataclass(frozen=True)
class Domain:
    """What a configuration says of the domain: a basis, or the kinds of its axes by name.

    Axes are called by the names that files give them, or x, y and z.
    """

    basis: Basis | None = None
    axes: Mapping[str, AxisKind] = field(default_factory=dict)
    length: Lengths = None

    def check(self) -> None:
        """Refuse bases of other domains than boxes."""
        if self.basis is not None and not isinstance(self.basis, TrigonometricBasis):
            raise ValueError(
                f"basis.kind = {self.basis.kind}: fields in files are expanded in fourier, cosine "
                "or sine, or in those of a box"
            )

    @property
    def space(self) -> Dimensions | None:
        """The axes of space that fields must have, if that is known."""
        return None if self.basis is None else SPACE[-self.basis.dimension :]

    def check_names(self, names: Mapping[Dimension, str], where: str) -> None:
        """Refuse what is said of axes that fields do not have."""
        known = {*names, *names.values()}
        lengths = self.length if isinstance(self.length, Mapping) else {}
        for key, given in (("axes", self.axes), ("length", lengths)):
            if unknown := given.keys() - known:
                raise StorageError(
                    f"{key}.{min(unknown)}: {where} has no such axis, only "
                    f"{', '.join(names.values())}"
                )

    def kind(self, axis: Dimension, name: str, nodes: Positions | None, where: str) -> AxisKind:
        """What functions do at the ends of an axis, as it is said or as degrees tell."""
        if said := self.axes.get(name, self.axes.get(axis)):
            return said
        if self.basis is not None and self.space is not None:
            return self.basis.axes[self.space.index(axis)].kind
        if nodes is None or not nodes.degrees:
            raise StorageError(
                f"{where}: what do fields do at the ends of axis {name}? Say so, axes: {{{name}: "
                "periodic}, neumann (no normal derivative) or dirichlet (zero), or give a basis"
            )
        return "periodic" if _is_circle(nodes) else "neumann"

    def said_length(self, axis: Dimension, name: str, longest: bool) -> float | None:
        """The side of an axis, where it is said."""
        if isinstance(self.length, Mapping):
            return self.length.get(name, self.length.get(axis))
        return self.length if longest else None


@dataclass(frozen=True)
class Line:
    """An axis of the fields in a file: ``nodes`` of them, at ``positions`` if these are known."""

    name: str
    kind: AxisKind
    nodes: int
    positions: Positions | None
    length: float | None = None

    @property
    def spacing(self) -> float | None:
        """Between nodes, None if it is not known."""
        if self.length is not None:
            return self.length / self.nodes
        return None if self.positions is None else self.positions.extent / (self.nodes - 1)

    @property
    def tolerance(self) -> float:
        """How far its side may be from another that is meant to be the same."""
        found = self.positions
        return 0.0 if found is None else UNEVEN * found.extent + 4 * found.rounding


def basis_on(lines: Sequence[Line], domain: Domain, where: str) -> Basis:
    """The basis of fields on these axes.

    It is the one of the configuration on squares and other boxes of equal sides, and a box of the
    same kind on others. The longest side that is in the unit of the last axis has length one, and
    so have sides in other units.
    """
    if isinstance(domain.basis, Box):
        found, said = [line.nodes for line in lines], [axis.nodes for axis in domain.basis.axes]
        if found != said:
            raise StorageError(
                f"{where}: fields are on {shape_text(found)} nodes, and the basis has "
                f"{shape_text(said)}"
            )
        return domain.basis
    if domain.basis is not None and not domain.axes and _is_cube(lines):
        return domain.basis
    sides = _sides(lines)
    return Box(
        axes=tuple(
            Axis(kind=line.kind, name=line.name, nodes=line.nodes, side=side)
            for line, side in zip(lines, sides, strict=True)
        )
    )


def physical_nodes(lines: Sequence[Line], basis: Basis, length: Lengths) -> list[np.ndarray]:
    """Positions along each axis: those of the file or, where it has none, those of the basis."""
    own = basis.axis_nodes(max(line.nodes for line in lines))
    unit = length if isinstance(length, float | int) else 1.0
    return [
        np.array(line.positions.values)
        if line.positions is not None
        else nodes * (unit if line.length is None else line.length / axis.side)
        for line, nodes, axis in zip(lines, own, basis.axes, strict=True)
    ]


def axis_name(own: str | None, axis: Dimension) -> str:
    """What a file calls an axis, if that is a name; else z, y or x."""
    name = re.sub(r"\W", "_", own.rpartition("/")[2]) if own else ""
    return name if is_name(name) and name != "time" else axis


def _is_circle(nodes: Positions) -> bool:
    """Whether degrees go around once, with the first node again at the end or without."""
    step = nodes.extent / (len(nodes.values) - 1)
    tolerance = UNEVEN * step * len(nodes.values) ** 0.5 + 4 * nodes.rounding
    return min(abs(nodes.extent + step - CIRCLE), abs(nodes.extent - CIRCLE)) <= tolerance


def _is_cube(lines: Sequence[Line]) -> bool:
    """Whether there are as many nodes and the same spacing along all axes."""
    known = [(line, spacing) for line in lines if (spacing := line.spacing) is not None]
    sides = [spacing * line.nodes for line, spacing in known]
    tolerance = max((line.tolerance for line, _ in known), default=0.0)
    alike = not sides or max(sides) - min(sides) <= tolerance
    return alike and len({line.nodes for line in lines}) == 1


def _sides(lines: Sequence[Line]) -> list[float]:
    """Sides in units of the longest of those that are in the unit of the last axis."""
    known = [line.spacing for line in lines if line.spacing is not None]
    step = known[-1] if known else 1.0  # cells are taken to be square where nothing is known
    sides = [line.nodes * (line.spacing or step) for line in lines]
    comparable = [same_units(_units(line), _units(lines[-1])) for line in lines]
    scale = max(side for side, alike in zip(sides, comparable, strict=True) if alike)
    pairs = zip(sides, comparable, strict=True)
    return [_rounded(side / scale) if alike else 1.0 for side, alike in pairs]


def _units(line: Line) -> str | None:
    """The unit of the positions; degrees north and east are degrees."""
    return without_direction(line.positions.units) if line.positions else None


def _rounded(side: float) -> float:
    return float(f"{side:.{DIGITS}g}")

"""What networks know of the domain: the basis along each axis, and settings with one value each."""

from collections.abc import Iterator, Sequence
from typing import Literal, TypeVar, cast

from fsdiff.spaces.axes import AxisKind

AxisBasis = Literal["fourier", "cosine"]
Value = TypeVar("Value")

BASES: dict[AxisKind, AxisBasis] = {
    "periodic": "fourier",
    "neumann": "cosine",
    "dirichlet": "cosine",
}
"""The functions in which features are expanded along an axis of each kind.

Cosines also where fields vanish at the walls: features do not, since biases, coordinates and
nonlinearities make others of them. A smooth function that does not vanish has sine coefficients
that fall like 1/k and cosine coefficients that fall like 1/k².
"""


def bases_of_axes(
    basis: AxisBasis | Sequence[AxisBasis] | None,
    dimension: int | None,
    axes: Sequence[AxisKind] | None,
) -> tuple[AxisBasis, ...]:
    """The basis of each axis, from a network's settings and the kinds of the data's axes.

    Settings come first; where neither they nor ``axes`` say anything, two periodic axes. Raises
    ValueError where they contradict each other.
    """
    if dimension is None and axes is None and isinstance(basis, tuple | list):
        dimension = len(basis)
    if dimension is None:
        dimension = 2 if axes is None else len(axes)
    if not dimension:
        raise ValueError("basis: there is none; give one for each axis, or leave it out")
    if axes is not None and len(axes) != dimension:
        raise ValueError(
            f"a network of dimension {dimension} for data of dimension {len(axes)}; use "
            f"dimension={len(axes)} or leave it out"
        )
    if basis is None:
        kinds: Sequence[AxisKind] = axes or ["periodic"] * dimension
        basis = tuple(BASES[kind] for kind in kinds)
    return per_axis("basis", basis, dimension)


def per_axis(name: str, value: Value | Sequence[Value], dimension: int) -> tuple[Value, ...]:
    """One value for each axis, of a setting that is one for all or a list."""
    if not isinstance(value, tuple | list):
        return (cast("Value", value),) * dimension
    if problem := wrong_length(value, dimension):
        raise ValueError(f"{name}: {problem}")
    return tuple(value)


def wrong_length(value: object, dimension: int) -> str | None:
    """Why a setting, one value for all axes or a list, has too many or too few; or None."""
    if not isinstance(value, tuple | list) or len(value) == dimension:
        return None
    return f"{len(value)} entries for {dimension} axes; give one for all of them or one for each"


def unresolved_modes(
    bases: Sequence[AxisBasis], modes: Sequence[int], grid: Sequence[int]
) -> Iterator[str]:
    """What is wrong with a grid that does not resolve a network's modes, axis by axis."""
    for axis, (basis, kept, nodes) in enumerate(zip(bases, modes, grid, strict=True)):
        if kept > (resolved := resolved_modes(basis, nodes)):
            along = "" if len(set(grid)) == 1 else f" along axis {axis}"
            yield (
                f"{nodes} nodes{along}, resolves {resolved} {basis} modes and the network has "
                f"{kept}; use modes <= {resolved} or higher resolutions"
            )
            if not along:
                return


def resolved_modes(basis: AxisBasis, nodes: int) -> int:
    """How many modes, k = 0, 1, …, the nodes of an axis resolve."""
    return (nodes + 1) // 2 if basis == "fourier" else nodes

"""What the axes of arrays are: as files name them, as a configuration says, or by their lengths."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from math import prod
from typing import Literal

from fsdiff.data.sources.arrays import Arrays, Stored
from fsdiff.data.sources.units import counted, direction
from fsdiff.jobs.failures import StorageError

Dimension = Literal["sample", "time", "channel", "z", "y", "x"]
Dimensions = tuple[Dimension, ...]

SPACE: Dimensions = ("z", "y", "x")
"""Axes of space, in the order in which fields have them."""

LEADING: Dimensions = ("sample", "time", "channel")
"""The axes before these, in the order of series."""

Axes = tuple[Dimension | None, ...]
"""What each axis of an array is, None for one of length one that is left out."""

USUAL: dict[Dimension, str] = {
    "sample": "sample samples n batch ensemble ens member member_id ensemble_member number "
    "realization realisation run runs trajectory trajectories simulation case index nsample "
    "nsamples n_samples num_samples n_traj init_time forecast_reference_time reftime",
    "time": "time times t frame frames step steps timestep valid_time t_coordinate time_counter "
    "ocean_time lead_time lead leadtime prediction_timedelta forecast_period nt",
    "channel": "channel channels component components variable variables var feature features "
    "field band bands level levels pressure_level plev isobaricinhpa isobaric c nc",
    "z": "z altitude height depth z_coordinate zc nz nlev bottom_top deptht model_level_number k",
    "y": "y lat latitude y_coordinate yc ny nlat nav_lat xlat rlat south_north "
    "south_north_stag eta_rho grid_y row rows j nj",
    "x": "x lon long longitude x_coordinate xc nx nlon nav_lon xlong rlon west_east "
    "west_east_stag xi_rho grid_x column columns i ni",
}
"""Names that axes and arrays of positions usually have, the most usual first."""

_MEANING = {name: dimension for dimension, names in USUAL.items() for name in names.split()}

AXIS: dict[str, Dimension] = {"X": "x", "Y": "y", "T": "time", "E": "sample"}
VERTICAL = "Z"
"""The ``axis`` of heights, and of levels, which are channels where their name says so."""

STANDARD_NAMES: dict[str, Dimension] = {
    "longitude": "x",
    "grid_longitude": "x",
    "projection_x_coordinate": "x",
    "latitude": "y",
    "grid_latitude": "y",
    "projection_y_coordinate": "y",
    "time": "time",
    "forecast_period": "time",
    "forecast_reference_time": "sample",
    "realization": "sample",
}
DIRECTIONS: dict[str | None, Dimension] = {"east": "x", "north": "y"}

ABOUT = ("bounds", "climatology", "coordinates", "cell_measures", "ancillary_variables")
"""Attributes that name arrays about the one that has them, by the CF conventions."""

LEADS = ("step", "lead_time", "lead", "leadtime", "prediction_timedelta", "forecast_period")
"""Axes of forecasts along which time passes; those called time have the beginnings."""

BEGINNINGS = ("forecast_reference_time", "reftime", "init_time")
"""Axes of forecasts along which they begin."""

MEMBERS = ("ensemble", "ens", "member", "member_id", "ensemble_member", "number", "realization")
"""Axes along which the same is drawn, or forecast, again."""

STACKED: Dimensions = ("sample", "channel")
"""What several axes of an array may be, which then count as one."""

MESH = (
    "is on the cells of a mesh, one after the other, and on no grid: interpolate it to one, to "
    "latitudes and longitudes for instance"
)

CELLS = ("cell", "cells", "ncell", "ncells", "n_cells", "ncol", "face", "nface", "healpix", "hpx")
"""Names that the cells of meshes usually have, also where no file says where they are."""

STATIC = ("time", "channel")
"""What an array may lack that others beside it have: it is the same at all times, one channel."""

LIKELY: tuple[Dimensions, ...] = ((), ("sample",), ("sample", "time"), LEADING)
"""Number of axes longer than one beside those of space → what they are most often."""


def meaning(name: str, stored: Stored | None = None) -> Dimension | None:
    """The dimension that an axis or an array of positions is about, by attributes, then by name."""
    said = None if stored is None else said_by_attributes(stored)
    found = said or _MEANING.get(plain(name))
    if found is None and stored is not None and _axis(stored) == VERTICAL:
        return "z"
    return found


def _axis(stored: Stored) -> str:
    """The attribute ``axis``, in capitals."""
    return str(stored.attributes.get("axis")).upper()


def plain(name: str) -> str:
    """A name as the usual ones are written, without the groups that it is in."""
    return name.rpartition("/")[2].casefold().replace("-", "_").replace(" ", "_")


def said_by_attributes(stored: Stored) -> Dimension | None:
    """The dimension that ``axis``, ``standard_name`` or ``units`` of the CF conventions tell."""
    axis = AXIS.get(_axis(stored))
    standard = STANDARD_NAMES.get(str(stored.attributes.get("standard_name")))
    degrees = DIRECTIONS.get(direction(stored.units))
    _, since = counted(stored.units)
    return axis or standard or degrees or ("time" if since else None)


def fields_among(arrays: Arrays) -> list[str]:
    """Names of arrays that may be fields: neither positions nor about other arrays, if any are."""
    found = [name for name, a in arrays.items() if sum(length > 1 for length in a.shape) > 1]
    others = {
        name
        for stored in arrays.values()
        for attribute in ABOUT
        for name in str(stored.attributes.get(attribute, "")).split()
    }

    def is_position(name: str) -> bool:
        grid = len(arrays[name].shape) == 2 and meaning(name, arrays[name]) is not None
        return grid or name.rpartition("/")[2] in others

    return [name for name in found if not is_position(name)] or found


def beside(arrays: Arrays, variable: str, name: str) -> str | None:
    """The array of a name in the group of a variable, or in the nearest one above that has it."""
    group = variable
    while group:
        group = group.rpartition("/")[0]
        path = f"{group}/{name}".lstrip("/")
        if path in arrays:
            return path
    return None


def axes_of(
    arrays: Arrays,
    variables: Sequence[str],
    given: Dimensions | Mapping[str, Dimensions],
    space: Dimensions | None = None,
) -> dict[str, Axes]:
    """The axes of each variable; StorageError where they cannot be told.

    ``space`` are the axes of space that all must have, any of them if it is None. ``given`` is one
    order for all or one for each. Names of axes that say what they are decide before one order for
    all; axes of length one that it does not have are left out, and an array may lack the time or
    the channels that another has.
    """
    found: dict[str, Axes] = {}
    others = [name for name in given if name not in variables] if isinstance(given, Mapping) else []
    if others:
        raise StorageError(
            f"dimensions.{others[0]}: not among the variables that are read, {', '.join(variables)}"
        )
    # Those with all dimensions come first: their lengths say which of these others lack.
    for name in sorted(variables, key=lambda name: -len(arrays[name].shape)):
        stored, own = arrays[name], _own_names(arrays, name)
        chosen = isinstance(given, Mapping)
        names = tuple(given.get(name, ()) if isinstance(given, Mapping) else given)
        known = [_sizes(arrays[other], axes) for other, axes in found.items()]
        if not names:
            for axis, length in enumerate(stored.shape):
                if own[axis] is None and length > 1 and on_mesh(arrays, name, axis):
                    raise StorageError(f"{stored.where} {MESH}")
            found[name] = _named(stored, own, space)
        else:
            firm = (None,) * len(own) if chosen else _firm(stored, own)
            found[name] = _assigned(name, stored, names, firm, known, space)
    for name, axes in found.items():
        _check_mesh(arrays, name, axes)
    return {name: found[name] for name in variables}


def _check_mesh(arrays: Arrays, variable: str, axes: Axes) -> None:
    """Refuse to take the cells of a mesh, one after the other, for nodes along an axis."""
    for axis, found in enumerate(axes):
        if found in SPACE and on_mesh(arrays, variable, axis):
            raise StorageError(f"{arrays[variable].where} {MESH}")


def on_mesh(arrays: Arrays, variable: str, axis: int) -> bool:
    """Whether an axis of an array counts the cells of a mesh, each with a place in the plane."""
    stored = arrays[variable]
    names = stored.dimensions
    if names is None:
        return False
    if "mesh" in stored.attributes and "location" in stored.attributes:
        return beside(arrays, variable, names[axis]) is None
    if _on_healpix(arrays, variable):
        return meaning(names[axis]) is None
    along = set()
    for name in stored.coordinates:
        path = beside(arrays, variable, name)
        if path and arrays[path].dimensions == (names[axis],):
            along.add(meaning(path, arrays[path]))
    return {"y", "x"} <= along


def _on_healpix(arrays: Arrays, variable: str) -> bool:
    """Whether an array has the grid mapping HEALPix, whose cells need no coordinates."""
    mapping = str(arrays[variable].attributes.get("grid_mapping", "")).partition(":")[0].strip()
    path = beside(arrays, variable, mapping) if mapping else None
    return path is not None and arrays[path].attributes.get("grid_mapping_name") == "healpix"


def _own_names(arrays: Arrays, variable: str) -> Axes:
    """What the names that the file gives an array's axes say, None for those that say nothing."""
    stored = arrays[variable]
    names = stored.dimensions or ("",) * len(stored.shape)
    paths = [beside(arrays, variable, name) if name else None for name in names]
    said = [
        meaning(name, arrays[path] if path else None)
        for name, path in zip(names, paths, strict=True)
    ]
    called = _called(arrays, variable)
    leads = [name in LEADS or standard == "forecast_period" for name, standard in called]
    if said.count("time") == 2 and sum(leads) == 1:
        said = [
            "sample" if found == "time" and not lead else found
            for found, lead in zip(said, leads, strict=True)
        ]
    counted = [axis for axis, found in enumerate(said) if found == "sample"]
    dates = [counts_dates(arrays, variable, axis) for axis in counted]
    if sorted(dates) == [False, True] and is_member(*called[counted[dates.index(False)]]):
        return tuple(said)
    return tuple(
        None if said.count(found) > 1 and name != found else found
        for name, found in zip(names, said, strict=True)
    )


def is_member(name: str, standard_name: str | None = None) -> bool:
    """Whether an axis is one of the members of ensembles."""
    return plain(name) in MEMBERS or standard_name == "realization"


def _called(arrays: Arrays, variable: str) -> list[tuple[str, str | None]]:
    """The plain name and the standard name of each axis of an array."""
    found = []
    for name in arrays[variable].dimensions or ("",) * len(arrays[variable].shape):
        path = beside(arrays, variable, name) if name else None
        standard = arrays[path].attributes.get("standard_name") if path else None
        found.append((plain(name), None if standard is None else str(standard)))
    return found


def counts_dates(arrays: Arrays, variable: str, axis: int) -> bool:
    """Whether an axis of an array is one of dates, such as those at which forecasts begin."""
    names = arrays[variable].dimensions
    if names is None:
        return False
    path = beside(arrays, variable, names[axis]) if names[axis] else None
    name, standard = _called(arrays, variable)[axis]
    if name in BEGINNINGS or standard == "forecast_reference_time":
        return True
    return meaning(names[axis], arrays[path] if path else None) == "time"


def _firm(stored: Stored, own: Axes) -> Axes:
    """What the names leave no doubt of: many names of axes of samples and channels do."""
    names = stored.dimensions or ("",) * len(own)
    return tuple(
        found if found in ("time", *SPACE, name) else None
        for name, found in zip(names, own, strict=True)
    )


def _named(stored: Stored, own: Axes, space: Dimensions | None) -> Axes:
    """Axes as the file names them; a single height of fields on a plane is left out."""
    shape = stored.shape
    if {"y", "x"} <= set(own):
        own = tuple(
            None if (found, length) == ("z", 1) else found
            for found, length in zip(own, shape, strict=True)
        )
    remedy = f"say what they are, e.g. dimensions: [{', '.join(_likely(shape, space))}]"
    if sum(length > 1 for length in shape) > len(space or SPACE[1:]) + 1:
        remedy += " (sample and channel may stand several times)"
    if stored.dimensions is None:
        raise StorageError(f"{stored.where} has shape {shape} and axes without names; {remedy}")
    shown = f"{stored.where} has dimensions ({', '.join(stored.dimensions)})"
    unknown = [
        name
        for name, length, found in zip(stored.dimensions, shape, own, strict=True)
        if found is None and length > 1
    ]
    if any(plain(name) in CELLS for name in unknown):
        raise StorageError(
            f"{shown}: cells of a mesh, such as HEALPix, are no axis, and have to be interpolated "
            f"to a grid, to latitudes and longitudes for instance; where they follow each other "
            f"along a line, {remedy}"
        )
    if unknown or _repeated(own):
        raise StorageError(f"{shown}, which are not all among {_all()}; {remedy}")
    if not _has_space(own, space):
        raise StorageError(f"{shown} {_lack(own, space)}; {remedy}")
    return own


def _repeated(axes: Axes) -> bool:
    """Whether there are two axes of what there can be but one."""
    known = [axis for axis in axes if axis not in (None, *STACKED)]
    return len(set(known)) < len(known)


def _likely(shape: tuple[int, ...], space: Dimensions | None) -> Dimensions:
    """What axes of such an array are most often, for messages."""
    space = space or SPACE[1:]
    others = sum(length > 1 for length in shape) - len(space)
    return (*LIKELY[min(max(others, 0), 3)], *space)


def _has_space(axes: Iterable[Dimension | None], space: Dimensions | None) -> bool:
    """Whether an array with these axes is one of fields."""
    own = set(SPACE) & set(axes)
    return bool(own) if space is None else own == set(space)


def _lack(axes: Iterable[Dimension | None], space: Dimensions | None) -> str:
    """What is wrong with an array whose axes of space are not those of the fields."""
    if space is None or not set(SPACE) & set(axes) - set(space):
        return f"without {' or '.join(space or SPACE)}"
    return f"where the basis is one of functions of {', '.join(space)}"


def _assigned(
    name: str,
    stored: Stored,
    names: Dimensions,
    own: Axes,
    known: Sequence[Mapping[str, int]],
    space: Dimensions | None,
) -> Axes:
    """Axes with the names that are given, in this order, as far as the array has them."""
    shown = f"dimensions: [{', '.join(names)}]"
    if not _has_space(names, space) or _repeated(names):
        needed = " and ".join(space or ("x",))
        raise StorageError(
            f"{stored.where}: {shown} are not all different, or which are not all among "
            f"{_all()}, with {needed}; say what they are, e.g. dimensions: "
            f"[sample, {', '.join(space or SPACE[1:])}]"
        )
    possible = [
        axes for axes in _ways(stored.shape, names, bool(known)) if _fits(stored, axes, known)
    ]
    fitting = [axes for axes in possible if _agrees(axes, own)]
    if not fitting and (possible or _has_space(own, space)):
        raise StorageError(
            f"{stored.where} has shape {stored.shape}, but {shown}, and the file names its axes "
            f"({', '.join(stored.dimensions or ())}): leave them out, or overrule the file with "
            f"dimensions: {{{name}: [{', '.join(names)}]}}"
        )
    different = {_key(stored.shape, axes): axes for axes in fitting}
    if not different:
        raise StorageError(
            f"{stored.where} has shape {stored.shape}, but {shown}{_disagreement(known)}"
        )
    if len(different) > 1:
        raise StorageError(
            f"{stored.where} has shape {stored.shape}, to which {shown} fit in several ways; say "
            f"what its axes are: dimensions: {{{name}: [...]}}"
        )
    return next(iter(different.values()))


def _ways(shape: tuple[int, ...], names: Dimensions, partial: bool) -> Iterator[Axes]:
    """All ways to give names to axes in order, where axes of length one may have none.

    Arrays that may be ``partial`` can lack some of the names.
    """
    surplus = len(shape) - len(names)
    if surplus < 0 and partial:
        static = [place for place, name in enumerate(names) if name in STATIC]
        for absent in combinations(static, -surplus):
            yield tuple(name for place, name in enumerate(names) if place not in absent)
        return
    ones = [axis for axis, length in enumerate(shape) if length == 1]
    for dropped in combinations(ones, surplus) if surplus >= 0 else ():
        rest = iter(names)
        yield tuple(None if axis in dropped else next(rest) for axis in range(len(shape)))


def _fits(stored: Stored, axes: Axes, known: Iterable[Mapping[str, int]]) -> bool:
    """Whether an array with these axes is on a grid and as long as others along each dimension."""
    sizes = _sizes(stored, axes)
    alike = (
        name not in sizes
        or sizes[name] == length
        or (name == "time" and 1 in (sizes[name], length))
        for other in known
        for name, length in other.items()
        if name != "channel"
    )
    return min(sizes[axis] for axis in SPACE if axis in sizes) > 1 and all(alike)


def _disagreement(known: Sequence[Mapping[str, int]]) -> str:
    """How long other variables are along their axes, and the remedy, for a message."""
    if not known:
        return "; say what its axes are, each once"
    lengths = ", ".join(f"{name} {length}" for name, length in known[0].items())
    return f", which other variables have with {lengths}; read variables that agree"


def _agrees(axes: Axes, own: Axes) -> bool:
    """Whether names that are given do not contradict those in the file.

    Where samples have several axes, one of these may be that of time.
    """
    several = axes.count("sample") > 1
    return all(
        a is None or o is None or a == o or (several and (a, o) == ("sample", "time"))
        for a, o in zip(axes, own, strict=True)
    )


def _key(shape: tuple[int, ...], axes: Axes) -> frozenset[tuple[int, Dimension | None]]:
    """What matters of a choice: the names of axes that are longer than one."""
    return frozenset((i, name) for i, name in enumerate(axes) if shape[i] > 1)


def _sizes(stored: Stored, axes: Axes) -> dict[str, int]:
    pairs = [*zip(axes, stored.shape, strict=True)]
    return {name: prod(size for own, size in pairs if own == name) for name, _ in pairs if name}


def _all() -> str:
    return ", ".join((*LEADING, *SPACE))

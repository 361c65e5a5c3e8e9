"""Which axis of an array counts curves, where the file says so.

By the CF conventions (chapter 9, discrete sampling geometries) a series at a station, a profile or
a trajectory is an instance: the variable that identifies instances has the attribute ``cf_role``,
and places are along their dimension.
"""

from fsdiff.data.sources.arrays import Arrays
from fsdiff.data.sources.axes import MEMBERS, on_mesh, plain

ROLES = ("timeseries_id", "profile_id", "trajectory_id")

CALLED = ("curve", "curves", "sample", "samples", *MEMBERS)
"""Names of axes that leave no doubt."""


def instances(arrays: Arrays, variable: str) -> int | None:
    """The axis of an array that counts curves; None where nothing says so of one axis alone."""
    names = arrays[variable].dimensions or ()
    identified = {
        stored.dimensions[0]
        for stored in arrays.values()
        if stored.attributes.get("cf_role") in ROLES and stored.dimensions
    }
    said = (
        [name in identified for name in names],
        [plain(name) in CALLED for name in names],
        [on_mesh(arrays, variable, axis) for axis in range(len(names))],
    )
    return next((found.index(True) for found in said if found.count(True) == 1), None)

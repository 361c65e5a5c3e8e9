"""Attributes in HDF5."""

from typing import Any

import h5py

from fsdiff.data.sources.formats.attributes import decoded, plain

STRUCTURE = {"CLASS", "NAME", "DIMENSION_LIST", "DIMENSION_LABELS", "REFERENCE_LIST"}
"""Attributes that say how data sets belong together, not what they hold."""

NUMBERS_AND_TEXT = frozenset({h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM, h5py.h5t.STRING})
"""Types of attributes that are read.

Not lists of any length: where damage makes one long, HDF5 does not come back for hours.
"""

LARGEST = 2**24
"""Bytes of an attribute beyond which it is put down to damage."""


def attributes(values: h5py.Dataset) -> dict[str, Any]:
    """What the file says of the values in numbers and text."""
    names = (name for name in values.attrs if name not in STRUCTURE)
    found = {
        name: attribute(values, name)
        for name in names
        if not name.startswith(("_Netcdf4", "_NCProperties"))
    }
    return plain(found)


def attribute(
    values: h5py.Dataset,
    name: str,
    default: Any = None,
    kinds: frozenset[int] = NUMBERS_AND_TEXT,
) -> Any:
    """An attribute as h5py has it, the default if there is none of these types."""
    if name not in values.attrs:
        return default
    item = values.attrs.get_id(name)
    if item.get_type().get_class() not in kinds:
        return default
    if item.get_space().get_select_npoints() * item.get_type().get_size() > LARGEST:
        raise ValueError(f"the attribute '{name}' of '{values.name}' claims over 16 MB")
    return values.attrs[name]


def text(values: h5py.Dataset, name: str) -> str:
    """An attribute as text, empty if there is none."""
    value = attribute(values, name, "")
    return decoded(value) if isinstance(value, bytes) else str(value)

"""Values as files keep them → the numbers they stand for, by the conventions of NetCDF.

The conventions hold wherever a file has their attributes, so one decoder serves all formats:
netCDF4 decodes only its own files, and xarray knows neither valid ranges nor native fill values.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fsdiff.atomic import StorageError

EXACT_IN_SINGLE = 2
"""Bytes of the largest integers that single precision holds exactly."""


def decode(raw: np.ndarray, attributes: Mapping[str, Any], where: str) -> np.ndarray:
    """The values in floating point, NaN where the attributes say that there is none.

    Missing are masked entries, ``_FillValue``, ``missing_value`` (one or several) and what is
    outside ``valid_range``, ``valid_min`` or ``valid_max``, all in terms of the values in the file;
    what is left is multiplied by ``scale_factor``, and ``add_offset`` is added. ``_Unsigned`` says
    that integers have no sign though their type has. Double precision, unless the file keeps
    unpacked values that single precision holds.
    """

    def numbers(name: str) -> list[float]:
        return _numbers(attributes, name, where)

    raw = _sign(raw, attributes)
    missing = np.ma.getmaskarray(raw) | _missing(raw, numbers) | _out_of_range(raw, numbers)
    values = np.ma.getdata(raw).astype(_floating(raw.dtype, attributes))
    for name, apply in (("scale_factor", np.multiply), ("add_offset", np.add)):
        if factor := numbers(name):
            values = apply(values, factor[0])
    values[missing] = np.nan
    return values


def _sign(raw: np.ndarray, attributes: Mapping[str, Any]) -> np.ndarray:
    """The integers with the sign that ``_Unsigned`` gives their type, if any."""
    signs = {("i", "true"): "u", ("u", "false"): "i"}
    kind = signs.get((raw.dtype.kind, str(attributes.get("_Unsigned")).lower()))
    return raw if kind is None else raw.view(raw.dtype.str.replace(raw.dtype.kind, kind))


def _floating(kept: np.dtype, attributes: Mapping[str, Any]) -> np.dtype:
    """Single precision where it holds the values exactly, double precision otherwise."""
    exact = kept.itemsize <= (4 if kept.kind == "f" else EXACT_IN_SINGLE)
    packed = {"scale_factor", "add_offset"} & attributes.keys()
    return np.dtype(np.float32 if exact and not packed else np.float64)


def _missing(raw: np.ndarray, numbers: Callable[[str], list[float]]) -> np.ndarray:
    """Where values are among those that stand for none."""
    data, found = np.ma.getdata(raw), np.zeros(raw.shape, bool)
    for marker in (*numbers("_FillValue"), *numbers("missing_value")):
        found |= data == _like(marker, data.dtype)
    return found


def _like(marker: float, kept: np.dtype) -> Any:
    """A marker as the file keeps values: 1e20 is another number in single precision."""
    if kept.kind == "f":
        with np.errstate(over="ignore"):
            return kept.type(marker)
    if kept.kind in "iu" and marker == int(marker):
        bits = 8 * kept.itemsize  # markers of the type with the other sign are meant bit by bit
        lowest = -(2 ** (bits - 1)) if kept.kind == "i" else 0
        if -(2 ** (bits - 1)) <= marker < 2**bits:
            return (int(marker) - lowest) % 2**bits + lowest
    return marker


def _out_of_range(raw: np.ndarray, numbers: Callable[[str], list[float]]) -> np.ndarray:
    """Where values are outside the range that is said to be valid."""
    data = np.ma.getdata(raw)
    lowest, highest = numbers("valid_min"), numbers("valid_max")
    if len(both := numbers("valid_range")) == 2:
        lowest, highest = both[:1], both[1:]
    outside = np.zeros(raw.shape, bool)
    if lowest:
        outside |= data < _like(lowest[0], data.dtype)
    if highest:
        outside |= data > _like(highest[0], data.dtype)
    return outside


def _numbers(attributes: Mapping[str, Any], name: str, where: str) -> list[float]:
    """The numbers in an attribute; none if it is absent."""
    given = attributes.get(name, ())
    try:
        items = np.ravel(np.array(given, object)).tolist()
        return [item if isinstance(item, int) else float(item) for item in items]
    except (TypeError, ValueError):
        raise StorageError(
            f"{where}: its attribute {name} = {str(given)[:40]!r} is not a number; "
            "correct or remove it"
        ) from None

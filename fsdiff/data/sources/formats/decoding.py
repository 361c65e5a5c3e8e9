"""Values as files keep them → the numbers they stand for, by the conventions of NetCDF.

The conventions hold wherever a file has their attributes, so one decoder serves all formats:
netCDF4 decodes only its own files, and xarray knows neither valid ranges nor native fill values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from fsdiff.jobs.failures import StorageError

PACKING = {"scale_factor", "add_offset"}
"""Attributes of values that were packed into fewer bits."""

CONVENTIONS = PACKING | {
    *("_FillValue", "missing_value", "valid_range", "valid_min", "valid_max", "_Unsigned"),
}
"""Attributes that say what the values in a file stand for."""

RESOLUTION = 1e-6
"""How exactly values are unpacked, in steps of the packed ones."""

EXACT_IN_SINGLE = 2
"""Bytes of the largest integers that single precision holds exactly."""


def decode(raw: np.ndarray, attributes: Mapping[str, Any], where: str) -> np.ndarray:
    """The values in floating point, NaN where the attributes say that there is none.

    Missing are masked entries, ``_FillValue``, ``missing_value`` (one or several) and what is
    outside ``valid_range``, ``valid_min`` or ``valid_max``, in terms of the values in the file but
    for limits in floating point of packed integers; what is left is multiplied by ``scale_factor``,
    and ``add_offset`` is added. ``_Unsigned`` says that integers have no sign though their type
    has. Double precision, unless the file keeps unpacked values that single precision holds.
    """
    numbers = _Numbers(attributes, where)
    raw = _sign(raw, attributes)
    values = np.ma.getdata(raw).astype(_floating(raw.dtype, attributes))
    for name, apply in (("scale_factor", np.multiply), ("add_offset", np.add)):
        if factor := numbers(name, most=1):
            values = apply(values, factor[0])
    missing = np.ma.getmaskarray(raw) | _missing(raw, numbers) | _invalid(raw, values, numbers)
    return np.where(missing, np.nan, values)


def _sign(raw: np.ndarray, attributes: Mapping[str, Any]) -> np.ndarray:
    """The integers with the sign that ``_Unsigned`` gives their type, if any."""
    signs = {("i", "true"): "u", ("u", "false"): "i"}
    kind = signs.get((raw.dtype.kind, str(attributes.get("_Unsigned")).lower()))
    return raw if kind is None else raw.view(raw.dtype.str.replace(raw.dtype.kind, kind))


def _floating(kept: np.dtype, attributes: Mapping[str, Any]) -> np.dtype:
    """Single precision where it holds the values exactly, double precision otherwise."""
    exact = kept.itemsize <= (4 if kept.kind == "f" else EXACT_IN_SINGLE)
    packed = PACKING & attributes.keys()
    return np.dtype(np.float32 if exact and not packed else np.float64)


def _missing(raw: np.ndarray, numbers: "_Numbers") -> np.ndarray:
    """Where values are among those that stand for none."""
    data, found = np.ma.getdata(raw), np.zeros(raw.shape, bool)
    for marker in (*numbers("_FillValue"), *numbers("missing_value")):
        found |= data == numbers.like(marker, data.dtype)
    return found


def _invalid(raw: np.ndarray, values: np.ndarray, numbers: "_Numbers") -> np.ndarray:
    """Where values are outside the range that is said to be valid."""
    kept, found = np.ma.getdata(raw), np.zeros(raw.shape, bool)
    unpacked = raw.dtype.kind in "iu" and PACKING & numbers.attributes.keys()
    rounding = RESOLUTION * abs((*numbers("scale_factor"), 1.0)[0])
    both = numbers("valid_range", most=2)
    lowest = [(limit, np.less, -rounding) for limit in (*both[:1], *numbers("valid_min", most=1))]
    highest = [
        (limit, np.greater, rounding) for limit in (*both[1:], *numbers("valid_max", most=1))
    ]
    for limit, beyond, margin in lowest + highest:
        if unpacked and isinstance(limit, float):
            found |= beyond(values, limit + margin)
        else:
            found |= beyond(kept, numbers.like(limit, kept.dtype))
    return found


@dataclass(frozen=True)
class _Numbers:
    """The numbers in attributes."""

    attributes: Mapping[str, Any]
    where: str

    def __call__(self, name: str, most: int | None = None) -> list[float]:
        """Those in an attribute, ``most`` at most; none if it is absent."""
        given = self.attributes.get(name, ())
        items = given if isinstance(given, list | tuple) else [given]
        try:
            found = [item if isinstance(item, int) else float(item) for item in items]
        except ValueError:
            self._refuse(name, "is not a number")
        if most is not None and len(found) > most:
            self._refuse(name, f"has more than {most}")
        return found

    def like(self, number: float, kept: np.dtype) -> Any:
        """A number as the file keeps values: 1e20 is another one in single precision."""
        if kept.kind == "f":
            with np.errstate(over="ignore"):
                return kept.type(number)
        if kept.kind == "u" and number < 0 and "_Unsigned" in self.attributes:
            return number + 2 ** (8 * kept.itemsize)  # kept with the sign of the type
        return number

    def _refuse(self, name: str, what: str) -> NoReturn:
        shown = str(self.attributes[name])[:40]
        raise StorageError(f"{self.where}: its attribute {name} = {shown} {what}; correct it")

"""Units that are written differently and mean the same."""

import re
from typing import Literal

SPELLINGS = {
    "1": "none dimensionless unitless -",
    "m": "metre metres meter meters",
    "km": "kilometre kilometres kilometer kilometers",
    "s": "sec secs second seconds",
    "min": "mins minute minutes",
    "h": "hr hrs hour hours",
    "d": "day days",
    "a": "yr yrs year years",
    "K": "kelvin kelvins degk deg_k degree_kelvin degrees_kelvin",
    "degC": "celsius deg_c degree_celsius degrees_celsius degree_c degrees_c",
    "Pa": "pascal pascals",
    "hPa": "hectopascal hectopascals mbar millibar millibars",
    "kg": "kilogram kilograms",
    "rad": "radian radians",
}
"""A unit and other names of it, in lower case."""

_MEANING = {other: unit for unit, others in SPELLINGS.items() for other in others.split()}

_DEGREES = re.compile(r"(?:degrees?|deg|°)(?:[ _]?(?:(n|north)|(e|east)))?", re.IGNORECASE)
"""All that the CF conventions allow for degrees of longitude and latitude, and more."""


def in_degrees(units: str | None) -> bool:
    """Whether a unit is that of angles, with a direction or without."""
    return _DEGREES.fullmatch((units or "").strip()) is not None


def direction(units: str | None) -> Literal["north", "east"] | None:
    """Where degrees are counted to, e.g. north for "degreesN"; None where a unit does not say."""
    found = _DEGREES.fullmatch((units or "").strip())
    if found is None or not found.lastindex:
        return None
    return "north" if found[1] else "east"


def counted(units: str | None) -> tuple[str | None, bool]:
    """The unit of times, and whether it says since when, e.g. days of "days since 2000-01-01"."""
    unit, *since = re.split(r"\s+since\s+", (units or "").strip(), maxsplit=1, flags=re.IGNORECASE)
    return unit or None, bool(since)


def without_direction(units: str | None) -> str | None:
    """Degrees to the north and those to the east as degrees, other units as they are."""
    return "degree" if in_degrees(units) else units


def same_units(first: str | None, second: str | None) -> bool:
    """Whether two texts mean the same unit; none is the unit 1."""
    return _canonical(first) == _canonical(second)


def _canonical(units: str | None) -> tuple[str, ...]:
    """Factors with their powers, e.g. "m/s", "m s**-1" and "metre second-1" alike."""
    if in_degrees(units):
        return ("degree", direction(units) or "")
    text = (units or "").strip() or "1"
    text = re.sub(r"\*\*|\^", "", _MEANING.get(text.casefold(), text))
    text = re.sub(r"\(([^()/\s.*]+)\)", r"\1", text)  # one factor, as in W/(m^2)
    factors = []
    for sign, factor in re.findall(r"([/\s.*]?)\s*([^/\s.*]+)", re.sub(r"\s*/\s*", "/", text)):
        [(name, power)] = re.findall(r"^(.*?)([+-]?\d*)$", factor)
        exponent = int(power if power.strip("+-") else 1) * (-1 if sign == "/" else 1)
        if name:
            factors.append(f"{_MEANING.get(name.casefold(), name)}{exponent}")
        elif power != "1":
            factors.append(f"{sign}{power}")
    return tuple(sorted(f for f in factors if f != "11")) or ("1",)

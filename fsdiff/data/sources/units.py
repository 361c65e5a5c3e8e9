"""Units that are written differently and mean the same."""

import re

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
    "degree": "degrees deg",
    "degree_north": "degrees_north degree_n degrees_n",
    "degree_east": "degrees_east degree_e degrees_e",
    "rad": "radian radians",
}
"""A unit and other names of it, in lower case."""

_MEANING = {other: unit for unit, others in SPELLINGS.items() for other in others.split()}


def same_units(first: str | None, second: str | None) -> bool:
    """Whether two texts mean the same unit; none is the unit 1."""
    return _canonical(first) == _canonical(second)


def _canonical(units: str | None) -> tuple[str, ...]:
    """Factors with their powers, e.g. "m/s", "m s**-1" and "metre second-1" alike."""
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

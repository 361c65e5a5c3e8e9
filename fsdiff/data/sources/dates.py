"""Dates as people and programs write them."""

import re
from collections.abc import Sequence

import numpy as np

DATE = re.compile(
    r"(\d{4})-?(\d\d)-?(\d\d)"  # 2000-01-31 or 20000131
    r"(?:[T _]?(\d\d):?(\d\d)?:?(\d\d(?:\.\d+)?)?)?(Z|[+-]\d\d:?\d\d)?"
)
"""A day, and perhaps a time of that day, with the offset of its time zone."""


def seconds_from_first(written: Sequence[str]) -> np.ndarray:
    """Seconds from the first of some dates to each, NaN for ``NaT``; ValueError for other text.

    Numbers of years or of frames, such as "2000" and "0001", are no dates.
    """
    dates = np.array([_date(text.strip()) for text in written])
    return (dates - dates[:1]) / np.timedelta64(1, "s")


def _date(text: str) -> np.datetime64:
    # Nanoseconds would reach from 1678 to 2262 only.
    if text == "NaT":
        return np.datetime64("NaT", "us")
    found = DATE.fullmatch(text)
    if not found:
        raise ValueError(f"'{text[:30]}' is no date")
    year, month, day, hour, minute, second, zone = found.groups(default="")
    moment = f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}"
    return np.datetime64(moment, "us") - _offset(zone)


def _offset(zone: str) -> np.timedelta64:
    """How much later it is than in the time zone of ``Z``."""
    digits = zone.strip("Z").replace(":", "") or "+0000"
    minutes = 60 * int(digits[:3]) + int(digits[0] + digits[3:])
    return np.timedelta64(minutes, "m")

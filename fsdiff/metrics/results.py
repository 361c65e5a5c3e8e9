"""Names of results: KEY for all channels of a field together, KEY[CHANNEL] for one of several."""

import re
import unicodedata
from collections.abc import Iterable

LENGTH = 40
"""Characters of a channel's name in those of results."""


def of_channel(key: str, channel: str) -> str:
    """The name of a result for one channel."""
    return f"{key}[{channel}]"


def parsed(name: str) -> tuple[str, str]:
    """The key of a result, and the channel that it is about; empty if it is about all."""
    parts = re.fullmatch(r"([^\[\]]+)\[([^\[\]]+)\]", name)
    return (parts[1], parts[2]) if parts else (name, "")


def channel_names(given: Iterable[str]) -> list[str]:
    """Names of channels as results have them, in order: safe in tables and files, no two equal.

    What is no letter, digit, ``.``, ``-`` or ``_`` becomes ``_``; equal names get their number.
    """
    names: list[str] = []
    for number, text in enumerate(given):
        name = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", str(text))).strip("_")
        name = name[:LENGTH] or "channel"
        while name in names:
            name = f"{name}_{number}"
        names.append(name)
    return names

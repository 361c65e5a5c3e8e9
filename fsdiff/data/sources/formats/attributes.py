"""What files say of their arrays, as plain numbers, text and lists of them."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def plain(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes that are numbers or text: one is a value, none or several are a list."""
    found = {str(name): _plain(value) for name, value in attributes.items()}
    return {name: value for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    items = [_item(item) for item in np.ravel(np.array(value, object)).tolist()]
    if any(item is None for item in items):
        return None
    return items[0] if len(items) == 1 else items


def decoded(text: bytes | str) -> str:
    """Text in UTF-8 or, where it is none, in Latin-1, as older programs write µ and °."""
    given = text.encode(errors="surrogateescape") if isinstance(text, str) else text
    given = given.rstrip(b"\0")
    try:
        return given.decode()
    except UnicodeDecodeError:
        return given.decode("latin-1")


def _item(item: Any) -> bool | int | float | str | None:
    """One number or text, None for what is neither."""
    if isinstance(item, bytes | str):
        return decoded(item)
    if isinstance(item, np.generic):
        item = item.item()
    return item if isinstance(item, bool | int | float) else None

"""What a text may be made of, and what can be seen of it."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

_CONTROLS = r"\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f"
_UNSEEN = r"\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u3164\uffa0\U000e0000-\U000e0fff"
_TURNED = r"\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
_INVALID = r"\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
HIDDEN = re.compile(f"[{_CONTROLS}{_UNSEEN}{_TURNED}{_INVALID}]")
"""What steers terminals or turns text round, what nobody sees, and what no XML file may have."""

_BREAKS = re.compile(r"\r\n|[\n\v\f\r\x1c-\x1f\x85\u2028\u2029]")
"""Ends of lines, for any program."""


def visible(text: str) -> str:
    """One line with what can be seen: white space is a space, what is hidden is shown as �."""
    return HIDDEN.sub("�", " ".join(text.split()))


def lines(text: str) -> list[str]:
    """The lines of a text for a terminal or a log; what is hidden is shown as an escape."""
    shown = (HIDDEN.sub(lambda found: ascii(found[0])[1:-1], line) for line in _BREAKS.split(text))
    return [line.rstrip() for line in shown if line.strip()]


def printable(text: str) -> str:
    """The lines of a text in a figure, spaces and all; what is hidden is shown as �."""
    return "\n".join(HIDDEN.sub("�", line) for line in _BREAKS.split(text))


def one_line(text: str) -> str:
    """The text; ValueError where it is no line, or not all of it can be seen."""
    if found := HIDDEN.search(text) or _BREAKS.search(text) or re.search("\t", text):
        code = f"U+{ord(found[0][0]):04X}"
        raise ValueError(f"has the character {code} in it, which no figure can show: leave it out")
    if text and not text.strip():
        raise ValueError("has nothing but spaces: give a text")
    return text


Line = Annotated[str, Field(max_length=200), AfterValidator(one_line)]
"""A title: a text that fits in a line, and all of which can be seen."""

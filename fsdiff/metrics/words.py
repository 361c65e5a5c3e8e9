"""How results are told to people: a title, a family, and the value that perfect samples have.

None of this decides a number: the attribute ``words`` of a class is no part of fingerprints
(``fsdiff.provenance``), but of the parameters of tables and figures.
"""

from typing import Literal, NamedTuple

Family = Literal["structure", "whole field"] | str
"""The group of columns that a result is shown in; those known here come first.

``structure`` are results that see what a Gaussian field with the same spectrum lacks.
"""

FURTHER = "further metrics"
"""The family of results that name none."""

Target = float | Literal["reference"] | None
"""The value of perfect samples: a number, or that of the result NAME_reference.

Zero, where less is better; another number, or the reference, where nearer is better; None where a
result is neither good nor bad, such as a p-value.
"""


class Words(NamedTuple):
    """What the result ``name`` is called in tables and figures, and which value of it is best.

    A ``share``, such as an accuracy, a coverage or a probability, is from 0 to 1, and so are
    intervals for it.
    """

    name: str
    title: str
    family: Family = FURTHER
    target: Target = 0.0
    share: bool = False

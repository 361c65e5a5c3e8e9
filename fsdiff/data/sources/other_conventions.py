"""Attributes of other conventions than NetCDF's, which nobody applies: they are told."""

import re

from fsdiff.data.sources.formats.decoding import CONVENTIONS
from fsdiff.data.sources.formats.stored import Stored
from fsdiff.data.sources.labels import one_line

OTHER_NAMES = {
    **dict.fromkeys(("scale", "scalefactor", "slope", "gain", "multiplier"), "scale_factor"),
    **dict.fromkeys(("offset", "addoffset", "intercept"), "add_offset"),
    **dict.fromkeys(("fillvalue", "missingvalue", "codemissingvalue", "nodata"), "_FillValue"),
    **dict.fromkeys(("nodatavalue", "badvalue", "invalidvalue", "undef"), "_FillValue"),
}
"""Other names of what NetCDF calls so, in lower case and without what is no letter."""

NEUTRAL = {"scale_factor": 1, "add_offset": 0}
"""What changes no value."""


def not_applied(stored: Stored) -> list[str]:
    """Attributes that seem to say what values stand for, by names of other conventions."""
    remarks = []
    for name, value in stored.attributes.items():
        standard = OTHER_NAMES.get(re.sub(r"[\W_]", "", name.casefold()))
        if standard is None or name in CONVENTIONS or not isinstance(value, int | float):
            continue
        if value != NEUTRAL.get(standard):
            remarks.append(
                f"{stored.where}: its attribute '{one_line(name)}' = {value:g} is not applied; if "
                f"values stand for others, write it as {standard}"
            )
    return remarks


def no_quantities(stored: Stored) -> list[str]:
    """That values are none that can be averaged, where attributes of the CF conventions say so."""
    if {"flag_values", "flag_meanings"} & stored.attributes.keys():
        return [
            f"{stored.where} holds numbers of classes, as flag_meanings say: on coarser grids they "
            "are averaged, and samples lie between them; write a channel of zeros and ones for each"
        ]
    if str(stored.attributes.get("standard_name")).endswith(("_from_direction", "_to_direction")):
        return [
            f"{stored.where} holds directions, and the mean of 359 and 1 degree would be 180: "
            "write cosine and sine as two channels"
        ]
    return []

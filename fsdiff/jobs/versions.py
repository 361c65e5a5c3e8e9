"""What results may depend on in their last digits, beside configuration, code and seed."""

import logging
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from fsdiff.provenance import package_version

logger = logging.getLogger(__name__)


def environment(**more: object) -> dict[str, str]:
    """Versions and the kind of processor, and what else is given, such as the device."""
    return {
        "fsdiff": package_version(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "scipy", "torch")},
        **{name: str(value) for name, value in more.items()},
    }


def differences(recorded: Mapping[str, str], present: Mapping[str, str]) -> list[str]:
    """What is no longer as recorded, such as "torch 2.12.0 is now 2.13.0"."""
    return [
        f"{name} {recorded[name]} is now {present[name]}"
        for name in sorted(recorded.keys() & present.keys())
        if recorded[name] != present[name]
    ]


def warn_of_changes(state: Path, recorded: Mapping[str, str], present: Mapping[str, str]) -> None:
    """Log what has changed since a state was saved from which a job goes on."""
    if changed := differences(recorded, present):
        logger.warning(
            "goes on from %s, since which %s: results may differ in rounding from those of one "
            "uninterrupted run; delete it to start afresh",
            state,
            ", ".join(changed),
        )

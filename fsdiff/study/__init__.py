"""The whole configuration as types: checked at once, explained in words, cut into slices.

Blocks of YAML are constructor calls of parts; their fields, defaults and bounds are read from the
parts' own signatures. Only the workflow and people load this package: jobs receive slices of it.

    python -m fsdiff.study check config.yaml
    python -m fsdiff.study clean config.yaml
    python -m fsdiff.study adopt config.yaml
    python -m fsdiff.study --schema workflow/schemas/config.schema.json
    python -m fsdiff.study --reference docs/configuration.md

Names are imported when they are first used: whether a file is plain YAML is seen without the types.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fsdiff.study.reading import ConfigurationError, load
    from fsdiff.study.schema import json_schema
    from fsdiff.study.slices import Configuration

__all__ = ["Configuration", "ConfigurationError", "json_schema", "load"]

_WHERE = {
    "Configuration": "slices",
    "ConfigurationError": "reading",
    "json_schema": "schema",
    "load": "reading",
}


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _WHERE:
        raise AttributeError(f"module 'fsdiff.study' has no attribute '{name}'")
    found = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = found
    return found

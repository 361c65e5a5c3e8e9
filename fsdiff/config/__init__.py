"""The whole configuration as types: checked at once, explained in words, cut into slices.

Blocks of YAML are constructor calls of parts; their fields, defaults and bounds are read from the
parts' own signatures. Only the workflow and people load this package: jobs receive slices of it.

    python -m fsdiff.config check config.yaml
    python -m fsdiff.config --schema workflow/schemas/config.schema.json
"""

from fsdiff.config.reading import ConfigurationError, load
from fsdiff.config.schema import json_schema
from fsdiff.config.slices import Configuration

__all__ = ["Configuration", "ConfigurationError", "json_schema", "load"]

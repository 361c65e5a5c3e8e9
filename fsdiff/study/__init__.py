"""The whole configuration as types: checked at once, explained in words, cut into slices.

Blocks of YAML are constructor calls of parts; their fields, defaults and bounds are read from the
parts' own signatures. Only the workflow and people load this package: jobs receive slices of it.

    python -m fsdiff.study check config.yaml
    python -m fsdiff.study clean config.yaml
    python -m fsdiff.study adopt config.yaml
    python -m fsdiff.study --schema workflow/schemas/config.schema.json
    python -m fsdiff.study --reference docs/configuration.md
"""

from fsdiff.study.reading import ConfigurationError, load
from fsdiff.study.schema import json_schema
from fsdiff.study.slices import Configuration

__all__ = ["Configuration", "ConfigurationError", "json_schema", "load"]

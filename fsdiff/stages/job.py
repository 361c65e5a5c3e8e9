"""What a stage is given beside files: the job as the workflow has planned it."""

from collections.abc import Mapping
from typing import Any

Job = Mapping[str, Any]
"""``config``, ``code`` and ``lineage``, see ``fsdiff.jobs.job``."""

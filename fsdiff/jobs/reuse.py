"""Results that are there under another name: what was made in the same way need not be made again.

Experiments have names, and what they are made from has none in it. Where one is renamed, or the one
whose weights others share is removed, its weights are still there.
"""

import logging
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from fsdiff.jobs import lineage
from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.places import RESULTS

logger = logging.getLogger(__name__)


def under_other_names(outputs: Sequence[Path], expected: str) -> Iterator[list[Path]]:
    """All sets of files of this lineage like ``outputs``, which are results/KIND/NAME/…/FILE."""
    folder = outputs[0].parent
    kind = next((place for place in folder.parents if place.parent.name == RESULTS), None)
    if kind is None:
        return
    for other in sorted(kind.glob(f"**/{folder.name}/{outputs[0].name}")):
        found = [other.with_name(path.name) for path in outputs]
        if other != outputs[0] and lineage.made(found, expected):
            yield found


def copy(found: Sequence[Path], outputs: Sequence[Path]) -> None:
    """Copy files to where they are wanted, and say so."""
    logger.info("%s was made in the same way: copied", found[0])
    for source, target in zip(found, outputs, strict=True):
        with atomic(target) as temporary:
            shutil.copyfile(source, temporary)

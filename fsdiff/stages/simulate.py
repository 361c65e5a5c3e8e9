"""Make one shard of a data set in parts: neither its memory nor its loss is that of the shard."""

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from fsdiff.data import storage
from fsdiff.data.storage import Provenance
from fsdiff.jobs.devices import chosen_device
from fsdiff.jobs.failures import StorageError
from fsdiff.jobs.interruption import interruptible
from fsdiff.jobs.states import saved
from fsdiff.jobs.versions import environment, warn_of_changes
from fsdiff.parts import build

logger = logging.getLogger(__name__)

PART = 16
"""How many samples are in memory at a time, and are lost when the process is killed."""


def simulate(
    job: Mapping[str, Any], indices: range, *, output: Path, state: Path, title: str
) -> None:
    """Write samples ``indices`` of the data set that ``job`` describes to the file ``output``.

    An interrupted run leaves finished parts in the folder ``state`` and is continued from there.
    """
    made = Provenance.of_job(job)
    parts = {
        state / f"{part[0]}-{part[-1]}.nc": part
        for part in (indices[i : i + PART] for i in range(0, len(indices), PART))
    }
    missing = {path: part for path, part in parts.items() if not _is_there(path, part, made)}
    if len(missing) < len(parts):
        logger.info("resumed with %d of %d parts in %s", len(missing), len(parts), state)
        with storage.read(next(path for path in parts if path not in missing), chunks=1) as part:
            warn_of_changes(state, storage.environment_of(part), environment())
    with tqdm(total=len(indices), desc="simulate", unit="sample", disable=None) as bar:
        bar.update(len(indices) - sum(map(len, missing.values())))
        _check_files(made)
        _make(missing, made, title, bar)
        try:
            _check_files(made)
        except StorageError:
            shutil.rmtree(state)  # parts may be of the files as they are now
            raise
    made_parts = [storage.read(path, chunks="auto") for path in parts]
    storage.write(storage.concatenate(made_parts), output, title=title, provenance=made)
    shutil.rmtree(state)


def _is_there(path: Path, part: range, made: Provenance) -> bool:
    """Whether an earlier attempt at the same samples has left this part, and it is whole."""
    found = saved(path, storage.read)
    return (
        found is not None
        and Provenance.of(found) == made
        and found["sample"].values.tolist() == list(part)
    )


def _check_files(made: Provenance) -> None:
    """Refuse files whose contents are not those that the job is about."""
    planned = made.config.get("content")
    if planned is not None and build("source", made.config["source"]).content != planned:
        path = made.config["source"].get("path", "the data set")
        raise StorageError(
            f"files of {path} have changed since the workflow was planned; run it again"
        )


def _make(parts: Mapping[Path, range], made: Provenance, title: str, bar: tqdm) -> None:
    """Make and write each part."""
    source = build("source", made.config["source"]).on(chosen_device("data"))
    for remark in source.remarks:
        logger.warning("%s", remark)

    def advance(count: int) -> None:
        bar.update(count)
        work.check(f"sample {bar.n} of {bar.total}")

    with interruptible(lambda: None) as work:  # each part is saved once it is made
        for path, part in parts.items():
            fields = source.generate(part, made.seed, progress=advance)
            storage.write(fields, path, title=title, provenance=made)

"""Results as a whole: what no study needs any more, and results that came without their records.

Studies are given as the command line has them, those of several files as ``a.yaml+b.yaml``.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import netCDF4

from fsdiff.data import json_files, storage, tensors
from fsdiff.jobs.failures import StorageError
from fsdiff.jobs.lineage import difference_of, recorded, records
from fsdiff.jobs.locks import is_held
from fsdiff.methods import models

FOLDERS = (Path("results"), Path("logs"))
LINEAGE = re.compile(r"-([0-9a-f]{16})\b")
"""How states of interrupted jobs name what they were for."""

Plan = dict[str, Any]


def clean_up(studies: Iterable[str], *, delete: bool) -> None:
    """List what none of the studies names, with sizes, and remove it if asked.

    Raises StorageError where a study cannot be planned, or where files would be removed from below
    a run.
    """
    plans = _plans(studies)
    if delete:
        _refuse_during_a_run()
    clean(plans, delete=delete)


def keep(studies: Iterable[str]) -> None:
    """Keep results that are whole and fit a study; StorageError as above."""
    plans = _plans(studies)
    _refuse_during_a_run()
    adopt(plans)


def _plans(studies: Iterable[str]) -> list[Plan]:
    return [plan for study in studies for plan in plans_of(study)]


def _refuse_during_a_run() -> None:
    if run := running():
        raise StorageError(f"a run is active here: {run}")


def files_of(study: str) -> list[str]:
    """The files of a study that is written with + between them, unless a file is called so."""
    return [study] if Path(study).exists() else study.split("+")


def plans_of(study: str) -> list[Plan]:
    """The plans of all jobs of a study, as the workflow tells them; StorageError if it cannot."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "plans.json"
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--list-rules", "--configfile", *files_of(study)],
            env={**os.environ, "FSDIFF_PLANS": str(file)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not file.exists():
            raise StorageError(f"{study} cannot be planned:\n{done.stderr}")
        return json.loads(file.read_text(encoding="utf-8"))


def running() -> str | None:
    """What shows that jobs are running here, or that Snakemake is, and what to do."""
    for path in Path("results").rglob(".*.lock"):
        if is_held(path):
            return f"a job holds {path}; wait for its end"
    for path in Path(".snakemake", "locks").glob("*"):
        return f"there is {path}; wait for its end or, if it was killed, run 'snakemake --unlock'"
    return None


def clean(plans: Iterable[Plan], *, delete: bool) -> None:
    """List what no plan names, with sizes, and remove it if asked."""
    sizes = {path: path.lstat().st_size for path in unnamed(plans)}
    for path, size in sizes.items():
        print(f"{_megabytes(size):>12}  {path}")
        if delete:
            path.unlink()
    if delete:
        _remove_empty_folders()
    done = "removed" if delete else "that no study names; --delete removes them"
    print(f"{_megabytes(sum(sizes.values())):>12}  in {len(sizes)} files {done}")


def unnamed(plans: Iterable[Plan]) -> list[Path]:
    """Files of results and logs that no plan names; states are named by their lineage."""
    plans = list(plans)
    named = {path for plan in plans for path in (*plan["outputs"], *plan["beside"])}
    lineages = {plan["lineage"] for plan in plans}

    def is_named(path: Path) -> bool:
        parts = path.parts
        is_state = parts[:2] == ("results", "state") and len(parts) > 2
        return str(path) in named or (
            is_state and not lineages.isdisjoint(LINEAGE.findall(parts[2]))
        )

    files = [path for folder in FOLDERS for path in _files(folder)]
    return [path for path in files if not is_named(path)]


def adopt(plans: Iterable[Plan]) -> None:
    """Make whole files that fit their plans all equally old, so that none is taken for outdated.

    Where Snakemake has no record of a file, only its age is left to go by, and that of the
    measurements of its job. What does not fit is named; figures and tables do not record what they
    were made from and are made again.
    """
    now, kept, problems = time.time(), 0, []
    for plan in plans:
        there = [path for path in filter(records, plan["outputs"]) if Path(path).exists()]
        found = {path: difference_of(recorded(path), plan) or _damage(Path(path)) for path in there}
        fitting = [path for path, problem in found.items() if not problem]
        problems += [f"{path} {problem}" for path, problem in found.items() if problem]
        # Also beside shards, which are gone once they are put together: what these were made from
        # would be younger than the measurements of their jobs.
        beside = plan["beside"] if fitting or not found else ()
        for path in [*fitting, *filter(os.path.exists, beside)]:
            os.utime(path, (now, now))
        kept += len(fitting)
    for problem in problems:
        print(problem)
    print(f"{kept} files are kept, {len(problems)} do not fit and will be made again")


def _damage(path: Path) -> str | None:
    """What is wrong with the contents of a file, all of which are compared with their digests."""
    try:
        if path.suffix == ".json":
            json_files.read(path)
        elif path.suffix == ".safetensors":
            tensors.read(path)
            if path.with_suffix(".json").exists():
                models.describe(path)
        elif _has_fields(path):
            storage.read(path, chunks="auto")["field"].sum().compute()
        else:
            storage.read_results(path)
    except (OSError, StorageError) as error:
        return f"is damaged ({error})"
    return None


def _has_fields(path: Path) -> bool:
    with netCDF4.Dataset(path) as file:
        return "field" in file.variables


def _files(folder: Path) -> list[Path]:
    return sorted(Path(where, name) for where, _, names in os.walk(folder) for name in names)


def _remove_empty_folders() -> None:
    for top in FOLDERS:
        for where, _, _ in os.walk(top, topdown=False):
            if Path(where) != top and not os.listdir(where):
                os.rmdir(where)


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.1f} MB"

"""The environment of jobs: what they inherit from a shell, without what would harm them."""

import os
import pwd
from collections.abc import MutableMapping

TOGETHER = (
    *("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK", "ROLE_RANK"),
    *("MASTER_ADDR", "MASTER_PORT", "TORCHELASTIC_RUN_ID"),
)
"""What torchrun tells the processes that it starts; a job that finds them waits for others."""

THREADS = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"),
    *("NUMEXPR_MAX_THREADS", "VECLIB_MAXIMUM_THREADS", "BLIS_NUM_THREADS"),
)
"""Numbers of threads; what is no number stops some libraries and is ignored by others."""

CLUSTER = (
    *("DASK_SCHEDULER_ADDRESS", "DASK_DISTRIBUTED__", "DASK_LOGGING__"),
    *("DASK_TEMPORARY_DIRECTORY", "DASK_CONFIG"),
)
"""Beginnings of the settings of dask that are a cluster's; others cut fields and choose threads."""


def prepare(environment: MutableMapping[str, str]) -> None:
    """Take out of an environment what jobs must not inherit, and add what they need."""
    for name in [name for name, value in environment.items() if _harmful(name, value)]:
        del environment[name]
    environment["MPLBACKEND"] = "Agg"  # figures go to files, whatever a notebook has chosen
    if not _is_known(os.getuid()):  # as in a container that is run as any user
        environment.setdefault("USER", f"user{os.getuid()}")


def _harmful(name: str, value: str) -> bool:
    threads = value.replace(",", "").strip()
    return (
        name in TOGETHER
        or (name in THREADS and not (threads.isdecimal() and int(threads)))
        or (name.startswith("DASK_") and not name.startswith(CLUSTER))
    )


def _is_known(user: int) -> bool:
    """Whether the system has a name for a user."""
    try:
        return bool(pwd.getpwuid(user))
    except KeyError:
        return False

"""Where lazy fields are computed: on threads of the process, or on the workers of a dask scheduler.

A scheduler is used where dask's configuration names one, as it does where the environment variable
``DASK_SCHEDULER_ADDRESS`` is set. Its workers must have the package, and see files under the same
paths; the process that writes a file gathers what they compute.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dask

from fsdiff.provenance import fingerprint

if TYPE_CHECKING:
    from distributed import Client

TIMEOUT = 10.0
"""Seconds within which a scheduler answers."""

_CODE = fingerprint(modules=["fsdiff.data.hierarchy"])


@contextmanager
def workers(threads: int) -> Iterator[None]:
    """Compute lazy fields inside the block on ``threads`` threads, or where dask's scheduler says.

    Results are the same bit for bit. Raises ConnectionError that names the address where no
    scheduler answers, and RuntimeError where its workers run other code than this process.
    """
    address = dask.config.get("scheduler-address", None)
    if address is None:
        with dask.config.set(scheduler="threads", num_workers=threads):
            yield
    else:
        with _connected(address) as client:
            _check_code(client, address)
            yield


def code() -> str:
    """Fingerprint of what computes fields, as this process has loaded it."""
    return _CODE


def _connected(address: str) -> "Client":
    from distributed import Client

    try:
        asyncio.run(asyncio.wait_for(_greet(address), TIMEOUT))
        return Client(address, timeout=TIMEOUT)
    except Exception as error:  # whatever else listens there may answer anything
        raise ConnectionError(
            f"no dask scheduler answers at {address} within {TIMEOUT:g} seconds: start it there, "
            "or correct or remove dask.scheduler in the configuration"
        ) from error


async def _greet(address: str) -> None:
    """Exchange greetings with a scheduler; a client would wait for them without end."""
    from distributed import Security
    from distributed.comm.core import connect

    connection = await connect(address, **Security().get_connection_args("client"))
    await connection.close()


def _check_code(client: "Client", address: str) -> None:
    """Refuse workers that would compute something else than this process would."""

    def loaded() -> str | None:  # local, and so it reaches workers that lack the package
        try:
            from fsdiff.jobs.workers import code
        except ModuleNotFoundError:
            return None
        return code()

    found = client.run(loaded)
    others = [worker for worker, fingerprint in found.items() if fingerprint != code()]
    if others:
        raise RuntimeError(
            f"workers of the dask scheduler at {address} have not loaded the code that is here: "
            f"{', '.join(others)}; start them in the folder and the environment of the workflow, "
            "and again when its code has changed"
        )
    if not found:
        logging.warning("the dask scheduler at %s has no workers yet: waiting for them", address)

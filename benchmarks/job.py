"""Run a script of the workflow as Snakemake does, and print what the process took (Linux).

Standard input has the attributes of the script's ``snakemake`` object in JSON; the answer is
{"megabytes": peak resident set, "seconds": processor time}. Nothing is imported here but what
Python has, so that the memory is the script's.

    python benchmarks/job.py workflow/scripts/dataset.py < attributes.json
"""

import json
import resource
import runpy
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class Named(SimpleNamespace):
    """Values by name, and one after the other."""

    def __iter__(self) -> Iterator[Any]:
        return iter(vars(self).values())


def main() -> None:
    """Run the script that is named on the command line."""
    attributes = {
        name: Named(**value) if isinstance(value, dict) else value
        for name, value in json.load(sys.stdin).items()
    }
    runpy.run_path(sys.argv[1], {"snakemake": SimpleNamespace(**attributes)})
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    taken = {"megabytes": peak * 1024 / 1e6, "seconds": usage.ru_utime + usage.ru_stime}
    print(json.dumps(taken))


if __name__ == "__main__":
    main()

"""Where jobs that are interrupted leave what another attempt goes on from."""

from pathlib import Path

RESULTS, STATE = "results", "state"


def states_beside(output: Path) -> Path:
    """The folder of states in the folder of results that ``output`` is in.

    Another workflow that uses this one may have given that folder a place of its own.
    """
    results = next((folder for folder in output.parents if folder.name == RESULTS), output.parent)
    return results / STATE

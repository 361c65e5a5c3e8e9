"""What files were made from, all the way back, and the refusal of those made from something else.

The lineage of a file is a hash of the job that made it, which is configuration (seed included) and
code, and of the lineages of all that the job read. The workflow works it out for every file before
anything runs; files record it; and jobs compare the two in what they read.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import netCDF4
from safetensors import SafetensorError, safe_open

from fsdiff.jobs.failures import StorageError, check_file

RECORDING = (".nc", ".json", ".safetensors")
"""Suffixes of files that record what they were made from; figures and tables do not."""

_ABSENT = object()


def lineage(job: Mapping[str, Any], inputs: Iterable[str] = ()) -> str:
    """The lineage of the files of a job that reads files of these lineages, 16 hex digits.

    In how many files something comes, and in which order, is of no account: how samples are divided
    into shards says nothing of them. Nor is where files of the user's are.
    """
    made = {"job": wherever(job), "inputs": sorted(set(inputs))}
    text = json.dumps(made, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def wherever(config: Any) -> Any:
    """A configuration without where files are that a digest of their contents stands for.

    Keys that lead to these settings are its ``locations``.
    """
    if not isinstance(config, Mapping):
        return config
    kept = {name: wherever(value) for name, value in config.items()}
    for *outer, last in config.get("locations", ()):
        inside = kept
        for name in outer:
            inside = inside[name]
        inside.pop(last, None)
    return kept


def records(path: str | Path) -> bool:
    """Whether files of this kind record what they were made from."""
    return Path(path).suffix in RECORDING


def recorded(path: str | Path) -> dict[str, Any] | None:
    """What a file says of its making: ``fsdiff_lineage`` and others; None if it cannot be read.

    Weights say it in the description beside them, those that are kept during training in
    themselves.
    """
    path = Path(path)
    if path.suffixes == [".safetensors"]:
        path = path.with_suffix(".json")
    read = {".json": _of_json, ".safetensors": _of_safetensors}.get(path.suffix, _of_netcdf)
    try:
        check_file(path)
        found = read(path)
    except (OSError, RuntimeError, ValueError, RecursionError, SafetensorError):
        return None
    return {name: value for name, value in found.items() if name.startswith("fsdiff_")}


def made(paths: Iterable[Path], expected: str) -> bool:
    """Whether all these files are there and record this lineage."""
    return all(
        records(path) and (recorded(path) or {}).get("fsdiff_lineage") == expected and path.exists()
        for path in paths
    )


def check(expected: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse files that were made from something else than expected; StorageError names them.

    ``expected`` is {path: {"config", "code", "lineage"}}. Files that are missing or cannot be read
    are left to their readers, who say what is wrong.
    """
    found = {path: recorded(path) for path in filter(records, expected)}
    differences = {
        path: difference_of(attributes, expected[path])
        for path, attributes in found.items()
        if attributes is not None
    }
    wrong = [f"{path} {difference}" for path, difference in differences.items() if difference]
    if not wrong:
        return
    it = "it" if len(wrong) == 1 else "them"
    more = f"; and {len(wrong) - 10} more" if len(wrong) > 10 else ""
    raise StorageError(
        f"{'; '.join(wrong[:10])}{more}; delete {it} and run the workflow again, or make {it} "
        "again with 'snakemake --forcerun' and the file's name"
    )


def difference_of(found: Mapping[str, Any] | None, planned: Mapping[str, Any]) -> str | None:
    """What tells a file that records ``found`` from the one that is planned; None for nothing."""
    if found is None:
        return "cannot be read"
    if found.get("fsdiff_lineage") == planned["lineage"]:
        return None
    if not found.get("fsdiff_lineage"):
        return "was not written by fsdiff, or was edited: it has no fsdiff_lineage"
    try:
        config = json.loads(found["fsdiff_config"])
    except (KeyError, TypeError, ValueError, RecursionError):
        return "records no configuration"
    if differences := list(islice(_differences(config, planned["config"]), 4)):
        more = ", …" if len(differences) > 3 else ""
        return f"was made with another configuration: {', '.join(differences[:3])}{more}"
    code = found.get("fsdiff_fingerprint")
    if code != planned["code"]:
        return f"was made by other code: fingerprint {code}, expected {planned['code']}"
    return "was made from other files: something before it had another configuration or other code"


def _differences(found: Any, expected: Any, name: str = "") -> Iterator[str]:
    """Where two configurations differ, in words such as "seed is 3, expected 4"."""
    if isinstance(found, dict) and isinstance(expected, dict):
        for key in sorted({*found, *expected}):
            inside = f"{name}.{key}" if name else key
            yield from _differences(found.get(key, _ABSENT), expected.get(key, _ABSENT), inside)
    elif found is _ABSENT:
        yield f"{name} is not given, expected {_short(expected)}"
    elif expected is _ABSENT:
        yield f"{name} is {_short(found)}, expected not to be given"
    elif found != expected:
        yield f"{name} is {_short(found)}, expected {_short(expected)}"


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) < 60 else f"{text[:57]}…"


def _of_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}


def _of_safetensors(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="numpy") as file:
        header = json.loads((file.metadata() or {}).get("fsdiff", "{}"))
    about = header.get("about") if isinstance(header, dict) else None
    return about if isinstance(about, dict) else {}


def _of_netcdf(path: Path) -> dict[str, Any]:
    with netCDF4.Dataset(path) as file:
        return {name: file.getncattr(name) for name in file.ncattrs()}

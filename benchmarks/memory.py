"""Peak memory of the jobs that make a data set, and how it grows with the number of samples.

The workflow's own scripts are run, each in a fresh process as Snakemake runs them: the shards of
the simulation, the merged data set with its statistics, and its restriction to coarser grids.
Fields are those of the reaction–diffusion system after so short a time that they cost little.
Memory is the largest resident set of a job's process, Python and all libraries included.

    python benchmarks/memory.py [--samples 1000 10000] [--channels 1 2] [--folder docs/benchmarks]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from measuring import environment
from report import number, table

from fsdiff.jobs.atomic import atomic
from fsdiff.parts import modules
from fsdiff.provenance import fingerprint

REPOSITORY = Path(__file__).parents[1]
SCRIPTS = REPOSITORY / "workflow" / "scripts"
RESOLUTION = 128
COARSER = (64, 32)
SHARDS = 4


@dataclass(frozen=True)
class Taken:
    """What a kind of job took at most."""

    samples: int
    channels: int
    job: str
    megabytes: float
    seconds: float


def measure(samples: int, channels: int, folder: Path) -> list[Taken]:
    """Make a data set of a number of samples in a folder."""
    taken: dict[str, list[dict[str, float]]] = {}
    for name, script, attributes in jobs(samples, channels):
        taken.setdefault(name, []).append(run(script, attributes, folder))
    return [
        Taken(samples, channels, name, *(max(run[key] for run in runs) for key in runs[0]))
        for name, runs in taken.items()
    ]


def run(script: str, attributes: Mapping[str, Any], folder: Path) -> dict[str, float]:
    """Run a script of the workflow in a process of its own."""
    done = subprocess.run(
        [sys.executable, REPOSITORY / "benchmarks" / "job.py", SCRIPTS / f"{script}.py"],
        input=json.dumps({"log": ["job.log"], **attributes}),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        cwd=folder,
        text=True,
        check=True,
    )
    return json.loads(done.stdout)


def jobs(samples: int, channels: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What each job is called, its script, and the attributes of its ``snakemake`` object."""
    source = {"kind": "reaction_diffusion", "resolution": RESOLUTION, "time": 1e-6}
    config = {"source": {**source, "channels": ["u", "v"][:channels]}, "seed": 0}
    shard = parameter("simulate", config)
    edges = [samples * i // SHARDS for i in range(SHARDS + 1)]
    files = []
    for first, after in pairwise(edges):
        files.append(f"{first}-{after - 1}.nc")
        wildcards = {"dataset": "waves", "first": first, "last": after - 1}
        described = attributes(shard, wildcards, {}, {"shard": files[-1]})
        yield f"simulate, one of {SHARDS} shards", "simulate", described

    tenth = samples // 10
    split = {"train": samples - 2 * tenth, "validation": tenth, "test": tenth}
    job = {**parameter("dataset", {"simulate": config, "split": split}), "shard": shard}
    whole = {"dataset": "dataset.nc"}
    described = attributes(job, {"dataset": "waves"}, {"shards": files}, whole, threads=2)
    yield "dataset: merge and statistics", "dataset", described

    parts: dict[str, Any] = {"basis": {"kind": "cosine", "dimension": 2}, "transforms": {}}
    parts["downsampling"] = {"kind": "spectral"}
    for coarse in COARSER:
        job = parameter("hierarchy", {**parts, "resolution": coarse})
        wildcards = {"dataset": "waves", "resolution": coarse}
        described = attributes(job, wildcards, whole, {"data": f"{coarse}.nc"})
        yield f"hierarchy: {RESOLUTION} → {coarse}", "hierarchy", described


def parameter(script: str, config: dict[str, Any]) -> dict[str, Any]:
    """The parameter of a rule, as the workflow makes it."""
    code = fingerprint(script=SCRIPTS / f"{script}.py", modules=modules(config))
    return {"config": config, "code": code}


def attributes(
    job: dict[str, Any],
    wildcards: dict[str, Any],
    inputs: dict[str, Any],
    output: dict[str, str],
    *,
    threads: int = 1,
) -> dict[str, Any]:
    """The attributes of a ``snakemake`` object."""
    # The workflow knows what files must have been made from; here that is not looked at.
    lineage = {"own": "0" * 16, "asked": "0" * 16, "inputs": {}}
    params = {"job": job, "lineage": lineage}
    names = {"params": params, "wildcards": wildcards, "input": inputs, "output": output}
    return {**names, "threads": threads}


def page(results: Sequence[Taken]) -> str:
    """The numbers in Markdown."""
    samples, channels = (
        " ".join(map(str, dict.fromkeys(getattr(item, name) for item in results)))
        for name in ("samples", "channels")
    )
    command = f"python benchmarks/memory.py --samples {samples} --channels {channels}"
    rows = [
        [
            item.job,
            str(item.channels),
            f"{item.samples:,}",
            f"{item.samples * item.channels * RESOLUTION**2 * 4 / 1e6:,.0f}",
            f"{item.megabytes:.0f}",
            number(item.seconds),
        ]
        for item in sorted(results, key=lambda item: (item.job, item.channels, item.samples))
    ]
    header = "job | channels: | samples: | data set, MB: | peak memory, MB: | processor time, s:"
    return (
        "# Memory of the jobs that make a data set\n\n"
        f"Made by `{command}`: {environment()}\n\n"
        f"{__doc__.split('    python')[0].partition('.')[2].strip()}\n\n"
        f"Fields on {RESOLUTION} × {RESOLUTION} cells, single precision:\n\n" + table(header, rows)
    )


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 10000])
    parser.add_argument("--channels", type=int, nargs="+", choices=[1, 2], default=[1, 2])
    parser.add_argument("--folder", type=Path, default=REPOSITORY / "docs" / "benchmarks")
    options = parser.parse_args()
    results: list[Taken] = []
    for channels in options.channels:
        for samples in options.samples:
            with tempfile.TemporaryDirectory() as folder:
                results += measure(samples, channels, Path(folder))
    text = page(results)
    print(text)
    with atomic(options.folder / "memory.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

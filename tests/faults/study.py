"""The smallest study: its jobs are the workflow's scripts, run one by one without Snakemake.

A job runs in a process of its own, forked from a server that has imported the package, so that it
starts at once and can be killed, starved of room and asked to stop.
"""

import hashlib
import json
import multiprocessing
import os
import resource
import runpy
import shutil
import signal
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from snakemake.iocontainers import Namedlist

from fsdiff.data import json_files
from fsdiff.jobs.lineage import lineage
from fsdiff.parts import modules
from fsdiff.provenance import fingerprint
from fsdiff.study import Configuration, load

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [f"fsdiff.stages.{name}" for name in ("simulate", "train", "sample", "evaluate")]
    + ["fsdiff.data.hierarchy", "fsdiff.jobs.workers", "fsdiff.study"]
)
"""Forks of one process that has imported what the scripts need."""

SCRIPTS = Path(__file__).parents[2] / "workflow" / "scripts"

CONFIGURATION = """
datasets:
  rocks:
    source: {kind: darcy, resolution: 16, channels: [permeability]}
    split: {train: 40, validation: 8, test: 16}
    resolutions: [8, 16]
experiments:
  small:
    dataset: rocks
    prior: {kind: bessel}
    process: {kind: vp}
    network: {kind: fno, width: 4, modes: 4, layers: 1}
    prediction: {kind: noise}
    levels: [{resolution: 16, epochs: 12, batch_size: 8}]
    sampler: {kind: ddim, steps: 8}
    samples: {count: 8, resolutions: [16], batch_size: 1}
evaluation:
  metrics:
    spectrum: {kind: spectrum}
"""

SHARD = "results/data/rocks/shards/0-63.nc"
DATASET = "results/data/rocks/dataset.nc"
COARSE, DATA = (f"results/data/rocks/{n}.nc" for n in (8, 16))
WEIGHTS, SIDECAR, HISTORY = (
    f"results/models/small/seed0/16.{suffix}" for suffix in ("safetensors", "json", "history.nc")
)
SAMPLES, COST = (f"results/samples/small/seed0/16.{suffix}" for suffix in ("nc", "json"))
METRICS = "results/metrics/small/seed0/16.json"


@dataclass(frozen=True)
class Rule:
    """Files that a job of the study reads and writes, by the names that its script has for them."""

    input: dict[str, Any]
    output: dict[str, str]
    wildcards: dict[str, str] = field(default_factory=dict)


RULES = {
    "simulate": Rule(
        {"files": []}, {"shard": SHARD}, {"dataset": "rocks", "first": "0", "last": "63"}
    ),
    "dataset": Rule({"shards": [SHARD]}, {"dataset": DATASET}, {"dataset": "rocks"}),
    "hierarchy": Rule({"dataset": DATASET}, {"data": DATA}, {"dataset": "rocks"}),
    "train": Rule(
        {"data": [COARSE, DATA], "warm_start": []},
        {"weights": WEIGHTS, "sidecar": SIDECAR, "history": HISTORY},
    ),
    "sample": Rule(
        {"weights": WEIGHTS, "sidecar": SIDECAR, "training": [], "shards": []},
        {"samples": SAMPLES, "cost": COST},
    ),
    "evaluate": Rule(
        {
            **{"samples": SAMPLES, "cost": COST, "data": DATA, "weights": WEIGHTS},
            **{"sidecar": SIDECAR, "histories": [HISTORY], "classifiers": []},
        },
        {"metrics": METRICS},
    ),
}
SAME_BYTES = {"simulate": SHARD, "train": WEIGHTS, "sample": SAMPLES}
"""Of the jobs that go on where they were stopped: the file that is the same however they ran."""


def parameter(study: Configuration, rule: str, resolution: int) -> dict[str, Any]:
    """What Snakemake would give to the script as its parameter."""
    slices = {
        "simulate": lambda: study.simulate_slice("rocks"),
        "dataset": lambda: study.dataset_slice("rocks"),
        "hierarchy": lambda: study.hierarchy_slice("rocks", resolution),
        "train": lambda: study.train_slice("small", resolution, 0),
        "sample": lambda: study.sample_slice("small", resolution, 0),
        "evaluate": lambda: study.evaluate_slice("small", resolution, 0),
    }
    config = json.loads(json_files.canonical(slices[rule]()))
    code = fingerprint(script=SCRIPTS / f"{rule}.py", modules=modules(config))
    shard = {"shard": parameter(study, "simulate", 0)} if rule == "dataset" else {}
    return {"code": code, "config": config, **shard}


MADE_BY = {
    SHARD: ("simulate", 0),
    DATASET: ("dataset", 0),
    COARSE: ("hierarchy", 8),
    DATA: ("hierarchy", 16),
    **dict.fromkeys([WEIGHTS, SIDECAR, HISTORY], ("train", 16)),
    **dict.fromkeys([SAMPLES, COST], ("sample", 16)),
}
"""The rule that makes a file, and the resolution."""


def planned(study: Configuration, rule: str, resolution: int) -> dict[str, Any]:
    """A job's parameter, with the lineage of its files and the same of what it reads by path."""
    job = parameter(study, rule, resolution)
    given = RULES[rule].input.values()
    read = (path for item in given for path in ([item] if isinstance(item, str) else item))
    inputs = {path: planned(study, *MADE_BY[path]) for path in read}
    own = lineage(job, [made["lineage"] for made in inputs.values()])
    return {**job, "lineage": own, "inputs": inputs}


@dataclass
class Folder:
    """A folder in which jobs of the study run, with the configuration that they have."""

    root: Path
    configuration: dict[str, Any] = field(default_factory=lambda: yaml.safe_load(CONFIGURATION))

    def copy(self, root: Path) -> "Folder":
        """The same files elsewhere."""
        shutil.copytree(self.root, root, dirs_exist_ok=True)
        return Folder(root)

    def path(self, name: str) -> Path:
        """A file of the study."""
        return self.root / name

    def start(self, rule: str, resolution: int = 16, **how: Any) -> "Job":
        """Start a job; see ``run_script`` for ``how``."""
        files = RULES[rule]
        output = files.output
        if rule == "hierarchy":
            output = {"data": f"results/data/rocks/{resolution}.nc"}
        study = load(self.configuration)
        plan = planned(study, rule, resolution)
        files_of_it = self.root / "logs" / f"{how.pop('name', rule)}-{resolution}"
        files_of_it.parent.mkdir(exist_ok=True)
        given = {
            "input": files.input,
            "output": output,
            "wildcards": files.wildcards,
            "params": {
                "job": parameter(study, rule, resolution),
                "lineage": {"own": plan["lineage"], "inputs": plan["inputs"]},
            },
        }
        return Job(self.root, rule, given, files_of_it, how)

    def run(self, rule: str, resolution: int = 16, **how: Any) -> "Job":
        """Run a job to its end."""
        job = self.start(rule, resolution, **how)
        job.wait()
        return job

    def finish(self, rule: str, resolution: int = 16) -> float:
        """Run a job that must succeed; the seconds that it took."""
        started = time.monotonic()
        job = self.run(rule, resolution)
        assert job.status == 0, job.screen
        return time.monotonic() - started

    def digests(self) -> dict[str, str]:
        """What is in each result; states of interrupted jobs are none."""
        results = self.root / "results"
        return {
            str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(results.rglob("*"))
            if path.is_file() and path.relative_to(results).parts[0] != "state"
        }

    def states(self) -> list[Path]:
        """Whole states of interrupted jobs."""
        found = self.path("results/state").rglob("[!.]*")
        return sorted(path for path in found if path.is_file())

    def remains(self) -> list[Path]:
        """States of interrupted jobs and temporary files; the locks of jobs that run are none."""
        hidden = (path for path in self.root.rglob(".*") if path.suffix != ".lock")
        return [*self.states(), *hidden]


class Job:
    """A script that runs in a process of its own."""

    def __init__(
        self, root: Path, rule: str, given: dict[str, Any], files: Path, how: dict[str, Any]
    ) -> None:
        self.log, self._screen = files.with_suffix(".log"), files.with_suffix(".screen")
        how = {"log": self.log, **how}
        arguments = (root, SCRIPTS / f"{rule}.py", given, self._screen)
        self._process = PROCESSES.Process(target=run_script, args=arguments, kwargs=how)
        self._process.start()

    def stop(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    def wait(self) -> int:
        """Wait for its end; the exit status, negative where a signal ended it."""
        self._process.join()
        return self.status

    @property
    def status(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.exitcode

    @property
    def screen(self) -> str:
        """What a person sees: standard output and error."""
        return self._screen.read_text()

    @property
    def message(self) -> str:
        """What a job that failed tells a person, beside warnings."""
        assert self.screen.count("CRITICAL: ") == 1, self.screen
        assert "Traceback" not in self.screen
        return self.screen.partition("CRITICAL: ")[2]


def run_script(
    root: Path,
    script: Path,
    given: dict[str, Any],
    screen: Path,
    *,
    log: Path,
    save_often: bool = False,
    largest_file: int | None = None,
) -> None:
    """Run a script of the workflow as Snakemake would; what it prints goes to ``screen``.

    ``save_often`` saves the state at every opportunity instead of every 20 seconds; no file gets
    larger than ``largest_file`` bytes.
    """
    os.chdir(root)
    descriptor = os.open(screen, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if save_often:
        save_at_every_check()
    if largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    names = {key: Namedlist(fromdict=value) for key, value in given.items()}
    job = SimpleNamespace(**names, log=[str(log)], threads=1)
    try:
        runpy.run_path(str(script), init_globals={"snakemake": job}, run_name="__main__")
    except Exception:
        sys.excepthook(*sys.exc_info())
        sys.exit(1)


def save_at_every_check() -> None:
    """Save the state of work at each of its checks."""
    from fsdiff.jobs.interruption import Interruption

    original = Interruption.__init__
    Interruption.__init__ = lambda self, save, every, agree: original(self, save, 0.0, agree)


def changed(before: dict[str, str], after: dict[str, str], *, but: Iterable[str] = ()) -> set[str]:
    """Results that differ, appeared or disappeared, other than ``but``."""
    names = before.keys() | after.keys()
    allowed = {name.removeprefix("results/") for name in but}
    return {name for name in names if before.get(name) != after.get(name)} - allowed

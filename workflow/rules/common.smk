"""The study, checked before any job starts, and what rules look up in it."""

import json
import math
import os
import re
from functools import cache
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger
from snakemake_interface_executor_plugins.settings import ExecMode

from fsdiff.blocks.explain import did_you_mean
from fsdiff.errors import Error
from fsdiff.jobs import environment

from fsdiff.study import strict_yaml
from fsdiff.jobs.atomic import machine, sweep
from fsdiff.study import load
from fsdiff.study.sizes import (
    memory_of_baselines,
    memory_of_comparison,
    memory_of_draws,
    memory_of_samples,
    memory_of_trajectory,
    remarks_on_data,
    remarks_on_size,
)
from fsdiff.parts import kinds, modules
from fsdiff.provenance import fingerprint
from fsdiff.data import json_files
from fsdiff.jobs.supervision import announce


def given():
    """What the command line gives with ``--config``, of which Snakemake makes text: "0" of [0]."""
    for entry in (workflow.config_settings.config_args or ()) if MAIN else ():
        name, _, value = entry.partition("=")
        try:
            yield {name: strict_yaml.parse(value)}
        except ValueError as error:
            raise WorkflowError(f"--config {entry}: {error}") from None


try:
    FILES = [os.path.relpath(path) for path in workflow.configfiles] if MAIN else []
    STUDY = load(config, *given(), called=" with ".join(FILES) or None)
except Error as error:
    raise WorkflowError(str(error)) from None

# Every job reads this file, wherever it runs, and so finds the scheduler.
if STUDY.dask.scheduler:
    os.environ.update(DASK_SCHEDULER_ADDRESS=STUDY.dask.scheduler)

environment.prepare(os.environ)
announce()  # jobs that outlive this process write nothing
os.environ.update(
    FSDIFF_DEVICE=STUDY.device,
    FSDIFF_DATA_DEVICE=STUDY.devices["data"],
    FSDIFF_METRICS_DEVICE=STUDY.devices["metrics"],
    FSDIFF_PROCESSES=str(STUDY.parallel.processes),
    FSDIFF_LAUNCHER=STUDY.parallel.launcher or "",
)
GPUS, DATA_GPUS, METRICS_GPUS = (
    {"gpu": 1} if STUDY.devices[work] == "cuda" else {}
    for work in ("networks", "data", "metrics")
)
"""What jobs with networks, equations and metrics ask for besides memory and time."""
TRAINING_GPUS = {name: STUDY.parallel.processes for name in GPUS}
"""What training asks for instead."""


def unless_gathered(shards):
    """What drawing asks for: nothing but processors where a job only puts ``shards`` together."""

    @with_signature
    def wanted(wildcards):
        return 0 if "first" not in wildcards.keys() and shards(wildcards) else 1

    return {name: wanted for name in GPUS}


def check_devices(workflow):
    """Refuse jobs on this machine that want a GPU where there is none, before any starts."""
    wanted = [work for work, device in STUDY.devices.items() if device == "cuda"]
    if not wanted or workflow.executor_plugin.common_settings.non_local_exec:
        return
    if any(job.resources.get("gpu") for job in workflow.dag.needrun_jobs()):
        # Which takes the time that it takes to import PyTorch.
        from fsdiff.jobs.devices import DeviceError, check_gpu

        try:
            check_gpu("device" if "networks" in wanted else f"device_of.{wanted[0]}")
        except DeviceError as error:
            raise WorkflowError(str(error)) from None


def check_profile(workflow):
    """Warn of what a profile gives to rules that no study has: Snakemake ignores it in silence."""
    if workflow.exec_mode != ExecMode.DEFAULT:
        return
    there = {rule.name for rule in workflow.rules}
    named = [
        (option, name)
        for option, names in (
            ("set-resources", workflow.resource_settings.overwrite_resources),
            ("set-threads", workflow.resource_settings.overwrite_threads),
            ("groups", workflow.group_settings.overwrite_groups),
        )
        for name in sorted(set(names) - there)
    ]
    known = there | rules_of_other_studies() if named else there
    varying = re.compile(r"train_keeping_weights_\d+")
    for option, name in named:
        if name not in known and not varying.fullmatch(name):
            meant = did_you_mean(known, name)
            logger.warning(f"{option}: no rule is called '{name}'{meant}")


def rules_of_other_studies():
    """Names of all rules that some studies have, as the files of this workflow have them."""
    found = {f"draw_{kind}" for kind in kinds("analysis")}
    for file in SCRIPTS.with_name("rules").glob("*.smk"):
        found |= set(re.findall(r"^ *rule\s+(\w+):", file.read_text(), re.MULTILINE))
    return found


wildcard_constraints:
    dataset="|".join(STUDY.datasets),
    experiment="|".join(map(re.escape, STUDY.runs)),
    observation="|".join(STUDY.observations),
    reference="|".join(STUDY.references),
    posterior="|".join(STUDY.posteriors),
    search="|".join(STUDY.searches),
    analysis="|".join(STUDY.analyses),
    seed=r"\d+",
    resolution=r"\d+",
    number=r"\d+",
    first=r"\d+",
    last=r"\d+",


SCRIPTS = Path(str(workflow.current_basedir)).parent / "scripts"
"""Where the scripts of rules are; another workflow that uses this one has a folder of its own."""
placed = workflow.modifier.path_modifier.replace_prefix
"""Where a file of results is: below the prefix of the module, if this is one that has a prefix."""


@cache
def code(script, reached):
    """Fingerprint of the code of a rule's script and of the parts that its configuration names."""
    return fingerprint(script=SCRIPTS / f"{script}.py", modules=reached)


def described(script, configuration):
    """All that a job's result depends on, its inputs aside: configuration and code.

    Rules have this one dictionary as their parameter, because Snakemake compares parameters as a
    set of values without names, and does not see edits of an imported package. It compares their
    text, so keys are sorted: their order in the configuration says nothing.
    """
    canonical = json.loads(json_files.canonical(configuration))
    return Parameter(code=code(script, frozenset(modules(canonical))), config=canonical)


def job(script, *names):
    """The parameter of a rule: the slice of the study for its wildcards ``names``, and its code."""

    @with_signature
    def parameter(wildcards):
        values = {name: wildcards[name] for name in names}
        for name in {"seed", "resolution", "number"} & values.keys():
            values[name] = int(values[name])
        return described(script, getattr(STUDY, f"{script}_slice")(**values))

    return parameter


def merging(wildcards):
    """The parameter for merging shards, with what these must have been made from."""
    shard = described("simulate", STUDY.simulate_slice(wildcards.dataset))
    return Parameter(job("dataset", "dataset")(wildcards), shard=shard)


# Of the jobs that can start, those come first for which others wait longest: data, and then what
# takes long, levels of training one after another and Markov chains. Samples, metrics and figures
# fill what cores are left; otherwise the last data set would be trained on when all else is done.
SOUGHT, LONG = 20, 10


def growing(amount):
    """An amount of a resource that is doubled and tripled for the next attempts at a job.

    It stops there, because jobs that continue where they were interrupted make many attempts.
    ``amount`` may be a function of the wildcards.
    """

    @with_signature
    def grown(wildcards, attempt):
        first = amount(wildcards) if callable(amount) else amount
        return first * min(attempt, 3)

    return grown


def training_memory(wildcards):
    """Megabytes of training: those that its fields may take, and for all else 2000 by process."""
    fields = STUDY.runs[wildcards.experiment].training.memory_mb
    return STUDY.parallel.processes * 2000 + fields


def sampling_memory(wildcards):
    """Megabytes of drawing samples."""
    return megabytes(
        memory_of_samples(STUDY, wildcards.experiment, int(wildcards.resolution))
    )


def drawing_memory(wildcards):
    """Megabytes of drawing from posteriors."""
    return megabytes(
        memory_of_draws(STUDY, wildcards.posterior, int(wildcards.resolution))
    )


def baselines_memory(wildcards):
    """Megabytes of judging what needs no model."""
    n = int(wildcards.resolution)
    return megabytes(memory_of_baselines(STUDY, wildcards.observation, n))


def trajectory_memory(wildcards):
    """Megabytes of drawing samples during training, and of comparing them with data."""
    return megabytes(
        memory_of_trajectory(STUDY, wildcards.experiment, int(wildcards.resolution))
    )


def judging_memory(wildcards):
    """Megabytes of comparing the samples of a model with data."""
    run, n = STUDY.runs[wildcards.experiment], int(wildcards.resolution)
    return megabytes(memory_of_comparison(STUDY, run.dataset, n, run.samples.count))


def reference_memory(wildcards):
    """Megabytes of comparing data with data, a surrogate and noise, one after the other."""
    n, count = int(wildcards.resolution), int(wildcards.number)
    return megabytes(memory_of_comparison(STUDY, wildcards.dataset, n, count))


def megabytes(size):
    """What a job asks for that holds so many bytes beside its libraries."""
    return max(3000, 1000 + math.ceil(size / 1e6))

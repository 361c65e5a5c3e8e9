"""Set the claims of a publication beside the summary of a study."""

from typing import TYPE_CHECKING

import pandas as pd

from fsdiff.data import storage
from fsdiff.jobs.atomic import atomic
from fsdiff.jobs.job import job_of
from fsdiff.metrics.words import Words
from fsdiff.reports import tables
from fsdiff.reports.claims import Claim, judge_all
from fsdiff.reports.reproduction import page

if TYPE_CHECKING:
    from snakemake.iocontainers import snakemake

with job_of(snakemake, __file__) as job:
    config = job["config"]
    claims = {
        item["name"]: Claim(**{key: value for key, value in item.items() if key != "name"})
        for item in config["claims"]
    }
    trajectories = [tables.read(path) for path in snakemake.input.trajectories]
    searches = [
        {**search, "row": "search", **agreement}
        for search, path in zip(config["searches"], snakemake.input.searches, strict=True)
        for agreement in storage.read_json(path)["rows"]
        if agreement["seed"] is not None
    ]
    summary = pd.concat([tables.read(snakemake.input.summary), pd.DataFrame(searches)])
    findings = judge_all(claims, summary, *trajectories)
    known = [Words(**item) for item in config["words"]]
    text = page(claims, findings, config["experiments"], known)
    with atomic(snakemake.output.page) as temporary:
        temporary.write_text(text, encoding="utf-8")

"""Studies of publications go all the way once, at a size of seconds.

Of each, the parts that no other test takes from a configuration to a page: flows from a forcing, a
U-NO, a GANO and measures of vorticity; scenes of volcanoes, annealed Langevin dynamics and measures
of phases; curves, imitations of them and tests of two samples; posteriors of a permeability by a
GANO that is told pressures, beside Markov chains.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
import yaml
from checkout import REPOSITORY, Checkout

from fsdiff.reports import tables
from fsdiff.study import load

N = 16
NETWORKS: dict[str, dict[str, Any]] = {
    "fno": {"width": 4, "modes": 3, "layers": 1, "projection": 4},
    "uno": {"width": 4, "modes": [3, 2, 2]},
}
NO_MODEL = {"real", "surrogate"}


class Small(NamedTuple):
    """Experiments of a study that are kept, and what else is changed: parts of its blocks."""

    experiments: tuple[str, ...]
    changes: dict[str, Any]


STUDIES = {
    "ddo/navier_stokes": Small(
        ("flow_published_noise", "flow_uno", "flow_gano_published"),
        {"datasets": {"forced_strongly": {"source": {"time": 0.5, "tolerance": 1e-2}}}},
    ),
    "ddo/volcano": Small(("scenes_langevin_repaired", "scenes_smooth_05"), {}),
    "hdm/quadratic": Small(
        ("parabolas_published", "parabolas_copula"),
        {
            "evaluation": {"metrics": {"tests": {"sizes": [10]}}},
            "claims": {"power_many_published": None},
            "page": {"tables": [{"resolution": N, "columns": ["rejection_identity_10"]}]},
        },
    ),
    "ddo/darcy": Small(
        ("adversarial",),
        {
            "observations": {"pressures": {"cases": 2}},
            "references": {
                "chains": {
                    "reference": {"adaptation": {"rounds": 1}, "burn_in": 8, "steps": 16},
                    "draws": 40,
                }
            },
            "posteriors": {"adversarial": {"draws": 20}},
        },
    ),
}


def small(name: str) -> dict[str, Any]:
    """A study with some of its experiments, on one small grid, and what is said of these alone."""
    kept, changes = STUDIES[name]
    study = yaml.safe_load((REPOSITORY / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))
    study.pop("analyses", None)
    study["defaults"] = defaults = {**experiment(study["defaults"]), "seeds": [0]}
    study["experiments"] = {each: experiment(study["experiments"][each]) for each in kept}
    used = {{**defaults, **each}["dataset"] for each in study["experiments"].values()}
    study["datasets"] = {each: dataset(study["datasets"][each]) for each in used}
    study["posteriors"] = {
        each: {**value, "resolutions": [N]}
        for each, value in study.get("posteriors", {}).items()
        if value["experiment"] in kept and value["observation"] in changes.get("observations", {})
    }
    for block in ("observations", "references"):
        known = study.get(block, {}).items()
        study[block] = {each: value for each, value in known if each in changes.get(block, {})}
    for reference in study["references"].values():
        reference["resolutions"] = [N]
    claims = study.get("claims", {}).items()
    study["claims"] = {each: {**value, **at(value)} for each, value in claims if told(value, kept)}
    page = study["page"]
    for part in ("figures", "analyses"):
        page.pop(part, None)
    page["claims"] = bool(study["claims"])
    page["tables"] = [
        {**each, **at(each)}
        for each in page.get("tables", [])
        if each.get("dataset") in {None, *used}
    ]
    # Of so few draws chance alone leaves more than any target, which is refused.
    page["targets"] = [
        {**each, "resolution": N, **({"at_most": 9.0} if "at_most" in each else {})}
        for each in page.get("targets", [])
        if each.get("posterior") in {None, *study["posteriors"]} and "against" not in each
    ]
    for block in ("tables", "targets"):
        if not page[block]:
            del page[block]
    merge(study, changes)
    return study


def experiment(study: dict[str, Any]) -> dict[str, Any]:
    """What stands with an experiment, or with all, in seconds."""
    study = {key: value for key, value in study.items() if key != "seeds"}
    if "network" in study:
        own = {key: value for key, value in study["network"].items() if key != "stencil_cells"}
        study["network"] = own | NETWORKS[own["kind"]]
    if study.get("method", {}).get("kind") == "gano":
        study["method"] = study["method"] | {"width": 4, "modes": 3}
    if "levels" in study:
        study["levels"] = [study["levels"][0] | {"resolution": N, "epochs": 1, "batch_size": 8}]
    if "sampler" in study:
        study["sampler"] = study["sampler"] | {"steps": 4}
    if "samples" in study:
        study["samples"] = {"count": 20, "resolutions": [N]}
    if "training" in study:
        study["training"] = study["training"] | {"validate_every": 1}
    return study


def dataset(study: dict[str, Any]) -> dict[str, Any]:
    """Few fields on the one grid."""
    source = {**study["source"], "resolution": N}
    split = {"train": 32, "validation": 4, "test": 40}
    return {**study, "source": source, "split": split, "shards": 1, "resolutions": [N]}


def told(claim: dict[str, Any], experiments: Iterable[str]) -> bool:
    """Whether a claim is about these experiments, on one grid."""
    if "analysis" in claim:
        return False
    about = {claim.get("experiment", "real"), *claim.get("against", ())} - NO_MODEL
    return about <= set(experiments) and "against_resolution" not in claim


def at(claim: dict[str, Any]) -> dict[str, Any]:
    return {"resolution": N} if "resolution" in claim else {}


def merge(study: dict[str, Any], changes: dict[str, Any]) -> None:
    """Change parts of parts."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(study.get(key), dict):
            merge(study[key], value)
        else:
            study[key] = value


@pytest.fixture(params=STUDIES)
def finished_study(request: pytest.FixtureRequest, tmp_path: Path) -> Checkout:
    """A checkout in which a small study has run."""
    checkout = Checkout.create(tmp_path / "checkout")
    text = yaml.safe_dump(small(request.param), sort_keys=False)
    checkout.configuration.write_text(text)
    checkout.snakemake("--cores", "2", "results/page.md")
    return checkout


@pytest.mark.workflow
def test_it_goes_from_data_to_its_page(finished_study: Checkout) -> None:
    study = load(finished_study.configuration)
    page = (finished_study.root / "results/page.md").read_text(encoding="utf-8")
    assert all(claim.statement in page for claim in study.claims.values())
    if study.posteriors:
        rows = tables.read(finished_study.root / "results/posteriors.csv")
        check(rows[rows["row"] == "posterior"], study.posteriors, "posterior", ("coverage_90",))
        assert study.page
        assert all(target.statement in page for target in study.page.targets)
        return
    rows = tables.read(finished_study.root / "results/summary.csv")
    metrics = study.evaluation.metrics.values()
    names = [name for metric in metrics for name in metric.part.results]
    assert set(names) <= {*rows.columns, *beyond(names)}
    check(rows[rows["row"] == "model"], study.experiments, "experiment", names)


def check(rows: pd.DataFrame, names: Iterable[str], column: str, results: Iterable[str]) -> None:
    """There is a row for each, with numbers."""
    assert sorted(rows[column]) == sorted(names)
    there = [name for name in results if name in rows.columns]
    assert rows[there].notna().all(axis=None)


def beyond(names: Iterable[str]) -> set[str]:
    """Octaves of which the grid resolves nothing, and limits that so few fields do not tell."""
    octaves = [name for name in names if name.startswith("log_spectrum_error_")]
    limits = {name for name in names if name.endswith("_limit")}
    return limits | {name for name in octaves if int(name.rpartition("_")[2]) >= N // 2}

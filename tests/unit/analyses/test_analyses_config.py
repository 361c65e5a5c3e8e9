"""Analyses in a configuration: alone or beside experiments, checked, and cut into slices."""

import re
from pathlib import Path

import pytest

from fsdiff.parts import build, modules
from fsdiff.study import ConfigurationError, load
from fsdiff.study.strict_yaml import parse

ROOT = Path(__file__).parents[3]
STEEP = {"kind": "score_lipschitz", "covariance": {"kind": "bessel"}}
NETWORK = {"kind": "fno", "width": 4, "modes": 2}


def problems(**analyses):
    with pytest.raises(ConfigurationError) as caught:
        load({"analyses": analyses})
    return caught.value.problems


STUDIES = ["gaussian", "truncation", "gaussian_mixture", "cem"]
STUDIES += [f"hdm/{name}" for name in ("calibration", "dissipation", "point_sets", "time_reversal")]


@pytest.mark.parametrize("name", STUDIES)
def test_published_studies_are_valid(name):
    loaded = load(ROOT / "configs" / f"{name}.yaml")
    assert loaded.analyses
    assert not loaded.experiments


def test_analyses_have_no_training_fields():
    inner = {"kind": "ddim", "eta": 1.0}
    sampler = {"kind": "starting_from", "law": "empirical", "sampler": inner}
    block = {
        "kind": "gaussian_sampling",
        "covariance": {"kind": "bessel"},
        "prior": {"kind": "standard", "allow_non_trace_class": True},
        "process": {"kind": "vp"},
        "basis": {"kind": "cosine", "dimension": 1},
        "resolution": 8,
        "sampler": sampler,
        "values": [5],
    }
    wrong = r"analyses\.one\.sampler.*: starts from training fields, which analyses have not"
    assert re.match(wrong, problems(one=block)[0])


def test_stationary_imitations_of_fields_on_too_many_nodes_are_refused():
    block = {
        "kind": "two_sample_calibration",
        "source": {"kind": "random_field", "resolution": 64},
        "imitation": {"kind": "stationary"},
    }
    (found,) = problems(one=block)
    assert found.startswith(
        "analyses.one.imitation: fields have 4096 nodes: the most that is feasible"
    )


def test_a_smaller_study_is_merged_into_a_published_one():
    files = (ROOT / "configs" / "cem.yaml", ROOT / "configs" / "cem" / "laptop.yaml")
    published, smaller = load(files[0]), load(*files)
    blocks = [study.analyses["spiral_data"] for study in (published, smaller)]
    assert [(block.steps, block.batch_size) for block in blocks] == [(20000, 10000), (5000, 1000)]
    assert published.claims.keys() == smaller.claims.keys()
    assert published.analyses.keys() == smaller.analyses.keys()


CLAIM = {"where": "Figure 1", "statement": "It is so.", "at_most": 1.0}
NEAR = {"kind": "singularity", "law": {"kind": "line"}}


def about_analyses(claim=None, **page):
    raw = {"analyses": {"near": NEAR}, "claims": {"one": {**CLAIM, **(claim or {})}}}
    if page:
        raw["page"] = {"title": "T", "text": "", "analyses": [page]}
    return raw


def test_claims_and_pages_may_be_about_analyses_alone():
    claim = {"analysis": "near", "metric": "constant"}
    loaded = load(about_analyses(claim, analyses=["near"], columns=["constant", "exponent"]))
    assert loaded.claimed_analyses == ["near"]
    assert loaded.page.findings == ["near"]
    assert loaded.reproduction_slice()["analyses"][0]["block"]["kind"] == "singularity"
    assert loaded.page_slice()["analyses"][0]["title"] == "near"


@pytest.mark.parametrize(
    ("claim", "page", "expected"),
    [
        (
            {"analysis": "far", "metric": "constant"},
            {},
            "claims.one: no results of far; known analyses: near",
        ),
        (
            {"analysis": "near", "metric": "constnt"},
            {},
            "claims.one: no such result; known: ",
        ),
        (
            {"analysis": "near", "metric": "constant", "against": ["far"]},
            {},
            "claims.one: no results of far; known analyses: near",
        ),
        (
            {"analysis": "near", "metric": "constant"},
            {"analyses": ["far"], "columns": ["constant"]},
            'page.analyses[0].analyses[0] = "far": there is none; known: near',
        ),
        (
            {"analysis": "near", "metric": "constant"},
            {"analyses": ["near"], "columns": ["size"]},
            'page.analyses[0].columns[0] = "size": no such result; known: ',
        ),
    ],
    ids=["analysis", "result", "against", "row", "column"],
)
def test_what_analyses_will_not_have_is_refused(claim, page, expected):
    with pytest.raises(ConfigurationError) as caught:
        load(about_analyses(claim, **page))
    assert caught.value.problems[0].startswith(expected)


def test_analyses_need_no_experiments():
    loaded = load({"analyses": {"steep": STEEP}})
    assert loaded.datasets == {}
    assert loaded.drawn_analyses() == {"steep": ["steep"]}


def test_analyses_stand_beside_experiments():
    tiny = ROOT / "tests" / "workflow" / "tiny.yaml"
    loaded = load({**parse(tiny.read_text()), "analyses": {"steep": STEEP}})
    assert loaded.experiments
    assert loaded.analyses


def test_experiments_still_need_all_that_belongs_to_them():
    with pytest.raises(ConfigurationError) as caught:
        load({"analyses": {"steep": STEEP}, "datasets": {}})
    text = str(caught.value)
    assert "experiments: missing" in text
    assert "evaluation: missing" in text


def test_a_slice_has_all_that_decides_the_result_and_no_names():
    block = {**STEEP, "title": "Steep", "figure": "steepness"}
    found = load({"analyses": {"steep": block}}).analyse_slice("steep")
    assert found == load({"analyses": {"other": STEEP}}).analyse_slice("other")
    assert found["analysis"]["covariance"]["power"] == 0.55
    assert {"fsdiff.analyses.score_lipschitz", "fsdiff.measures.priors.convolution"} <= modules(
        found
    )
    assert build("analysis", found["analysis"]).covariance.power == 0.55


def test_a_network_is_built_when_the_number_of_channels_is_known():
    block = {"kind": "score_error", "network": NETWORK}
    found = load({"analyses": {"error": block}}).analyse_slice("error")
    analysis = build("analysis", found["analysis"])
    assert analysis.network(3).channels == 3
    assert "fsdiff.networks.fno" in modules(found)


def test_figures_show_analyses_in_order():
    analyses = {name: {**STEEP, "figure": "both"} for name in ("b", "a")}
    loaded = load({"analyses": {**analyses, "c": STEEP}})
    assert loaded.drawn_analyses() == {"both": ["b", "a"], "c": ["c"]}


WRONG = {
    "unknown kind": (
        {"steep": {"kind": "score_lipshitz"}},
        'analyses.steep.kind = "score_lipshitz": unknown; known: ',
    ),
    "unknown key": (
        {"steep": {**STEEP, "time": 1}},
        "analyses.steep.time = 1: unknown key; allowed: ",
    ),
    "missing part": (
        {"steep": {"kind": "score_lipschitz"}},
        "analyses.steep.covariance: missing; expected a block with kind: ",
    ),
    "two kinds in a figure": (
        {
            "steep": {**STEEP, "figure": "near"},
            "near": {"kind": "singularity", "law": {"kind": "line"}},
        },
        "analyses.near: its figure 'near' shows score_lipschitz; figures show analyses of one kind",
    ),
    "bad name of a figure": (
        {"steep": {**STEEP, "figure": "a/b"}},
        'analyses.steep.figure = "a/b": expected text',
    ),
    "what an analysis refuses": (
        {
            "tails": {
                "kind": "forward_truncation",
                "covariance": {"kind": "bessel"},
                "process": {"kind": "stochastic_heat"},
            }
        },
        "analyses.tails.process = stochastic_heat: treats modes differently",
    ),
}


@pytest.mark.parametrize(("analyses", "expected"), WRONG.values(), ids=WRONG)
def test_mistakes_are_explained(analyses, expected):
    found = problems(**analyses)
    assert len(found) == 1
    assert found[0].startswith(expected)

"""Blocks of inverse problems: what is refused, by name, before any job starts."""

import copy
import re
from typing import Any

import pytest

from fsdiff.stages.infer import MOST_DRAWS
from fsdiff.study import ConfigurationError, load
from fsdiff.study.figures import Figures

MODEL = {
    "prior": {"kind": "bessel"},
    "process": {"kind": "vp"},
    "prediction": {"kind": "wiener"},
    "network": {"kind": "fno", "width": 8, "modes": 4, "layers": 2},
    "levels": [{"resolution": 16, "epochs": 1}],
    "sampler": {"kind": "dpm_solver", "steps": 4},
    "samples": {"count": 2, "resolutions": [16]},
}
SENSORS = {"kind": "random_points", "number": 5, "noise": 0.1}
STUDY: dict[str, Any] = {
    "datasets": {
        "fields": {
            "source": {"kind": "random_field", "resolution": 32, "channels": ["u", "v"]},
            "split": {"train": 20, "validation": 2, "test": 8},
            "resolutions": [16, 32],
        },
        "permeability": {
            "source": {"kind": "random_field", "resolution": 16, "basis": {"kind": "cosine"}},
            "split": {"train": 8, "validation": 2, "test": 8},
            "resolutions": [16],
        },
        "flows": {
            "source": {"kind": "navier_stokes", "resolution": 16, "viscosity": 1.0e-2},
            "split": {"train": 8, "validation": 2, "test": 8},
            "resolutions": [16],
        },
    },
    "defaults": MODEL,
    "experiments": {
        "alone": {"dataset": "fields"},
        "told": {
            "dataset": "fields",
            "condition": {"kind": "kriging", "operator": SENSORS},
        },
        "darcy": {"dataset": "permeability"},
        "gauss": {"dataset": "fields", "method": {"kind": "gaussian"}},
        "adversary": {
            "dataset": "fields",
            "method": {"kind": "gano"},
            "condition": {"kind": "kriging", "operator": SENSORS},
        },
        "unconditional_adversary": {"dataset": "fields", "method": {"kind": "gano"}},
    },
    "observations": {
        "sensors": {"dataset": "fields", "operator": SENSORS, "cases": 2},
        "of_v": {
            "dataset": "fields",
            "operator": {"kind": "channel", "channel": "v", "observation": SENSORS},
        },
        "pressure": {
            "dataset": "permeability",
            "operator": {"kind": "mapped", "map": {"kind": "darcy"}, "noise": 0.1},
        },
        "exact_pressure": {
            "dataset": "permeability",
            "operator": {"kind": "mapped", "map": {"kind": "darcy"}, "noise": 0.0},
        },
        "medium": {
            "dataset": "permeability",
            "operator": {
                "kind": "mapped",
                "map": {"kind": "darcy", "link": {"kind": "level_set"}},
                "noise": 0.1,
            },
        },
        "of_flows": {"dataset": "flows", "operator": SENSORS},
        "exactly": {"dataset": "fields", "operator": {**SENSORS, "noise": 0.0}},
    },
    "references": {
        "exact": {
            "observation": "sensors",
            "reference": {"kind": "exact"},
            "draws": 40,
            "resolutions": [16],
        }
    },
    "posteriors": {
        "guided": {
            "experiment": "alone",
            "observation": "sensors",
            "guidance": {"kind": "wiener"},
            "draws": 20,
            "resolutions": [16, 32],
        },
        "told": {
            "experiment": "told",
            "observation": "sensors",
            "draws": 20,
            "resolutions": [16],
        },
    },
    "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
}


def changed(path: str, value: Any) -> dict[str, Any]:
    """The study with another value at a dotted path."""
    study = copy.deepcopy(STUDY)
    *above, last = path.split(".")
    block = study
    for key in above:
        block = block[key]
    block[last] = value
    return study


def test_a_study_of_inverse_problems_is_valid_and_knows_its_jobs():
    study = load(STUDY)
    assert study.inferred("sensors") == [16, 32]
    assert study.reference_of("sensors", 16) == ("exact", 16)
    assert study.reference_of("sensors", 32) == ("exact", 16)  # the finest that is not finer
    assert study.reference_of("of_v", 16) is None
    operator = study.observe_slice("of_v")["operator"]
    assert operator["channel"] == 1  # by its number, so that a rename runs nothing again
    assert "guidance" not in study.infer_slice("told", 16, 0)
    assert study.infer_slice("told", 16, 0)["condition"]["operator"]["number"] == 5
    adversary = load(changed("posteriors.told.experiment", "adversary"))
    assert adversary.infer_slice("told", 16, 0)["condition"]["kind"] == "kriging"
    assert "sampler" not in adversary.infer_slice("told", 16, 0)
    baselines = study.judge_baselines_slice("sensors", 16)
    assert baselines["draws"] == 20
    assert baselines["latent"] == {"kind": "random_field"}


PROBLEMS = [
    ("observations.sensors.dataset", "field", '= "field": no such data set; known: fields'),
    (
        "observations.of_v.operator.channel",
        "w",
        "observations.of_v.operator: channel = w: no such channel; known: u, v",
    ),
    (
        "observations.sensors.operator",
        {"kind": "points", "points": [[0.5, 1.5]]},
        "observations.sensors.operator: points: x = 1.5 is outside of the box",
    ),
    (
        "observations.sensors.operator",
        {"kind": "averages", "resolution": 64},
        "observations.sensors.operator: resolution 64 is finer than the data, which have 16, 32",
    ),
    ("observations.sensors.operator", {"kind": "pints"}, 'operator.kind = "pints": unknown; known'),
    ("observations.sensors.cases", 9, "observations.sensors.cases = 9: there are 8 test samples"),
    (
        "references.exact.observation",
        "pressure",
        "references.exact.reference: reference 'exact' knows the posteriors of linear maps",
    ),
    (
        "references.exact.observation",
        "of_flows",
        "references.exact.reference: source 'navier_stokes' has no law",
    ),
    (
        "references.exact.observation",
        "exactly",
        "references.exact.reference: 'random_points' has noise 0",
    ),
    (
        "references.second",
        {**STUDY["references"]["exact"]},
        'references.second.observation = "sensors": exact is its reference already',
    ),
    ("references.exact.draws", 20, "of half against half, evaluation.posterior_metrics.coverage"),
    (
        "references.exact.reference",
        {"kind": "chains", "steps": 100, "thin": 25},
        "draws = 40, and 8 chains of 4 keep 32",
    ),
    (
        "references.exact.reference",
        {"kind": "chains", "tempering": {"kind": "exchange"}},
        "references.exact.reference: tempering: an ensemble tells at which powers",
    ),
    (
        "references.exact.reference",
        {"kind": "chains", "tempering": {"kind": "simulated"}},
        'reference.tempering.kind = "simulated": expected "exchange"',
    ),
    (
        "datasets.fields.split.train",
        18,
        "the prior beside its posteriors is 18 training fields, and evaluation.posterior_metrics."
        "coverage: 'coverage' needs 19 draws",
    ),
    ("references.exact.resolutions", [64], "= 64: no data to compare with; datasets.fields has 16"),
    ("posteriors.guided.experiment", "alne", "known: alone, told, darcy, gauss, adv"),
    ("posteriors.guided.experiment", "gauss", "method gaussian draws nothing given data"),
    (
        "posteriors.told.experiment",
        "unconditional_adversary",
        "method gano draws nothing given data without a condition",
    ),
    (
        "posteriors.guided.experiment",
        "adversary",
        "guidance: draws of method gano have no such block; leave it out",
    ),
    (
        "posteriors.told",
        {**STUDY["posteriors"]["told"], "experiment": "adversary", "sampler": {"kind": "ddim"}},
        "posteriors.told.sampler: draws of method gano have no such block; leave it out",
    ),
    (
        "experiments.adversary.condition",
        {"kind": "ucos", "operator": SENSORS},
        "experiments.adversary.condition.kind = ucos combines data with the states of a diffusion",
    ),
    ("posteriors.guided.observation", "sensor", "no such observation; known: sensors"),
    (
        "posteriors.guided.observation",
        "pressure",
        "it is of permeability, and experiment alone of fields",
    ),
    (
        "posteriors.guided.resolutions",
        [64],
        "= 64: no data to compare with; datasets.fields has 16",
    ),
    ("posteriors.guided.draws", 10, "posteriors.guided.draws = 10: evaluation.posterior_metrics"),
    (
        "posteriors.guided.draws",
        MOST_DRAWS + 1,
        "draws = 1000001: expected an integer > 0 and >= 2",
    ),
    ("references.exact.draws", 10**9, "draws = 1000000000: with 2 cases they take"),
    (
        "observations.sensors.operator",
        {"kind": "random_points", "number": 10**7},
        "operator.number = 10000000: expected an integer > 0 and <= 1000000",
    ),
    (
        "observations.sensors.operator",
        {"kind": "grid_of_points", "shape": [10**4, 10**4]},
        "observations.sensors.operator: shape: 100000000 sensors; use 1000000 or fewer",
    ),
    (
        "observations.sensors.operator",
        {"kind": "modes", "highest": 1e9},
        "observations.sensors.operator: highest = 1e+09: ",
    ),
    (
        "observations.sensors",
        {"dataset": "fields", "data": "none.csv", "operator": {"kind": "points"}},
        'data = "none.csv": none.csv does not exist: say where the measurements are',
    ),
    (
        "observations.of_v.localisation",
        {"kind": "gaspari_cohn", "radius": [0.1, 0.2, 0.3]},
        "observations.of_v.localisation: radius: 3 for 2 axes",
    ),
    (
        "observations.of_v",
        {
            "dataset": "fields",
            "operator": {"kind": "modes", "highest": 2.0, "noise": 0.1},
            "localisation": {"kind": "gaspari_cohn", "radius": 0.1},
        },
        "what is observed, or a member, has no place: use kind: correlation",
    ),
    (
        "posteriors.guided.sampler",
        {"kind": "multilevel", "coarsest": 4},
        "posteriors.guided.sampler.coarsest = 4: the coarsest grid of the sampler, 4 nodes, "
        "resolves 2 fourier modes and the network has 4; use modes <= 2 or higher resolutions",
    ),
    ("posteriors.guided.shards", 21, "there are only 20 draws; use shards <= 20"),
    ("posteriors.told.experiment", "alone", "experiment alone knows nothing of data"),
    ("posteriors.guided.guidance", {"kind": "winer"}, "(did you mean 'wiener'?)"),
    ("posteriors.told.observation", "of_flows", "it is of flows, and experiment told of fields"),
]


@pytest.mark.parametrize(("path", "value", "problem"), PROBLEMS)
def test_what_cannot_be_is_refused_by_name(path, value, problem):
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        load(changed(path, value))


GUIDANCES = [
    ({"kind": "smc"}, "sensors", {"kind": "adaptive_heun"}, "smc follows the times of a sampler"),
    ({"kind": "daps"}, "sensors", {"kind": "adaptive_heun"}, "daps follows the times of a sampler"),
    (
        {"kind": "daps"},
        "sensors",
        {"kind": "multilevel", "coarsest": 8},
        "daps takes steps of its own, of which multilevel changes nothing: use the sampler inside "
        "it by itself, kind: dpm_solver",
    ),
    ({"kind": "dps"}, "exactly", None, "dps weighs data by their noise, and some have none"),
    (
        {"kind": "smc"},
        "exact_pressure",
        None,
        "data of an observation that is not linear need noise",
    ),
    ({"kind": "replacement"}, "pressure", None, "replacement needs an observation that is linear"),
    ({"kind": "wiener"}, "medium", None, "what is observed has no derivative"),
]


@pytest.mark.parametrize(("guidance", "observation", "sampler", "problem"), GUIDANCES)
def test_guidance_that_does_not_suit_is_refused(guidance, observation, sampler, problem):
    study = copy.deepcopy(STUDY)
    dataset = study["observations"][observation]["dataset"]
    guided = study["posteriors"]["guided"]
    guided |= {"guidance": guidance, "observation": observation, "resolutions": [16]}
    guided["experiment"] = "alone" if dataset == "fields" else "darcy"
    if sampler:
        guided["sampler"] = sampler
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        load(study)


def test_draws_do_not_start_from_what_a_process_has_left_of_other_fields():
    """Heat dissipation keeps the mean: draws given data had it a maximum of the data away."""
    process = {"kind": "heat_dissipation"}
    led = copy.deepcopy(STUDY)
    led["experiments"]["alone"]["process"] = process
    left = "much of the mean of the data is left at the end of heat_dissipation"
    load(led)  # starts from what is observed
    led["posteriors"]["guided"]["guidance"] = {"kind": "smc"}
    with pytest.raises(ConfigurationError, match=f"posteriors.guided.guidance: {left}"):
        load(led)
    told = copy.deepcopy(STUDY)
    told["experiments"]["told"]["process"] = process
    with pytest.raises(ConfigurationError, match=f"sampler: {left}"):
        load(told)


def test_sensors_of_an_equation_have_places_to_localise_by():
    localisation = {"kind": "gaspari_cohn", "radius": 0.1}
    study = load(STUDY, {"observations": {"pressure": {"localisation": localisation}}})
    assert study.observations["pressure"].localisation.part.radius == 0.1


def test_null_takes_a_posterior_away():
    study = load(STUDY, {"posteriors": {"told": None}})
    assert list(study.posteriors) == ["guided"]


TARGET = {"statement": "near", "metric": "crps", "resolution": 16, "at_most": 1.0}
SENSORS_PRIOR = {"baseline": "prior", "observation": "sensors"}


@pytest.mark.parametrize(
    ("target", "problem"),
    [
        ({"posterior": "tald"}, '.posterior = "tald": there is none; known: guided, told'),
        ({"posterior": "told", "resolution": 32}, ".resolution = 32: no results of told at 32"),
        ({"posterior": "told", "metric": "crpz"}, '.metric = "crpz"'),
        (
            {"posterior": "told", "metric": "crps[w]"},
            ".metric = \"crps[w]\": there is no channel 'w'; known: u, v",
        ),
        ({"posterior": "told", "against": "krig"}, '.against = "krig": there is none; known: '),
        (
            {"posterior": "guided", "resolution": 32, "against": "told"},
            ".resolution = 32: no results of told at 32; it is judged at 16",
        ),
        (
            {"posterior": "told", "against": "guided", "against_resolution": 8},
            ".against_resolution = 8: no results of guided at 8; it is judged at 16, 32",
        ),
        ({**SENSORS_PRIOR, "observation": "of_v"}, ".resolution = 16: no results of of_v at 16"),
        ({**SENSORS_PRIOR, "observation": "x"}, '.observation = "x": there is none; known: '),
        (
            {"posterior": "told", "metric": "posterior_mean", "at_most": 0.27},
            ".at_most = 0.27: as many draws of the true posterior would have 0.274: raise it",
        ),
        (
            {**SENSORS_PRIOR, "baseline": "reference", "metric": "posterior_sd", "at_most": 0.2},
            ".at_most = 0.2: as many draws of the true posterior would have 0.224: raise it",
        ),
    ],
)
def test_targets_that_no_posterior_can_meet_are_refused(target, problem):
    page = {"title": "T", "text": "", "targets": [{**TARGET, **target}]}
    with pytest.raises(ConfigurationError, match=re.escape(f"page.targets[0]{problem}")):
        load(STUDY, {"page": page})


def test_measures_are_left_out_of_observations_with_too_few_cases():
    ranks = {"crps": {"kind": "crps"}, "ranks": {"kind": "calibration", "bins": 4}}
    study = changed("evaluation.posterior_metrics", ranks)
    study["datasets"]["fields"]["split"]["test"] = 30
    with pytest.raises(ConfigurationError, match=r"ranks: 'calibration' needs 20 cases or more"):
        load(study)
    study["observations"]["of_v"]["cases"] = 20
    read = load(study)
    assert list(read.judge_posterior_slice("told", 16, 0)["posterior_metrics"]) == ["crps"]
    assert list(read.posterior_metrics("of_v")) == ["crps", "ranks"]
    assert read.left_out("sensors") == [("ranks", 20, 2)]
    page = {"title": "T", "text": "", "targets": [{**TARGET, "metric": "calibration"}]}
    page["targets"][0]["posterior"] = "told"
    with pytest.raises(ConfigurationError, match=r'targets\[0\].metric = "calibration"'):
        load(study, {"page": page})


def test_targets_are_told_with_the_words_of_posteriors():
    ratio = {**TARGET, "posterior": "guided", "resolution": 32, "against": "kriging"}
    mean = {**TARGET, "posterior": "told", "metric": "posterior_mean"}
    page = {"title": "T", "text": "", "targets": [ratio, {**TARGET, **SENSORS_PRIOR}, mean]}
    told = load(STUDY, {"page": page}).page_slice()
    assert told["chance"] == [0, 0, pytest.approx((1 / 20 + 1 / 40) ** 0.5)]
    assert [item["against"] for item in told["page"]["targets"]] == ["kriging", None, None]
    assert "crps" in [word["name"] for word in told["posterior_words"]]
    assert "posterior_words" not in load(STUDY, {"page": {**page, "targets": []}}).page_slice()


def test_figures_of_a_page_that_are_not_drawn_are_refused():
    """By the check alone, without the workflow; what it draws is known down to posteriors."""
    drawn = Figures(load(STUDY))
    page = {"title": "T", "text": "", "figures": [{"path": name} for name in drawn.pictures]}
    load(STUDY, {"page": page})
    observation, n = drawn.observations_drawn[0]
    wrong = f"posteriors/{observation}/field-{n}.png"
    page["figures"].append({"path": wrong})
    message = (
        f'page.figures[{len(drawn.pictures)}].path = "{wrong}": the study draws no such figure'
    )
    with pytest.raises(ConfigurationError, match=re.escape(message)) as caught:
        load(STUDY, {"page": page})
    assert f"posteriors/{observation}/fields-{n}.png" in str(caught.value)

"""Searches for hyperparameters: what they consist of, and how well a coarse grid predicts."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import rankdata

from fsdiff import study as config
from fsdiff.reports import ranking
from fsdiff.reports.plotting.ranking import coarse_against_fine
from fsdiff.study import strict_yaml

STUDY = """
datasets:
  waves:
    source: {kind: random_field, resolution: 32}
    split: {train: 8, validation: 2, test: 8}
    resolutions: [8, 16, 32]
defaults:
  dataset: waves
  process: {kind: vp}
  prediction: {kind: wiener}
  network: {kind: fno, modes: 4}
  levels: [{resolution: 8, epochs: 1}]
  sampler: {kind: ddim}
  samples: {count: 4, resolutions: [8, 16, 32], batch_size: 2}
experiments:
  one: {prior: {kind: bessel, power: 0.6}, seeds: [0, 3], trajectory: {every: 1}}
searches:
  table:
    experiment: one
    parameters: {network.modes: [2, 4], level.learning_rate: [1e-3, 1.0e-5], prior.power: [0.6, 1]}
    coarse: {resolution: 8, epochs: 2}
    fine: {resolution: 16, epochs: 3, batch_size: 4}
    metric: one_point_w1
evaluation:
  metrics:
    one_point: {kind: one_point}
"""


def changed(**search):
    raw = strict_yaml.parse(STUDY)
    raw["searches"]["table"] |= search
    return raw


def test_a_search_consists_of_all_combinations_on_both_grids():
    study = config.load(changed())
    names = study.candidates("table")
    assert list(study.runs) == ["one", *names]
    assert len(names) == 2 * 2**3
    assert names[0] == "table/modes~2/learning_rate~0.001/power~0.6/at~8"
    assert names[-1] == "table/modes~4/learning_rate~1e-05/power~1/at~16"
    last = study.runs[names[-1]]
    assert last.network.modes == 4
    assert last.prior.power == 1.0
    assert [level.plain() for level in last.levels] == [
        {"resolution": 16, "epochs": 3, "batch_size": 4, "learning_rate": 1e-5, "patience": None}
    ]
    samples = {"count": 4, "resolutions": [16], "batch_size": 2, "shards": 1}
    assert last.samples.plain() == samples
    assert last.seeds == (0, 3)
    assert last.trajectory is None
    assert last.title == "modes 4, learning rate 1e-05, power 1, at 16"
    assert study.evaluated(names[0]) == [8]


def test_a_search_takes_of_the_defaults_what_its_method_has():
    raw = changed(parameters={"network.modes": [2, 4]})
    raw["experiments"]["one"] |= {"method": {"kind": "gano", "modes": 4}}
    raw["experiments"]["one"].pop("trajectory")
    study = config.load(raw)
    assert {study.runs[name].method.kind for name in study.candidates("table")} == {"gano"}
    assert {study.runs[name].sampler for name in study.candidates("table")} == {None}


def test_searches_share_weights_with_experiments_and_each_other():
    values = {"network.modes": [2, 4]}
    raw = changed(parameters=values, coarse={"resolution": 8, "epochs": 1})
    raw["searches"]["again"] = {**raw["searches"]["table"], "fine": {"resolution": 32, "epochs": 1}}
    study = config.load(raw)
    assert study.trained_as("table/modes~4/at~8", 8) == "one"
    assert study.trained_as("again/modes~2/at~8", 8) == "table/modes~2/at~8"
    assert study.trained_as("again/modes~2/at~32", 32) == "again/modes~2/at~32"


def test_fewer_samples_and_other_seeds():
    study = config.load(changed(count=2, seeds=[5]))
    item = study.runs[study.candidates("table")[0]]
    assert (item.samples.count, item.seeds) == (2, (5,))


@pytest.mark.parametrize(
    ("search", "problem"),
    [
        (
            {"experiment": "oen"},
            'searches.table.experiment = "oen": no such experiment; known: one',
        ),
        (
            {"fine": {"resolution": 8, "epochs": 1}},
            "searches.table.fine.resolution = 8: use more than the coarse level has",
        ),
        (
            {"parameters": {"modes": [2, 4]}},
            "searches.table.parameters.modes = [2, 4]: name block and key, such as network.modes",
        ),
        (
            {"parameters": {"prior.power": [1, 2], "process.power": [1, 2]}},
            "searches.table.parameters: two keys are the same after the dot",
        ),
        (
            {"parameters": {"seeds.first": [1, 2]}},
            "searches.table.parameters.seeds.first = [1, 2]: no block that is searched; known:",
        ),
        (
            {"parameters": {"samples.count": [2, 4]}},
            "searches.table.parameters.samples.count = [2, 4]: no block that is searched; known:",
        ),
        (
            {"parameters": {"level.resolution": [8, 16]}},
            "searches.table.parameters.level.resolution = [8, 16]: resolutions are those of coarse",
        ),
        (
            {"parameters": {"prior.seed": [1, 2], "prior.kind": ["fno", "combined"]}},
            "searches.table.parameters: tables call something else 'seed': it cannot be searched",
        ),
        (
            {"parameters": {"network.modes": [2]}},
            "searches.table.parameters.network.modes = [2]: there is nothing to choose from",
        ),
        (
            {"parameters": {"network.modes": [2, 2]}},
            "searches.table.parameters.network.modes = [2, 2]: name each one once",
        ),
        (
            {"parameters": {"network.modse": [2, 4]}},
            "experiments.table/modse~2/at~8.network.modse = 2: unknown key",
        ),
        (
            {"parameters": {"network.modes": [2, 40]}},
            "experiments.table/modes~40/at~8.network.modes = 40: the coarsest data, 8 nodes",
        ),
        (
            {"coarse": {"resolution": 9, "epochs": 1}, "parameters": {"network.modes": [2, 4]}},
            "experiments.table/modes~2/at~9.levels[0].resolution = 9: not a resolution of",
        ),
        (
            {"metric": "validation_loss"},
            'searches.table.metric = "validation_loss": does not compare where prior.power differs',
        ),
        ({"metirc": "x"}, 'searches.table.metirc = "x": unknown key; allowed: experiment'),
    ],
)
def test_searches_that_cannot_be_are_refused(search, problem):
    with pytest.raises(config.ConfigurationError) as caught:
        config.load(changed(**search))
    assert caught.value.problems[0].startswith(problem)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"resolution": 8}, "claims.it: the result of table is that at 16, and of no epoch"),
        ({"epoch": 2}, "claims.it: the result of table is that at 16, and of no epoch"),
        ({}, None),
    ],
)
def test_claims_may_be_about_a_search(changes, problem):
    claim = {"where": "here", "statement": "True.", "metric": "kendall_tau", "at_least": 0}
    claim |= {"experiment": "table", "resolution": 16, **changes}
    raw = changed() | {"claims": {"it": claim}}
    if problem is None:
        described = config.load(raw).reproduction_slice()["searches"]
        assert described == [{"experiment": "table", "resolution": 16}]
        return
    with pytest.raises(config.ConfigurationError) as caught:
        config.load(raw)
    assert caught.value.problems == (problem,)


def test_null_takes_away_what_another_file_has():
    raw = changed()
    raw["experiments"]["two"] = None
    raw["searches"]["table"] = None
    assert list(config.load(raw).runs) == ["one"]


# Ranking


def runs_and_rows(values):
    """Runs of candidates a, b, … on grids 8 and 16 for seeds 0 and 1, and their results."""
    runs, rows = [], []
    for at, table in zip((8, 16), values, strict=True):
        for name, by_seed in table.items():
            for seed, value in enumerate(by_seed):
                runs.append({"point": {"name": name, "at": at}, "seed": seed})
                rows.append({"w1": value, "training_seconds": 10.0 * at + seed})
    return runs, rows


COARSE = {"a": (3.0, 1.0), "b": (5.0, 7.0), "c": (1.0, 1.0)}
FINE = {"a": (30.0, 30.0), "b": (50.0, 40.0), "c": (33.0, 33.0)}


def test_combinations_are_compared_best_first():
    table = ranking.compared(ranking.outcomes(*runs_and_rows((COARSE, FINE)), "w1"))
    assert list(table.index) == ["c", "a", "b"]
    assert table["mean", 8].tolist() == [1.0, 2.0, 6.0]
    assert table["mean", 16].tolist() == [33.0, 30.0, 45.0]
    assert table["rank", 16].tolist() == [2, 1, 3]
    np.testing.assert_allclose(table["std", 8], [0.0, np.sqrt(2), np.sqrt(2)])
    assert table.loc["b", ("low", 16)] == 40.0
    assert table.loc["b", ("high", 16)] == 50.0
    assert table["seconds", 8].tolist() == [80.5] * 3


def test_agreement_is_told_for_means_and_for_each_seed():
    means, *seeds = ranking.agreements(ranking.outcomes(*runs_and_rows((COARSE, FINE)), "w1"))
    assert [item["seed"] for item in (means, *seeds)] == [None, 0, 1]
    assert means["kendall_tau"] == pytest.approx(1 / 3)  # of three pairs two agree
    assert means["regret"] == pytest.approx(33 / 30)
    assert means["candidates"] == 3


def test_candidates_that_are_all_equal_have_no_ranks():
    found = ranking.agreement([1.0, 1.0, 1.0], [1.0, 2.0, 3.0])
    assert found["kendall_tau"] is found["kendall_p_value"] is found["spearman_rho"] is None
    assert found["regret"] == 1.0
    both = ranking.outcomes(*runs_and_rows((FINE, FINE)), "w1").assign(value=1.0)
    table, (means, *_) = ranking.compared(both), ranking.agreements(both)
    (axes,) = coarse_against_fine(table, means, metric="w1").axes
    assert axes.get_title(loc="left").startswith("no ranks: all are equal\nthe best at")


@pytest.mark.parametrize("fine", [[0.0, 1.0, 2.0], [-1.0, 1.0, 2.0]])
def test_values_that_are_not_positive_have_no_regret(fine):
    assert ranking.agreement([3.0, 1.0, 2.0], fine)["regret"] is None
    rows = [3.0, 3.0, 1.0, 1.0, 2.0, 2.0, *(value for value in fine for _ in range(2))]
    both = ranking.outcomes(*runs_and_rows((COARSE, FINE)), "w1").assign(value=rows)
    table, (means, *_) = ranking.compared(both), ranking.agreements(both)
    (axes,) = coarse_against_fine(table, means, metric="w1").axes
    assert axes.get_title(loc="left").endswith("is not the best at 16")
    assert axes.get_xscale() == axes.get_yscale() == "linear"


def test_the_p_value_is_the_share_of_orders_that_agree_as_much():
    """By counting all orders of five, none of which is likelier than another."""
    coarse = [1.0, 2.0, 3.0, 4.0, 5.0]
    fine = [10.0, 12.0, 11.0, 13.0, 20.0]

    def tau(order):
        pairs = [(i, j) for j in range(5) for i in range(j)]
        return sum(np.sign(order[j] - order[i]) for i, j in pairs) / len(pairs)

    found = ranking.agreement(coarse, fine)
    assert found["kendall_tau"] == pytest.approx(tau(fine))
    taus = [tau(order) for order in permutations(range(5))]
    share = np.mean([other >= tau(fine) - 1e-12 for other in taus])
    assert found["kendall_p_value"] == pytest.approx(share)
    expected = np.corrcoef(rankdata(coarse), rankdata(fine))[0, 1]
    assert found["spearman_rho"] == pytest.approx(expected)
    assert found["regret"] == 1.0


def test_a_metric_that_was_not_evaluated_is_named():
    runs, rows = runs_and_rows((COARSE, FINE))
    with pytest.raises(ValueError, match="no 'w2' to rank by; known: training_seconds, w1"):
        ranking.outcomes(runs, rows, "w2")


def test_the_figure_sets_one_grid_against_the_other():
    found = ranking.outcomes(*runs_and_rows((COARSE, FINE)), "w1")
    figure = coarse_against_fine(ranking.compared(found), ranking.agreements(found)[0], metric="w1")
    (axes,) = figure.axes
    handles, labels = axes.get_legend_handles_labels()
    ringed = next(line for line in axes.lines if line.get_markersize() == 11)
    assert ringed.get_xydata()[0].tolist() == [1.0, 33.0]
    places = [handle[0].get_xydata()[0].tolist() for handle in handles]
    assert places == [[1.0, 33.0], [2.0, 30.0], [6.0, 45.0]]
    assert labels == ["name c (places 1, 2)", "name a (places 2, 1)", "name b (places 3, 3)"]


def test_a_candidate_without_a_number_is_the_last():
    runs = [{"point": {"rate": rate, "at": n}, "seed": 0} for n in (8, 16) for rate in (1, 2, 3)]
    values = [0.3, float("nan"), 0.1, 0.2, float("nan"), 0.4]
    rows = [{"w1": value, "training_seconds": 1.0} for value in values]
    found = ranking.compared(ranking.outcomes(runs, rows, "w1"))
    assert found[("rank", 8)].to_dict() == {"3": 1, "1": 2, "2": 3}


def test_a_candidate_that_failed_is_last_on_both_grids():
    rows = [1.0, 2.0, 3.0, 4.0]
    failed = ranking.agreement([*rows, float("nan")], [*rows, float("nan")])
    assert failed == ranking.agreement([*rows, 5.0], [*rows, 5.0])
    assert ranking.agreement([float("nan"), 2.0], [1.0, float("nan")])["regret"] is None
    assert ranking.agreement([float("nan"), 2.0], [float("nan"), 1.0])["regret"] == 1.0


def test_a_mean_over_some_seeds_is_no_mean():
    found = ranking.outcomes(*runs_and_rows((COARSE, FINE)), "w1")
    found.loc[found.index[0], "value"] = float("nan")
    table, (means, *_) = ranking.compared(found), ranking.agreements(found)
    assert table["mean"].isna().sum().sum() == 1
    assert means["candidates"] == len(table)

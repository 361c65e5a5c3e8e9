"""What metrics would refuse after training is refused when a configuration is read."""

import copy

import pytest

from fsdiff.metrics.densities import OnePointDensity
from fsdiff.study import ConfigurationError, load, strict_yaml

STUDY = """
datasets:
  media:
    source: {kind: random_field, resolution: 16, channels: [permeability, pressure]}
    split: {train: 8, validation: 2, test: 8}
    resolutions: [8, 16]
experiments:
  one:
    dataset: media
    prior: {kind: bessel, power: 0.6}
    process: {kind: vp}
    prediction: {kind: wiener}
    network: {kind: fno, width: 4, modes: 2, layers: 1, projection: 4}
    levels: [{resolution: 8, epochs: 4}]
    sampler: {kind: ddim, steps: 2}
    samples: {count: 4, resolutions: [8, 16]}
    trajectory: {every: 2}
searches:
  table:
    experiment: one
    parameters: {network.modes: [2, 4]}
    coarse: {resolution: 8, epochs: 1}
    fine: {resolution: 16, epochs: 1}
    metric: one_point_w1
evaluation:
  metrics:
    values: {kind: one_point}
    mmd: {kind: rbf_mmd}
    covariance: {kind: autocovariance}
claims:
  first:
    {where: here, statement: Yes., experiment: one, resolution: 8, metric: rbf_mmd, at_most: 1}
"""


def study(*edits):
    """The study with (path, value) edits."""
    raw = copy.deepcopy(strict_yaml.parse(STUDY))
    for path, value in edits:
        *steps, last = path.split("/")
        block = raw
        for step in steps:
            block = block[step]
        block[last] = value
    return raw


@pytest.mark.parametrize(
    ("edits", "problem"),
    [
        (
            [("experiments/one/samples/count", 1)],
            "experiments.one.samples.count = 1: evaluation.metrics.mmd needs at least 2 fields; "
            "use count >= 2",
        ),
        (
            [("experiments/one/trajectory", {"every": 2, "count": 1})],
            "experiments.one.trajectory.count = 1: evaluation.metrics.mmd needs at least 2 fields; "
            "use count >= 2",
        ),
        (
            [("datasets/media/split/test", 3), ("experiments/one/samples/count", 2)],
            "datasets.media.split.test = 3: half of them are the reference, and "
            "evaluation.metrics.mmd needs at least 2 fields; use test >= 4",
        ),
        (
            [("searches/table/count", 1)],
            "experiments.table/modes~2/at~8.samples.count = 1: evaluation.metrics.mmd needs at "
            "least 2 fields; use count >= 2",
        ),
        (
            [("evaluation/metrics/more", {"kind": "rbf_mmd", "permutations": 9})],
            "evaluation.metrics.more: gives the same results as 'mmd', which is of kind rbf_mmd",
        ),
        (
            [("evaluation/metrics/mmd/permutations", 10**9)],
            "evaluation.metrics.mmd.permutations = 1000000000: expected an integer >= 0 and",
        ),
        (
            [("evaluation/metrics/w2", {"kind": "sliced_wasserstein", "projections": 10**9})],
            "evaluation.metrics.w2.projections = 1000000000: expected an integer >= 1 and",
        ),
        (
            [
                (
                    "evaluation/metrics/patches",
                    {"kind": "patch_sliced_wasserstein", "divisions": 999, "points": 9},
                )
            ],
            "evaluation.metrics.patches.divisions = 999: patches of 9 points are 8991 nodes",
        ),
        (
            [("searches/table/metric", "one_point_w2")],
            'searches.table.metric = "one_point_w2": no such result; known: one_point_w1, ',
        ),
        (
            [("searches/table/metric", "energy_distance[pressure]")],
            'searches.table.metric = "energy_distance[pressure]": no such result; known: one_point',
        ),
        (
            [("searches/table/metric", "one_point_w1[presure]")],
            'searches.table.metric = "one_point_w1[presure]": no such channel; known: '
            "one_point_w1[permeability], one_point_w1[pressure]",
        ),
        (
            [
                ("searches/table/metric", "one_point_w1[u]"),
                ("datasets/media/source", {"kind": "random_field", "resolution": 16}),
            ],
            'searches.table.metric = "one_point_w1[u]": the data have one channel; use one_poi',
        ),
        (
            [("searches/table/metric", "one_point_kurtosis")],
            'searches.table.metric = "one_point_kurtosis": is best where it is '
            "one_point_kurtosis_reference, not where it is least; choose a distance",
        ),
        (
            [("searches/table/metric", "training_seconds_at_99")],
            'searches.table.metric = "training_seconds_at_99": no such result; known: one_point',
        ),
        (
            [("claims/first/metric", "rbf_mdm")],
            'claims.first.metric = "rbf_mdm": no such result; known: one_point_w1, ',
        ),
        (
            [("claims/first/against", ["one"]), ("claims/first/against_metric", "vendi")],
            'claims.first.against_metric = "vendi": no such result; known: one_point_w1, ',
        ),
        (
            [
                ("evaluation/metrics/scattering", {"kind": "frechet_scattering", "scales": 2}),
                ("claims/first/metric", "frechet_scattering_limit"),
            ],
            # Of each channel 1, 8 and 16 features of orders zero, one and two.
            'claims.first.metric = "frechet_scattering_limit": takes 201 samples or more, and 4 '
            "are drawn of one",
        ),
        (
            [("claims/first/metric", "validation_loss_final"), ("claims/first/resolution", 16)],
            'claims.first.metric = "validation_loss_final": training is not validated at 16; add '
            "it to training.validate_at",
        ),
        (
            [("experiments/one/training", {"validate_at": [16, 9]})],
            "experiments.one.training.validate_at[1] = 9: not a resolution of datasets.media, "
            "which has 8, 16",
        ),
    ],
)
def test_what_metrics_would_refuse_is_refused_before_any_job(edits, problem):
    with pytest.raises(ConfigurationError) as caught:
        load(study(*edits))
    assert any(line.startswith(problem) for line in caught.value.problems), caught.value.problems


def test_batches_smaller_than_the_number_of_processes_are_refused():
    edits = [("parallel", {"processes": 9}), ("searches", {})]
    with pytest.raises(ConfigurationError) as caught:
        load(study(*edits))
    assert caught.value.problems == (
        "experiments.one.levels[0]: batches of 8 samples cannot be divided among "
        "parallel.processes = 9; use batch_size and split.train >= 9",
    )


def test_grids_on_which_a_metric_is_nothing_are_refused(monkeypatch):
    """Where there are data: samples on 32 nodes are compared with none."""

    def refuse(self, basis, n):
        if n != 8:
            raise ValueError(f"is nothing on {n} nodes of a {basis.kind} basis")

    monkeypatch.setattr(OnePointDensity, "check_grid", refuse)
    with pytest.raises(ConfigurationError) as caught:
        load(study(("experiments/one/samples/resolutions", [8, 16, 32]), ("searches", {})))
    assert caught.value.problems == (
        "experiments.one.samples.resolutions[1] = 16: evaluation.metrics.values is nothing on 16 "
        "nodes of a fourier basis",
    )


LINE = {"kind": "cosine", "dimension": 1}
MIXED = {"kind": "by_channel", "bases": [{"kind": "cosine"}, {"kind": "sine"}]}


@pytest.mark.parametrize(
    ("basis", "metric", "problem"),
    [
        (LINE, {"kind": "increments"}, "takes differences of neighbouring nodes; use 2 nodes or m"),
        (
            LINE,
            {"kind": "two_sample_tests", "sizes": [2], "kernels": ["identity", "derivative"]},
            "takes differences of neighbouring nodes for the kernel derivative; use 2 nodes or mor",
        ),
        (MIXED, {"kind": "spectrum"}, "1 nodes resolve no by_channel mode; use more"),
    ],
)
def test_single_nodes_are_refused_by_measures_of_what_is_between_them(basis, metric, problem):
    experiment = {
        "dataset": "media",
        "method": {"kind": "gaussian"},
        "samples": {"count": 4, "resolutions": [8]},
    }
    raw = study(
        ("datasets/media/source/basis", basis),
        ("datasets/media/resolutions", [1, 8, 16]),
        ("experiments", {"one": experiment}),
        ("evaluation/metrics", {"between": metric}),
    )
    del raw["searches"], raw["claims"]
    load(raw)
    experiment["samples"]["resolutions"] = [1, 8]
    with pytest.raises(ConfigurationError) as caught:
        load(raw)
    (found,) = caught.value.problems
    expected = f"experiments.one.samples.resolutions[0] = 1: evaluation.metrics.between {problem}"
    assert found.startswith(expected)


def test_results_of_channels_and_costs_can_rank_and_be_claimed():
    for name in ("one_point_w1[pressure]", "loss", "training_seconds_at_8", "validation_loss"):
        loaded = load(study(("searches/table/metric", name), ("claims/first/metric", name)))
        assert loaded.searches["table"].metric == name


def test_claims_about_searches_are_about_ranks():
    edits = [("claims/first/experiment", "table"), ("claims/first/resolution", 16)]
    assert load(study(*edits, ("claims/first/metric", "kendall_tau"))).claims
    with pytest.raises(ConfigurationError, match=r'claims.first.metric = "loss": no such result'):
        load(study(*edits, ("claims/first/metric", "loss")))

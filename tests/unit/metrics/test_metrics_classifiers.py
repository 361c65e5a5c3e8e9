"""Classifiers of labelled data, and what is measured in their features."""

import math

import numpy as np
import pytest
import torch

from fsdiff import study
from fsdiff.data import hierarchy, json_files, storage, tensors
from fsdiff.data.statistics import Statistics
from fsdiff.jobs.failures import DamagedError
from fsdiff.metrics.class_proportions import ClassProportions, chi_squared
from fsdiff.metrics.classifiers import Classifiers, Seen
from fsdiff.metrics.frechet import frechet_distance, has_limit, in_the_limit
from fsdiff.metrics.frechet_classifier import (
    FrechetClassifier,
    kernel_distance,
    neighbourhoods,
)
from fsdiff.metrics.posterior.base import Cases
from fsdiff.metrics.posterior.same_class import SameClass
from fsdiff.networks.classifier import Classifier
from fsdiff.spaces.bases import CosineBasis
from fsdiff.stages.classify import classify
from fsdiff.stages.judge_posteriors import PosteriorJudge
from fsdiff.stages.observed import Observed
from fsdiff.stages.references import evaluate_references
from fsdiff.study import strict_yaml
from fsdiff.training.classifier import ClassifierOptions, moved, moves_of, train_classifier

STUDY = """
datasets:
  lines:
    source:
      kind: gaussian_mixture
      basis: {kind: cosine, dimension: 1}
      resolution: 16
      means: [[-2.0, 2.0], [2.0, -2.0]]
      covariance: {kind: rbf, length: 0.1}
    split: {train: 96, validation: 2, test: 48}
    resolutions: [16]
experiments:
  copies:
    dataset: lines
    method: {kind: gaussian}
    samples: {count: 24, resolutions: [16]}
    seeds: [0]
evaluation:
  metrics:
    frechet: {kind: frechet_classifier}
    classes: {kind: class_proportions}
  classifier: {epochs: 8, batch_size: 16, count: 2}
"""


def normal(count: int, deviations: torch.Tensor, seed: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, len(deviations), generator=random, dtype=torch.float64)
    return drawn * deviations


def whitened(x: torch.Tensor) -> torch.Tensor:
    """The same points with mean zero and covariance one, exactly."""
    x = x - x.mean(0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(x.T.cov())).T


def test_the_distance_of_gaussians_is_that_of_wasserstein():
    x = whitened(normal(50, torch.ones(3).double(), 0))
    scales, shift = torch.tensor([2.0, 0.5, 3.0]).double(), torch.tensor([1.0, 0.0, -2.0]).double()
    # Of commuting covariances: |shift|² + Σ (σ − τ)².
    expected = 5.0 + float((scales - 1).square().sum())
    assert frechet_distance(x, x * scales + shift) == pytest.approx(expected, rel=1e-10)
    # Of others a rotation of one and the same: the closed form of two dimensions.
    a, b = torch.diag(torch.tensor([3.0, 1.0]).double()), torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    y = whitened(normal(50, torch.ones(2).double(), 1))
    first, second = (y @ torch.linalg.cholesky(c.double()).T for c in (a, b))
    product = a @ b.double()
    root = math.sqrt(float(product.trace()) + 2 * math.sqrt(float(torch.linalg.det(product))))
    assert frechet_distance(first, second) == pytest.approx(4 + 3 - 2 * root, rel=1e-10)
    assert frechet_distance(second, first) == pytest.approx(frechet_distance(first, second))


def test_what_falls_like_the_number_of_fields_has_no_part_in_the_limit():
    x = torch.arange(64.0).view(64, 1)
    assert in_the_limit(lambda x, y: 3 + 5 / len(x), x, x) == pytest.approx(3)
    sets = [normal(400, torch.ones(20).double(), seed) for seed in (0, 1)]
    plain = frechet_distance(*sets)
    # The bias of two sets of N is about (d² + d)/(2N) of covariances and 2d/N of means.
    assert abs(in_the_limit(frechet_distance, *sets)) < plain / 4


@pytest.mark.parametrize(("count", "excess"), [(132, 0.0), (128, None), (64, 0.25), (32, 0.6)])
def test_the_limit_of_equal_laws_is_zero_where_covariances_are_regular(count, excess):
    """And a part of the distance itself where those of a fourth of the fields are not."""
    plain, limits = [], []
    for seed in range(5):
        sets = [normal(count, torch.ones(32).double(), 2 * seed + i) for i in (0, 1)]
        plain.append(frechet_distance(*sets))
        limits.append(in_the_limit(frechet_distance, *sets))
    assert has_limit(sets[0]) == (excess == 0)
    if excess is not None:
        assert sum(limits) / sum(plain) == pytest.approx(excess, abs=0.06)


def test_the_kernel_distance_is_zero_on_average_and_that_of_moments_up_to_the_third():
    found = [
        kernel_distance(*(normal(30, torch.ones(2).double(), 2 * i + j) for j in (0, 1)))
        for i in range(200)
    ]
    assert abs(np.mean(found)) < 3 * np.std(found) / math.sqrt(len(found))
    # In one dimension (xy + 1)³ has the features 1, √3 x, √3 x², x³; of points ±1 and ±a only the
    # second moments differ.
    x = torch.tensor([-1.0, 1.0]).double().repeat(500)[:, None]
    a, y = 2.0, 2.0 * torch.tensor([-1.0, 1.0]).double().repeat(500)[:, None]
    assert kernel_distance(x, y) == pytest.approx(3 * (a**2 - 1) ** 2, rel=0.05)


def test_neighbourhoods_tell_what_is_missing_from_what_is_made_up():
    line = torch.arange(41).double()[:, None]
    assert neighbourhoods(line, line) == (1.0, 1.0, 1.0)
    precision, recall, coverage = neighbourhoods(line[:20], line)
    # Balls reach to the fifth neighbour: five nodes beyond an end, and three in between.
    assert (precision, recall, coverage) == (1.0, 25 / 41, 23 / 41)
    assert neighbourhoods(line, line[:20])[:2] == (recall, precision)
    assert neighbourhoods(line + 100, line) == (0.0, 0.0, 0.0)


def test_chi_squared_of_counts():
    table = torch.tensor([[10.0, 20.0, 0.0], [20.0, 10.0, 0.0]])
    # Pearson's statistic of a 2 × 2 table: Σ (15 − 10)²/15 over four cells.
    statistic, p_value = chi_squared(*table)
    assert statistic == pytest.approx(4 * 25 / 15)
    assert p_value == pytest.approx(math.erfc(math.sqrt(statistic / 2)))
    assert chi_squared(table[0], 3 * table[0]) == (pytest.approx(0, abs=1e-12), pytest.approx(1))
    assert chi_squared(table[0], table[0] * 0 + torch.tensor([9.0, 0, 0]))[1] < 0.001
    assert chi_squared(torch.tensor([4.0]), torch.tensor([7.0])) == (pytest.approx(0), 1.0)


def test_proportions_are_those_of_the_most_probable_classes():
    certain = torch.eye(2, dtype=torch.float64)
    x = Seen((), certain[torch.tensor([0] * 10 + [1] * 20)])
    y = Seen((), 0.2 + 0.6 * certain[torch.tensor([0] * 20 + [1] * 10)])
    measure = ClassProportions().by(Classifiers([Classifier(1, [8], 2)], (1, 8), 0.75))
    row = measure.compare_seen(x, y)
    assert row["class_chi_squared"] == pytest.approx(4 * 25 / 15)
    assert row["confidence_w1"] == pytest.approx(0.2)
    assert row["classifier_accuracy"] == 0.75
    assert tuple(row) == measure.results


def test_fields_are_moved_by_whole_nodes():
    field = torch.arange(12.0).view(1, 1, 3, 4).expand(2, 1, 3, 4)
    moves = torch.tensor([[1, 0], [0, -1]])
    down, left = moved(field, moves, ["periodic", "neumann"])[:, 0]
    torch.testing.assert_close(down, field[0, 0].roll(1, 0))
    torch.testing.assert_close(left[:, :3], field[0, 0, :, 1:])
    torch.testing.assert_close(left[:, 3], field[0, 0, :, 3])
    drawn = moves_of(2000, [28, 10], 0.07)
    assert drawn.amin(0).tolist() == [-2, -1]
    assert drawn.amax(0).tolist() == [2, 1]
    assert abs((drawn[:, 0] == 2).double().mean() - 0.2) < 0.04


@pytest.mark.parametrize("grid", [(7,), (28, 28), (64, 16), (8, 8, 8)])
def test_classifiers_take_any_grid(grid):
    fields = torch.randn(3, 2, *grid)
    network = Classifier(2, grid, 5)
    assert network(fields).shape == (3, 5)
    torch.testing.assert_close(network.logits(network.features(fields)), network(fields))


def test_training_depends_on_seed_and_number_alone():
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(48) % 2
    fields = torch.randn(48, 1, 12, generator=random) + 2 * (2 * labels - 1)[:, None, None]
    options = ClassifierOptions(epochs=8, batch_size=16)
    torch.manual_seed(5)
    first = train_classifier(fields, labels, ["neumann"], options)
    after = torch.rand(1)
    again = train_classifier(fields, labels, ["neumann"], options)
    other = train_classifier(fields, labels, ["neumann"], options, number=1)
    assert (first(fields).argmax(1) == labels).all()
    assert torch.equal(first(fields), again(fields))
    assert not torch.equal(first(fields), other(fields))
    torch.manual_seed(5)
    assert torch.equal(torch.rand(1), after)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The study's data with labels, and what trains classifiers of it."""
    folder = tmp_path_factory.mktemp("lines")
    loaded = study.load(strict_yaml.parse(STUDY))
    item = loaded.datasets["lines"]
    shard = item.source.part.generate(range(item.samples), 0)
    provenance = storage.Provenance({}, "code", 0)
    storage.write(shard, folder / "shard.nc", title="shard", provenance=provenance)
    counts = item.split.plain()
    merged = hierarchy.merge([folder / "shard.nc"], split=counts, expected=provenance)
    merged = merged.merge(hierarchy.statistics(merged, item.basis), combine_attrs="override")
    storage.write(merged, folder / "16.nc", title="data", provenance=provenance)
    job = {"config": loaded.classify_slice("lines", 16), "code": "code"}
    classify(job, data=folder / "16.nc", output=folder / "16.networks.safetensors")
    return loaded, folder


def test_classifiers_learn_what_the_data_say(made):
    _, folder = made
    file = folder / "16.networks.safetensors"
    found = Classifiers.read(file)
    # Their means are four deviations or more from each other at either end.
    assert found.accuracy > 0.95
    assert len(found.networks) == 2
    assert found.shape == (1, 16)
    assert tensors.read_header(file).about["fsdiff_fingerprint"] == "code"
    seen = found(torch.zeros(3, 1, 16), CosineBasis(1))
    torch.testing.assert_close(seen.probabilities.sum(1), torch.ones(3).double())
    assert [features.shape for features in seen.features] == [(3, 128)] * 2


def test_real_data_are_nearer_than_noise_in_features(made):
    loaded, folder = made
    config = loaded.reference_slice("lines", 16, loaded.datasets["lines"].split.test // 2)
    evaluate_references(
        {"config": config, "code": "code"},
        data=folder / "16.nc",
        output=folder / "rows.json",
        classifiers=folder / "16.networks.safetensors",
    )
    rows = {row["row"]: row for row in json_files.read(folder / "rows.json")["rows"]}
    assert rows["real"]["frechet_classifier"] < rows["white_noise"]["frechet_classifier"] / 3
    assert rows["real"]["frechet_classifier"] < rows["surrogate"]["frechet_classifier"]
    assert rows["real"]["confidence_w1"] < rows["surrogate"]["confidence_w1"]
    assert rows["real"]["class_p_value"] > 0.01


def test_measures_want_classifiers_of_fields_like_these(made):
    _, folder = made
    basis, fields = CosineBasis(1), torch.randn(9, 1, 16)
    with pytest.raises(ValueError, match="needs classifiers of the data"):
        FrechetClassifier()(fields, fields, basis)
    measure = FrechetClassifier().given(folder / "16.networks.safetensors")
    row = measure(fields, fields, basis)
    # Nine fields are too few for the limit of many.
    assert tuple(row) == tuple(measure.results[i] for i in (0, 2, 3, 4, 5))
    assert row["frechet_classifier"] == pytest.approx(0, abs=1e-8)
    with pytest.raises(ValueError, match=r"classifiers of fields on \(1, 16\)"):
        measure(fields[..., :12], fields[..., :12], basis)


def test_finer_fields_are_seen_as_restrictions(made):
    _, folder = made
    measure = FrechetClassifier().given(folder / "16.networks.safetensors")
    basis, random = CosineBasis(1), torch.Generator().manual_seed(0)
    fine = [torch.randn(12, 1, 40, generator=random) for _ in range(2)]
    row = measure(*fine, basis)
    assert row == measure(*(basis.restrict(u, 16) for u in fine), basis)
    assert row["frechet_classifier"] > 0


def test_of_masks_only_the_side_of_each_value_is_seen_in_physical_units(made, tmp_path):
    loaded, folder = made
    config = loaded.classify_slice("lines", 16)
    config["classifier"] |= {"mask_below": 0.5, "epochs": 4, "count": 1}
    file = tmp_path / "16.networks.safetensors"
    classify({"config": config, "code": "code"}, data=folder / "16.nc", output=file)
    found, basis = Classifiers.read(file), CosineBasis(1)
    assert found.accuracy > 0.9
    with storage.read(folder / "16.nc") as data:
        statistics = Statistics.physical(data)
    sign = torch.where(torch.arange(16) < 5, -1.0, 1.0).view(1, 1, 16)
    near, far = (statistics.normalise(0.5 + sign * apart) for apart in (1e-3, 7.0))
    seen = found(torch.cat([near, far, statistics.normalise(0.4 + sign * 0.01)]), basis)
    (features,) = seen.features
    torch.testing.assert_close(features[0], features[1])
    assert not torch.allclose(features[0], features[2])  # all of it is below
    # Of finer fields the restriction decides where they are below, and not the finer nodes.
    fine = torch.randn(4, 1, 40, generator=torch.Generator().manual_seed(0))
    pairs = (found(u, basis).features[0] for u in (fine, basis.restrict(fine, 16)))
    torch.testing.assert_close(*pairs)


def test_grids_up_to_the_finest_have_classifiers_of_their_own():
    plain = strict_yaml.parse(STUDY)
    plain["datasets"]["lines"]["resolutions"] = [4, 8, 16]
    loaded = study.load(plain)
    assert [loaded.classified_at("lines", n) for n in (4, 8, 16)] == [4, 8, 16]
    plain["evaluation"]["classifier"]["finest"] = 10
    limited = study.load(plain)
    assert [limited.classified_at("lines", n) for n in (4, 8, 16)] == [4, 8, 8]
    assert limited.classify_slice("lines", 8) == loaded.classify_slice("lines", 8)


def test_draws_are_of_the_class_of_the_truth_or_not(made):
    loaded, folder = made
    basis = loaded.datasets["lines"].basis
    rising = torch.linspace(-1, 1, 16).view(1, 16)
    truth = torch.stack([rising, -rising, rising])
    # All of the first case are as the truth, half of the second and none of the third.
    draws = torch.stack(
        [torch.stack([rising, rising]), torch.stack([-rising, rising]), -truth[:1].expand(2, 1, 16)]
    )
    cases = Cases(draws, basis, truth=truth)
    assert SameClass().given(folder / "16.networks.safetensors")(cases) == {"same_class": 0.5}
    with pytest.raises(ValueError, match="needs classifiers of the data"):
        SameClass()(cases)


def test_measures_that_need_classifiers_are_left_out_where_there_are_none(made):
    loaded, folder = made
    blocks = {"seen": {"kind": "same_class"}, "misfit": {"kind": "misfit"}}
    config = {"basis": loaded.classify_slice("lines", 16)["basis"], "posterior_metrics": blocks}
    nothing = torch.zeros(1, 2)
    observed = Observed([0], nothing, nothing[0], 16, {}, truths=False)
    with storage.read(folder / "16.nc") as data:
        without = PosteriorJudge.of(config, data, observed)
        informed = PosteriorJudge.of(config, data, observed, folder / "16.networks.safetensors")
    assert list(without.metrics) == ["misfit"]
    assert list(informed.metrics) == ["seen", "misfit"]


def test_measures_of_posteriors_want_labels_too():
    plain = strict_yaml.parse(STUDY)
    plain["datasets"]["lines"]["source"] |= {"means": [[-1.0, 1.0]]}
    plain["evaluation"] = {
        "metrics": {"one_point": {"kind": "one_point"}},
        "posterior_metrics": {"seen": {"kind": "same_class"}},
    }
    points = {"kind": "random_points", "number": 3, "noise": 0.1}
    plain["observations"] = {"seen": {"dataset": "lines", "operator": points, "cases": 2}}
    plain["experiments"]["copies"] = {
        "dataset": "lines",
        "prior": {"kind": "standard"},
        "process": {"kind": "vp"},
        "prediction": {"kind": "wiener"},
        "network": {"kind": "fno", "width": 4, "modes": 3, "layers": 1, "projection": 4},
        "levels": [{"resolution": 16, "epochs": 1}],
        "sampler": {"kind": "ddim", "steps": 3},
        "samples": {"count": 4, "resolutions": [16]},
    }
    draws = {"experiment": "copies", "observation": "seen", "draws": 4, "resolutions": [16]}
    plain["posteriors"] = {"guided": {**draws, "guidance": {"kind": "wiener"}}}
    wrong = r"posteriors\.guided\.observation = .*seen.*posterior_metrics\.seen asks classifiers"
    with pytest.raises(study.ConfigurationError, match=wrong):
        study.load(plain)
    plain["datasets"]["lines"]["source"] |= {"means": [[-1.0, 1.0], [1.0, -1.0]]}
    assert study.load(plain).draws_classified


def test_a_file_without_classifiers_is_named(tmp_path):
    tensors.write(tmp_path / "x.safetensors", {"0.logits.weight": torch.zeros(2, 3)}, {"count": 1})
    with pytest.raises(DamagedError, match=r"x\.safetensors holds no classifiers"):
        Classifiers.read(tmp_path / "x.safetensors")


def test_metrics_of_features_want_labels():
    plain = strict_yaml.parse(STUDY)
    plain["datasets"]["lines"]["source"] |= {"means": [[-1.0, 1.0]]}
    with pytest.raises(study.ConfigurationError, match=r"evaluation\.metrics\.frechet asks"):
        study.load(plain)


def test_only_the_slice_of_classifiers_says_how_they_are_trained(made):
    loaded, _ = made
    assert loaded.classified
    block = loaded.classify_slice("lines", 16)
    assert block["label"] == "component"
    assert block["classifier"]["epochs"] == 8
    assert "classifier" not in loaded.evaluate_slice("copies", 16, 0)

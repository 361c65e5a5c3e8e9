"""Configuration: every mistake is found at once and explained, and slices hold what rules use."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest

from fsdiff import parts
from fsdiff import study as config
from fsdiff.study import ConfigurationError, load, strict_yaml
from fsdiff.study.__main__ import main
from fsdiff.study.reference import reference

ROOT = Path(__file__).parents[3]

STUDY = """
datasets:
  patterns:
    source: {kind: reaction_diffusion, resolution: 128, initial: {kind: gaussian_random_field}}
    shards: 4
    split: {train: 768, validation: 64, test: 256}
    resolutions: [32, 64, 128]
defaults:
  process: {kind: vp}
  prediction: {kind: wiener}
  sampler: {kind: ddim, steps: 20}
experiments:
  bessel:
    title: Bessel prior
    dataset: patterns
    prior: {kind: bessel, power: 0.55}
    network: {kind: fno, width: 32, modes: 12}
    levels:
      - {resolution: 32, epochs: 40, batch_size: 32, learning_rate: 1e-3}
      - {resolution: 64, epochs: 10}
    samples: {count: 128, resolutions: [32, 64, 128]}
  standard:
    dataset: patterns
    prior: {kind: standard}
    network: {kind: fno}
    prediction: {kind: noise}
    levels: [{resolution: 64, epochs: 10}]
    samples: {count: 16, resolutions: [64]}
    seeds: [0, 1]
evaluation:
  metrics:
    sliced: {kind: sliced_wasserstein, projections: 50}
"""


def study(*edits):
    """The study as a mapping, with (path, value) edits; a value of ``...`` removes the key."""
    raw = copy.deepcopy(strict_yaml.parse(STUDY))
    for path, value in edits:
        *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        block = raw
        for step in steps:
            block = block[step]
        if value is ...:
            del block[last]
        else:
            block[last] = value
    return raw


def problems(*edits):
    with pytest.raises(ConfigurationError) as caught:
        load(study(*edits))
    return caught.value.problems


def test_a_good_study_has_its_defaults_filled_in():
    loaded = load(study())
    assert set(loaded.experiments) == {"bessel", "standard"}
    assert loaded.experiments["standard"].seeds == (0, 1)
    assert loaded.experiments["bessel"].levels[0].learning_rate == 1e-3
    assert loaded.datasets["patterns"].downsampling.kind == "spectral"
    assert loaded.datasets["patterns"].samples == 1088


def test_defaults_are_taken_as_whole_blocks():
    loaded = load(study(("experiments/standard/sampler", {"kind": "ddim"})))
    assert loaded.experiments["bessel"].prediction.kind == "wiener"
    assert loaded.experiments["standard"].prediction.kind == "noise"
    default = parts.find("sampler", "ddim")().steps
    assert loaded.experiments["standard"].sampler.steps == default


EXPERIMENT = "experiments/bessel"
PATTERNS = "datasets/patterns"
ZERO = {"kind": "zero"}

WRONG = {
    "unknown key": (
        (f"{EXPERIMENT}/prior/pwer", 0.6),
        "experiments.bessel.prior.pwer = 0.6: unknown key; allowed: kind, ",
        "(did you mean 'power'?)",
    ),
    "unknown key of an experiment": (
        (f"{EXPERIMENT}/trainig", {}),
        "experiments.bessel.trainig: unknown key; allowed: title, dataset, method, prior, ",
        "(did you mean 'training'?)",
    ),
    "unknown key at the top": (
        ("experiment", {}),
        "experiment: unknown key; allowed: ",
        "(did you mean 'experiments'?)",
    ),
    "unknown key in a level": (
        (f"{EXPERIMENT}/levels/1/lr", 0.1),
        "experiments.bessel.levels[1].lr = 0.1: unknown key; allowed: resolution, epochs, ",
    ),
    "unknown default": (
        ("defaults/samplr", {}),
        "defaults.samplr: unknown key; allowed: ",
        "(did you mean 'sampler'?)",
    ),
    "transform of a channel that there is not": (
        (f"{PATTERNS}/transforms", {"v": {"kind": "log"}}),
        "datasets.patterns.transforms.v: no such channel; known: u, all",
    ),
    "unknown transform": (
        (f"{PATTERNS}/transforms", {"u": {"kind": "logarithm"}}),
        "datasets.patterns.transforms.u.kind = \"logarithm\": unknown; known: anomaly, log, squa",
    ),
    "transform that walls exclude": (
        (
            PATTERNS,
            {
                "source": {"kind": "darcy", "channels": ["pressure"]},
                "split": {"train": 768, "validation": 64, "test": 256},
                "transforms": {"all": {"kind": "log"}},
                "resolutions": [32, 64],
            },
        ),
        "datasets.patterns.transforms.all: transformed fields do not vanish at the walls, as func",
    ),
    "unknown kind": (
        (f"{EXPERIMENT}/prior/kind", "besel"),
        'experiments.bessel.prior.kind = "besel": unknown; known: bessel, ',
        "(did you mean 'bessel'?)",
    ),
    "unknown kind below a kind": (
        (f"{PATTERNS}/source/initial/kind", "noise"),
        'datasets.patterns.source.initial.kind = "noise": unknown; known: ',
        "gaussian_random_field, power_law_field, white_noise",
    ),
    "no kind": (
        (f"{EXPERIMENT}/network/kind", ...),
        "experiments.bessel.network.kind: missing; expected one of fno",
    ),
    "missing number": (
        (f"{EXPERIMENT}/samples/count", ...),
        "experiments.bessel.samples.count: missing; expected an integer > 0",
    ),
    "missing part": (
        (f"{EXPERIMENT}/network", ...),
        "experiments.bessel.network: missing; expected a block with kind: fno | ",
    ),
    "missing block": (
        (f"{PATTERNS}/split", ...),
        "datasets.patterns.split: missing; expected a block with keys train, validation, test",
    ),
    "missing list": (
        (f"{EXPERIMENT}/levels", ...),
        "experiments.bessel.levels: missing; expected a list with at least 1 entry, each a block "
        "with keys resolution, epochs, batch_size, learning_rate",
    ),
    "missing top": (
        ("evaluation", ...),
        "evaluation: missing; expected a block with keys metrics",
    ),
    "number out of bounds": (
        (f"{EXPERIMENT}/prior/shift", -8),
        "experiments.bessel.prior.shift = -8: expected a number > 0",
    ),
    "number above": (
        (f"{EXPERIMENT}/training", {"warmup": 1.5}),
        "experiments.bessel.training.warmup = 1.5: expected a number >= 0 and < 1",
    ),
    "text for a number": (
        (f"{EXPERIMENT}/prior/power", "rough"),
        'experiments.bessel.prior.power = "rough": expected a number > 0',
    ),
    "number in quotes": (
        (f"{EXPERIMENT}/samples/count", "16"),
        'experiments.bessel.samples.count = "16": expected an integer > 0',
    ),
    "boolean for an integer": (
        (f"{EXPERIMENT}/levels/0/epochs", True),
        "experiments.bessel.levels[0].epochs = true: expected an integer > 0",
    ),
    "boolean for a number": (
        (f"{EXPERIMENT}/prior/power", True),
        "experiments.bessel.prior.power = true: expected a number > 0",
    ),
    "integer for a boolean": (
        (f"{EXPERIMENT}/prior/normalize", 1),
        "experiments.bessel.prior.normalize = 1: expected true or false",
    ),
    "fraction for an integer": (
        (f"{EXPERIMENT}/network/width", 32.0),
        "experiments.bessel.network.width = 32.0: expected an integer > 0",
    ),
    "not a number": (
        (f"{EXPERIMENT}/prior/power", float("nan")),
        "experiments.bessel.prior.power = NaN: expected a number > 0",
    ),
    "infinity": (
        (f"{PATTERNS}/source/diffusivity_u", float("inf")),
        "datasets.patterns.source.diffusivity_u = Infinity: expected a number > 0",
    ),
    "number for text": (
        (f"{EXPERIMENT}/title", 3),
        "experiments.bessel.title = 3: expected text of length >= 1 and of length <= 200 or "
        "null",
    ),
    "not a choice": (
        (f"{EXPERIMENT}/training", {"schedule": "step"}),
        'experiments.bessel.training.schedule = "step": expected one of "cosine", "constant"',
    ),
    "alternatives": (
        (f"{PATTERNS}/source/time", [1.0, "late"]),
        'datasets.patterns.source.time = [1.0, "late"]: expected a number > 0 and <= 1000000 '
        'or a list, each a '
        "number >= 0",
    ),
    "value for a block": (
        (f"{EXPERIMENT}/prior", "bessel"),
        'experiments.bessel.prior = "bessel": expected a block with kind: bessel | ',
    ),
    "list for a block": (
        (f"{PATTERNS}/split", [768, 64, 256]),
        "datasets.patterns.split = [768, 64, 256]: expected a block with keys train, ",
    ),
    "block for a list": (
        (f"{EXPERIMENT}/levels", {"resolution": 32}),
        'experiments.bessel.levels = {"resolution": 32}: expected a list with at least 1 entry',
    ),
    "value for an experiment": (
        (EXPERIMENT, 3),
        "experiments.bessel = 3: expected a block with keys title, dataset, ",
    ),
    "value for all experiments": (
        ("experiments", [1]),
        "experiments = [1]: expected a block with at least one named entry",
    ),
    "no experiments": (
        ("experiments", {}),
        "experiments = {}: expected a block with at least one named entry",
    ),
    "no metrics": (
        ("evaluation/metrics", {}),
        "evaluation.metrics = {}: expected a block with at least one named entry",
    ),
    "no seeds": (
        (f"{EXPERIMENT}/seeds", []),
        "experiments.bessel.seeds = []: expected a list with at least 1 entry, each an integer",
    ),
    "a seed twice": (
        (f"{EXPERIMENT}/seeds", [1, 1]),
        "experiments.bessel.seeds = [1, 1]: name each one once",
    ),
    "bad name": (
        ("experiments/Bessel-2", {}),
        "experiments.Bessel-2: names are made of a-z, 0-9 and _, and start with a letter",
    ),
    "name that is a number": (
        ("datasets", {1: {}}),
        "datasets[1]: names are made of a-z, 0-9 and _, and start with a letter",
    ),
    "bad name of a metric": (
        ("evaluation/metrics/W2 distance", {"kind": "sliced_wasserstein"}),
        "evaluation.metrics.W2 distance: names are made of",
    ),
    "unknown data set": (
        (f"{EXPERIMENT}/dataset", "pattern"),
        'experiments.bessel.dataset = "pattern": no such data set; known: patterns',
        "(did you mean 'patterns'?)",
    ),
    "not trace class": (
        (f"{EXPERIMENT}/prior/power", 0.2),
        "experiments.bessel.prior.power = 0.2: not trace class in 2-D, needs power > 0.5 "
        "(set allow_non_trace_class: true to use it anyway)",
    ),
    "levels that do not increase": (
        (f"{EXPERIMENT}/levels/1/resolution", 32),
        "experiments.bessel.levels[1].resolution = 32: levels go coarse to fine, but the one "
        "before has 32",
    ),
    "level without data": (
        (f"{EXPERIMENT}/levels/1/resolution", 48),
        "experiments.bessel.levels[1].resolution = 48: not a resolution of datasets.patterns, "
        "which has 32, 64, 128",
    ),
    "resolutions that do not increase": (
        (f"{PATTERNS}/resolutions", [64, 32]),
        "datasets.patterns.resolutions = [64, 32]: resolutions must be strictly increasing",
    ),
    "resolution finer than the source": (
        (f"{PATTERNS}/resolutions", [32, 64, 256]),
        "datasets.patterns.resolutions[2] = 256: finer than the data; use resolutions <= 128 or "
        "raise source.resolution",
    ),
    "resolution that averaging does not reach": (
        (PATTERNS, study()["datasets"]["patterns"] | {
            "downsampling": {"kind": "average"}, "resolutions": [32, 48, 64],
        }),
        "datasets.patterns.resolutions[1] = 48: averaging needs whole blocks, but 48 does not "
        "divide 128; use a resolution that divides it, or spectral downsampling",
    ),
    "phases of one channel": (
        (f"{PATTERNS}/downsampling", {"kind": "circle"}),
        "datasets.patterns.downsampling: the circle is one of two channels, the cosine and "
        "the sine of a phase, and fields have 1; use spectral downsampling",
    ),
    "too many shards": (
        (f"{PATTERNS}/shards", 2000),
        "datasets.patterns.shards = 2000: there are only 1088 samples; use shards <= 1088",
    ),
    "more shards than samples": (
        (f"{EXPERIMENT}/samples/shards", 129),
        "experiments.bessel.samples.shards = 129: there are only 128 samples; use shards <= 128",
    ),
    "too many samples": (
        (f"{EXPERIMENT}/samples/count", 200),
        "experiments.bessel.samples.count = 200: half of the 256 test samples are the reference; "
        "use count <= 128 or datasets.patterns.split.test >= 400",
    ),
    "more modes than the data resolve": (
        (f"{EXPERIMENT}/network/modes", 20),
        "experiments.bessel.network.modes = 20: the coarsest data, 32 nodes, resolves 16 fourier "
        "modes and the network has 20; use modes <= 16 or higher resolutions",
    ),
    "modes for another number of axes": (
        (f"{EXPERIMENT}/network/modes", [8, 8, 8]),
        "experiments.bessel.network.modes = [8, 8, 8]: 3 entries for 2 axes; give one for all of "
        "them or one for each",
    ),
    "stages that make no U": (
        (f"{EXPERIMENT}/network", {"kind": "uno", "modes": [8, 12, 4]}),
        "experiments.bessel.network.modes = [8, 12, 4]: a stage has more than the one before; give "
        "them fine to coarse",
    ),
    "more modes than samples resolve": (
        (f"{EXPERIMENT}/samples/resolutions", [16, 32]),
        "experiments.bessel.samples.resolutions[0] = 16: this resolution, 16 nodes, resolves 8 "
        "fourier modes and the network has 12; use modes <= 8 or higher resolutions",
    ),
    "more nodes than a stationary law can have": (
        (EXPERIMENT, {
            "dataset": "patterns",
            "method": {"kind": "imitating", "imitation": {"kind": "stationary"}},
            "samples": {"count": 16, "resolutions": [32, 64]},
        }),
        "experiments.bessel.samples.resolutions[1] = 64: fields have 4096 nodes: the most that is "
        "feasible for the covariance of stationary is 2048; use a coarser grid, or "
        "principal_components",
    ),
    "fields that are zero everywhere": (
        (f"{PATTERNS}/source", {"kind": "random_field", "resolution": 128, "measure": ZERO}),
        "datasets.patterns.source: measure.kind = zero: nothing is random, so that all channels "
        "are constant or the same in all samples; use another law, such as gaussian_random_field",
    ),
    "states that stay the same everywhere": (
        (f"{PATTERNS}/source/initial", ZERO),
        "datasets.patterns.source: initial.kind = zero: nothing is random",
    ),
    "a fluid at rest that nothing random drives": (
        (f"{PATTERNS}/source", {"kind": "navier_stokes", "resolution": 128, "initial": ZERO}),
        "datasets.patterns.source: initial.kind = zero, random_forcing.kind = zero: nothing is",
    ),
    "a number whose square is none": (
        (f"{EXPERIMENT}/prior/shift", 1e300),
        "experiments.bessel.prior.shift = 1e+300: out of reach; use 0 or sizes from 1e-30 to 1e+15",
    ),
    "a prior that is zero everywhere": (
        (f"{EXPERIMENT}/prior/power", 1e6),
        "experiments.bessel.prior: its eigenvalues on 32 nodes are zero or infinite: use less",
    ),
    "a prior on a grid that no memory holds": (
        (f"{EXPERIMENT}/prior/reference_resolution", 16384),
        "experiments.bessel.prior.reference_resolution = 16384: out of reach in 2-D; use at most "
        "8192",
    ),
    "a channel's prior on a grid that no memory holds": (
        (
            f"{EXPERIMENT}/prior",
            {"kind": "by_channel", "priors": [{"kind": "bessel", "reference_resolution": 16384}]},
        ),
        "experiments.bessel.prior.priors[0].reference_resolution = 16384: out of reach in 2-D; use "
        "at most 8192",
    ),
    "a setting that counts for no channel": (
        (
            f"{EXPERIMENT}/prior",
            {"kind": "by_channel", "priors": [{"kind": "bessel"}], "normalize": False},
        ),
        "experiments.bessel.prior: normalize: give it with each of the priors, where it counts",
    ),
    "priors of channels that there are not": (
        (f"{EXPERIMENT}/prior", {"kind": "by_channel", "priors": [{"kind": "bessel"}] * 2}),
        'experiments.bessel.prior.priors = [{"kind": "bessel"}, {"kind": "bessel"}]: 2 for fields '
        "of 1 channels; name one for each, in order",
    ),
    "a judge with modes that the coarsest level has not": (
        (f"{EXPERIMENT}/method", {"kind": "gano", "modes": 40}),
        "experiments.bessel.levels[0].resolution = 32: the judge of gano, method.modes = 40: 32 "
        "nodes, resolves 32 cosine modes and the network has 40; use modes <= 32",
    ),
    "a process with nothing but noise": (
        (f"{EXPERIMENT}/process", {"kind": "vp", "beta_max": 1e14}),
        "experiments.bessel.process: its scales on 128 nodes are zero or infinite: use less",
    ),
    "a simulation without end": (
        (f"{PATTERNS}/source/time", 1e12),
        "datasets.patterns.source.time = 1000000000000.0: expected a number > 0 and <= 1000000",
    ),
    "a prior without modes": (
        (f"{EXPERIMENT}/prior", {"kind": "fno", "modes": []}),
        "experiments.bessel.prior.modes = []: expected a list with at least 1 entry, each an",
    ),
    "evaluations without end": (
        (EXPERIMENT, study()["experiments"]["bessel"] | {
            "levels": [{"resolution": 32, "epochs": 10**6}], "trajectory": {"every": 7},
        }),
        "experiments.bessel.trajectory.every = 7: 142857 evaluations, each with weights of its "
        "own; use every >= 100",
    ),
    "a port that is none": (
        ("dask", {"scheduler": "tcp://node:70000"}),
        'dask.scheduler = "tcp://node:70000": expected protocol://host:port',
    ),
    "a host with hidden characters": (
        ("dask", {"scheduler": "tcp://no\x1bde:80"}),
        'dask.scheduler = "tcp://no\\u001bde:80": expected protocol://host:port',
    ),
    "a tolerance below rounding": (
        (f"{EXPERIMENT}/sampler", {"kind": "adaptive_heun", "tolerance": 1e-12}),
        "experiments.bessel.sampler.tolerance = 1e-12: expected a number >= 1e-06 and < 1",
    ),
    "steps without end": (
        (f"{EXPERIMENT}/sampler", {"kind": "euler_maruyama", "steps": 10**7}),
        "experiments.bessel.sampler.steps = 10000000: expected an integer >= 2 and <= 100000",
    ),
    "a command that no shell could split": (
        ("parallel", {"launcher": "srun 'torchrun"}),
        """parallel.launcher = "srun 'torchrun": no command: no closing quotation""",
    ),
    "a command with a hidden character": (
        ("parallel", {"launcher": "srun\0torchrun"}),
        'parallel.launcher = "srun\\u0000torchrun": no command: has the character U+0000 in it',
    ),
    "a number in place of true": (
        ("page", {"title": "T", "text": "", "claims": 0}),
        "page.claims = 0: expected true or false",
    ),
    "a heading of a page with hidden characters": (
        ("page", {"title": "A\x1b[2J", "text": ""}),
        'page.title = "A\\u001b[2J": has the character U+001B in it',
    ),
    "true in place of a number of some": (
        (f"{EXPERIMENT}/network/dimension", True),
        "experiments.bessel.network.dimension = true: expected one of 1, 2, 3 or null",
    ),
    "a fraction in place of a number of some": (
        (f"{EXPERIMENT}/network/dimension", 2.0),
        "experiments.bessel.network.dimension = 2.0: expected one of 1, 2, 3 or null",
    ),
    "what a part refuses": (
        (f"{PATTERNS}/source/channels", ["u", "u"]),
        "datasets.patterns.source.channels = ('u', 'u'): name each channel once",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", WRONG)
def test_mistakes_are_explained(mistake):
    edit, *fragments = WRONG[mistake]
    found = [line for line in problems(edit) if line.startswith(fragments[0])]
    assert len(found) == 1, problems(edit)
    assert all(fragment in found[0] for fragment in fragments)


@pytest.mark.parametrize("mistake", WRONG)
def test_one_mistake_is_one_line(mistake):
    edit, *_ = WRONG[mistake]
    consequences = {"experiments", "datasets", f"{PATTERNS}/resolutions"}
    if edit[0] not in consequences and mistake not in ("bad name", "name that is a number"):
        assert len(problems(edit)) == 1


def test_methods_that_round_in_single_precision_are_trained_in_it():
    edits = (
        (f"{EXPERIMENT}/method", {"kind": "gano"}),
        (
            f"{EXPERIMENT}/training",
            {"precision": "bfloat16"},
        ),
    )
    (problem,) = problems(*edits)
    assert problem == (
        'experiments.bessel.training.precision = "bfloat16": methods of kind gano need precision: '
        "float32"
    )


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("modulus_error", "is about two channels, the cosine and the sine of a phase; there are 1"),
        ("residues", "is about two channels, the cosine and the sine of a phase; there are 1"),
    ],
)
def test_measures_of_other_channels_are_refused(kind, told):
    found = problems(("evaluation/metrics/sliced", {"kind": kind}))
    assert found
    assert all(f"evaluation.metrics.sliced {told}" in line for line in found)


def test_all_mistakes_are_reported_together():
    found = problems(
        (f"{PATTERNS}/seed", -1),
        ("defaults/sampler/steps", 0),
        (f"{EXPERIMENT}/prior/power", "rough"),
        (f"{EXPERIMENT}/network/width", 0),
        ("experiments/standard/levels/0/resolution", "64"),
        ("experiments/standard/dataset", "waves"),
        ("evaluation/metrics/sliced/projections", 0),
        ("extra", 1),
    )
    places = [line.split(" = ")[0] for line in found]
    assert sorted(places) == [
        "datasets.patterns.seed",
        "defaults.sampler.steps",
        "evaluation.metrics.sliced.projections",
        "experiments.bessel.network.width",
        "experiments.bessel.prior.power",
        "experiments.standard.dataset",
        "experiments.standard.levels[0].resolution",
        "extra",
    ]


def test_checks_between_blocks_are_made_beside_other_mistakes():
    found = problems(
        (f"{EXPERIMENT}/process", {"kind": "none"}),
        (f"{EXPERIMENT}/levels/0/resolution", 16),
        (f"{EXPERIMENT}/samples/count", 999),
        (f"{EXPERIMENT}/prior/power", 0.1),
    )
    assert len(found) == 4


def test_a_mistake_in_the_defaults_is_reported_there_and_once():
    assert problems(("defaults/sampler/kind", "ddm")) == (
        next(iter(problems(("defaults/sampler/kind", "ddm")))),
    )
    assert problems(("defaults/prediction/kind", "score_"))[0].startswith(
        "defaults.prediction.kind"
    )


def test_the_message_counts_the_problems_and_names_the_source(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(STUDY.replace("power: 0.55", "power: 0.2"))
    with pytest.raises(ConfigurationError, match=r"1 problem in .*study\.yaml:\n  experiments\.be"):
        load(path)


# Files


DOCUMENTS = {
    "": "empty; expected datasets, experiments, evaluation",
    "# nothing\n": "empty; expected datasets, experiments, evaluation",
    "- datasets\n": '["datasets"]: expected a block with keys datasets, experiments, evaluation',
    "datasets: [1, 2\n": "line 2, column 1: expected ',' or ']', but got '<stream end>'",
    "a: 1\nb:\n\tc: 2\n": "line 3, column 1: found character '\\t' that cannot start any token",
    "a: 1\nb: 2\na: 3\n": "line 3, column 1: 'a' was already given in line 1; keep one",
    "a: !!python/object:os.system {}\n": "could not determine a constructor for the tag",
}


@pytest.mark.parametrize("text", DOCUMENTS)
def test_documents_that_are_no_configuration(tmp_path, text):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert len(caught.value.problems) == 1
    assert DOCUMENTS[text] in caught.value.problems[0]
    assert str(path) in str(caught.value)


def test_a_missing_file_is_reported(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load(tmp_path / "study.yaml")


@pytest.mark.parametrize("text", ["1e-3", "1.0E-3", "+1e-03", ".1e-2"])
def test_scientific_notation_is_a_number(text):
    raw = study((f"{EXPERIMENT}/levels/0/learning_rate", text), (f"{EXPERIMENT}/title", "1e-3"))
    loaded = load(raw)
    assert loaded.experiments["bessel"].levels[0].learning_rate == 1e-3
    assert loaded.experiments["bessel"].title == "1e-3"


def test_integers_are_numbers():
    loaded = load(study((f"{EXPERIMENT}/prior/power", 1)))
    assert loaded.train_slice("bessel", 32, 0) == load(
        study((f"{EXPERIMENT}/prior/power", 1.0))
    ).train_slice("bessel", 32, 0)


# Slices


def slices(*edits):
    loaded = load(study(*edits))
    return {
        "simulate": loaded.simulate_slice("patterns"),
        "dataset": loaded.dataset_slice("patterns"),
        "hierarchy 32": loaded.hierarchy_slice("patterns", 32),
        "train 32": loaded.train_slice("bessel", 32, 0),
        "train 64": loaded.train_slice("bessel", 64, 0),
        "sample 32": loaded.sample_slice("bessel", 32, 0),
        "evaluate 32": loaded.evaluate_slice("bessel", 32, 0),
        "reference 32": loaded.reference_slice("patterns", 32, 8),
        "summary": loaded.summary_slice(),
    }


BOTH = {"train 32", "train 64"}
EDITS = {
    "shards": ((f"{PATTERNS}/shards", 7), set()),
    "seed of the data": ((f"{PATTERNS}/seed", 7), {"simulate", "dataset"}),
    "source": ((f"{PATTERNS}/source/diffusivity_u", 0.002), {"simulate", "dataset"}),
    "initial law": (
        (f"{PATTERNS}/source/initial/variance", 2.0),
        {"simulate", "dataset"},
    ),
    "split": ((f"{PATTERNS}/split/train", 767), {"dataset"}),
    "another resolution": ((f"{PATTERNS}/resolutions", [32, 48, 64, 128]), set()),
    "downsampling": ((f"{PATTERNS}/downsampling", {"kind": "average"}), {"hierarchy 32"}),
    "transforms": ((f"{PATTERNS}/transforms", {"u": {"kind": "anomaly"}}), {"hierarchy 32"}),
    "fine level": ((f"{EXPERIMENT}/levels/1/epochs", 11), {"train 64"}),
    "training options": ((f"{EXPERIMENT}/training", {"warmup": 0.1}), BOTH),
    "prior": ((f"{EXPERIMENT}/prior/shift", 9), BOTH | {"sample 32"}),
    "network": ((f"{EXPERIMENT}/network/layers", 3), BOTH | {"sample 32"}),
    "sampler": (("defaults/sampler/steps", 30), {"sample 32"}),
    "number of samples": ((f"{EXPERIMENT}/samples/count", 64), {"sample 32"}),
    "resolutions of samples": ((f"{EXPERIMENT}/samples/resolutions", [32]), set()),
    "metric": (
        ("evaluation/metrics/sliced/projections", 60),
        {"evaluate 32", "reference 32"},
    ),
    "title": ((f"{EXPERIMENT}/title", "Rough noise"), {"summary"}),
    "seeds": ((f"{EXPERIMENT}/seeds", [0, 1, 2]), set()),
    "another experiment": (("experiments/standard/network/width", 8), set()),
    "a default written out": ((f"{EXPERIMENT}/network/layers", 4), set()),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_changes_exactly_the_slices_of_the_rules_that_use_it(edit):
    change, expected = EDITS[edit]
    before, after = slices(), slices(change)
    assert {name for name in before if before[name] != after[name]} == expected


def test_slices_are_json_and_parts_are_built_from_them():
    for name, content in slices().items():
        assert json.loads(json.dumps(content)) == content, name
    train = slices()["train 32"]
    assert parts.build("prior", train["prior"]) == parts.find("prior", "bessel")(power=0.55)
    assert parts.build("network", train["network"], 1).channels == 1
    source = parts.build("source", slices()["simulate"]["source"])
    assert source.resolution == 128
    assert parts.build("basis", train["basis"]) == source.basis
    assert set(parts.modules(train)) >= {
        "fsdiff.measures.priors.convolution",
        "fsdiff.networks.fno",
        "fsdiff.spaces.bases",
    }
    assert "fsdiff.metrics.sliced" in parts.modules(slices()["evaluate 32"])


@pytest.mark.parametrize("shards", [1, 3, 7, 1088])
def test_shards_cover_all_samples_once(shards):
    ranges = load(study((f"{PATTERNS}/shards", shards))).datasets["patterns"].shard_ranges()
    assert len(ranges) == shards
    assert [i for first, last in ranges for i in range(first, last + 1)] == list(range(1088))
    sizes = [last - first + 1 for first, last in ranges]
    assert max(sizes) - min(sizes) <= 1


# Schema and command line


def test_files_that_are_named_together_are_merged(tmp_path, capsys):
    base, change = tmp_path / "base.yaml", tmp_path / "change.yaml"
    base.write_text(STUDY)
    change.write_text("datasets: {patterns: {seed: 7, resolutions: [32, 64]}}")
    merged = load(base, change)
    assert merged.datasets["patterns"].seed == 7
    assert merged.datasets["patterns"].resolutions == (32, 64)
    assert merged.datasets["patterns"].split == load(base).datasets["patterns"].split
    change.write_text("datasets: {patterns: {seed: -7}}")
    assert main(["check", str(base), str(change)]) == 1
    told = capsys.readouterr().err
    assert f"1 problem in {base} with {change}" in told
    assert "datasets.patterns.seed = -7" in told


def test_null_takes_metrics_and_analyses_of_another_file_away():
    analysis = {"kind": "forward_truncation", "covariance": {"kind": "bessel"}}
    first = study(("analyses", {"kept": analysis, "removed": analysis}))
    first["evaluation"]["metrics"]["removed"] = {"kind": "one_point"}
    removed = {"removed": None}
    loaded = load(first, {"evaluation": {"metrics": removed}, "analyses": removed})
    assert list(loaded.evaluation.metrics) == ["sliced"]
    assert list(loaded.analyses) == ["kept"]


def test_the_schema_in_the_repository_is_current():
    path = ROOT / "workflow" / "schemas" / "config.schema.json"
    current = json.loads(path.read_text(encoding="utf-8")) == config.json_schema()
    command = f"python -m fsdiff.study --schema {path.relative_to(ROOT)}"
    assert current, f"the schema is out of date; run: {command}"


def test_the_reference_in_the_repository_is_current():
    path = ROOT / "docs" / "configuration.md"
    command = f"python -m fsdiff.study --reference {path.relative_to(ROOT)}"
    assert path.read_text(encoding="utf-8") == reference(), f"out of date; run: {command}"


def test_symmetries_of_the_square_are_for_squares():
    augmented = (f"{EXPERIMENT}/training", {"augmentation": "square"})
    load(study(augmented))
    with pytest.raises(ConfigurationError, match=r"bessel\.training.*: square turns the last two"):
        load(study(augmented, ("datasets/patterns/source/length", [1.0, 1.5])))


def test_the_reference_has_every_key_of_every_part():
    page = reference()
    for family in parts.FAMILIES:
        for kind in parts.kinds(family):
            part = page.partition(f"#### `kind: {kind}`")[2]
            assert part, kind
    assert "| `power` | number > 0 | `0.55` |" in page
    assert "| `device` | `cpu`, `cuda` | `cpu` | Where networks, solvers" in page
    assert "| `split` | [Split](#split) | required |" in page


def test_the_schema_tells_editors_what_is_allowed():
    schema = config.json_schema()
    assert schema["additionalProperties"] is False
    assert schema["properties"]["defaults"]["$ref"] == "#/$defs/Experiment"
    level = schema["$defs"]["Level"]
    assert level["properties"]["epochs"]["exclusiveMinimum"] == 0
    assert level["required"] == ["resolution", "epochs"]
    assert level["additionalProperties"] is False
    prior = schema["$defs"]["Experiment"]["properties"]["prior"]
    assert len(prior["oneOf"]) == len(parts.kinds("prior"))
    assert "noise is drawn from" in prior["description"]
    assert schema["$defs"]["Bessel"]["description"]
    assert schema["$defs"]["Bessel"]["required"] == ["kind"]


def test_every_part_has_a_schema():
    text = json.dumps(config.json_schema())
    for family in parts.FAMILIES.keys() - {"basis"}:
        for kind in parts.kinds(family):
            assert f'"const": "{kind}"' in text


def test_command_line(tmp_path, capsys):
    good, bad, schema = tmp_path / "good.yaml", tmp_path / "bad.yaml", tmp_path / "schema.json"
    good.write_text(STUDY)
    bad.write_text(STUDY.replace("kind: bessel", "kind: besel"))
    assert main(["check", str(good), "--schema", str(schema)]) == 0
    assert json.loads(schema.read_text(encoding="utf-8")) == config.json_schema()
    assert main(["check", str(bad)]) == 1
    assert "experiments.bessel.prior.kind" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main([])


def test_the_module_is_a_command(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(STUDY.replace("kind: bessel", "kind: besel"))
    command = [sys.executable, "-m", "fsdiff.study", "check", str(bad)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert run.returncode == 1
    assert "experiments.bessel.prior.kind" in run.stderr
    assert "Traceback" not in run.stderr


def test_problems_do_not_steer_the_terminal():
    with pytest.raises(ConfigurationError) as error:
        config.load({"datasets": {}, "a\x1b[2J\nforged": 1})
    assert r"a\x1b[2J forged" in str(error.value)
    assert "\x1b" not in str(error.value)


@pytest.mark.parametrize("title", ["a\tb", "a\x1bb", "   "])
def test_titles_that_no_figure_can_show_are_refused_by_name(title):
    document = strict_yaml.parse(STUDY)
    document["experiments"]["bessel"]["title"] = title
    with pytest.raises(ConfigurationError, match=r"experiments\.bessel\.title") as error:
        load(document)
    reason = "nothing but spaces" if title.isspace() else f"the character U+{ord(title[1]):04X}"
    assert reason in str(error.value)

"""Parts are found by kind without imports, and built from blocks with what is nested in them."""

import subprocess
import sys
from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from pydantic_core import PydanticCustomError

from fsdiff import parts
from fsdiff.blocks import types
from fsdiff.measures.initial import WhiteNoise
from fsdiff.measures.priors.convolution import Bessel, Combined
from fsdiff.metrics.base import Metric
from fsdiff.metrics.densities import OnePointDensity
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.study.evaluation import _of_different_results


@pytest.mark.parametrize("family", parts.FAMILIES)
def test_every_part_is_found_where_it_is_declared(family):
    assert parts.kinds(family)
    for kind, (module, name) in parts.kinds(family).items():
        part = parts.find(family, kind)
        assert part.kind == kind
        assert (part.__module__, part.__name__) == (module, name)
        assert module.startswith("fsdiff.")


def test_a_source_is_no_initial_law():
    assert not parts.kinds("source").keys() & parts.kinds("initial").keys()


def test_unknown_kinds_are_answered_with_the_known_ones():
    with pytest.raises(
        ValueError, match=r"unknown basis 'wavelet'; known: box, by_channel, cosine"
    ):
        parts.find("basis", "wavelet")


def test_a_block_is_a_constructor_call():
    block = {"kind": "bessel", "power": 0.6}
    assert parts.build("prior", block) == Bessel(power=0.6)
    assert block == {"kind": "bessel", "power": 0.6}


def test_lists_become_tuples():
    prior = parts.build("prior", {"kind": "combined", "modes": [3, 2]})
    assert prior == Combined(modes=(3, 2))
    assert hash(prior) is not None


def test_nested_parts_are_built_first():
    block = {"kind": "reaction_diffusion", "initial": {"kind": "white_noise"}, "channels": ["u"]}
    assert parts.build("source", block).initial == WhiteNoise()


def test_context_comes_before_the_block():
    assert parts.build("basis", {"kind": "fourier"}, 1) == FourierBasis(1)
    assert parts.build("network", {"kind": "fno", "width": 4, "modes": 2}, 3).channels == 3


def test_a_text_under_the_name_of_a_family_is_no_part():
    network = parts.build("network", {"kind": "fno", "basis": "cosine", "width": 4, "modes": 2})
    assert network.kind == "fno"


def test_wrong_arguments_are_python_errors():
    with pytest.raises(TypeError, match="power_"):
        parts.build("prior", {"kind": "bessel", "power_": 1})


def test_modules_of_a_slice_are_those_of_all_parts_in_it():
    content = {
        "basis": {"kind": "cosine"},
        "prior": {"kind": "bessel"},
        "simulate": {
            "source": {"kind": "reaction_diffusion", "initial": {"kind": "white_noise"}},
        },
        "metrics": {"w2": {"kind": "sliced_wasserstein"}},
        "network": {"kind": "fno", "basis": "fourier"},
        "seed": 3,
    }
    expected = {
        ("basis", "cosine"),
        ("prior", "bessel"),
        ("source", "reaction_diffusion"),
        ("initial", "white_noise"),
        ("metrics", "sliced_wasserstein"),
        ("network", "fno"),
    }
    assert parts.modules(content) == {parts.kinds(family)[kind][0] for family, kind in expected}
    assert parts.modules({"seed": 3, "split": {"train": 4}}) == set()


def test_finding_parts_imports_none_of_them():
    script = (
        "import sys; from fsdiff import parts; [parts.kinds(family) for family in parts.FAMILIES];"
        "print('torch' in sys.modules, 'fsdiff.measures.priors' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=parts.PACKAGE.parent,
    )
    assert run.stdout.split() == ["False", "False"]


def test_two_parts_of_one_kind_are_refused(tmp_path, monkeypatch):
    for name in ("first", "second"):
        (tmp_path / f"{name}.py").write_text('class A:\n    kind: Literal["same"] = "same"\n')
    monkeypatch.setattr(parts, "PACKAGE", tmp_path)
    monkeypatch.setitem(parts.FAMILIES, "toy", ".")
    monkeypatch.setattr(parts, "_sources", lambda location: sorted(tmp_path.glob("*.py")))
    with pytest.raises(ValueError, match=r"toy 'same' is declared in .*first and .*second"):
        parts.kinds("toy")


def test_a_file_that_is_no_python_is_named(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text('"""A part."""\n\nclass Mine(:\n')
    monkeypatch.setattr(parts, "PACKAGE", tmp_path)
    with pytest.raises(parts.PartError, match=r"mine\.py, line 3: no Python: invalid syntax"):
        parts.classes("mine", "metrics")


class Mine(Metric):
    """A measure without settings, and without a decorator."""

    kind: Literal["mine"] = "mine"

    def __call__(self, samples, reference, basis):
        return {"one_point_w1": 0.0}

    @property
    def results(self):
        return ("one_point_w1",)


@dataclass(frozen=True)
class Declared(Mine):
    """The same with one."""

    kind: Literal["mine"] = "mine"


@dataclass(frozen=True)
class Untold(Mine):
    """Of a kind that may be anything."""

    kind: str = "mine"


@dataclass(frozen=True)
class Unwritten(Mine):
    """With a setting that no YAML has."""

    weights: torch.Tensor | None = None


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Mine, r"test_parts\.Mine is no dataclass of its own: write @dataclass"),
        (Untold, r'test_parts\.Untold: write kind: Literal\["mine"\] = "mine"'),
        (Unwritten, r"test_parts\.Unwritten: no configuration can have such settings: .*Tensor"),
    ],
)
def test_classes_that_cannot_be_configured_are_named(part, message, monkeypatch):
    monkeypatch.setattr(parts, "find", lambda *_: part)
    with pytest.raises(parts.PartError, match=message):
        types._block_of("metrics", "mine")


def test_two_metrics_of_one_result_are_refused():
    """One of the two numbers would be lost."""
    declared = types.block_type(Declared)(kind="mine")
    one_point = types.block_type(OnePointDensity)(kind="one_point")
    with pytest.raises(PydanticCustomError) as caught:
        _of_different_results({"mine": declared, "other": one_point})
    message = "gives one_point_w1, and so does 'mine', which is of kind mine"
    assert caught.value.context == {"problems": [(("other",), message)]}


def test_bases_are_equal_by_value():
    assert parts.build("basis", {"kind": "cosine", "dimension": 1}) == CosineBasis(1)


def test_names_are_no_families():
    """Channels, metrics and experiments may be called as families of parts are."""
    named = {
        "transforms": {"permeability": {"kind": "log"}, "prior": {"kind": "anomaly"}},
        "metrics": {"sampler": {"kind": "vendi"}},
        "experiments": {"network": {"title": "one", "dataset": "prior"}},
    }
    assert parts.modules(named) == {"fsdiff.data.transforms", "fsdiff.metrics.diversity"}

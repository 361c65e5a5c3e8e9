"""Of all parts, those that a block names are imported."""

from typing import Annotated, Any

import pytest
from pydantic import TypeAdapter, ValidationError

from fsdiff import parts
from fsdiff.blocks.types import PartBlock, PartOf
from fsdiff.diffusion.samplers.base import Method

METRIC: TypeAdapter[Any] = TypeAdapter(Annotated[PartBlock, PartOf("metrics")])
INNER: TypeAdapter[Any] = TypeAdapter(Annotated[PartBlock, PartOf("sampler", Method)])


@pytest.fixture
def imported(monkeypatch):
    """The kinds whose classes were asked for."""
    found, find = [], parts.find
    monkeypatch.setattr(parts, "find", lambda *names: found.append(names) or find(*names))
    return found


def test_one_part_of_a_family_is_looked_up(imported):
    assert METRIC.validate_python({"kind": "spectrum"}).kind == "spectrum"
    assert imported == [("metrics", "spectrum")]


def test_what_is_wrong_is_told_without_looking_any_up(imported):
    for block, problem in (
        ({"kind": "spectre"}, "union_tag_invalid"),
        ({}, "union_tag_not_found"),
        (3, "model_attributes_type"),
    ):
        with pytest.raises(ValidationError) as raised:
            METRIC.validate_python(block)
        assert [error["type"] for error in raised.value.errors()] == [problem]
    assert imported == []


def test_errors_inside_a_part_have_their_places():
    with pytest.raises(ValidationError) as raised:
        METRIC.validate_python({"kind": "spectrum", "octave": 1, "octaves": "x"})
    found = {error["loc"]: error["type"] for error in raised.value.errors()}
    assert found[("spectrum", "octave")] == "extra_forbidden"
    assert found[("spectrum", "octaves")] != "extra_forbidden"


def test_a_part_that_is_a_block_already_is_taken_as_it_is():
    block = METRIC.validate_python({"kind": "spectrum"})
    assert METRIC.validate_python(block) is block


def test_of_an_abstract_class_only_its_own_parts_are_allowed():
    assert INNER.validate_python({"kind": "ddim"}).part.kind == "ddim"
    with pytest.raises(ValidationError, match="union_tag_invalid"):
        INNER.validate_python({"kind": "multilevel", "sampler": {"kind": "ddim"}})


def test_schemas_have_all_parts_and_mean_the_same():
    kinds = METRIC.json_schema()["discriminator"]["mapping"]
    assert [*kinds] == [*parts.kinds("metrics")]
    assert "multilevel" not in INNER.json_schema()["discriminator"]["mapping"]

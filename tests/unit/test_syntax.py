"""What is found in sources is kept, and never believed of another text."""

import sys

import pytest

from fsdiff import syntax
from fsdiff.jobs.failures import StorageError
from fsdiff.syntax import Known

TEXT = b"from a.b import c as d\nimport e\n\n\ndef f():\n    from . import g\n"


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The path of a file of what was found in one text."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    path = tmp_path / "found.json"
    known = Known(path)
    known.of(TEXT)
    known.save()
    return path


def test_what_is_kept_is_not_parsed_again(kept, monkeypatch):
    found = Known(kept.with_name("none.json")).of(TEXT)
    assert {*found.imports} == {("a.b", "c"), ("e", None), (".", "g")}
    assert found.handed_on == {"d": ("a.b", "c"), "e": ("e", None)}
    monkeypatch.delattr(syntax, "_parsed")
    assert Known(kept).of(TEXT) == found
    with pytest.raises(NameError):
        Known(kept).of(TEXT + b"#")


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_text(path.read_text().replace('"c"', '"x"')),
        lambda path: path.write_text("[]"),
        lambda path: path.unlink(),
    ],
    ids=["cut off", "edited", "another", "removed"],
)
def test_what_is_damaged_is_found_again(kept, damage):
    found = Known(kept).of(TEXT)
    damage(kept)
    known = Known(kept)
    assert known.found == {}
    assert known.of(TEXT) == found


def test_what_was_found_by_other_rules_does_not_count(kept, monkeypatch):
    monkeypatch.setattr(sys, "version", "4.0")
    assert Known(kept).found == {}


def test_nothing_is_kept_where_python_keeps_nothing(tmp_path, monkeypatch):
    known = Known(tmp_path / "found.json")
    known.of(TEXT)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    known.save()
    assert [*tmp_path.iterdir()] == []


def test_a_place_that_cannot_be_written_is_no_failure(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "file").touch()
    known = Known(tmp_path / "file" / "found.json")
    known.of(TEXT)
    known.save()


def test_of_too_many_sources_those_in_use_are_kept(kept, monkeypatch):
    monkeypatch.setattr(syntax, "MOST", 2)
    known = Known(kept)
    texts = [b"x = %d" % number for number in range(3)]
    for text in texts:
        known.of(text)
    known.save()
    assert Known(kept).found.keys() == {*map(syntax._hash, texts)}


def test_a_file_that_is_no_python_is_named(tmp_path):
    (tmp_path / "mine.py").write_text("x = 1\ndef f(:\n")
    with pytest.raises(StorageError, match=r"mine\.py, line 2: no Python: invalid syntax"):
        syntax.source(tmp_path / "mine.py")

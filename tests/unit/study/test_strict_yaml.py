"""Documents that are refused before anything is made of them, and where in them the fault is."""

import re
import subprocess
import sys

import pytest

from fsdiff.study import ConfigurationError, load, strict_yaml


def tenfold(line):
    """Lines of which each means what the one before means ten times: 10¹¹ values in all."""
    first = f"a0: &a0 {line.format('x')}\n"
    return first + "".join(f"a{i}: &a{i} {line.format(f'*a{i - 1}')}\n" for i in range(1, 12))


TEN = ", ".join(["{0}"] * 10)
TOO_MANY = "more than 100000 values, aliases written out"
TOO_DEEP = "more than 50 blocks inside each other"
ITSELF = "or one that is inside itself"
REFUSED = {
    "aliases that multiply": (tenfold(f"[{TEN}]"), TOO_MANY),
    "merged aliases that multiply": (
        tenfold(f"{{{{<<: [{TEN}]}}}}").replace("[" + ", ".join("x" * 10) + "]", "{x: 1}"),
        TOO_MANY,
    ),
    "many values": ("[" + "1," * strict_yaml.VALUES + "]", f"line 1, column 2: {TOO_MANY}"),
    "a mapping in itself": ("a: &a {b: *a}", ITSELF),
    "a list in itself": ("a: &a [*a]", ITSELF),
    "deep lists": ("[" * 3000, TOO_DEEP),
    "deep mappings": ("{a: " * 3000, TOO_DEEP),
    "deep blocks": ("\n".join(" " * i + "a:" for i in range(1000)), TOO_DEEP),
    "deep aliases": (
        "a0: &a0 [1]\n" + "\n".join(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 3000)),
        TOO_DEEP,
    ),
    "long text": ("a: " + "x" * strict_yaml.CHARACTERS, "longer than 1048576 characters"),
    "a list as a key": ("? [1, 2]\n: x", "line 1, column 3: keys are text, not blocks or lists"),
    "a block as a key": ("? {a: 1}\n: x", "line 1, column 3: keys are text, not blocks or lists"),
    "a number as a key": ("a:\n  1: x", "line 2, column 3: keys are text: write '1' in quotes"),
    "null as a key": ("null: x", "line 1, column 1: keys are text: write 'null' in quotes"),
    "true as a key": ("on: x", "line 1, column 1: keys are text: write 'on' in quotes"),
    "a day that is none": ("a: 2020-99-99", "line 1, column 4: month must be in 1..12"),
    "an endless number": ("a: " + "9" * 5000, "line 1, column 4: a number of more than 400 digits"),
    "one in base 16": ("a: 0x" + "f" * 5000, "line 1, column 4: a number of more than 400 digits"),
    "one in base 60": ("a: 1" + ":59" * 200, "line 1, column 4: a number of more than 400 digits"),
    "a tag that is not so": ("a: !!bool maybe", "line 1, column 4: 'maybe' is no bool"),
    "a tag of nothing": ("a: !!int ''", "line 1, column 4: '' is no int"),
    "a tag of a date": ("a: !!timestamp x", "line 1, column 4: 'x' is no timestamp"),
    "a list as a block": ("!!map [1, 2]", "line 1, column 1: the tag says that it is a block"),
    "half of a character": ('a: "\\ud800"', "line 1, column 4: an escape in the text is half"),
    "half of one as a key": ('"\\ud800": 1', "line 1, column 1: an escape in the text is half"),
    "a character that is none": ("a: \0", "unacceptable character #x0000"),
}


@pytest.mark.parametrize("document", REFUSED)
def test_documents_that_are_refused_at_once(document):
    text, told = REFUSED[document]
    with pytest.raises(ValueError, match=re.escape(told)) as caught:
        strict_yaml.parse(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", ["010", "-0777", "0_7", "1:30", "190:20:30", "1:30.5"])
def test_numbers_that_are_others_than_they_look_like_are_refused(number):
    with pytest.raises(ValueError, match=f"line 2, column 4: YAML reads {number} in another base"):
        strict_yaml.parse(f"a: 1\nb: {number}")
    assert strict_yaml.parse(f"b: '{number}'") == {"b": number}


def test_numbers_are_what_they_look_like():
    written = "[0, 10, -7, 1_000, 0x1f, 0.5, .5, 08, 1.0e-3, 00.5]"
    assert strict_yaml.parse(written) == [0, 10, -7, 1000, 31, 0.5, 0.5, "08", 1e-3, 0.5]


def test_aliases_and_merged_blocks_are_what_they_stand_for():
    text = "a: &a {x: [1, 2], y: 3}\nb: *a\nc: {<<: *a, y: 4}\n'1': z"
    block = {"x": [1, 2], "y": 3}
    assert strict_yaml.parse(text) == {"a": block, "b": block, "c": {**block, "y": 4}, "1": "z"}


def test_no_more_of_a_file_is_read_than_a_configuration_may_have():
    with pytest.raises(ConfigurationError, match="longer than 1048576 characters"):
        load("/dev/zero")


def test_mappings_have_the_limits_of_files():
    itself = {}
    itself["datasets"] = itself
    shared = "x"
    for _ in range(12):
        shared = [shared] * 10
    for document, told in ((itself, ITSELF), ({"datasets": shared}, TOO_MANY)):
        with pytest.raises(ConfigurationError, match=told):
            load(document)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_files_in_other_encodings_are_refused_with_the_remedy(encoding, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_bytes("a: é".encode(encoding))
    with pytest.raises(ConfigurationError, match=r"not text in UTF-8 .*: save it in this encoding"):
        load(path)


def test_mappings_with_what_no_file_can_hold_are_refused_in_words():
    with pytest.raises(ConfigurationError, match="expected a block with keys datasets"):
        load({"\ud800": 1})
    with pytest.raises(ConfigurationError, match=r"seed = \(a number without end\)"):
        load({"datasets": {"waves": {"seed": 1 << 20_000}}})


def test_files_are_looked_at_before_anything_else_is_loaded(tmp_path):
    """By a command that knows nothing of what a study means, and so ends at once."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text("datasets: {waves: {without: meaning}}\n")
    bad.write_text("a: 1\na: 2\n")
    command = [sys.executable, "-X", "importtime", "-m", "fsdiff.study.strict_yaml"]

    def said(*paths):
        done = subprocess.run([*command, *map(str, paths)], capture_output=True, text=True)
        lines = done.stderr.splitlines()
        loaded = {line.rpartition("|")[2].strip() for line in lines if line.startswith("import ")}
        assert not {"torch", "pydantic", "numpy"} & loaded
        return done.returncode, [line for line in lines if not line.startswith("import ")]

    assert said(good) == (0, [])
    wrong = f"{bad}: line 2, column 1: 'a' was already given in line 1; keep one"
    assert said(good, bad) == (1, [wrong])
    nowhere = tmp_path / "nowhere.yaml"
    assert said(nowhere) == (1, [f"{nowhere}: cannot be read: No such file or directory"])

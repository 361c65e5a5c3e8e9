"""What files were made from: hashes that tell it, and words for what is different."""

import json
import os

import netCDF4
import pytest
import xarray as xr

from fsdiff.data import json_files, storage, tensors
from fsdiff.data.storage import Provenance
from fsdiff.jobs.failures import StorageError
from fsdiff.jobs.lineage import check, difference_of, lineage, recorded

JOB = {"config": {"source": {"kind": "darcy"}, "seed": 3}, "code": "0123456789abcdef"}
OWN = lineage(JOB, ["a", "b"])
PLANNED = {**JOB, "lineage": OWN}
MADE = Provenance.of_job(PLANNED)


def written(path, made=MADE):
    """A file of each kind that records what it was made from."""
    if path.suffix == ".nc":
        storage.write(xr.Dataset({"a": 1}), path, title="a test", provenance=made)
    elif len(path.suffixes) == 2:  # weights that are kept on the way
        tensors.write(path, {}, made.attributes())
    else:
        json_files.write(path.with_suffix(".json"), {"rows": [], **made.attributes()})
        path.touch()
    return path


def other(**changes):
    return Provenance.of_job({**PLANNED, "lineage": "f" * 16, **changes})


@pytest.mark.parametrize(
    ("job", "inputs"),
    [
        ({**JOB, "code": "f" * 16}, ["a", "b"]),
        ({**JOB, "config": {**JOB["config"], "seed": 4}}, ["a", "b"]),
        ({**JOB, "shard": {}}, ["a", "b"]),
        (JOB, ["a", "c"]),
        (JOB, ["a"]),
        (JOB, []),
    ],
)
def test_lineages_tell_jobs_and_inputs_apart(job, inputs):
    assert lineage(job, inputs) != OWN


def test_where_files_are_is_no_part_of_lineages_if_their_contents_are():
    def job(path, *, content="c", locations=(["source", "path"],)):
        read = {"content": content, "locations": [*locations]}
        return {"config": {"simulate": {"source": {"path": path, "time": 1}, **read}}, "code": ""}

    here = job("here")
    assert lineage(here) == lineage(job("there"))
    assert here == job("here"), "the job itself still says where"
    assert lineage(here) != lineage(job("here", content="d"))
    assert lineage(job("here", locations=())) != lineage(job("there", locations=()))


def test_lineages_do_not_depend_on_order_or_number_of_files():
    assert lineage(dict(reversed(JOB.items())), ["b", "a", "b"]) == OWN


@pytest.mark.parametrize("name", ["16.nc", "16.json", "16.safetensors", "16.every2.safetensors"])
def test_files_of_all_kinds_record_their_lineage(tmp_path, name):
    path = tmp_path / name
    written(path)
    assert recorded(path)["fsdiff_lineage"] == OWN
    check({str(path): PLANNED})


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (
            other(config={"source": {"kind": "darcy"}, "seed": 4}),
            "was made with another configuration: seed is 4, expected 3",
        ),
        (
            other(config={"source": {"kind": "files", "path": "x"}, "seed": 3}),
            'source.kind is "files", expected "darcy", source.path is "x", expected not to be',
        ),
        (other(config={"seed": 3}), 'source is not given, expected {"kind": "darcy"}'),
        (other(code="f" * 16), f"other code: fingerprint {'f' * 16}, expected 0123456789abcdef"),
        (other(), "was made from other files: something before it had another configuration"),
        (other(lineage=""), "not written by fsdiff, or was edited: it has no fsdiff_lineage"),
    ],
)
@pytest.mark.parametrize("name", ["16.nc", "16.json", "16.safetensors", "16.every2.safetensors"])
def test_what_was_made_from_something_else_is_refused_by_name(tmp_path, name, made, told):
    path = written(tmp_path / name, made)
    with pytest.raises(StorageError) as refused:
        check({str(path): PLANNED})
    assert f"{path} " in str(refused.value)
    assert told in str(refused.value)
    assert "snakemake --forcerun" in str(refused.value)


def test_all_files_are_named_up_to_ten(tmp_path):
    paths = [str(written(tmp_path / f"{i}.json", other())) for i in range(12)]
    with pytest.raises(StorageError) as refused:
        check(dict.fromkeys(paths, PLANNED))
    assert all(path in str(refused.value) for path in paths[:10])
    assert "and 2 more" in str(refused.value)


def test_files_that_record_nothing_and_missing_ones_are_no_concern(tmp_path):
    (tmp_path / "summary.csv").write_text("a\n1\n")
    check({str(tmp_path / name): PLANNED for name in ("summary.csv", "missing.nc")})


@pytest.mark.parametrize("content", [b"", b"[1]", b"[" * 100_000, b"\x89HDF\r\n\x1a\n", b"\xff"])
@pytest.mark.parametrize("suffix", [".nc", ".json", ".every2.safetensors"])
def test_damaged_files_are_left_to_their_readers(tmp_path, suffix, content):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(content)
    if content != b"[1]" or suffix != ".json":
        assert recorded(path) is None
        check({str(path): PLANNED})


def test_attributes_of_any_type_are_put_up_with(tmp_path):
    path = written(tmp_path / "16.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.fsdiff_lineage, file.fsdiff_config = 7, 8
    assert difference_of(recorded(path), PLANNED) == "records no configuration"
    with netCDF4.Dataset(path, "a") as file:
        file.fsdiff_config = json.dumps([1])
    assert "another configuration" in difference_of(recorded(path), PLANNED)


def test_what_is_no_file_is_not_waited_for(tmp_path):
    path = tmp_path / "16.json"
    os.mkfifo(path)
    assert recorded(path) is None

"""Files: whole or absent, the same bytes for the same data, refused by name when damaged."""

import hashlib
import json
import os
import subprocess
import sys
import textwrap

import dask.array
import netCDF4
import numpy as np
import pytest
import xarray as xr

from fsdiff.data import json_files, storage
from fsdiff.data.storage import Provenance, read, write
from fsdiff.jobs.failures import StorageError

PROVENANCE = Provenance({"source": {"kind": "test", "k": 1e-3}}, "0123456789abcdef", 3)


def fields(count=6, n=8, first=0, **changes):
    values = np.random.default_rng(first).standard_normal((count, 1, n, n)).astype(np.float32)
    nodes = (np.arange(n) + 0.5) / n
    dataset = xr.Dataset(
        {"field": (("sample", "channel", "y", "x"), values, {"units": "1"})},
        coords={
            "sample": np.arange(first, first + count),
            "channel": ["u"],
            "y": ("y", nodes, {"units": "1"}),
            "x": ("x", nodes, {"units": "1"}),
        },
        attrs={"fsdiff_basis": "cosine"},
    )
    return dataset.assign(changes)


def saved(path, dataset=None):
    write(fields() if dataset is None else dataset, path, title="a test", provenance=PROVENANCE)
    return path


def lazy(dataset, chunk=2):
    return dataset.assign(field=dataset["field"].chunk(sample=chunk))


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


# Writing


def test_what_is_written_is_read_back(tmp_path):
    dataset = fields()
    back = read(saved(tmp_path / "a.nc", dataset))
    xr.testing.assert_equal(back, dataset)
    assert back["field"].attrs["units"] == "1"
    assert Provenance.of(back) == PROVENANCE


def test_files_open_naturally_and_follow_the_conventions(tmp_path):
    with xr.open_dataset(saved(tmp_path / "a.nc")) as dataset:
        assert dataset["field"].dims == ("sample", "channel", "y", "x")
        assert dataset["field"].dtype == np.float32
        assert list(dataset["channel"].values) == ["u"]
        assert dataset.attrs["Conventions"] == "CF-1.11"
        assert dataset.attrs["title"] == "a test"
        assert dataset.attrs["fsdiff_basis"] == "cosine"
        assert dataset.attrs["fsdiff_config"] == '{"source":{"k":0.001,"kind":"test"}}'
        assert {"history", "source", "fsdiff_version"} <= dataset.attrs.keys()


def test_identical_data_give_identical_bytes_in_any_order_of_chunks(tmp_path):
    dataset = fields(count=64)
    whole = saved(tmp_path / "a.nc", dataset).read_bytes()
    for chunk in (1, 7, 64):
        assert saved(tmp_path / "b.nc", lazy(dataset, chunk)).read_bytes() == whole


@pytest.mark.parametrize(
    ("given", "stored"), [("f2", "f4"), (">f4", "<f4"), ("f8", "f8"), (">f8", "<f8")]
)
def test_fields_are_stored_as_precisely_as_they_are_given(tmp_path, given, stored):
    dataset = fields()
    dataset = dataset.assign(field=(1000 + dataset["field"]).astype(given))
    for chunk in (None, 2):
        path = saved(tmp_path / "a.nc", dataset if chunk is None else lazy(dataset, chunk))
        for chunks in (None, 3):
            with read(path, chunks=chunks) as back:
                assert back["field"].dtype == stored
                np.testing.assert_array_equal(back["field"], dataset["field"])


def test_a_file_read_lazily_can_be_written_again(tmp_path):
    first = saved(tmp_path / "a.nc")
    with read(first, chunks=4) as dataset:
        half = dataset.isel(y=slice(4), x=slice(4))
        assert read(saved(tmp_path / "b.nc", half))["field"].shape == (6, 1, 4, 4)


@pytest.mark.parametrize("chunk", [None, 2])
def test_values_that_are_not_finite_are_never_written(tmp_path, chunk):
    dataset = fields()
    dataset["field"][3, 0, 1, 2] = np.inf
    dataset = dataset if chunk is None else lazy(dataset, chunk)
    with pytest.raises(StorageError, match=r"not finite in sample 3: .*a\.nc was not written"):
        saved(tmp_path / "a.nc", dataset)
    assert entries(tmp_path) == []


# Atomicity


def test_an_error_while_chunks_are_computed_leaves_the_previous_file(tmp_path):
    path = saved(tmp_path / "a.nc")
    before = path.read_bytes()

    def explode(block):
        raise ZeroDivisionError("in a chunk")

    dataset = lazy(fields())
    values = dataset["field"].data.map_blocks(explode, meta=np.empty((0, 0, 0, 0), np.float32))
    with pytest.raises(ZeroDivisionError):
        saved(path, dataset.assign(field=dataset["field"].copy(data=values)))
    assert path.read_bytes() == before
    assert entries(tmp_path) == ["a.nc"]


def test_a_full_disk_is_reported_and_leaves_the_previous_file(tmp_path):
    """A limit on the size of files stands in for a full disk: the library's error is the same."""
    saved(tmp_path / "a.nc")
    before = (tmp_path / "a.nc").read_bytes()
    script = """
        import resource, signal, sys
        sys.path.insert(0, sys.argv[2])
        import test_storage
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:
            test_storage.saved(sys.argv[1], test_storage.lazy(test_storage.fields(100, 64)))
        except test_storage.StorageError as error:
            print(error)
    """
    run = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(script),
            tmp_path / "a.nc",
            os.path.dirname(__file__),
        ],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert f"cannot write {tmp_path / 'a.nc'}" in run.stdout
    assert "File too large); files may not become so large there: raise the limit" in run.stdout
    assert (tmp_path / "a.nc").read_bytes() == before
    assert entries(tmp_path) == ["a.nc"]


# Reading


def refused(path, *, chunks=None):
    with pytest.raises(StorageError) as caught:
        read(path, chunks=chunks)["field"].values  # noqa: B018
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_missing_files_are_refused(tmp_path):
    assert "does not exist; run the workflow" in refused(tmp_path / "a.nc")


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_truncated_files_are_refused(tmp_path, part):
    path = saved(tmp_path / "a.nc", fields(50))
    os.truncate(path, int(part * path.stat().st_size))
    assert "truncated or not NetCDF" in refused(path)


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "a.nc").write_text("sample,channel\n")
    assert "not NetCDF" in refused(tmp_path / "a.nc")
    fields().to_netcdf(tmp_path / "b.nc")
    message = refused(tmp_path / "b.nc")
    assert "not written by fsdiff" in message
    assert "fsdiff_fingerprint" in message
    assert "delete it and run the workflow again" in message


def test_a_file_that_lost_its_provenance_is_refused(tmp_path):
    path = saved(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.delncattr("fsdiff_seed")
    assert "has no fsdiff_seed" in refused(path)


@pytest.mark.parametrize("chunks", [None, 2, "auto"])
@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_a_sample_that_was_edited_is_named(tmp_path, chunks, value):
    path = saved(tmp_path / "a.nc", fields(first=10))
    with netCDF4.Dataset(path, "a") as file:
        file["field"][4, 0, 0, 0] = value
    assert "the checksum of 'field' does not fit in sample 14" in refused(path, chunks=chunks)


def test_lazy_reading_checks_only_what_is_used(tmp_path):
    path = saved(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file["field"][5] = 1
    field = read(path, chunks=2)["field"]
    assert isinstance(field.data, dask.array.Array)
    np.testing.assert_array_equal(field[:4], fields()["field"][:4])
    with pytest.raises(StorageError, match="sample 5"):
        field.mean().compute()


@pytest.mark.parametrize("value", [np.nan, 1.0])
def test_all_damaged_samples_are_named_up_to_ten(tmp_path, value):
    dataset = fields(count=30)
    path = saved(tmp_path / "a.nc", dataset)
    named = "in sample 0, 2, 4, 6, 8, 10, 12, 14, 16, 18 and 5 more"
    with netCDF4.Dataset(path, "a") as file:
        file["field"][::2] = value
    with pytest.raises(StorageError, match=named):
        read(path)
    dataset["field"][::2] = np.inf
    with pytest.raises(StorageError, match=f"not finite {named}"):
        saved(path, dataset)


PARTS = {
    "the first": (slice(1),),
    "the last": (-1,),
    "one": (3,),
    "a few in the middle": (slice(2, 5),),
    "every other one": (slice(1, 6, 2),),
    "backwards": (slice(None, None, -1),),
    "backwards and every other one": (slice(5, 0, -2),),
    "none": (slice(0),),
    "a corner of each": (slice(None), 0, slice(4), slice(2, None, 2)),
    "a node of one": (2, 0, 3, 1),
    "a choice": ([5, 0, 3],),
    "a mask": (np.arange(6) % 2 == 0,),
}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("chunks", [1, 4, "auto"])
def test_every_part_of_a_lazy_field_is_that_of_the_field(tmp_path, part, chunks):
    expected = fields()["field"]
    field = read(saved(tmp_path / "a.nc"), chunks=chunks)["field"]
    xr.testing.assert_identical(field[part].compute(), expected[part])


def test_lazy_fields_follow_no_change_of_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "a.nc")
    field = read("a.nc", chunks=2)["field"]
    monkeypatch.chdir("/")
    xr.testing.assert_equal(field.compute(), fields()["field"])


def test_other_dimensions_are_refused(tmp_path):
    path = saved(tmp_path / "a.nc", fields().transpose("sample", "y", "x", "channel"))
    message = refused(path)
    assert "dimensions (sample, y, x, channel), expected (sample, channel, y, x) or" in message
    assert "(sample, time, channel, y, x)" in message


def test_files_without_fields_are_refused(tmp_path):
    dataset = fields()
    assert "no variable 'field'" in refused(saved(tmp_path / "a.nc", dataset.drop_vars("field")))


def test_a_coordinate_that_was_lost_is_noticed(tmp_path):
    path = saved(tmp_path / "a.nc")
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("sample", "number")
    assert "its digest does not fit its coordinates, numbers and attributes" in refused(path)


# Results without fields


def results():
    return xr.Dataset(
        {"loss": (("epoch", "resolution"), [[1.0, np.nan], [0.25, 0.5]], {"units": "1"})},
        {"epoch": [0, 2], "resolution": [8, 16], "metric": ("resolution", ["a", "b"])},
        {"best_epoch": 2, "best_loss": 0.25, "names": ["one", "two"], "weights": [0.5, 2.0]},
    )


def test_results_are_read_back(tmp_path):
    back = storage.read_results(saved(tmp_path / "a.nc", results()))
    xr.testing.assert_equal(back, results())
    assert back["loss"].attrs == {"units": "1"}
    assert back.attrs["best_epoch"] == 2
    assert Provenance.of(back) == PROVENANCE


def edit(what):
    def edited(path):
        with netCDF4.Dataset(path, "a") as file:
            what(file)

    return edited


EDITS = {
    "a number": edit(lambda file: file["loss"].__setitem__((1, 0), 0.2)),
    "a coordinate": edit(lambda file: file["epoch"].__setitem__(1, 3)),
    "a word": edit(lambda file: file["metric"].__setitem__(0, "c")),
    "an attribute": edit(lambda file: file.setncattr("best_epoch", 1)),
    "a type": edit(lambda file: file.setncattr("best_epoch", 2.0)),
    "a unit": edit(lambda file: file["loss"].setncattr("units", "m")),
    "a new attribute": edit(lambda file: file.setncattr("note", "better")),
    "a new variable": edit(lambda file: file.createVariable("loss2", "f8", "epoch")),
    "a name": edit(lambda file: file.renameVariable("loss", "gain")),
    "the seed": edit(lambda file: file.setncattr("fsdiff_seed", 4)),
    "the digest": edit(lambda file: file.setncattr("fsdiff_digest", "0" * 64)),
}


@pytest.mark.parametrize("change", EDITS.values(), ids=EDITS)
def test_every_edit_of_results_is_refused_by_name(tmp_path, change):
    path = saved(tmp_path / "a.nc", results())
    change(path)
    with pytest.raises(StorageError, match=r"a\.nc is damaged or was edited: its digest") as caught:
        storage.read_results(path)
    assert "; delete it and run the workflow again" in str(caught.value)


# One bit


def outcome(path, dataset, read_it):
    """Whether a file is refused by name; if it is not, it says what it said."""
    try:
        back = read_it(path).load()
    except StorageError as error:
        return str(path) in str(error)
    xr.testing.assert_identical(back, dataset)
    return False


@pytest.mark.parametrize("kind", ["fields", "lazy fields", "results"])
def test_no_flipped_bit_changes_what_is_read(tmp_path, kind):
    """At places that are spread over all of the file; HDF5 leaves room in it that means nothing."""
    read_it = {
        "fields": read,
        "lazy fields": lambda path: read(path, chunks=2),
        "results": storage.read_results,
    }[kind]
    path = saved(tmp_path / "a.nc", results() if kind == "results" else fields())
    content, whole = path.read_bytes(), read_it(path).load()
    places = np.random.default_rng(0).choice(len(content), 100, replace=False)
    refusals = 0
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        refusals += outcome(path, whole, read_it)
    assert refusals > 0


@pytest.mark.parametrize("kind", ["fields", "lazy fields"])
def test_every_flipped_bit_of_the_values_is_noticed(tmp_path, kind):
    path = saved(tmp_path / "a.nc")
    content, values = path.read_bytes(), fields()["field"].values.tobytes()
    start = content.find(values)
    for place in range(start, start + len(values), 31):
        damaged = bytearray(content)
        damaged[place] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        sample = (place - start) // (4 * 64)
        assert f"does not fit in sample {sample};" in refused(
            path, chunks=None if kind == "fields" else 2
        )


def test_chunks_depend_on_the_shape_of_a_sample_only():
    small, large = fields(count=3, n=64)["field"], fields(count=9, n=64)["field"]
    assert storage.samples_per_chunk(small) == storage.samples_per_chunk(large) == 128


# JSON


def test_json_is_canonical():
    assert json_files.canonical({"b": (1, 2.5), "a": None}) == '{"a":null,"b":[1,2.5]}'
    with pytest.raises(ValueError, match="Out of range float"):
        json_files.canonical({"a": float("nan")})


def test_json_is_written_and_read(tmp_path):
    path = tmp_path / "a.json"
    json_files.write(path, {"b": 1, "a": [0.1], "c": {9: "nine", 10: "ten"}})
    assert json_files.read(path) == {"a": [0.1], "b": 1, "c": {"9": "nine", "10": "ten"}}
    assert path.read_text().startswith('{\n  "a"')


def test_the_digest_of_json_is_that_of_its_canonical_text(tmp_path):
    json_files.write(tmp_path / "a.json", {"b": 1, "a": [0.1]})
    digest = hashlib.sha256(b'{"a":[0.1],"b":1}').hexdigest()
    assert json.loads((tmp_path / "a.json").read_text())["digest"] == digest


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is not whole JSON"),
        (b'{"a": ', "is not whole JSON"),
        (b"\xff\xfe", "is not whole JSON"),
        (b'{"a": NaN, "digest": ""}', "NaN is no JSON"),
        (b'{"a": 1e400, "digest": ""}', "Out of range float values"),
        (b"[" * 100_000 + b"]" * 100_000, "is not whole JSON"),
        (b'{"a": ' + b"9" * 1_000_000 + b"}", "is not whole JSON"),
        (b" " * (2**26 + 1), "larger than 64 MB"),
        (b"[1, 2]", "has no digest"),
        (b'{"a": 1}', "has no digest"),
        (b'{"a": 1, "digest": {"a": 1}}', "its digest does not fit"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_json_that_is_not_what_was_written_is_refused_by_name(tmp_path, content, told):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=rf"a\.json .*{told}.*; delete it and run") as caught:
        json_files.read(path)
    assert len(str(caught.value)) < 400


def test_json_that_is_missing_is_refused(tmp_path):
    with pytest.raises(StorageError, match="does not exist; run the workflow to make it"):
        json_files.read(tmp_path / "a.json")


def test_every_edit_of_json_is_noticed(tmp_path):
    path = tmp_path / "a.json"
    content = {"rows": [{"seed": 0, "loss": 0.25}], "title": "a test"}
    json_files.write(path, content)
    text = path.read_bytes()
    for place in range(len(text)):
        path.write_bytes(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
        try:
            found = json_files.read(path)
        except StorageError:
            continue
        assert found == content  # it was between numbers and words

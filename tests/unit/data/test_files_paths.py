"""Which files a path names, and that nothing is left out without a word."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from fsdiff.data.sources.digest import digest
from fsdiff.data.sources.files import FileData
from fsdiff.spaces.bases import CosineBasis
from fsdiff.study.__main__ import main

COSINE = CosineBasis()
N = 4


def fill(path, number):
    """A file of one sample in which all values are this number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:  # numpy.save would add a suffix
        np.save(file, np.full((N, N), float(number)))
    return path


def source(path):
    path = str(path) if isinstance(path, Path) else path
    return FileData(path, COSINE, dimensions=("y", "x"))


def numbers(path):
    found = source(path)
    found.check()
    return found.generate(range(found.available), 0).field[:, 0, 0, 0].values.tolist()


def study(path):
    source = {"kind": "files", "path": str(path), "basis": {"kind": "cosine"}}
    data = {
        "source": source | {"dimensions": ["y", "x"]},
        "split": {"train": 1, "validation": 1, "test": 2},
        "resolutions": [2, 4],
    }
    experiment = {
        "dataset": "mine",
        "prior": {"kind": "standard"},
        "process": {"kind": "vp"},
        "prediction": {"kind": "noise"},
        "network": {"kind": "unet", "width": 8},
        "sampler": {"kind": "ddim"},
        "levels": [{"resolution": 4, "epochs": 1}],
        "samples": {"count": 1, "resolutions": [4]},
    }
    metrics = {"one_point": {"kind": "one_point"}}
    return {
        "datasets": {"mine": data},
        "experiments": {"one": experiment},
        "evaluation": {"metrics": metrics},
    }


@pytest.fixture
def tree(tmp_path):
    """Runs at several depths, numbered in the order of their paths."""
    for number, name in enumerate(("a.npy", "b/c.npy", "b/d/e.NPY", "f/g.npy")):
        fill(tmp_path / "runs" / name, number)
    (tmp_path / "runs" / ".hidden").mkdir()
    fill(tmp_path / "runs" / ".hidden" / "h.npy", -1)
    fill(tmp_path / "runs" / "b" / ".i.npy", -1)
    return tmp_path / "runs"


@pytest.mark.parametrize("pattern", ["**/*.npy", "**", "**/", "**/*.[nN]*", "../runs/**/*.npy"])
def test_patterns_reach_any_depth(tree, pattern):
    assert numbers(f"{tree}/{pattern}") == [0, 1, 2, 3]


def test_patterns_below_a_folder_and_from_the_working_directory(tree, monkeypatch):
    assert numbers(f"{tree}/*/**/*.npy") == [1, 2, 3]
    assert numbers(f"{tree}/**/d/**/*.npy") == [2]
    monkeypatch.chdir(tree)
    assert numbers("**/*.npy") == [0, 1, 2, 3]
    assert source("**/*.npy").files[1] == Path("b/c.npy")


def test_suffixes_count_in_any_case(tmp_path):
    fill(tmp_path / "a.NPY", 0)
    fill(tmp_path / "b.Npy", 1)
    assert numbers(tmp_path) == numbers(tmp_path / "*.npy") == numbers(tmp_path / "*.NPY") == [0, 1]


def test_links_are_followed_and_each_file_counts_once(tree, tmp_path):
    fill(tmp_path / "elsewhere" / "z.npy", 9)
    (tree / "z").symlink_to(tmp_path / "elsewhere")
    (tree / "b" / "up").symlink_to(tree)
    (tree / "b" / "up2").symlink_to(tree)
    assert numbers(f"{tree}/**/*.npy") == [0, 1, 2, 3, 9]
    (tree / "y.npy").symlink_to(tree / "a.npy")
    found = source(f"{tree}/**/*.npy")
    assert len(found.files) == 5
    assert f"{tree}/y.npy is not read: it is the same file as {tree}/a.npy" in found.remarks
    (tree / "w.npy").hardlink_to(tree / "a.npy")
    assert f"{tree}/w.npy is not read: it is the same file as {tree}/a.npy" in source(tree).remarks
    (tree / "x.npy").symlink_to(tree / "nowhere")
    assert f"{tree}/x.npy is not read: it is a link that leads nowhere" in source(tree).remarks


def test_several_paths_count_in_their_order(tree):
    paths = (f"{tree}/f", f"{tree}/b/**/*.npy", f"{tree}/a.npy")
    assert numbers(paths) == [3, 1, 2, 0]
    with pytest.raises(ValueError, match=r"path = '.*none': there is no such file"):
        source((*paths, f"{tree}/none")).check()


def test_what_one_path_leaves_out_another_may_name(tmp_path):
    fill(tmp_path / "a.npy", 0)
    fill(tmp_path / "b.npy~", 1)
    (tmp_path / "c.txt").touch()
    both = (str(tmp_path), f"{tmp_path}/b.npy~")
    assert numbers(both) == [0, 1]
    assert source(both).remarks == (f"{tmp_path}/c.txt is not read: it holds no arrays",)


def test_home_and_braces_are_part_of_paths(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "data {x}" / "a[1].npy", 7)
    for path in ("~/data {x}/a[1].npy", "~/data {x}", "~/data {x}/*.npy", "~/**/*.npy"):
        assert numbers(path) == [7]


def test_folders_with_brackets_are_those_of_the_name(tmp_path):
    fill(tmp_path / "run[1]" / "inside" / "a.npy", 5)
    fill(tmp_path / "run1" / "inside" / "a.npy", 6)
    for pattern in ("*/*.npy", "**/a.npy", "insid[e]/a.npy"):
        assert numbers(tmp_path / "run[1]" / pattern) == [5]
    assert numbers(tmp_path / "run[12]" / "*/*.npy") == [6]


def test_what_is_named_and_not_read_is_listed(tree):
    for name in ("README.md", "notes.txt", "parameters.json", "a.py"):
        (tree / name).write_text("no data")
    listed = source(tree).remarks
    assert f"{tree}/README.md is not read: it holds no arrays" in listed
    assert f"{tree}/b is not read: it is a folder; '{tree}/b/**' names what is in it" in listed
    assert [line.partition(" is not read")[0] for line in listed] == [
        f"{tree}/{name}" for name in ("README.md", "a.py", "b", "f", "notes.txt", "parameters.json")
    ]
    assert source(f"{tree}/*.npy").remarks == ()
    for number in range(30):
        (tree / f"{number}.log").touch()
    assert source(tree).remarks[20] == "16 more entries are not read"


@pytest.mark.parametrize("name", ["a.npy~", "a.npy.bak", "a.npy.part", "a.tmp"])
def test_copies_and_unfinished_files_are_listed(tmp_path, name):
    fill(tmp_path / "a.npy", 0)
    fill(tmp_path / name, 1)
    assert numbers(tmp_path) == [0]
    reason = "its name says that it is a copy, or is being written"
    assert source(tmp_path).remarks == (f"{tmp_path / name} is not read: {reason}",)


def test_folders_that_cannot_be_searched_are_refused(tree, monkeypatch):
    def denied(path, scan=os.scandir):
        if Path(path).name == "d":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr("os.scandir", denied)
    with pytest.raises(ValueError, match="b/d cannot be searched: Permission denied"):
        source(f"{tree}/**/*.npy").check()


@pytest.mark.parametrize("name", ["b.pt", "b.PKL", "b.grib", "b.nc.gz", "b.tif"])
def test_what_may_hold_fields_and_cannot_be_read_is_refused(tmp_path, name):
    fill(tmp_path / "a.npy", 0)
    (tmp_path / name).write_bytes(b"\x80\x04 something")
    with pytest.raises(ValueError, match=rf"{name} may hold fields.*convert it.*or give a pattern"):
        source(tmp_path).check()
    assert numbers(tmp_path / "*.npy") == [0]
    (tmp_path / "a.npy").unlink()
    with pytest.raises(ValueError, match=rf"{name} may hold fields.*convert it"):
        source(tmp_path).check()


def test_a_path_to_a_file_means_that_file(tmp_path):
    (tmp_path / "a.pt").write_bytes(b"\x80\x04 something")
    with pytest.raises(ValueError, match=r"a.pt is a pickle .*save its arrays"):
        source(tmp_path / "a.pt").check()
    assert numbers(fill(tmp_path / "fields", 3)) == [3]
    os.mkfifo(tmp_path / "pipe.npy")
    assert (
        f"{tmp_path}/pipe.npy is not read: it holds no arrays"
        in source(f"{tmp_path}/[fp]*").remarks
    )


def test_the_check_tells_what_is_not_read(tmp_path, capsys):
    fill(tmp_path / "data" / "a.npy", 0)
    (tmp_path / "data" / "notes.txt").touch()
    configuration = tmp_path / "config.yaml"
    configuration.write_text(json.dumps(study(tmp_path / "data")))
    assert main(["check", str(configuration)]) == 1
    for number in range(1, 4):
        fill(tmp_path / "data" / f"{number}.npy", number)
    assert main(["check", str(configuration)]) == 0
    told = capsys.readouterr().err
    assert f"datasets.mine.source: {tmp_path}/data/notes.txt is not read: it holds no" in told


def test_an_edit_within_the_same_instant_is_noticed(tmp_path):
    files = [fill(tmp_path / "a" / f"{number}.npy", number) for number in range(3)]
    before, status = digest(files), files[1].stat()
    fill(files[1], 8)
    os.utime(files[1], ns=(status.st_atime_ns, status.st_mtime_ns))
    assert files[1].stat().st_mtime_ns == status.st_mtime_ns
    assert digest(files) != before


def test_files_that_are_moved_together_are_the_same(tmp_path, monkeypatch):
    names = ["a/1.npy", "b/1.npy"]
    before = digest([fill(tmp_path / "here" / name, 1) for name in names])
    (tmp_path / "here").rename(tmp_path / "there")
    there = [tmp_path / "there" / name for name in names]
    assert digest(there) == before
    monkeypatch.chdir(tmp_path)
    assert digest([Path("there", name) for name in names]) == before
    assert digest(there[::-1]) != before
    (tmp_path / "there" / "b").rename(tmp_path / "there" / "c")
    assert digest([there[0], tmp_path / "there" / "c" / "1.npy"]) != before


def test_a_folder_stands_for_all_that_is_in_it(tmp_path):
    fill(tmp_path / "store" / "0" / "0.npy", 0)
    fill(tmp_path / "store" / ".meta", 0)
    before = digest([tmp_path / "store"])
    assert digest([tmp_path / "store"]) == before
    fill(tmp_path / "store" / "0" / "0.npy", 1)
    after = digest([tmp_path / "store"])
    fill(tmp_path / "store" / ".meta", 1)
    assert len({before, after, digest([tmp_path / "store"])}) == 3


def test_paths_into_installed_packages(tmp_path, monkeypatch):
    package = tmp_path / "sample_fields"
    fill(package / "data" / "a.npy", 1)
    fill(package / "data" / "b.npy", 2)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert numbers("package:sample_fields/data/*.npy") == [1, 2]
    assert numbers("package:sample_fields/data/b.npy") == [2]
    with pytest.raises(ValueError, match="no_such_fields is not installed: pip install no-such-f"):
        numbers("package:no_such_fields/a.npy")
    with pytest.raises(ValueError, match=r"there is no such file"):
        numbers("package:sample_fields/c.npy")

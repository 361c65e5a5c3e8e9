"""Files that paths, folders and patterns name, and those among them that are not read.

A folder stands for the files in it, a pattern for what a shell would make of it, with ``**`` for
any number of folders, also across links; a suffix counts in any case. As in a shell, names that
begin with a dot are only meant where they are written out. Each file counts once, under the first
of its names.
"""

import glob
import os
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

from pydantic import Field

from fsdiff.jobs.failures import StorageError

ANY_DEPTH = "**"

PACKAGE = "package:"
"""What paths begin with that lead into an installed package, such as one of sample data."""

PathText = Annotated[str, Field(min_length=1)]

Paths = PathText | Annotated[tuple[PathText, ...], Field(min_length=1)]
"""What a source of files names: one path or several."""

Wanted = Callable[[Path], bool]

UNREAD = (
    ".pt .pth .ckpt .pkl .pickle .joblib .grib .grib2 .grb .grb2 .tif .tiff .fits .vtk .vtu .vti "
    ".vts .hdf .cgns .parquet .feather .arrow .tfrecord .bin .dat .raw .zip .tar .tgz .gz .bz2 .xz "
    ".zst .nii .nrrd .mha .mhd .dcm .xlsx .xls .ods .rds .rdata .wav .flac .xdmf .vtp .msh .plt"
)
"""Suffixes of what may well be fields but is not read here: to leave it out would be a guess."""


UNFINISHED = (
    *("~", ".bak", ".orig", ".old"),
    *(".tmp", ".temp", ".part", ".partial", ".crdownload", ".swp"),
)
"""How names of copies end, and of files that are being written."""


def find_files(
    paths: Sequence[str], wanted: Wanted, *otherwise: Wanted
) -> tuple[tuple[Path, ...], dict[Path, str]]:
    """The wanted files and, with the reason, all else that is named.

    Files are in the order of the paths and, for each of these, of their names; a path to a file
    means that file, wanted or not. Where a path names nothing that is wanted, files are meant that
    are wanted ``otherwise``, by the first of these that any is. Raises StorageError where a path
    names nothing that is wanted, or what looks like fields and is not wanted.
    """
    read: dict[Hashable, Path] = {}
    skipped: dict[Path, str] = {}
    for path in paths:
        place = _in_package(path) or os.path.expanduser(path)
        named = sorted(map(Path, _named(place, wanted)))
        meant = {f for f in named if os.path.isfile(place) or (wanted(f) and not _unfinished(f))}
        for other in otherwise:
            meant = meant or {f for f in named if other(f) and not _unfinished(f)}
        if not meant:
            _refuse_fields(named, wanted)
            what = "there is no such file"
            if named:
                reason = f"{named[0]} is not: {_reason(named[0])}"
                what = f"none of {len(named)} entries is data, e.g. {reason}"
            raise StorageError(
                f"path = '{path}': {what} (from {Path.cwd()}); give a file, a folder of files, or "
                "a pattern such as runs/**/*.nc"
            )
        for found in named:
            if found not in meant:
                skipped[found] = _reason(found)
            elif (first := read.setdefault(_identity(found), found)) != found:
                skipped[found] = f"it is the same file as {first}"
    files = tuple(read.values())
    left = {found: skipped[found] for found in sorted(skipped.keys() - set(files))}
    _refuse_fields(left, wanted)
    return files, left


def _identity(path: Path) -> Hashable:
    """What names of one file have in common, be they links of either kind; for folders the path."""
    if path.is_dir():
        return path.resolve()
    status = path.stat()
    return status.st_dev, status.st_ino


def _in_package(path: str) -> str | None:
    """Where a path inside an installed package, ``package:NAME/…``, is; None for other paths."""
    if not path.startswith(PACKAGE):
        return None
    name, _, below = path.removeprefix(PACKAGE).partition("/")
    spec = find_spec(name) if name.isidentifier() else None
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise StorageError(
            f"path = '{path}': the package {name} is not installed: pip install "
            f"{name.replace('_', '-')}"
        )
    return os.path.join(places[0], below)


def _refuse_fields(skipped: Iterable[Path], wanted: Wanted) -> None:
    """Refuse to leave out what may be fields."""
    fields = [
        f for f in skipped if f.suffix.lower() in UNREAD.split() and f.is_file() and not wanted(f)
    ]
    if fields:
        others = f" and {len(fields) - 1} more" if len(fields) > 1 else ""
        raise StorageError(
            f"{fields[0]}{others} may hold fields, but '{fields[0].suffix}' is no format that is "
            "read here: convert it, e.g. to NetCDF or .npy, or give a pattern without it, such as "
            "runs/*.nc"
        )


def _named(path: str, wanted: Wanted) -> Iterable[str]:
    """What a path names: itself, what is in it, or what fits it."""
    if os.path.isdir(path) and not wanted(Path(path)):
        return [os.path.join(path, name) for name in _listing(path) if not name.startswith(".")]
    return [path] if os.path.exists(path) else _fitting(_as_written(path), wanted)


def _as_written(pattern: str) -> str:
    """The pattern where folders that are there by the very name, such as ``run[1]``, mean these."""
    parts = pattern.split("/")
    for count in range(len(parts) - 1, 0, -1):
        folder = "/".join(parts[:count])
        if os.path.isdir(folder):
            return "/".join([glob.escape(folder), *parts[count:]])
    return pattern


def _fitting(pattern: str, wanted: Wanted) -> Iterator[str]:
    """What fits a pattern; without folders that are searched anyway."""
    above, separator, below = _split(pattern)
    if not separator:
        yield from glob.iglob(_any_case(pattern))
        return
    for folder in _folders(above or ".", wanted):
        for found in _fitting(os.path.join(glob.escape(folder), below or "*"), wanted):
            if not os.path.isdir(found) or wanted(Path(found)):
                yield found


def _split(pattern: str) -> tuple[str, str, str]:
    """What is before and after the first ``**`` that is a whole part of a pattern."""
    parts = pattern.split("/")
    if ANY_DEPTH not in parts:
        return pattern, "", ""
    first = parts.index(ANY_DEPTH)
    above = "/".join(parts[:first]) or ("/" if first else "")
    return above, ANY_DEPTH, "/".join(parts[first + 1 :])


def _folders(pattern: str, wanted: Wanted) -> Iterator[str]:
    """Folders that fit a pattern and all below them, each once however many links lead to it."""
    seen = set()
    for top in sorted(filter(os.path.isdir, glob.glob(pattern))):
        for folder, inside, _ in os.walk(top, onerror=_refuse_folder, followlinks=True):
            original = os.path.realpath(folder)
            if original in seen or wanted(Path(folder)):
                inside.clear()
                continue
            seen.add(original)
            inside[:] = sorted(name for name in inside if not name.startswith("."))
            yield folder


def _listing(folder: str) -> list[str]:
    """Names in a folder."""
    try:
        return os.listdir(folder)
    except OSError as error:
        _refuse_folder(error)


def _refuse_folder(error: OSError) -> NoReturn:
    """Refuse to leave out what is in a folder that cannot be looked into."""
    raise StorageError(f"{error.filename} cannot be searched: {error.strerror}") from error


def _any_case(pattern: str) -> str:
    """The pattern with its suffix, such as ``.npy``, in any case."""
    stem, suffix = os.path.splitext(pattern)
    if not re.fullmatch(r"\.\w+", suffix):
        return pattern
    return stem + "".join(
        f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in suffix
    )


def _unfinished(path: Path) -> bool:
    return path.name.casefold().endswith(UNFINISHED)


def _reason(path: Path) -> str:
    """Why something that is named is not read."""
    if path.is_dir():
        return f"it is a folder; '{path}/**' names what is in it"
    if _unfinished(path):
        return "its name says that it is a copy, or is being written"
    return "it holds no arrays" if path.exists() else "it is a link that leads nowhere"

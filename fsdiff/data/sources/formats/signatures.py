"""Which format a file has, by its content."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from fsdiff.data.sources.formats import pictures
from fsdiff.data.sources.formats.interferogram import SUFFIX
from fsdiff.data.sources.formats.zarr_store import is_store

HDF5 = b"\x89HDF\r\n\x1a\n"

BEGINNINGS = {
    b"CDF\x01": "NetCDF-3",
    b"CDF\x02": "NetCDF-3",
    b"CDF\x05": "NetCDF-3",
    b"\x93NUMPY": "NumPy",
    b"MATLAB 5.0": "MATLAB",
    b"HIERARCHY": "BVH",
    b"\x1f\x8b": "gzip",
    **dict.fromkeys(pictures.BEGINNINGS, "picture"),
    **{bytes([0x80, protocol]): "pickle" for protocol in range(2, 6)},
}
"""First bytes of a file → its format."""

PICKLES = (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib")
"""Suffixes of files that can only be read by running what they say."""


def format_of(path: Path) -> str | None:
    """The name of the format, None if it is none that is known here."""
    if path.is_dir():
        return "zarr" if is_store(path) else None
    with path.open("rb") as file:
        beginning = file.read(128)
        if _is_hdf5(file):
            return "HDF5"
        for signature, name in BEGINNINGS.items():
            if beginning.startswith(signature):
                return name
        if beginning.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            return _kind_of_archive(path)
        if _is_safetensors(file):
            return "safetensors"
    if path.suffix.lower() in PICKLES:
        return "pickle"
    if path.suffix.lower() == SUFFIX and path.stat().st_size:
        return "interferogram"
    # Version 4 of MATLAB's files begins with numbers alone, in one order of bytes or the other.
    old = path.suffix.lower() == ".mat" and len(beginning) >= 20 and 0 in beginning[:4]
    return "MATLAB" if old else None


REFUSALS = {
    "pickle": (
        "is a pickle (as torch.save and joblib write), and reading one can run any program: where "
        "you trust it, load it and save its arrays with numpy.save or safetensors.torch.save_file"
    ),
    "gzip": "is compressed as a whole: unpack it first, for instance with gunzip",
}
"""Format → why its files are not read, and the remedy."""


def refusal(path: Path, kind: str | None, known: Sequence[str]) -> str:
    """Why a file is refused that is of none of the formats that are read, and the remedy."""
    if kind in REFUSALS:
        return REFUSALS[kind]
    if path.is_dir():
        return "is a folder and not a zarr store; give the files in it"
    if path.stat().st_size == 0:
        return "is empty; fetch or write it again"
    return (
        f"is in none of the formats that are read, by its content ({', '.join(known)}); "
        "fetch, write or convert it again"
    )


def _is_hdf5(file: BinaryIO) -> bool:
    """Whether a file has HDF5's signature, at its beginning or after what others keep there."""
    size, offset = file.seek(0, 2), 0
    while offset < size:
        file.seek(offset)
        if file.read(len(HDF5)) == HDF5:
            return True
        offset = max(512, 2 * offset)
    return False


def _kind_of_archive(path: Path) -> str | None:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return "NumPy archive" if path.suffix.lower() == ".npz" else None
    if any(name.endswith("data.pkl") for name in names):
        return "pickle"
    return "NumPy archive" if any(name.endswith(".npy") for name in names) else None


def _is_safetensors(file: BinaryIO) -> bool:
    """Whether a file begins with the length of a JSON object, and with the object."""
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    return 2 <= length <= size - 8 and file.read(2) in (b'{"', b"{}")

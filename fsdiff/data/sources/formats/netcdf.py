"""NetCDF-3: classic files and those with offsets or sizes of 64 bits."""

from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import netCDF4

from fsdiff.data.sources.formats import netcdf_header
from fsdiff.data.sources.formats.attributes import plain
from fsdiff.data.sources.formats.stored import Arrays, Stored
from fsdiff.data.sources.formats.views import Text
from fsdiff.jobs.failures import StorageError


def arrays(path: Path, stack: ExitStack) -> Arrays:
    """The variables of a file."""
    _check(path)
    file = stack.enter_context(netCDF4.Dataset(path))
    file.set_auto_maskandscale(False)
    file.set_auto_chartostring(False)
    return {name: _stored(variable) for name, variable in file.variables.items()}


def _check(path: Path) -> None:
    """Refuse what netCDF4 lets pass: it reads zeros after the end of a file."""
    header = netcdf_header.read(path)
    if header.end > path.stat().st_size:
        raise StorageError(f"{path} ends before its values do; fetch or write it again")
    for name, count in Counter(header.names).items():
        if count > 1:
            raise StorageError(f"{path} has {count} variables '{name}'; write it again")


def _stored(variable: Any) -> Stored:
    given = {name: _attribute(variable, name) for name in variable.ncattrs()}
    attributes, names = plain(given), variable.dimensions
    if variable.dtype.kind == "S":
        text = Text(variable, characters=len(names) > 1)
        return Stored(text, names[: len(text.shape)], attributes)
    return Stored(variable, names, _fill_value(variable) | attributes)


def _attribute(variable: Any, name: str) -> Any:
    """An attribute, text as the bytes that are in the file."""
    value = variable.getncattr(name, encoding="latin-1")
    return value.encode("latin-1") if isinstance(value, str) else value


def _fill_value(variable: Any) -> dict[str, Any]:
    """What stands where nothing was written, but for single bytes, all of which may be values."""
    if variable.dtype.itemsize == 1:
        return {}
    return {"_FillValue": netCDF4.default_fillvals[variable.dtype.str[1:]]}

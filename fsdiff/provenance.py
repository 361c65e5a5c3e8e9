"""What a result was made with: a fingerprint of the code that a job runs, and the package version.

The fingerprint is a hash of what counts as code, see ``fsdiff.syntax``, in exactly the modules that
a script reaches, so an edit elsewhere in the package leaves it as it is. Imports are found in the
source; nothing is imported.
"""

import hashlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from fsdiff import syntax

PACKAGE = Path(__file__).parent

FORBIDDEN = "study"
"""The package that imports every part: a job that reached it would depend on all code."""

WITHOUT_EFFECT = ("blocks", "jobs", "parts", "provenance", "streams", "syntax")
"""Modules, and packages as a whole, that jobs reach and whose code has no part in a result.

They watch, check, tell, start processes and put files in their places; and ``streams`` is a table
to which entries are added only.
"""


def fingerprint(
    *, script: Path | None = None, modules: Iterable[str] = (), root: Path = PACKAGE
) -> str:
    """Hash of the code of a script and of modules, with all that they import, 16 hex digits.

    ``modules`` are dotted names such as ``fsdiff.networks.fno``; ``root`` is the package's folder.
    Imports count wherever they stand, inside functions too, except under ``if TYPE_CHECKING``;
    a package's ``__init__`` that hands a name on is looked through, not followed.
    Raises ValueError for a module that does not exist, and where ``study`` is reached.
    """
    digest = hashlib.sha256()
    if script is not None:
        digest.update(syntax.source(Path(script)).code.encode())
    ignored = tuple(f"{root.name}.{name}." for name in WITHOUT_EFFECT)
    for module in dependencies(script=script, modules=modules, root=root):
        path = _file(module, root)
        if path is None or f"{module}.".startswith(ignored):
            continue
        digest.update(f"\n{module}\n{syntax.source(path).code}".encode())
    syntax.keep()
    return digest.hexdigest()[:16]


def dependencies(
    *, script: Path | None = None, modules: Iterable[str] = (), root: Path = PACKAGE
) -> tuple[str, ...]:
    """Names of the package's modules that a script and ``modules`` reach, themselves included.

    Raises ValueError for a module that does not exist, and where ``study`` is reached.
    """
    reached: dict[str, str] = {}
    waiting = [(module, "the list of modules") for module in modules]
    if script is not None:
        waiting += [(module, str(script)) for module in _imports(Path(script), "", root)]
    while waiting:
        module, origin = waiting.pop()
        if module in reached:
            continue
        if f"{module}.".startswith(f"{root.name}.{FORBIDDEN}."):
            raise ValueError(f"{origin} imports {module}, which would make it depend on all code")
        path = _file(module, root)
        if path is None:
            raise ValueError(f"{origin} imports {module}, which does not exist below {root}")
        reached[module] = origin
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        waiting += [(found, module) for found in _imports(path, package, root)]
    return tuple(sorted(reached))


def package_version() -> str:
    """The version of the package, e.g. "0.1.0"."""
    # Read at run time: a static import would make every job depend on the version number.
    return sys.modules[__package__].__version__


def _imports(path: Path, package: str, root: Path) -> Iterator[str]:
    """The package's modules that a file imports; relative imports start at ``package``."""
    for target, name in syntax.source(path).imports:
        yield from _resolve(_absolute(target, package), name, root)


def _resolve(target: str, name: str | None, root: Path) -> Iterator[str]:
    """The module that defines ``name`` of ``target``; ``target`` itself where no name is given."""
    if target.partition(".")[0] != root.name:
        return
    path = _file(target, root)
    if name is None or name == "*" or path is None or path.name != "__init__.py":
        yield target
    elif _file(f"{target}.{name}", root) is not None:
        yield f"{target}.{name}"
    else:
        origin = syntax.source(path).handed_on.get(name)
        if origin is None:
            yield target
        else:
            yield from _resolve(_absolute(origin[0], target), origin[1], root)


def _absolute(target: str, package: str) -> str:
    """A relative module name such as ``..bases`` as seen from a package."""
    name = target.lstrip(".")
    level = len(target) - len(name)
    if level == 0:
        return name
    parts = package.split(".")
    return ".".join([*parts[: len(parts) - level + 1], *([name] if name else [])])


def _file(module: str, root: Path) -> Path | None:
    path = root.parent.joinpath(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None

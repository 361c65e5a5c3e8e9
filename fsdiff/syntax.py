"""What is code in a source file, and what it imports.

Comments, docstrings and formatting do not count, nor does the wording of errors, warnings and logs,
nor what results are called. What is found in files of this package is kept where Python keeps what
it has compiled, by what is in them: to parse the package takes longer than to plan a small study.
"""

import ast
import hashlib
import sys
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import cache_from_source
from pathlib import Path
from typing import Any, NamedTuple

from fsdiff.data import json_files
from fsdiff.jobs.failures import StorageError

TYPE_CHECKS = ("TYPE_CHECKING", "typing.TYPE_CHECKING")

BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)
"""What imports are, and what holds them: no expression, so that few nodes need be looked at."""

MOST = 2000
"""So many sources are kept, some times as many as there are; of more, those that are in use."""

Import = tuple[str, str | None]
"""(module, name), name None for ``import module``; modules have leading dots if relative."""


class Source(NamedTuple):
    """What counts in a source file: a hash of its code, 16 hexadecimal digits, and its imports.

    ``handed_on`` are those of its top level by their names there.
    """

    code: str
    imports: tuple[Import, ...]
    handed_on: dict[str, Import]


def source(path: Path) -> Source:
    """What is in a file; StorageError where it is no Python, which names it and the line."""
    try:
        return _known().of(path.read_bytes())
    except SyntaxError as error:
        raise StorageError(f"{path}, line {error.lineno}: no Python: {error.msg}") from error


def keep() -> None:
    """Save what has been found, for other processes; where nothing can be saved, it is not."""
    _known().save()


class Known:
    """What was found in sources, by the hash of their text, and the file that it is kept in."""

    def __init__(self, path: Path) -> None:
        self.path, self.changed = path, False
        self.rules = _hash(Path(__file__).read_bytes() + sys.version.encode())
        self.found: dict[str, Source] = {}
        self.used: set[str] = set()
        with suppress(StorageError, KeyError, TypeError, ValueError):
            stored = json_files.read(path)
            if stored["rules"] == self.rules:
                self.found = {key: _plain_source(*item) for key, item in stored["found"].items()}

    def of(self, text: bytes) -> Source:
        """What is in a text."""
        key = _hash(text)
        self.used.add(key)
        if key not in self.found:
            self.found[key], self.changed = _parsed(text), True
        return self.found[key]

    def save(self) -> None:
        """Write what is new, if this process may write beside sources."""
        if self.changed and not sys.dont_write_bytecode:
            with suppress(StorageError):
                names = self.found if len(self.found) <= MOST else self.used
                found = {name: self.found[name] for name in names}
                json_files.write(self.path, {"rules": self.rules, "found": found})
        self.changed = False


@cache
def _known() -> Known:
    return Known(Path(cache_from_source(__file__)).with_suffix(".json"))


def _plain_source(code: str, imports: list[Any], handed_on: dict[str, Any]) -> Source:
    """A source as JSON has it."""
    found = {alias: (module, name) for alias, (module, name) in handed_on.items()}
    return Source(code, tuple((module, name) for module, name in imports), found)


def _hash(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:32]


def _parsed(text: bytes) -> Source:
    tree = _WithoutProse().visit(ast.parse(text))
    imports = ((module, name) for node in _executed(tree) for module, name, _ in _names_of(node))
    handed_on = {
        alias: (module, name) for node in tree.body for module, name, alias in _names_of(node)
    }
    return Source(_hash(ast.dump(tree).encode())[:16], tuple(imports), handed_on)


def _names_of(node: ast.AST) -> Iterator[tuple[str, str | None, str]]:
    """(module, name, alias) of everything that an import statement brings in."""
    if isinstance(node, ast.Import):
        for item in node.names:
            yield item.name, None, item.asname or item.name
    elif isinstance(node, ast.ImportFrom):
        for item in node.names:
            yield "." * node.level + (node.module or ""), item.name, item.asname or item.name


def _executed(tree: ast.Module) -> Iterator[ast.AST]:
    """The statements of a file, those inside others too, but what only a type checker sees."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in TYPE_CHECKS:
            waiting += node.orelse
            continue
        yield node
        waiting += (below for below in ast.iter_child_nodes(node) if isinstance(below, BLOCKS))


class _WithoutProse(ast.NodeTransformer):
    """Drops docstrings, wording of errors, warnings and logs, ``words`` and ``shares`` of classes.

    A string that stands alone as a statement is a docstring. Values in a message stay: what
    calculates them is code.
    """

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """A class without what says how its results are told."""
        node.body = [item for item in node.body if not _is_wording(item)]
        return self.generic_visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Nothing in place of a string; calls that tell something without their wording."""
        if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            return None
        return (_WithoutWording() if _tells(node.value) else self).generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """An error without its wording."""
        return _WithoutWording().generic_visit(node)


class _WithoutWording(ast.NodeTransformer):
    """Empties literal strings, and drops those between the values of a formatted one."""

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        """An empty string in place of any other."""
        return ast.Constant("") if isinstance(node.value, str) else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        """Its values alone."""
        values = (item for item in node.values if isinstance(item, ast.FormattedValue))
        return self.generic_visit(ast.JoinedStr([*values]))


def _is_wording(statement: ast.stmt) -> bool:
    """Whether a statement says how to tell results: ``words`` of metrics, ``shares`` of analyses.

    See ``fsdiff.metrics.words`` and ``fsdiff.analyses.base``.
    """
    return isinstance(statement, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id in ("words", "shares")
        for target in statement.targets
    )


def _tells(call: ast.AST) -> bool:
    """Whether an expression is a call of a logger's method or of ``warnings.warn``."""
    function = call.func if isinstance(call, ast.Call) else None
    owner = function.value if isinstance(function, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id in ("logger", "logging", "warnings")

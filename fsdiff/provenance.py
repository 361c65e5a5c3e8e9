"""What a result was made with: a fingerprint of the code that a job runs, and the package version.

The fingerprint is a hash of syntax trees, so comments, docstrings and formatting do not count, nor
does the wording of errors, warnings and logs, nor what results are called; and it covers exactly
the modules that a script reaches, so an edit elsewhere in the package leaves it as it is. Imports
are found in the source; nothing is imported.
"""

import ast
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).parent

FORBIDDEN = "study"
"""The package that imports every part: a job that reached it would depend on all code."""

WITHOUT_EFFECT = ("blocks", "jobs", "parts", "provenance", "streams")
"""Modules, and packages as a whole, that jobs reach and whose code has no part in a result.

They watch, check, tell, start processes and put files in their places; and ``streams`` is a table
to which entries are added only.
"""

TYPE_CHECKS = ("TYPE_CHECKING", "typing.TYPE_CHECKING")

BLOCKS = (ast.stmt, ast.excepthandler, ast.match_case)
"""What imports are, and what holds them: no expression, so that few nodes need be looked at."""


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
        digest.update(_syntax(_text(Path(script))).encode())
    ignored = tuple(f"{root.name}.{name}." for name in WITHOUT_EFFECT)
    for module in dependencies(script=script, modules=modules, root=root):
        path = _file(module, root)
        if path is None or f"{module}.".startswith(ignored):
            continue
        digest.update(f"\n{module}\n{_syntax(_text(path))}".encode())
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
    for target, name in _imported_names(_text(path)):
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
        origin = _handed_on(_text(path)).get(name)
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


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@lru_cache(maxsize=1024)
def _tree(source: str) -> ast.Module:
    """The syntax tree, without what is only read by people."""
    return _WithoutProse().visit(ast.parse(source))


@lru_cache(maxsize=1024)
def _syntax(source: str) -> str:
    """The syntax tree as text, without positions and what is only read by people."""
    return ast.dump(_tree(source))


@lru_cache(maxsize=1024)
def _imported_names(source: str) -> tuple[tuple[str, str | None], ...]:
    """(module, name) of each import, name None for ``import module``; leading dots if relative."""
    return tuple(
        (target, name) for node in _executed(_tree(source)) for target, name, _ in _names_of(node)
    )


@lru_cache(maxsize=1024)
def _handed_on(source: str) -> dict[str, tuple[str, str | None]]:
    """The names that the top level of a package imports: name → (module, name there)."""
    return {
        alias: (target, name)
        for node in _tree(source).body
        for target, name, alias in _names_of(node)
    }


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
    """Drops docstrings, the wording of errors, warnings and log messages, and ``words`` of classes.

    A string that stands alone as a statement is a docstring. Values in a message stay: what
    calculates them is code.
    """

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        """A class without the attribute that says what its results are called."""
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
    """Whether a statement of a class gives ``words``, see ``fsdiff.metrics.words``."""
    return isinstance(statement, ast.Assign) and any(
        isinstance(target, ast.Name) and target.id == "words" for target in statement.targets
    )


def _tells(call: ast.AST) -> bool:
    """Whether an expression is a call of a logger's method or of ``warnings.warn``."""
    function = call.func if isinstance(call, ast.Call) else None
    owner = function.value if isinstance(function, ast.Attribute) else None
    return isinstance(owner, ast.Name) and owner.id in ("logger", "logging", "warnings")

"""Parts by name: which class a block of configuration means, found without importing it.

A *part* is a public class with a class-level ``kind: Literal["name"] = "name"``; its constructor's
arguments are its configuration. Families and where their parts live are listed in ``FAMILIES``.
A new part is a new class in one of these places: the source is scanned, nothing is registered.

Frozen dataclasses are configured by all their fields. Other classes (networks) are configured by
their keyword-only arguments; positional ones, such as the number of channels, come from the data.
"""

import ast
import dataclasses
import importlib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache, partial
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from fsdiff.errors import Error

PACKAGE = Path(__file__).parent

FAMILIES = {
    "basis": "spaces.bases spaces.boxes spaces.channels spaces.gram",
    "bases": "spaces.bases spaces.boxes",
    "prior": "measures.priors",
    "priors": "measures.priors.convolution measures.priors.kernel",
    "process": "diffusion.processes",
    "network": "networks",
    "prediction": "diffusion.predictions",
    "time_sampling": "diffusion.time_sampling",
    "sampler": "diffusion.samplers",
    "samplers": "diffusion.samplers",
    "source": "data.sources",
    "downsampling": "spaces.downsampling",
    "transforms": "data.transforms",
    "measure": "measures.initial",
    "initial": "measures.initial",
    "random_forcing": "measures.initial",
    "permeability": "measures.permeability",
    "metrics": "metrics",
    "diagnostics": "diagnostics",
    "analysis": "analyses",
    "covariance": "measures.priors",
    "law": "measures.manifolds",
    "imitation": "measures.imitations",
    "against": "data.sources",
    "method": "methods",
    "operator": "inverse.observations",
    "observation": "inverse.observations",
    "guidance": "inverse.guidance",
    "map": "inverse.forward.darcy inverse.forward.membrane",
    "sensors": "inverse.observations.points",
    "link": "inverse.forward.links",
    "latent": "inverse.latent",
    "reference": "inverse.references.exact inverse.references.markov",
    "kernel": "inverse.references.kernels",
    "likelihood": "inverse.references.likelihoods",
    "localisation": "inverse.references.localisation",
    "annealing": "inverse.references.annealing",
    "adaptation": "inverse.references.adaptation",
    "tempering": "inverse.references.exchange",
    "posterior_metrics": "metrics.posterior",
    "condition": "inverse.conditions",
}
"""Key in the configuration → modules or packages below ``fsdiff`` that hold its parts."""


class PartError(Error, ValueError):
    """A source file declares a part that cannot be one."""


@cache
def kinds(family: str) -> dict[str, tuple[str, str]]:
    """All parts of a family: kind → (module, class name), sorted by kind."""
    return classes(FAMILIES[family], family)


def classes(locations: str, what: str) -> dict[str, tuple[str, str]]:
    """All classes with a kind in modules or packages: kind → (module, class name), sorted by kind.

    ``what`` they are is said where two have one kind.
    """
    found: dict[str, tuple[str, str]] = {}
    for path in _sources(locations):
        module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        for kind, name in _declared(path):
            if kind in found:
                raise PartError(
                    f"{what} '{kind}' is declared in {found[kind][0]} and {module}: give one of "
                    "them another kind"
                )
            found[kind] = (module, name)
    return dict(sorted(found.items()))


def find(family: str, kind: str) -> Any:
    """The class of a part, imported now."""
    try:
        module, name = kinds(family)[kind]
    except KeyError:
        raise ValueError(f"unknown {family} '{kind}'; known: {', '.join(kinds(family))}") from None
    return getattr(importlib.import_module(module), name)


def is_own(described: type) -> bool:
    """Whether a class is one of this package, and none that somebody has made."""
    return described.__module__.startswith(f"{PACKAGE.name}.")


def build(family: str, block: Mapping[str, Any], *context: Any) -> Any:
    """Construct the part that ``block`` describes; ``context`` are its positional arguments.

    Nested blocks whose key names a family are built first; a nested network, whose number of
    channels comes from the data, becomes a function of these.
    """
    arguments = {key: _nested(key, value) for key, value in block.items() if key != "kind"}
    return find(family, block["kind"])(*context, **arguments)


def check_defaults(part: Any, *names: str, where: str) -> None:
    """Raise ValueError where one of these settings is not its default, as nothing heeds it."""
    defaults = {field.name: field.default for field in fields(part)}
    for name in names:
        if (value := getattr(part, name)) != defaults[name]:
            raise ValueError(f"{name} = {value}: {where} has no such setting; leave it out")


def described(part: Any) -> Any:
    """The block that describes a part, for ``build``: its kind and what it was configured by."""
    if dataclasses.is_dataclass(part):
        return {item.name: described(getattr(part, item.name)) for item in fields(part)}
    if isinstance(part, tuple | list):
        return [described(item) for item in part]
    if hasattr(part, "settings"):
        settings = {name: described(value) for name, value in part.settings.items()}
        return {"kind": part.kind, **settings}
    if isinstance(part, Real) and not isinstance(part, int | float):  # NumPy's, which no file takes
        return int(part) if isinstance(part, Integral) else float(part)
    return part


def modules(block: Any) -> set[str]:
    """Modules of all parts named anywhere in a slice of configuration."""
    return {kinds(family)[kind][0] for family, kind in _named(block)}


def _named(block: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(block, Mapping):
        return
    for key, value in block.items():
        for part in _parts_in(key, value):
            yield key, part["kind"]
            yield from _named(part)
        # Where parts have names, such as those of channels, these are no keys of a block.
        if not _parts_in(key, value):
            yield from _named(value)


def _parts_in(key: str, value: Any) -> list[Mapping[str, Any]]:
    """The parts that an entry consists of: one, several, or several by name."""
    if _is_part(key, value):
        return [value]
    several = [*value.values()] if isinstance(value, Mapping) else value
    return [*several] if _are_parts(key, several) else []


def _nested(key: str, value: Any) -> Any:
    """What a constructor is given for an entry of a block."""
    if _are_parts(key, value):
        return tuple(build(key, part) for part in value)
    if not _is_part(key, value):
        return _freeze(value)
    return partial(build, key, value) if key == "network" else build(key, value)


def _is_part(key: str, value: Any) -> bool:
    return key in FAMILIES and isinstance(value, Mapping) and isinstance(value.get("kind"), str)


def _are_parts(key: str, value: Any) -> bool:
    """Whether an entry is a list of parts, such as one for each channel."""
    return isinstance(value, list | tuple) and bool(value) and all(_is_part(key, v) for v in value)


def _freeze(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _sources(locations: str) -> Iterator[Path]:
    for location in locations.split():
        path = PACKAGE.joinpath(*location.split("."))
        if path.is_dir():
            yield from sorted(path.glob("*.py"))
        else:
            yield path.with_suffix(".py")


def _declared(path: Path) -> Iterator[tuple[str, str]]:
    """(kind, class name) of each part that a source file declares."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise PartError(f"{path}, line {error.lineno}: no Python: {error.msg}") from error
    for node in tree.body:
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        for item in node.body:
            if (
                isinstance(item, ast.AnnAssign)
                and getattr(item.target, "id", None) == "kind"
                and isinstance(item.value, ast.Constant)
                and isinstance(item.value.value, str)
            ):
                yield item.value.value, node.name

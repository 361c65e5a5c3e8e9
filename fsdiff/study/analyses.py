"""Whether the parts of an analysis suit each other and the grids of its fields."""

from collections.abc import Iterator
from typing import Any

from fsdiff.blocks.explain import Location, Problem
from fsdiff.blocks.types import PartBlock
from fsdiff.data.sources.source import Source
from fsdiff.measures.priors.channels import ChannelPrior
from fsdiff.measures.priors.spectral import SpectralPrior
from fsdiff.networks.axes import bases_of_axes
from fsdiff.spaces.axes import AxisKind
from fsdiff.spaces.channels import ChannelBasis
from fsdiff.study.ranges import unusable_prior, unusable_process

CHECKED_WITH_PROCESS = ("sampler", "samplers", "prediction", "time_sampling")
"""Settings whose parts know with which processes they make sense."""
PERIODIC: AxisKind = "periodic"
"""The kind that all axes are to a network that is told of none, as those of analyses."""


def unsuited_parts(analyses: dict[str, PartBlock]) -> Iterator[Problem]:
    """What is wrong with analyses, by name."""
    for name, block in analyses.items():
        yield from (((name, *place), problem) for place, problem in _unsuited(block))


def _unsuited(block: PartBlock) -> list[Problem]:
    """What is wrong with one; later checks rely on what earlier ones have looked at."""
    checks = (_of_sources, _of_process, _of_kinds, _of_grids, _of_its_own, _of_laws, _of_network)
    for check in checks:
        if problems := [*check(block)]:
            return problems
    return []


def _of_sources(block: PartBlock) -> Iterator[Problem]:
    """Data that cannot be had."""
    for place, part in _parts(block).items():
        try:
            if isinstance(part, Source):
                part.check()
        except ValueError as error:
            yield place, str(error)


def _of_process(block: PartBlock) -> Iterator[Problem]:
    """Parts that make no sense with the process."""
    parts = _parts(block)
    process = parts.get(("process",))
    for place, part in parts.items():
        try:
            if process is not None and place[0] in CHECKED_WITH_PROCESS:
                part.check(process)
        except ValueError as error:
            yield place, str(error)


def _of_kinds(block: PartBlock) -> Iterator[Problem]:
    """Parts that are for other data than an analysis has."""
    for place, part in _parts(block).items():
        if isinstance(part, ChannelPrior | ChannelBasis):
            yield place, "fields of an analysis have one channel; give the part of that channel"
        elif getattr(part, "of_functions", False) and not block.part.of_functions:
            yield place, f"{block.kind} draws points, not functions; use kind: points"


def _of_grids(block: PartBlock) -> Iterator[Problem]:
    """Levels that the basis has not."""
    for place, basis, n in block.part.grids():
        try:
            basis.grid(n)
        except ValueError as error:
            yield place, str(error)


def _of_its_own(block: PartBlock) -> Iterator[Problem]:
    """What the analysis itself refuses."""
    yield from block.part.check()


def _of_laws(block: PartBlock) -> Iterator[Problem]:
    """Gaussian measures and a process whose numbers on the grids cannot be calculated with."""
    levels = sorted(n for _, _, n in block.part.grids())
    if not levels:
        return
    basis = next(basis for _, basis, _ in block.part.grids())
    for place, part in _parts(block).items():
        found: list[Problem] = []
        try:
            if isinstance(part, SpectralPrior):
                part.check(len(basis.refined_axes))
                found = [*unusable_prior(part, basis, levels[0])]
            elif place == ("process",):
                found = [*unusable_process(part, basis, levels[-1])]
        except ValueError as error:
            found = [((), str(error))]
        yield from (((*place, *inside), problem) for inside, problem in found)


def _of_network(block: PartBlock) -> Iterator[Problem]:
    """A network for fields of another dimension, or of more modes than a grid resolves."""
    network = block.settings.get("network")
    if network is None:
        return
    for place, basis, n in block.part.grids():
        axes = (PERIODIC,) * basis.dimension
        if wrong := [*_of_dimension(network, axes)]:
            yield from ((("network", name), problem) for name, problem in wrong)
            return
        problems = network.described.check_grid(axes, basis.grid(n), **network.settings)
        yield from ((place, f"the network's grid, {problem}") for problem in problems)


def _of_dimension(network: PartBlock, axes: tuple[AxisKind, ...]) -> Iterator[tuple[str, str]]:
    """Settings of a network that do not suit fields with as many axes."""
    wrong = [*network.described.check(axes, **network.settings)]
    yield from wrong
    if wrong or "dimension" not in network.settings:
        return
    own = len(bases_of_axes(network.settings.get("basis"), network.dimension, None))
    if own != len(axes):
        yield "dimension", f"the fields are {len(axes)}-D; use dimension: {len(axes)}"


def _parts(block: PartBlock) -> dict[Location, Any]:
    """The parts that a block is made of, with their places; no networks, which are not yet made."""
    found: dict[Location, Any] = {}
    for name, value in block.settings.items():
        several = value if isinstance(value, tuple) else (value,)
        for i, item in enumerate(several):
            if isinstance(item, PartBlock) and item.part is not None:
                found[(name, i) if isinstance(value, tuple) else (name,)] = item.part
    return found

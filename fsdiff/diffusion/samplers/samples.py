"""Samples, and what each of them cost."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fsdiff.spaces.bases import Basis


class Samples(NamedTuple):
    """Samples and what each of them cost.

    ``fields`` are (samples, channel, *grid); ``evaluations`` has for each sample the number of
    network evaluations on each grid, by its level. ``diagnostics`` has for each what its sampler
    tells of it by name, if this tells anything. ``indices`` are those that a model was asked for,
    and ``classes`` what it was told of each, if it knows any.
    """

    fields: Tensor
    evaluations: Sequence[Mapping[int, int]]
    diagnostics: Sequence[Mapping[str, float]] = ()
    indices: Sequence[int] = ()
    classes: Sequence[int | str] = ()

    def at(self, places: Sequence[int]) -> "Samples":
        """Those at some places."""
        evaluations = [self.evaluations[place] for place in places]
        told = [self.diagnostics[place] for place in places] if self.diagnostics else ()
        indices = [self.indices[place] for place in places] if self.indices else ()
        classes = [self.classes[place] for place in places] if self.classes else ()
        return Samples(self.fields[list(places)], evaluations, told, indices, classes)

    def chosen(self, known: Iterable[int], wanted: Sequence[int]) -> "Samples":
        """Those of the ``wanted`` indices, in this order, of samples of the ``known`` ones."""
        places = {index: place for place, index in enumerate(known)}
        own = [places[index] for index in wanted]
        if own == [*range(len(self.evaluations))]:
            return self
        return self.at(own)

    @property
    def network_evaluations(self) -> float:
        """Network evaluations per sample, on all grids."""
        return sum(self._means().values())

    def fine_evaluations(self, basis: Basis) -> float:
        """The same in evaluations on the grid of the samples, if costs are as numbers of nodes."""
        size = self.fields.shape[2:].numel()
        return sum(mean * (basis.size(n) / size) for n, mean in self._means().items())

    def cost(self, basis: Basis) -> dict[str, Any]:
        """Network evaluations per sample: in all, in units of fine ones, and on each grid."""
        return {
            "network_evaluations": self.network_evaluations,
            "fine_evaluations": self.fine_evaluations(basis),
            "evaluations": {str(n): mean for n, mean in self._means().items()},
        }

    def _means(self) -> dict[int, float]:
        totals = sum(map(Counter, self.evaluations), Counter())
        return {n: total / len(self.fields) for n, total in sorted(totals.items())}


def concatenate(parts: Sequence[Samples]) -> Samples:
    """The samples of several calls on one grid as those of one."""
    fields, *others = zip(*parts, strict=True)
    return Samples(torch.cat(fields), *([*chain(*own)] for own in others))

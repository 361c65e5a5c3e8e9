"""What every measure has in common: how it is called, and what it refuses before any job starts."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, NamedTuple, NoReturn, Self

from pydantic import Field
from torch import Tensor

from fsdiff.metrics.fields import check_fields
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis

Draws = Annotated[int, Field(ge=1, le=100_000)]
"""How many random directions or the like: more cost days and tell no more."""


class Metric(ABC):
    """A measure of how far samples (N, channels, *grid) are from reference fields on the grid.

    Fields come in units of each channel's own deviation and without its mean, so that no channel
    outweighs another by its unit. ``at_least`` is how many fields each set must have, ``physical``
    marks measures of fields in physical units, ``joint`` those that are taken of all channels at
    once and not of each by itself as well, ``continued`` those of fields as they are continued over
    nodes without values, ``classified`` those that look at fields through classifiers of the data,
    ``labelled`` those of fields with their classes, which see all samples that there are, and
    ``results`` are the names of the numbers, which are unique among all measures. ``words`` say
    what these are called in tables and figures, and which value of them is best; a result without
    words is called by its name, and is best where it is NAME_reference, or least if there is no
    such result.
    """

    kind: str
    at_least: ClassVar[int] = 1
    physical: ClassVar[bool] = False
    joint: ClassVar[bool] = False
    continued: ClassVar[bool] = False
    classified: ClassVar[bool] = False
    labelled: ClassVar[bool] = False
    if TYPE_CHECKING:  # a class attribute, or a property where results follow from settings

        @property
        def words(self) -> tuple[Words, ...]:
            """What results are called, and which value of them is best."""

    else:
        words = ()

    @property
    def results(self) -> tuple[str, ...]:
        """The names of the numbers; that of a value to be matched ends in ``_reference``."""
        return (self.kind,)

    def given(self, classifiers: Path) -> Self:
        """The same measure, which knows the classifiers in a file if it needs any."""
        return self

    def check_grid(self, basis: Basis, n: int) -> None:  # noqa: B027 (most take any grid)
        """Raise ValueError where fields at level n have no such number."""

    def check_channels(self, channels: int, *, masked: bool) -> None:  # noqa: B027 (the same)
        """Raise ValueError where there is no such number of fields with as many channels.

        ``masked`` tells whether some of their nodes have no values.
        """

    def fewest(self, result: str, basis: Basis, n: int, channels: int) -> int:
        """How many fields at level n both sets must have, so that there is a result."""
        return self.at_least

    def check(self, samples: Tensor, reference: Tensor, basis: Basis) -> None:
        """Raise ValueError for sets of fields that cannot be compared."""
        check_fields(samples, reference, basis, at_least=self.at_least)
        self.check_grid(basis, basis.resolution(samples))

    def compare(
        self, samples: Tensor, reference: Tensor, basis: Basis, present: Tensor | None = None
    ) -> dict[str, float]:
        """The numbers of fields of which only nodes that are ``present`` have values.

        ``present`` (channel, *grid), all if absent; at others, fields are continued harmonically.
        By default such nodes have weight zero in inner products, which are then means over all
        others, and nodes at different distances have the weights of their shares of the domain.
        Measures that are no functions of inner products see to it in their own way.
        """
        if self.continued:
            return self(samples, reference, basis)
        weights = _weights(samples, basis, present)
        if weights is None:
            return self(samples, reference, basis)
        return self(samples * weights, reference * weights, basis)

    @abstractmethod
    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The numbers by name; ValueError for fields that it cannot compare."""


def _weights(fields: Tensor, basis: Basis, present: Tensor | None) -> Tensor | None:
    """Roots of weights of nodes, whose mean is 1, for inner products; None where all are 1."""
    shares = basis.shares(basis.resolution(fields))
    if present is None and bool((shares == 1).all()):
        return None
    there = shares.to(fields.device) * (1 if present is None else present)
    return (there / there.mean(basis.grid_axes(), keepdim=True)).sqrt().to(fields)


class Labelled(NamedTuple):
    """Fields (N, channel, *grid), and the numbers of their classes (N,)."""

    fields: Tensor
    classes: Tensor


Comparison = Callable[[Labelled, Labelled], dict[str, float]]
"""The numbers by name of samples and reference fields; ValueError for those it cannot compare."""


class OfClasses(Metric):
    """A measure of fields with their classes, beside training fields with theirs."""

    joint: ClassVar[bool] = True
    labelled: ClassVar[bool] = True

    @abstractmethod
    def taught(self, training: Labelled, basis: Basis) -> Comparison:
        """What compares samples with reference fields, once it has seen training fields.

        One set of training fields is for many sets of samples, and it is looked at once.
        """

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> NoReturn:
        """There are no such numbers of fields without classes."""
        raise ValueError("is about fields with classes, and these have none: leave it out")


class OfTraining(Metric):
    """A measure that looks at training fields beside samples and reference fields."""

    def beside(
        self,
        training: Tensor,
        samples: Tensor,
        reference: Tensor,
        basis: Basis,
        present: Tensor | None = None,
    ) -> dict[str, float]:
        """The numbers of fields (N, channels, *grid) and training fields (M, channels, *grid).

        Nodes have the weights that they have in ``compare``. Raises ValueError for sets that cannot
        be compared.
        """
        self.check(samples, reference, basis)
        self.check(training, reference, basis)
        training, samples, reference = (
            fields.double() for fields in (training, samples, reference)
        )
        weights = _weights(samples, basis, present)
        if weights is not None:
            training, samples, reference = (
                fields * weights for fields in (training, samples, reference)
            )
        return self.found(training, samples, reference)

    @abstractmethod
    def found(self, training: Tensor, samples: Tensor, reference: Tensor) -> dict[str, float]:
        """The numbers by name of three sets of fields whose inner products are means over nodes."""

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> NoReturn:
        """There are no such numbers of two sets of fields."""
        raise ValueError("is about training fields, and there are none here: leave it out")

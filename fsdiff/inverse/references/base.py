"""What references share: draws of a posterior, with what there is to say of their convergence."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from torch import Tensor

from fsdiff.inverse.references.likelihoods import Likelihood
from fsdiff.inverse.references.posterior import Posterior


@dataclass(frozen=True)
class Draws:
    """Draws ``fields`` (count, *shape) of a posterior's own field, and how they have converged.

    ``remark`` says why they are no reference; empty where they are one. ``r_hat`` is the worst,
    ``effective_size`` the least of all quantities; NaN where draws are independent.
    ``diagnostics`` are other numbers, by name, that tell how they were drawn.
    """

    fields: Tensor
    r_hat: float
    effective_size: float
    acceptance: float
    remark: str = ""
    diagnostics: Mapping[str, Sequence[float]] = field(default_factory=dict)

    @property
    def converged(self) -> bool:
        """Whether these are a reference."""
        return not self.remark


class Reference(ABC):
    """A way to draw from a posterior that says itself whether it has worked.

    ``finest`` tells that it draws on the grid on which data were observed, from where fields are
    restricted, rather than on the grid that is asked for. ``likelihood`` is None for the noise of
    the observation.
    """

    kind: str
    finest: ClassVar[bool] = False

    if TYPE_CHECKING:  # where this is a field a property would be in the way

        @property
        def likelihood(self) -> Likelihood | None:
            """How probable data are."""

    else:
        likelihood = None

    def check(self, count: int) -> None:  # noqa: B027 (most give any number)
        """Raise ValueError, naming what to change, where there are no ``count`` draws."""

    def check_posterior(self, posterior: Posterior) -> None:  # noqa: B027 (some draw from all)
        """Raise ValueError where it cannot draw from such a posterior."""

    @abstractmethod
    def length(self, count: int) -> int:
        """How many steps of ``progress`` it takes."""

    @abstractmethod
    def draw(
        self,
        posterior: Posterior,
        count: int,
        seed: int,
        *,
        state: Path | None = None,
        progress: Callable[[int], object] = lambda steps: None,
    ) -> Draws:
        """``count`` draws; in the file ``state`` an interrupted run is kept, and goes on from it.

        The file stays when all is done, so that nothing is drawn again. ValueError for posteriors
        that it cannot draw from.
        """

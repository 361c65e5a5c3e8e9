"""What chains do before they start: find the law that their steps are about, and where they start.

The way there is made in moves, and stops after any of them, to go on bit for bit.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from torch import Tensor

from fsdiff.inverse.references.fitted import FittedLaw
from fsdiff.inverse.references.kernels import Kernel
from fsdiff.inverse.references.ladder import Stage, stacked, unstacked
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.inverse.references.priors import Prior


class Held(NamedTuple):
    """All that the rest of a run depends on: tensors and plain values, by name."""

    tensors: dict[str, Tensor]
    values: dict[str, Any]


@dataclass(frozen=True)
class Begun:
    """How chains start: from ``deviations`` (chains, *shape) from the prior's mean.

    Steps are about ``law``, the first of them of the length ``step``. ``stages`` is what has been
    passed on the way, if wider errors were.
    """

    law: FittedLaw
    deviations: Tensor
    step: float
    stages: Sequence[Stage] = ()

    def held(self) -> Held:
        """For a file."""
        tensors = {"centre": self.law.centre, "factor": self.law.factor}
        tensors |= {"functions": self.law.functions, "deviations": self.deviations}
        values: dict[str, Any] = {"step": self.step}
        if self.stages:
            passed, values["shares"] = stacked(self.stages)
            tensors |= passed
        return Held(tensors, values)

    @classmethod
    def restored(cls, held: Held, prior: Prior) -> Self:
        """From what ``held`` gave, about the same prior."""
        names = ("functions", "centre", "factor")
        law = FittedLaw(prior, **{name: held.tensors[name] for name in names})
        shares = held.values.get("shares", ())
        stages = unstacked(held.tensors, shares, prior, law.functions) if shares else ()
        return cls(law, held.tensors["deviations"], float(held.values["step"]), stages)


class Course(ABC):
    """A way from the prior to where chains start."""

    @property
    @abstractmethod
    def share(self) -> float:
        """How much of the way is behind, from 0 to 1, where it ends."""

    @abstractmethod
    def move(self) -> str:
        """Make a move; the words for how far that is."""

    @abstractmethod
    def held(self) -> Held:
        """All that the rest of the way depends on."""

    @abstractmethod
    def begun(self) -> Begun:
        """How chains start, at the end of the way."""


class Beginning(ABC):
    """Settings of such a way."""

    kind: str

    @abstractmethod
    def length(self, chains: int) -> int:
        """How many steps of ``chains`` chains cost about as much."""

    def check_kernel(self, kernel: Kernel) -> None:  # noqa: B027 (most do for any)
        """Raise ValueError where it does nothing for the steps of a kernel."""

    @abstractmethod
    def course(
        self, posterior: Posterior, kernel: Kernel, chains: int, seed: int, held: Held | None = None
    ) -> Course:
        """The way of a number of chains, from its beginning or from where ``held`` has left it.

        KeyError, TypeError or ValueError where ``held`` is of another one.
        """

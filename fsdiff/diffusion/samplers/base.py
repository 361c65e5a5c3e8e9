"""What samplers share: how a run starts, takes its steps, counts its cost and ends.

A sampler is its settings; calling it draws samples. It is given a denoiser and asks it for its law
and for estimates alone, so that networks, predictions, noise, processes and samplers combine.

Matrix products of different sizes round differently, and samples are not to depend on which others
are drawn with them. On processors they are therefore drawn in blocks that their indices alone
decide, whole blocks always, so that each sample has its place in products of one size.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, pairwise
from typing import ClassVar, Self

import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike, Estimate
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.marginal import Marginal
from fsdiff.diffusion.processes.path import GaussianPath
from fsdiff.diffusion.samplers.samples import Samples, concatenate
from fsdiff.diffusion.samplers.times import Spacing, Steps, time_grid
from fsdiff.measures.priors.spectral import white_noise
from fsdiff.randomness import normals
from fsdiff.spaces.bases import Basis
from fsdiff.streams import Stream
from fsdiff.threads import side_by_side, single_thread

MOST_TOGETHER, MOST_NODES = 16, 16384
"""Samples of a block, and its nodes: on larger grids batches are no faster than single samples."""


@dataclass
class State:
    """Samples on their way from noise to data: a block, or on an accelerator a batch.

    ``data`` is the estimate of the data in the last step, for methods that look back.
    """

    indices: tuple[int, ...]
    fields: Tensor
    data: Tensor | None = None
    evaluations: Counter[int] = field(default_factory=Counter)

    def samples(self) -> Samples:
        """The samples, once they have arrived."""
        return Samples(self.fields, [self.evaluations] * len(self.indices))


@dataclass(frozen=True)
class Run:
    """One call of a sampler: what its samples share.

    ``conditions`` has the condition (channel, *grid at level n) of each index, if there are any.
    """

    denoiser: DenoiserLike
    n: int
    seed: int
    dtype: torch.dtype
    device: torch.device
    conditions: Mapping[int, Tensor] = field(default_factory=dict)

    @property
    def law(self) -> Law:
        """The law of the states."""
        return self.denoiser.law

    def marginal(self, t: float, n: int) -> Marginal:
        """The law of X_t given X_0 at level n."""
        return self.law.marginal(torch.tensor([t], dtype=self.dtype, device=self.device), n)

    def denoise(self, state: State, fields: Tensor, marginal: Marginal) -> Estimate:
        """The estimate for fields of the law ``marginal``, by one network evaluation or several."""
        n = self.law.basis.resolution(fields)
        state.evaluations[n] += getattr(self.denoiser, "evaluations", 1)
        return self.denoiser.estimate(fields, marginal, self._condition(state, n))

    def known_beyond(self, state: State, marginal: Marginal, n: int) -> Tensor | None:
        """E of the modes of X_0 at level n that a state's grid has not, if any is known.

        By data that lead the denoiser; one network evaluation, on the grid of the state.
        """
        known = getattr(self.denoiser, "known_beyond", None)
        coarse = self.law.basis.resolution(state.fields)
        found = known and known(state.fields, marginal, n, self._condition(state, coarse))
        if found is not None:
            state.evaluations[coarse] += 1
        return found

    def noise(self, state: State, n: int, *stream: int) -> Tensor:
        """ζ ~ N(0, Q), a function of (seed, index, stream), the same on every grid."""
        symbol = self.law.noise_spectrum(n).sqrt()
        return self._coloured(state.indices, symbol, n, Stream.SAMPLER_STEP, *stream)

    def normals(self, indices: Sequence[int], count: int, *stream: int) -> Tensor:
        """As many independent N(0, 1) numbers of each sample, (len(indices), count), float64."""
        return torch.from_numpy(normals(self.seed, indices, (count,), *stream))

    def gaussian(self, indices: Sequence[int], t: float, n: int) -> Tensor:
        """N(0, M C M + R Q R) with C the covariance of the data: X_t, were the data Gaussian.

        At T it is the noise to start from, and all but r N(0, Q) where nothing is left of the data.
        Its probability flow scales every mode, so that drawn at any time from the same numbers, a
        function of (seed, index), it is always on the same path.
        """
        marginal = self.law.marginal(torch.tensor([t], dtype=torch.float64), n)
        return self._coloured(indices, marginal.variance.sqrt(), n, Stream.NOISE)

    def first_fields(self, indices: Sequence[int], t: float, n: int) -> Tensor:
        """X_t to start from: ``gaussian``, or what data that lead the denoiser make of it."""
        given = getattr(self.denoiser, "first_fields", None)
        known = given and given(self, indices, t, n)
        return self.gaussian(indices, t, n) if known is None else known

    def _coloured(self, indices: Sequence[int], symbol: Tensor, n: int, *stream: int) -> Tensor:
        basis, channels = self.law.basis, self.law.channels
        white = white_noise(basis, n, indices, self.seed, *stream, channels=channels)
        with single_thread():
            coloured = basis.inverse(white * symbol, n)
        return coloured.to(self.device, self.dtype)

    def _condition(self, state: State, n: int) -> Tensor | None:
        """The conditions of a state's samples at level n, (samples, channel, *grid)."""
        if not self.conditions:
            return None
        fields = torch.stack([self.conditions[index] for index in state.indices])
        fields = fields.to(self.device, self.dtype)
        known = getattr(self.denoiser, "conditions", None)
        if known is not None:
            return known.at(fields, n)
        basis = self.law.basis.repeated(max(1, fields.shape[1] // self.law.channels))
        return basis.resample(fields, n)


@dataclass(frozen=True)
class Step:
    """A step on one grid: the law of X_t before it, ``now``, and after it, ``then``.

    ``before`` is that at the start of the last step.
    """

    run: Run
    number: int
    n: int
    before: Marginal | None
    now: Marginal
    then: Marginal

    @cached_property
    def length(self) -> Tensor:
        """h, by how much ln(m/r) of each mode rises, float64."""
        return self.then.log_ratio - self.now.log_ratio

    @cached_property
    def last_length(self) -> Tensor:
        """h of the step before this one."""
        assert self.before is not None  # the first step has none before it
        return self.now.log_ratio - self.before.log_ratio

    def rounded(self, symbol: Tensor) -> Tensor:
        """A symbol in the precision of the fields."""
        return symbol.to(self.then.noise_spectrum)

    def noise(self, state: State, *stream: int) -> Tensor:
        """ζ ~ N(0, Q), fresh in every step, a function of (seed, index, step, stream)."""
        return self.run.noise(state, self.n, self.number, *stream)


Update = Callable[[State], None]
"""Takes a state from the start of a step to its end."""


@dataclass(frozen=True, kw_only=True)
class Sampler(ABC):
    """Draws samples of a model.

    ``together`` tells whether samples of a group share their steps, ``several_grids`` whether these
    are on several grids, and ``starts_elsewhere`` whether the first states are of another law than
    that of X_T, whatever is observed.
    """

    together: ClassVar[bool] = True
    several_grids: ClassVar[bool] = False
    starts_elsewhere: ClassVar[bool] = False

    @property
    @abstractmethod
    def kind(self) -> str:
        """Its name in configurations."""

    def __call__(
        self,
        denoiser: DenoiserLike,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        condition: Tensor | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Samples:
        """One sample per index at level n; sample i depends on (seed, i) and its condition only.

        ``condition`` are fields (len(indices), condition channel, *grid at level n).

        On processors blocks take their steps on one thread each, beside others.
        """
        run = Run(denoiser, n, seed, dtype, torch.device(device))
        groups = self._groups(run, indices)
        if condition is not None:
            given = dict(zip(indices, condition, strict=True))
            run = replace(run, conditions=_completed(given, groups))

        @torch.no_grad()
        def draw(groups: Sequence[tuple[int, ...]]) -> list[State]:
            return self.draw(run, groups)

        states = side_by_side(draw, groups) if run.device.type == "cpu" else draw(groups)
        drawn = concatenate([state.samples() for state in states])
        return drawn.chosen(chain(*groups), indices)

    def _groups(self, run: Run, indices: Sequence[int]) -> list[tuple[int, ...]]:
        """What is drawn at once: on processors blocks in which any of the indices lie."""
        if not self.together:
            return [(index,) for index in indices]
        if run.device.type != "cpu":
            return [tuple(indices)]
        size = max(1, min(MOST_TOGETHER, MOST_NODES // run.law.basis.size(run.n)))
        numbers = dict.fromkeys(index // size for index in indices)
        return [tuple(range(number * size, (number + 1) * size)) for number in numbers]

    @abstractmethod
    def draw(self, run: Run, groups: Sequence[tuple[int, ...]]) -> list[State]:
        """Finished samples of each group of indices."""

    @property
    def stepper(self) -> "Stepper | None":
        """Whose steps it takes, its own or another's; None if no times are known beforehand."""
        return None

    def led(self, lead: "Lead") -> "Sampler":
        """The same sampler with what ``lead`` makes of its steps; ValueError if it has none."""
        raise ValueError(f"{self.kind} has no steps at times that are known beforehand")

    @property
    def of_training(self) -> bool:
        """Whether it asks for training fields, which ``given`` tells it."""
        return False

    def given(self, training: Tensor) -> Self:
        """The same sampler, which knows training fields if it asks for any.

        These are (N, channel, *grid) at any level, at zero mean and unit mean square, with the
        number of their class as a further channel where the model is told classes.
        """
        return self

    def check(self, process: GaussianPath) -> None:  # noqa: B027 (most go with every process)
        """Raise ValueError where the sampler makes no sense with the process."""

    def check_grid(self, process: GaussianPath, basis: Basis, n: int) -> None:  # noqa: B027
        """Raise ValueError where its steps are of no use at level n."""


@dataclass(frozen=True, kw_only=True)
class Stepper(Sampler):
    """A sampler that takes steps down a grid of times that is known beforehand.

    The first state is Gaussian with the second moments of X_T; after the last step the network is
    asked once more, for the estimate of the data.
    """

    @abstractmethod
    def times(self, process: GaussianPath) -> Tensor:
        """The grid of times, from T to the smallest, float64."""

    @abstractmethod
    def update(self, step: Step) -> Update:
        """What the step does; coefficients are computed here, once for all samples."""

    def renewed(self, step: Step) -> Tensor:
        """κ, where a step takes κ m_s x̂_0(x) into x_s: 1 − e^{−h} by mode, float64.

        It is 1 − e^{−2h} where noise is added as the reverse SDE does. Of steps that ask for
        several estimates it is the largest that one of them has.
        """
        return -torch.expm1(-step.length)

    def look_ahead(self, run: Run, times: Sequence[float], grids: Sequence[int]) -> None:
        """See what steps there will be, before the first; most have no need to."""

    def last(self, run: Run, now: Marginal) -> Update:
        """What is done once the smallest time is reached: the estimate of the data."""

        def update(state: State) -> None:
            state.fields = run.denoise(state, state.fields, now).data

        return update

    @property
    def stepper(self) -> "Stepper":
        """Itself."""
        return self

    def led(self, lead: "Lead") -> "Stepper":
        """What is made of it."""
        return lead(self)

    def draw(self, run: Run, groups: Sequence[tuple[int, ...]]) -> list[State]:
        """All steps on the grid of the samples."""
        times = self.times(run.law.process).tolist()
        return take_steps(self, run, groups, times, [run.n] * len(times))


@dataclass(frozen=True, kw_only=True)
class Method(Stepper):
    """A stepper with ``steps`` steps, the last of which is the one to the data."""

    steps: Steps = 20
    spacing: Spacing = "log_snr"

    def times(self, process: GaussianPath) -> Tensor:
        """As many times as there are steps."""
        return time_grid(process, self.steps, self.spacing)


def _completed(
    conditions: Mapping[int, Tensor], groups: Sequence[tuple[int, ...]]
) -> dict[int, Tensor]:
    """Conditions of all members of groups; those that nobody asked for have that of another."""
    return {
        index: conditions[index if index in conditions else known]
        for group in groups
        for known in [next(index for index in group if index in conditions)]
        for index in group
    }


Lead = Callable[[Stepper], Stepper]
"""Makes of a sampler one that takes its steps led by data."""


def take_steps(
    stepper: Stepper,
    run: Run,
    groups: Sequence[tuple[int, ...]],
    times: Sequence[float],
    grids: Sequence[int],
) -> list[State]:
    """Walk down ``times``, at each on the grid whose level ``grids`` gives."""
    stepper.look_ahead(run, times, grids)
    states = [State(group, run.first_fields(group, times[0], grids[0])) for group in groups]
    for step in steps_down(run, times, grids):
        update, t, s = stepper.update(step), times[step.number], times[step.number + 1]
        finer = grids[step.number + 1]
        for state in states:
            update(state)
            if finer > step.n:
                _refine(run, state, t, s, finer)
    finish = stepper.last(run, run.marginal(times[-1], grids[-1]))
    for state in states:
        finish(state)
    return states


def steps_down(run: Run, times: Sequence[float], grids: Sequence[int]) -> Iterator[Step]:
    """The steps from each of ``times`` to the next, each on the grid of the time that it leaves."""
    before, now = None, run.marginal(times[0], grids[0])
    for number, ((t, s), (n, finer)) in enumerate(
        zip(pairwise(times), pairwise(grids), strict=True)
    ):
        step = Step(run, number, n, before, now, run.marginal(s, n))
        yield step
        before, now = step.now, step.then
        if finer > n:
            before, now = run.marginal(t, finer), run.marginal(s, finer)


def _refine(run: Run, state: State, t: float, s: float, n: int) -> None:
    """Go on at level n and time s; the new modes are those of ``Run.gaussian``.

    About what is known of them, if anything is. The last estimate of the data, at time t, is for
    these what it is for Gaussian data.
    """
    basis = run.law.basis
    coarse, then = basis.resolution(state.fields), run.marginal(s, n)
    known = run.known_beyond(state, run.marginal(s, coarse), n)

    def with_detail(fields: Tensor, fine: Tensor) -> Tensor:
        """The fields, with the modes of ``fine`` that their grid does not resolve."""
        return fine + basis.prolong(fields - basis.restrict(fine, coarse), n)

    fine = run.gaussian(state.indices, s, n)
    if known is not None:
        fine = fine + then.apply(then.mean_scale, known)
    state.fields = with_detail(state.fields, fine)
    if state.data is not None:
        marginal = run.marginal(t, n)
        data = marginal.apply(marginal.wiener_gain, run.gaussian(state.indices, t, n))
        state.data = with_detail(state.data, data if known is None else data + known)

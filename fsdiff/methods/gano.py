"""Generative adversarial neural operators: a map from Gaussian fields, and a judge of its images.

Rahman et al. (arXiv 2205.03017); a baseline of Lim et al. (arXiv 2302.07400).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import torch
from pydantic import NonNegativeFloat, NonNegativeInt, PositiveInt
from torch import Tensor, nn
from torch.func import functional_call

from fsdiff.data.statistics import Statistics
from fsdiff.diffusion.samplers.samples import Samples
from fsdiff.measures.priors.spectral import SpectralPrior, coloured, white_noise
from fsdiff.methods.base import Method
from fsdiff.methods.weights import seeded
from fsdiff.networks.axes import bases_of_axes, unresolved_modes
from fsdiff.networks.functional import Functional
from fsdiff.parts import build
from fsdiff.spaces.axes import AxisKind
from fsdiff.spaces.bases import Basis
from fsdiff.streams import Stream
from fsdiff.threads import side_by_side

if TYPE_CHECKING:
    from fsdiff.diffusion.samplers.base import Sampler

MOMENTA = (0.0, 0.9)
"""Those of Adam for adversaries (Gulrajani et al., arXiv 1704.00028)."""

WIDTH, MODES, LAYERS = 24, 6, 2
"""Of a judge."""

EXAMINED = 512
"""The most fields whose distances from each other are measured at once."""

TINY = 1e-6
"""The least size of what is left to be known of normalised fields."""

DRAWN = 4
"""How many samples are drawn given the data of each validation field."""


class GANO(Method):
    """Samples G(a), a ~ N(0, Q) of the ``prior``, with an operator G, the experiment's network.

    The judge D, a functional with ``width`` features, ``modes`` along each axis and ``layers``
    blocks, is trained to be large where it is to be low: E D(G(a)) − E D(u) + ``penalty`` ·
    E(‖δD/δũ‖ − 1)², ũ = εu + (1 − ε)G(a); the operator to be judged like data, −E D(G(a)). It takes
    part in one of ``judge_steps`` steps, at random. Weights are chosen by the energy distance of
    their samples from validation fields.

    Norms are those of functions, so that the penalty is the same on every grid, and ε is uniform.
    With ``published`` the penalty is that of the published codes: (‖∂D‖ − N^(−½))² in the Euclidean
    norm of N values, which is the N-th part of the other one and so hardly there on fine grids, and
    ε is normal, which goes beyond the data and the samples on both sides.

    With a ``condition`` both are given its fields c, estimate and deviation, and u, G(a, c) are in
    place of the fields their deviations from the estimate, in units of the root mean square of the
    deviation: G and D see functions of one size, however much is known. Weights are chosen by the
    energy score, which is least, on average, for the true law given the data and for no other.

    Good values: the defaults, with learning rates of 1e-3 to 2e-3. Published are a ``penalty`` of
    10 and 5 or 10 ``judge_steps``.
    """

    needs: ClassVar[tuple[str, ...]] = ("prior", "network", "levels")
    takes: ClassVar[tuple[str, ...]] = ("training", "trajectory", "condition")
    autocast: ClassVar[bool] = False
    everywhere: ClassVar[bool] = True

    kind: Literal["gano"] = "gano"

    network: nn.ModuleDict

    def __init__(
        self,
        basis: Basis,
        prior: SpectralPrior,
        channels: int,
        networks: nn.ModuleDict,
        *,
        penalty: NonNegativeFloat = 1.0,
        judge_steps: PositiveInt = 5,
        width: PositiveInt = WIDTH,
        modes: PositiveInt = MODES,
        layers: NonNegativeInt = LAYERS,
        published: bool = False,
    ) -> None:
        self.basis, self.prior, self.channels = basis, prior, channels
        self.network = networks
        self.conditions = getattr(networks["operator"], "conditioning", None)
        self.penalty_weight, self.judge_steps, self.published = penalty, judge_steps, published

    @classmethod
    def configured(cls, config: Mapping[str, Any], statistics: Statistics, seed: int) -> Self:
        """From the blocks of basis, prior, network and condition."""
        if statistics.mask is not None:
            raise ValueError("gano judges fields that have values at all nodes; use diffusion")
        basis = build("basis", config["basis"])
        settings = {key: value for key, value in config["method"].items() if key != "kind"}
        with seeded(seed):
            networks = cls.untrained(config, statistics)
        prior = build("prior", config["prior"])
        return cls(basis, prior, len(statistics.mean), networks, **settings)

    @classmethod
    def check_grid(
        cls, axes: Sequence[AxisKind], grid: Sequence[int], **settings: Any
    ) -> Iterator[str]:
        """Grids that do not resolve the modes of the judge."""
        bases = bases_of_axes(None, None, axes)
        for problem in unresolved_modes(bases, (settings["modes"],) * len(bases), grid):
            yield f"the judge of gano, method.modes = {settings['modes']}: {problem}"

    @classmethod
    def untrained(cls, config: Mapping[str, Any], statistics: Statistics) -> nn.ModuleDict:
        """The operator and its judge, with any weights."""
        basis, channels = build("basis", config["basis"]), len(statistics.mean)
        usual = {"width": WIDTH, "modes": MODES, "layers": LAYERS}
        judge = {name: config["method"].get(name, value) for name, value in usual.items()}
        operator = super().untrained(config, statistics)
        conditions = getattr(operator, "conditioning", None)
        seen = channels + (0 if conditions is None else conditions.channels)
        judged = Functional(seen, basis.axis_kinds, **judge)
        return nn.ModuleDict({"operator": operator, "judge": judged})

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One, without momentum: gradients of one follow moves of the other."""
        return [{"params": list(self.network.parameters()), "betas": MOMENTA}]

    @property
    def operator(self) -> nn.Module:
        """G, a map from fields and numbers (batch,), which are zero here, to fields."""
        return self.network["operator"]

    @property
    def judge(self) -> nn.Module:
        """D, a map from fields to numbers."""
        return self.network["judge"]

    def generated(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """G(a, c) of fields a (batch, channel, *grid) and c (batch, condition channel, *grid)."""
        told = () if condition is None else (condition,)
        fields: Tensor = self.operator(noise, noise.new_zeros(len(noise)), *told)
        return fields

    def judged(self, fields: Tensor, condition: Tensor | None = None) -> Tensor:
        """D(u, c), (batch,)."""
        numbers: Tensor = self.judge(_together(fields, condition))
        return numbers

    def made(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """Fields (batch, channel, *grid) that G(a, c) stands for."""
        generated = self.generated(noise, condition)
        if condition is None:
            return generated
        estimate, size = self._about(condition)
        return estimate + size * generated

    def _about(self, condition: Tensor) -> tuple[Tensor, Tensor]:
        """What fields are described about, (batch, channel, *grid), and in units of, (…, 1)."""
        estimate, deviation = condition.split(self.channels, 1)
        size = self.basis.mean(deviation.square()).sqrt().clamp_min(TINY)
        return estimate, size.view(*size.shape, *[1] * self.basis.dimension)

    def loss(
        self,
        data: Tensor,
        random: torch.Generator,
        part: slice = slice(None),
        *,
        condition: Tensor | None = None,
        precision: torch.dtype = torch.float32,
    ) -> Tensor:
        """What the judge is to make low and, in some of the steps, the operator, (len(part),).

        Each is given the gradients of its own part alone. Where there is a condition, data are
        drawn unless it is given.
        """
        if precision != torch.float32:
            raise ValueError("gano is trained in single precision: use precision: float32")
        like: dict[str, Any] = {"generator": random, "dtype": data.dtype, "device": random.device}
        white = torch.randn(data.shape, **like)[part].to(data.device)
        between = (torch.randn if self.published else torch.rand)(len(data), **like)
        both = float(torch.rand((), **like)) < 1 / self.judge_steps
        real, shares = data[part], between[part].to(data.device)
        told = None if condition is None else condition[part]
        if told is None and self.conditions is not None:
            seeds = torch.randint(2**53, (len(data),), generator=random, device=random.device)
            told = self.conditions.drawn(real, seeds[part].tolist())
        if told is not None:
            estimate, size = self._about(told)
            real = (real - estimate) / size
        with torch.set_grad_enabled(both):
            made = self.generated(self.coloured(white), told)
        loss = self.judged(made.detach(), told) - self.judged(real, told)
        loss = loss + self.penalty_weight * self.penalty(real, made.detach(), shares, told)
        if both:
            fixed = {name: weights.detach() for name, weights in self.judge.named_parameters()}
            loss = loss - functional_call(self.judge, fixed, (_together(made, told),))
        return loss

    def penalty(
        self, real: Tensor, made: Tensor, shares: Tensor, condition: Tensor | None = None
    ) -> Tensor:
        """(‖δD/δũ‖ − 1)² at ũ = εu + (1 − ε)G(a) with ε the ``shares``, (batch,)."""
        share = shares.view(-1, *[1] * (real.ndim - 1))
        middle = (share * real + (1 - share) * made).requires_grad_()
        with torch.enable_grad():
            total = self.judged(middle, condition).sum()
            (gradient,) = torch.autograd.grad(total, middle, create_graph=True)
        nodes = real[0, 0].numel()
        if self.published:
            return (torch.linalg.vector_norm(gradient.flatten(1), dim=1) - nodes**-0.5).square()
        # δD/δũ at a node is the derivative over the share of the domain that it stands for.
        weighted = self.basis.white_nodes(gradient)
        length = torch.linalg.vector_norm(weighted.flatten(1), dim=1)
        return (nodes**0.5 * length - 1).square()

    def as_vectors(self, fields: Tensor) -> Tensor:
        """Fields (..., channel, *grid) as vectors whose norms are those of functions, float64."""
        shares = self.basis.shares(self.basis.resolution(fields)).to(fields.device)
        weighted = fields.double() * (shares / shares.numel()).sqrt()
        return weighted.flatten(-1 - self.basis.dimension)

    def coloured(self, white: Tensor) -> Tensor:
        """a ~ N(0, Q) from independent N(0, 1) nodes (batch, channel, *grid)."""
        n = self.basis.resolution(white)
        return coloured(white, self.prior.eigenvalues(self.basis, n).to(white), self.basis)

    def noise(self, n: int, indices: Sequence[int], seed: int, stream: int) -> Tensor:
        """a ~ N(0, Q), a function of (seed, index), the same on every grid, float32."""
        white = white_noise(self.basis, n, indices, seed, stream, channels=self.channels)
        scale = self.prior.eigenvalues(self.basis, n).sqrt()
        return self.basis.inverse(white * scale, n).float()

    def validation(
        self, data: Tensor, *, first: int = 0, count: int | None = None
    ) -> "EnergyDistance | EnergyScore":
        """Fields that samples are compared with: as many, or some given the data of each."""
        n, last = self.basis.resolution(data), first + len(data)
        if self.conditions is None:
            noise = self.noise(n, range(first, last), 0, Stream.VALIDATION)
            return EnergyDistance(self, data, noise.to(data))
        noise = self.noise(n, range(DRAWN * first, DRAWN * last), 0, Stream.VALIDATION).to(data)
        condition = self.conditions.fixed(data, first)
        return EnergyScore(self, data, noise.unflatten(0, (len(data), DRAWN)), condition)

    def sample(
        self,
        n: int,
        indices: Sequence[int],
        seed: int,
        *,
        sampler: "Sampler | None" = None,
        condition: Tensor | None = None,
        device: torch.device | str = "cpu",
    ) -> Samples:
        """Samples of one network evaluation each, the same functions at every level.

        Without a condition those of a conditional operator are those given nothing.
        """
        if sampler is not None:
            raise ValueError("gano is drawn from without a sampler: leave it out")
        if condition is not None and self.conditions is None:
            raise ValueError("this model knows no observations: train it with a condition")
        if condition is None and self.conditions is not None:
            nothing = self.conditions.nothing(n, torch.device(device))
            condition = nothing.expand(len(indices), *nothing.shape)
        places = {index: place for place, index in enumerate(indices)}

        @torch.no_grad()
        def draw(those: Sequence[int]) -> list[Tensor]:
            found = []
            for index in those:
                noise = self.noise(n, [index], seed, Stream.NOISE).to(device)
                told = None if condition is None else condition[places[index], None].to(device)
                found.append(self.made(noise, told)[0])
            return found

        fields = torch.stack(side_by_side(draw, indices))
        return Samples(fields, [{n: 1} for _ in indices])


def _together(fields: Tensor, condition: Tensor | None) -> Tensor:
    """Fields and what is known of them, as channels."""
    return fields if condition is None else torch.cat([fields, condition], 1)


@dataclass(frozen=True)
class EnergyDistance:
    """The energy distance 2E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ of samples Y from fields X."""

    method: GANO
    data: Tensor
    noise: Tensor

    def __len__(self) -> int:
        return len(self.data)

    @torch.no_grad()
    def mean_loss(self) -> float:
        """The distance, its mean over sets of some hundred fields; 0 of no fields."""
        parts = zip(self.data.split(EXAMINED), self.noise.split(EXAMINED), strict=True)
        distances = [(self._distance(x, a), len(x)) for x, a in parts]
        return sum(distance * count for distance, count in distances) / max(1, len(self))

    def _distance(self, x: Tensor, noise: Tensor) -> float:
        made = torch.cat([self.method.generated(part) for part in noise.split(32)])
        x, y = map(self.method.as_vectors, (x, made))
        pairs = max(1, len(x) * (len(x) - 1))
        within = torch.cdist(x, x).sum() + torch.cdist(y, y).sum()
        return float(2 * torch.cdist(x, y).mean() - within / pairs)


@dataclass(frozen=True)
class EnergyScore:
    """The energy score E‖Y − u‖ − E‖Y − Y′‖/2 of samples Y given data of fields u.

    A proper score of laws given data (Gneiting and Raftery, doi:10.1198/016214506000001437).
    """

    method: GANO
    data: Tensor
    noise: Tensor
    condition: Tensor

    def __len__(self) -> int:
        return len(self.data)

    @torch.no_grad()
    def mean_loss(self) -> float:
        """Its mean, 0 of no fields."""
        parts = (part.split(32) for part in (self.data, self.noise, self.condition))
        total = sum(float(self._scores(*each).sum()) for each in zip(*parts, strict=True))
        return total / max(1, len(self))

    def _scores(self, u: Tensor, noise: Tensor, condition: Tensor) -> Tensor:
        """Of each of some fields, (batch,)."""
        given = condition.repeat_interleave(noise.shape[1], 0)
        made = self.method.made(noise.flatten(0, 1), given).view_as(noise)
        y, x = map(self.method.as_vectors, (made, u[:, None]))
        pairs = y.shape[1] * (y.shape[1] - 1)
        return torch.cdist(y, x).mean((1, 2)) - torch.cdist(y, y).sum((1, 2)) / (2 * pairs)

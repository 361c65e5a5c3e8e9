"""An observation as a law sees it: maps on every grid, and the covariance of the data."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock

import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike
from fsdiff.diffusion.law import Law
from fsdiff.diffusion.marginal import Marginal
from fsdiff.inverse.guidance.systems import Dense, Iterative, Rows, System
from fsdiff.inverse.observations.base import Observation
from fsdiff.inverse.observations.maps import ForwardMapLike, node_weights
from fsdiff.randomness import normals
from fsdiff.spaces import symbols
from fsdiff.spaces.basis import Basis
from fsdiff.streams import Stream

MOST_DATA = 1500
"""The most data whose covariance is kept as a matrix; for more there are conjugate gradients."""

LARGEST_MATRIX = 2**25
"""The most entries of H as a matrix of coefficients."""


class Problem:
    """An observation of fields of a law.

    ``finest`` is the level of the function that was observed; without it, that of whatever field
    is asked about. On a coarser grid the modes beyond it are noise in the data: Γ is enlarged by
    H C H* with the covariance C that these modes have in the law.

    What depends on the time and the observation only is kept, for data of any number of cases.
    """

    def __init__(self, law: Law, observation: Observation, finest: int | None = None) -> None:
        self.law, self.observation, self.finest = law, observation, finest
        observation.check(law.basis, law.channels)
        self.variances = observation.variances(law.basis, law.channels)
        self._lock = Lock()
        kept = min(256, max(4, 2**25 // len(self.variances) ** 2))
        self._kept, self._steps = kept, dict[tuple[Hashable, ...], System]()
        self._gain = lru_cache(maxsize=kept)(self._make_gain)
        self._map = lru_cache(maxsize=16)(self._make_map)
        self._rows = lru_cache(maxsize=4)(self._make_rows)
        self._hidden = lru_cache(maxsize=4)(self._make_hidden)
        self._units = lru_cache(maxsize=16)(self._make_units)
        self._joint_root = lru_cache(maxsize=4)(self._make_joint_root)

    @property
    def size(self) -> int:
        """How many numbers the data are."""
        return len(self.variances)

    def checked(self, data: Tensor, denoiser: DenoiserLike) -> Tensor:
        """Data y (size,) in float64; ValueError if these or the denoiser are of another problem."""
        if data.shape != (self.size,):
            raise ValueError(
                f"data of shape {tuple(data.shape)}: the observation {self.observation.kind} has "
                f"{self.size} numbers"
            )
        if not data.isfinite().all():
            raise ValueError("data contain NaN or infinity: observe only what is known, see Some")
        if denoiser.law is not self.law:
            raise ValueError("the problem is of another law: make it of the denoiser's")
        return data.double()

    def map(self, n: int) -> ForwardMapLike:
        """What is observed of fields on the grid of level n."""
        return self._map(n)

    def weights(self, n: int, like: Tensor) -> Tensor:
        """Weights of the nodes in the inner product, which broadcast over fields."""
        return node_weights(self.law.basis, n, like)

    def gain(
        self, marginal: Marginal, n: int, covariance: "Covariance", *, noise: bool = True
    ) -> "Gain":
        """What an affine observation makes of X_0 ~ N(x̂_0, V); made once for each time.

        Without ``noise`` the data are taken for exact.
        """
        # Threads that need the same one wait for it, instead of all making it.
        with self._lock:
            device = marginal.noise_spectrum.device
            return self._gain(covariance, float(marginal.time), n, device, noise)

    def of_step(
        self, now: Marginal, then: Marginal, n: int, symbol: Callable[[], Tensor]
    ) -> System:
        """The system of a covariance ``symbol`` that a step from one time to another has.

        Made once for each step, for data of any number of cases.
        """
        like = then.noise_spectrum
        key = (float(now.time), float(then.time), n, like.dtype, like.device)
        with self._lock:
            if key not in self._steps:
                if len(self._steps) >= self._kept:
                    del self._steps[next(iter(self._steps))]
                self._steps[key] = self.system(symbol(), n)
            return self._steps[key]

    def linearised(self, symbol: Tensor, u: Tensor) -> System:
        """Γ + H V H* with H = G′(u) for one field u (1, channel, *grid), float64."""
        basis, noise = self.law.basis, self.noise(u)
        n = basis.resolution(u)
        observed = self.map(n)
        if self.size <= MOST_DATA:
            known = observed.affine and self.is_dense(n)
            rows = self._rows(n, u.device) if known else Rows.of(observed, u, basis)
            return Dense(torch.diag(noise) + rows.gram(symbol, self._complex))

        def apply(data: Tensor) -> Tensor:
            spread = symbols.multiply(basis, observed.vjp(u, data), symbol)
            return noise * data + observed.jvp(u, spread)

        return self._iterative(apply, n, symbol.device)

    def units(self, n: int, device: torch.device) -> Tensor:
        """The size of each datum at level n, noise included, (size,): about its deviation."""
        return self._units(n, device)

    def noise(self, like: Tensor) -> Tensor:
        """The diagonal of Γ where ``like`` lives, float64."""
        return self.variances.to(like.device)

    def noised(self, data: Tensor, n: int) -> Tensor:
        """Γ on the grid of level n applied to data (batch, size).

        Of an affine observation with the modes beyond the grid.
        """
        own, observed = self.noise(data) * data, self.map(n)
        if not (self._beyond(n) and observed.affine):
            return own
        if self.is_dense(n):
            return own + data @ self._hidden(n, data.device)
        fields = observed.vjp(self.zero(n, data, len(data)), data)
        known = self._data_covariance(n, data.device)
        coarse = observed.jvp(fields, symbols.multiply(self.law.basis, fields, known))
        return own + self._all_modes(data) - coarse

    def system(self, symbol: Tensor, n: int, *, noise: bool = True) -> System:
        """Γ + H V H* at level n for an affine observation.

        ``symbol`` is V, (channel, *coefficients at level n) or joint for all channels, float64.
        """
        if self.is_dense(n):
            matrix = self.gram(symbol, n)
            return Dense(matrix + self.noise_covariance(n, symbol.device) if noise else matrix)
        basis, observed = self.law.basis, self.map(n)
        known, variances = self._data_covariance(n, symbol.device), noise * self.noise(symbol)
        beyond = noise and self._beyond(n)

        def apply(data: Tensor) -> Tensor:
            fields = observed.vjp(self.zero(n, data, len(data)), data)
            inner = symbol - known if beyond else symbol
            spread = symbols.multiply(basis, fields, inner)
            result = variances * data + observed.jvp(fields, spread)
            return result + self._all_modes(data) if beyond else result

        return self._iterative(apply, n, symbol.device)

    def symbol(self, covariance: "Covariance", time: Tensor, n: int) -> Tensor:
        """V at level n and time (1,), (channel, *coefficients) or joint for all channels."""
        return covariance(self.law.marginal(time.double(), n), self._joint_root(n, time.device))

    def is_dense(self, n: int) -> bool:
        """Whether the covariance of the data is kept as a matrix."""
        entries = self.size * self.law.channels * self.law.basis.size(max(n, self.finest or n))
        return self.size <= MOST_DATA and entries <= LARGEST_MATRIX

    def gram(self, symbol: Tensor, n: int) -> Tensor:
        """H V H* as a matrix."""
        return self._rows(n, symbol.device).gram(symbol, self._complex)

    def explained(self, gain: "Gain", n: int) -> Tensor:
        """What data take from the energy of each channel, tr V H*(Γ + H V H*)⁻¹ H V, (channel)."""
        if not isinstance(gain.system, Dense):
            raise ValueError(f"no more than {MOST_DATA} data have a covariance as a matrix")
        return self._rows(n, gain.symbol.device).explained(gain.system, gain.symbol, self._complex)

    def noise_covariance(self, n: int, device: torch.device) -> Tensor:
        """Γ on the grid of level n, with the modes beyond it, as a matrix."""
        noise = torch.diag(self.variances.to(device))
        return noise + self._hidden(n, device) if self._beyond(n) else noise

    def colour(self, white: Tensor, n: int) -> Tensor:
        """N(0, Γ) data from independent N(0, 1) numbers (batch, size), Γ that of level n."""
        if not self._beyond(n):
            return white * self.noise(white).sqrt()
        return white @ _root(self.noise_covariance(n, white.device)).T

    def white(self, device: torch.device) -> Tensor:
        """Some data (1, size) in units of their noise, always the same ones; float64."""
        return torch.from_numpy(normals(0, [0], (self.size,), Stream.UNITS)).to(device)

    def whitened(self, symbol: Tensor, white: Tensor, n: int) -> Tensor:
        """Γ^(−½) H V H* Γ^(−½) applied to data (batch, size) in units of their noise.

        H is the derivative at the field zero.
        """
        deviation, zero = self.noise(white).sqrt(), self.zero(n, white, len(white))
        fields = self.map(n).vjp(zero, white / deviation)
        spread = symbols.multiply(self.law.basis, fields, symbol)
        return self.map(n).jvp(zero, spread).double() / deviation

    def expected(self, weights: Tensor, n: int) -> Tensor:
        """C H* w of weights (batch, size) of an affine observation, fields at level n."""
        fields = self.map(n).vjp(self.zero(n, weights, len(weights)), weights)
        return symbols.multiply(self.law.basis, fields, self._data_covariance(n, weights.device))

    def zero(self, n: int, like: Tensor, count: int = 1) -> Tensor:
        """Fields that are zero, where affine maps have the derivative that they have everywhere."""
        shape = (count, self.law.channels, *self.law.basis.grid(n))
        return torch.zeros(shape, dtype=like.dtype, device=like.device)

    def _beyond(self, n: int) -> bool:
        """Whether the function that was observed has modes beyond level n."""
        return self.finest is not None and self.finest > n

    @property
    def _complex(self) -> bool:
        return self.law.basis.half_axis is not None

    def _make_gain(
        self, covariance: "Covariance", t: float, n: int, device: torch.device, noise: bool
    ) -> "Gain":
        time = torch.tensor([t], dtype=torch.float64, device=device)
        symbol = self.symbol(covariance, time, n)
        return Gain(self.law.basis, self.map(n), symbol, self.system(symbol, n, noise=noise))

    def _make_map(self, n: int) -> ForwardMapLike:
        return self.observation.on(self.law.basis, self.law.channels, n)

    def _make_rows(self, n: int, device: torch.device) -> Rows:
        like = torch.zeros((), dtype=torch.float64, device=device)
        return Rows.of(self.map(n), self.zero(n, like), self.law.basis)

    def _make_units(self, n: int, device: torch.device) -> Tensor:
        """Root mean squares over some fields of the law's spectrum; one where there is nothing."""
        law, basis = self.law, self.law.basis
        numbers = normals(0, range(PROBES), (law.channels, basis.size(n)), Stream.UNITS)
        white = basis.white_noise(numbers, n) * law.data.spectrum(n).cpu().sqrt()
        fields = basis.inverse(white, n).to(device)
        said = self.map(n).jvp(self.zero(n, fields, PROBES), fields).double()
        variance = said.square().mean(0) + self.noise(said)
        return torch.where(variance > 0, variance.clamp_min(1e-300).sqrt(), 1.0)

    def _iterative(
        self, apply: Callable[[Tensor], Tensor], n: int, device: torch.device
    ) -> Iterative:
        units = self.units(n, device)
        remedy = f"give the data more noise, or no more than {MOST_DATA} of them"
        return Iterative(
            apply, units=units, iterations=ITERATIONS, tolerance=TOLERANCE, remedy=remedy
        )

    def _make_hidden(self, n: int, device: torch.device) -> Tensor:
        """H C H* of the modes that level n does not resolve and the finest does."""
        assert self.finest is not None
        fine, coarse = (self._data_covariance(level, device) for level in (self.finest, n))
        return self.gram(fine, self.finest) - self.gram(coarse, n)

    def _all_modes(self, data: Tensor) -> Tensor:
        """H C H* of all modes of the finest level."""
        assert self.finest is not None
        observed = self.map(self.finest)
        fields = observed.vjp(self.zero(self.finest, data, len(data)), data)
        known = self._data_covariance(self.finest, data.device)
        return observed.jvp(fields, symbols.multiply(self.law.basis, fields, known))

    def _data_covariance(self, n: int, device: torch.device) -> Tensor:
        """c_k, (channel, *coefficients), or joint for all channels, float64."""
        time = torch.tensor([self.law.process.T], dtype=torch.float64, device=device)
        return self.symbol(data_covariance, time, n)

    def _make_joint_root(self, n: int, device: torch.device) -> Tensor | None:
        """The root of the covariance of the data, if channels are known to know of each other."""
        joint = self.law.data.joint(n)
        return None if joint is None else symbols.root(joint.to(device))


def _root(covariance: Tensor) -> Tensor:
    """R with R Rᵀ = Γ, which need not be positive."""
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if not failed:
        return factor
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp_min(0).sqrt()


ITERATIONS, TOLERANCE = 500, 1e-7
"""Of conjugate gradients."""

PROBES = 16
"""How many fields tell the sizes of data."""


def wiener_covariance(marginal: Marginal, joint_root: Tensor | None = None) -> Tensor:
    """Cov[X_0|X_t] of Gaussian data: c r²λ/(m²c + r²λ) mode by mode, (channel, *coefficients).

    With a root of the joint covariance C of channels, (C⁻¹ + m²/(r²λ))⁻¹.
    """
    noise = marginal.noise_scale.square() * marginal.noise_spectrum
    if joint_root is not None:
        most = KNOWN / marginal.data_spectrum.clamp_min(1e-300)
        weight = (marginal.mean_scale.square() / noise.clamp_min(1e-300)).minimum(most)
        seen = torch.where(marginal.data_spectrum > 0, weight, 0.0)[0]
        return symbols.given_state(joint_root, seen)
    variance = marginal.variance
    known = torch.where(variance > 0, noise / variance.clamp_min(1e-300), 0.0)
    return (marginal.data_spectrum * known)[0]


KNOWN = 1e12
"""A ratio of signal to noise at which a mode of one channel is known; more would round others."""


def data_covariance(marginal: Marginal, joint_root: Tensor | None = None) -> Tensor:
    """c, the covariance of X_0 before anything is seen, joint for all channels if known."""
    if joint_root is not None:
        return torch.einsum("ab...,bc...->ac...", joint_root, joint_root)
    return marginal.data_spectrum


def noise_covariance(marginal: Marginal, joint_root: Tensor | None = None) -> Tensor:
    """r²λ/(m² + r²), that of X_0 given X_t if the data were N(0, Q), (channel, *coefficients)."""
    m, r = marginal.mean_scale.square(), marginal.noise_scale.square()
    return (marginal.noise_spectrum * r / (m + r) * torch.ones_like(marginal.data_spectrum))[0]


def noise_spectrum(marginal: Marginal, joint_root: Tensor | None = None) -> Tensor:
    """λ, (channel, *coefficients)."""
    return marginal.noise_spectrum * torch.ones_like(marginal.data_spectrum)


def unit_spectrum(marginal: Marginal, joint_root: Tensor | None = None) -> Tensor:
    """One for all modes that the grid resolves, (channel, *coefficients)."""
    return (marginal.multiplicity > 0) * torch.ones_like(marginal.data_spectrum)


Covariance = Callable[[Marginal, Tensor | None], Tensor]
"""V from the law of X_t and the root of the joint covariance of channels, if one is known."""


@dataclass(frozen=True, eq=False)
class Gain:
    """The gain V H*(Γ + H V H*)⁻¹ on one grid at one time; ``symbol`` is V."""

    basis: Basis
    map: ForwardMapLike
    symbol: Tensor
    system: System
    _symbols: dict[torch.dtype, Tensor] = field(default_factory=dict, repr=False)
    _roots: list[Tensor] = field(default_factory=list, repr=False)

    def __call__(self, residual: Tensor, like: Tensor) -> Tensor:
        """The gain applied to y − H u (batch, size), as fields like ``like``."""
        return self.spread(self.map.vjp(like, self.solve(residual).to(like)))

    def solve(self, residual: Tensor) -> Tensor:
        """(Γ + H V H*)⁻¹ d."""
        return self.system.solve(residual)

    def spread(self, fields: Tensor) -> Tensor:
        """V applied to fields."""
        if fields.dtype not in self._symbols:
            self._symbols[fields.dtype] = symbols.on_grid(self.symbol, fields)
        return symbols.multiply(self.basis, fields, self._symbols[fields.dtype])

    def from_noise(self, noise: Tensor) -> Tensor:
        """What makes N(0, V) of N(0, Q) with the eigenvalues λ of Q; made once."""
        if not self._roots:
            self._roots.append(symbols.from_noise(self.symbol, noise, self.basis))
        return self._roots[0]

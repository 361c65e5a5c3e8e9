"""The vorticity equation as published data were made, and by the usual scheme of order four.

The former are those of Li et al. (arXiv 2010.08895, A.3.3).
"""

import math
import os
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from fsdiff.pde.navier_stokes import NavierStokes


class CrankNicolsonEuler:
    """Crank–Nicolson for viscosity, explicit Euler for convection, the 2/3 rule.

    Complex transforms of all modes, six in a step, as in the published code; that took steps of
    10⁻⁴. ``vorticity`` has shape (..., n, n), and all fields advance together.
    """

    def __init__(self, system: NavierStokes, vorticity: Tensor, step: float) -> None:
        n = vorticity.shape[-1]
        k = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
        self.k_y, self.k_x, self.step = k[:, None], k, step
        laplacian = 4 * math.pi**2 * (self.k_x**2 + self.k_y**2)
        self.inverse_laplacian = torch.where(laplacian > 0, 1 / laplacian.clamp_min(1), 0.0)
        self.dealias = (self.k_y.abs() < n / 3) & (self.k_x.abs() < n / 3)
        self.forcing = torch.fft.fft2(system.forcing_field(n))
        viscous = 0.5 * step * system.viscosity * laplacian
        self.explicit, self.implicit = 1 - viscous, 1 + viscous
        self.state = torch.fft.fft2(vorticity) * self.dealias

    def advance(self, steps: int) -> Tensor:
        """The vorticity after a number of further steps."""
        for _ in range(steps):
            self._step()
        return torch.fft.ifft2(self.state).real

    def _step(self) -> None:
        d_x, d_y = 2j * math.pi * self.k_x, 2j * math.pi * self.k_y
        stream = self.state * self.inverse_laplacian
        u = torch.fft.ifft2(d_y * stream).real
        v = torch.fft.ifft2(-d_x * stream).real
        w_x = torch.fft.ifft2(d_x * self.state).real
        w_y = torch.fft.ifft2(d_y * self.state).real
        convection = torch.fft.fft2(u * w_x + v * w_y) * self.dealias
        right = self.step * (self.forcing - convection) + self.explicit * self.state
        self.state = right / self.implicit


def advance(system: NavierStokes, vorticity: Tensor, step: float, steps: int) -> Tensor:
    """The vorticity after ``steps`` steps of the published scheme."""
    return CrankNicolsonEuler(system, vorticity, step).advance(steps)


CONTOUR = 32
"""Points of the contour that coefficients of ``FourthOrder`` are means over."""


class FourthOrder:
    """Exponential Runge–Kutta of order four in jax, compiled, at a fixed step, with the 2/3 rule.

    ETDRK4 of Cox and Matthews with the coefficients of Kassam and Trefethen (SIAM J. Sci. Comput.
    26, 2005). Five real transforms for each of four stages; on one thread. Needs jax.
    """

    def __init__(
        self, system: NavierStokes, n: int, step: float, precision: Literal["float32", "float64"]
    ) -> None:
        os.environ.setdefault(
            "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        )
        import jax

        jax.config.update("jax_enable_x64", True)
        self.precision, self.n = precision, n
        k_y, k_x = np.fft.fftfreq(n, 1 / n)[:, None], np.fft.rfftfreq(n, 1 / n)[None, :]
        squared = 4 * np.pi**2 * (k_y**2 + k_x**2)
        kept = (abs(k_y) < n / 3) & (abs(k_x) < n / 3)
        stream = np.where(squared > 0, 1 / np.where(squared > 0, squared, 1), 0)
        symbols = {
            "kept": kept,
            "d_y": 2j * np.pi * k_y * kept,
            "d_x": 2j * np.pi * k_x * kept,
            "stream": stream,
            "forcing": np.fft.rfft2(system.forcing_field(n).numpy()),
            **_coefficients(-system.viscosity * squared, step),
        }
        real, number = np.dtype(precision), np.result_type(precision, np.complex64)
        symbols = {
            name: value.astype(number if np.iscomplexobj(value) else real)
            for name, value in symbols.items()
        }
        self._advance = jax.jit(_advancing(symbols, n))

    def advance(self, vorticity: Tensor, steps: int) -> Tensor:
        """The vorticity (1, n, n) after a number of steps; compiles when first called."""
        field = self._advance(vorticity[0].numpy().astype(self.precision), steps)
        return torch.from_numpy(np.asarray(field).astype(np.float64))[None]


def _coefficients(rates: np.ndarray, step: float) -> dict[str, np.ndarray]:
    """Those of one step, from means over circles about each eigenvalue."""
    angles = np.exp(1j * np.pi * (np.arange(1, CONTOUR + 1) - 0.5) / CONTOUR)
    z = step * rates[..., None] + angles
    e = np.exp(z)

    def mean(values: np.ndarray) -> np.ndarray:
        return step * values.mean(-1).real

    return {
        "decay": np.exp(step * rates),
        "half": np.exp(step * rates / 2),
        "q": mean((np.exp(z / 2) - 1) / z),
        "first": mean((-4 - z + e * (4 - 3 * z + z**2)) / z**3),
        "middle": mean((2 + z + e * (z - 2)) / z**3),
        "last": mean((-4 - 3 * z - z**2 + e * (4 - z)) / z**3),
    }


def _advancing(symbols: dict[str, np.ndarray], n: int) -> Callable[..., Any]:
    """The function that takes a field a number of steps."""
    import jax
    from jax import numpy as jnp

    s = {name: jnp.asarray(value) for name, value in symbols.items()}

    def back(spectrum: Any) -> Any:
        return jnp.fft.irfft2(spectrum, s=(n, n))

    def slope(w: Any) -> Any:
        psi = s["stream"] * w
        u, v = back(s["d_y"] * psi), back(-s["d_x"] * psi)
        product = u * back(s["d_x"] * w) + v * back(s["d_y"] * w)
        return s["forcing"] - s["kept"] * jnp.fft.rfft2(product)

    def step(_: int, w: Any) -> Any:
        one = slope(w)
        a = s["half"] * w + s["q"] * one
        two = slope(a)
        three = slope(s["half"] * w + s["q"] * two)
        four = slope(s["half"] * a + s["q"] * (2 * three - one))
        return (
            s["decay"] * w + s["first"] * one + 2 * s["middle"] * (two + three) + s["last"] * four
        )

    def advance(field: Any, steps: Any) -> Any:
        return back(jax.lax.fori_loop(0, steps, step, s["kept"] * jnp.fft.rfft2(field)))

    return advance

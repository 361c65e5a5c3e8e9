"""Random parabolas, curve by curve: what is known of each of them, and what is left."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from pydantic import PositiveFloat
from scipy.stats import kstest
from torch import Tensor

from fsdiff.metrics.base import Metric
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis

FAMILY = "parabolas"


@dataclass(frozen=True)
class Parabolas(Metric):
    """Least squares of curves by ``amplitude``·a s² + ``shift``·ε, with s from −1 to 1.

    By default in the units of Lim et al. (NeurIPS 2023), (a x² + ε)/50 on [−10, 10], whose curves
    have a = ±1, equally often, and standard normal ε.

    Returns the share of curves with a > 0, ``parabola_positive``, the deviations of |a| and ε,
    ``parabola_amplitude`` and ``parabola_shift``, the Kolmogorov–Smirnov distance of ε from a
    standard normal law, ``parabola_shift_kolmogorov``, and the root mean square of what is no such
    parabola, ``parabola_residual``. Of the reference it tells the share and the deviation of ε.
    """

    amplitude: PositiveFloat = 2.0
    shift: PositiveFloat = 0.02
    physical: ClassVar[bool] = True
    continued: ClassVar[bool] = True
    at_least: ClassVar[int] = 2
    kind: Literal["parabolas"] = "parabolas"
    words = (
        Words("parabola_positive", "share of a > 0", FAMILY, "reference", True),
        Words("parabola_amplitude", "deviation of |a|", FAMILY),
        Words("parabola_shift", "deviation of ε", FAMILY, "reference"),
        Words("parabola_shift_kolmogorov", "ε from normal, Kolmogorov–Smirnov", FAMILY, share=True),
        Words("parabola_residual", "no parabola, rms", FAMILY),
    )

    @property
    def results(self) -> tuple[str, ...]:
        """Each number, and what those are compared with that are best where the reference is."""
        compared = (words.name for words in self.words if words.target == "reference")
        return (*(words.name for words in self.words), *(f"{name}_reference" for name in compared))

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse fields of several variables."""
        if basis.dimension != 1:
            raise ValueError(f"is about curves, and fields have {basis.dimension} axes")

    def __call__(self, samples: Tensor, reference: Tensor, basis: Basis) -> dict[str, float]:
        """The numbers of two sets of curves (N, channels, points), all channels taken together."""
        self.check(samples, reference, basis)
        found, known = self._numbers(samples, basis), self._numbers(reference, basis)
        return found | {
            name: known[name.removesuffix("_reference")]
            for name in self.results
            if name not in found
        }

    def _numbers(self, curves: Tensor, basis: Basis) -> dict[str, float]:
        (nodes,), (axis,) = basis.axis_nodes(basis.resolution(curves)), basis.axes
        places = torch.as_tensor(nodes) / axis.side
        a, shift, rest = fitted(places, curves.cpu().flatten(0, 1), self.amplitude, self.shift)
        return {
            "parabola_positive": float((a > 0).double().mean()),
            "parabola_amplitude": float(a.abs().std()),
            "parabola_shift": float(shift.std()),
            "parabola_shift_kolmogorov": float(kstest(shift.numpy(), "norm").statistic),
            "parabola_residual": float(rest.square().mean().sqrt()),
        }


def fitted(
    places: Tensor, curves: Tensor, amplitude: float, shift: float
) -> tuple[Tensor, Tensor, Tensor]:
    """a (curve,), ε (curve,) and residual (curve, point) of curves at shares of the interval."""
    s = 2 * places.double() - 1
    design = torch.stack([amplitude * s.square(), shift * torch.ones_like(s)], dim=1)
    solution = torch.linalg.lstsq(design, curves.double().T).solution
    return solution[0], solution[1], curves.double() - (design @ solution).T

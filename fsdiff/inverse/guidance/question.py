"""What a guided denoiser is asked."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fsdiff.diffusion.denoiser import DenoiserLike
from fsdiff.diffusion.marginal import Marginal
from fsdiff.inverse.guidance.problem import Covariance, Problem
from fsdiff.inverse.observations.maps import ForwardMapLike


@dataclass(frozen=True)
class Question:
    """What a guided denoiser is asked: the data of fields, all of one law of X_t and with data y.

    ``fields`` are (batch, channel, *grid); ``data`` y are (size,).
    """

    problem: Problem
    data: Tensor
    denoiser: DenoiserLike
    fields: Tensor
    marginal: Marginal
    condition: Tensor | None = None

    @property
    def n(self) -> int:
        """The level of the fields."""
        return self.problem.law.basis.resolution(self.fields)

    @property
    def map(self) -> ForwardMapLike:
        """What is observed of them."""
        return self.problem.map(self.n)

    def estimate(self) -> Tensor:
        """x̂_0, without the data."""
        return self.denoiser.estimate(self.fields, self.marginal, self.condition).data

    def differentiable(self) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """x̂_0, and J* of the denoiser there, from fields to fields; J = ∂x̂_0/∂x."""
        with torch.enable_grad():
            x = self.fields.detach().requires_grad_()
            data = self.denoiser.estimate(x, self.marginal, self.condition).data
        weights = self.problem.weights(self.n, self.fields)

        def pull(field: Tensor) -> Tensor:
            weighted = (weights * field).to(data)
            return torch.autograd.grad(data, x, weighted, retain_graph=True)[0] / weights

        return data.detach(), pull

    def symbol(self, covariance: Covariance) -> Tensor:
        """V at the time of the fields, (channel, *coefficients) or joint for all channels."""
        time = self.marginal.time.flatten().to(self.fields.device)
        return self.problem.symbol(covariance, time, self.n)

    def observed(self, direction: Tensor) -> Tensor:
        """H u of an affine observation, without its constant, (batch, size), float64."""
        return self.map.jvp(torch.zeros_like(direction), direction).double()

    def residual(self, field: Tensor) -> Tensor:
        """y − G(u), (batch, size), float64."""
        return self.data.to(field.device) - self.map.forward(field).double()

    def residual_if_any(self, field: Tensor) -> Tensor:
        """The same, infinite for fields that G has no value for."""
        try:
            return self.residual(field)
        except ArithmeticError:
            if len(field) == 1:
                return torch.full_like(self.data, torch.inf, device=field.device)[None]
            return torch.cat([self.residual_if_any(own) for own in field.split(1)])

"""Networks that are timed beside each other."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

BATCH = 16
"""Fields of a step."""

CPU = torch.device("cpu")


class Contender:
    """A network with its optimiser and a batch to work on."""

    def __init__(self, make: Callable[[], nn.Module], n: int, device: torch.device = CPU) -> None:
        torch.manual_seed(0)
        self.device, self.network = device, make().to(device)
        parameters = list(self.network.parameters())
        fused = not any(p.is_complex() for p in parameters)
        self.optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=fused)
        self.x, self.t = torch.randn(BATCH, 1, n, n).to(device), torch.randn(BATCH).to(device)

    def train(self) -> None:
        """One step."""
        loss = (self.network(self.x, self.t) - self.x).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @torch.no_grad()
    def infer(self) -> Tensor:
        """One evaluation."""
        return self.network(self.x, self.t)

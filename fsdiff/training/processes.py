"""Several processes that train one network together, started by torchrun or something like it.

Each has all weights and takes its part of every batch; the sum of all gradients is that of the
whole batch. One flat array is reduced after the backward pass: networks here have few megabytes of
weights, for which overlapping communication with computation, as wrapping the network would, gains
nothing; and parts may differ in size, complex weights are reduced like others, and the network
keeps its names.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from fsdiff.jobs.launching import together


@dataclass(frozen=True)
class Processes:
    """The processes that train together: this one's number, from 0, and how many there are."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Whether this is the one that writes files and reports."""
        return self.rank == 0

    def part(self, size: int) -> slice:
        """This process's part of ``size`` samples; parts differ by one sample at most."""
        return slice(self.rank * size // self.count, (self.rank + 1) * size // self.count)

    def sum_gradients(self, parameters: Iterable[nn.Parameter], loss: Tensor) -> float:
        """Replace gradients by their sums over all processes; the sum of the losses comes back."""
        loss = loss.detach()
        if self.count > 1:
            gradients = [_real(p.grad) for p in parameters if p.grad is not None]
            flat = torch.cat([*(gradient.flatten() for gradient in gradients), loss.view(1)])
            distributed.all_reduce(flat)
            *sums, loss = flat.split([*(gradient.numel() for gradient in gradients), 1])
            for gradient, total in zip(gradients, sums, strict=True):
                gradient.copy_(total.view_as(gradient))
        return float(loss)

    def mean(self, value: float, weight: int) -> float:
        """The mean of all processes' values, each of which is of ``weight`` samples."""
        if self.count == 1:
            return value
        sums = torch.tensor([value * weight, weight], dtype=torch.float64)
        distributed.all_reduce(sums)
        return float(sums[0] / sums[1])

    def largest(self, number: int) -> int:
        """The largest of all processes' numbers."""
        if self.count == 1:
            return number
        numbers = torch.tensor(number)
        distributed.all_reduce(numbers, distributed.ReduceOp.MAX)
        return int(numbers)


ALONE = Processes()
"""One process by itself."""


@contextmanager
def joined(device: torch.device) -> Iterator[Processes]:
    """The processes that torchrun started together with this one, or this one alone.

    They talk over gloo, and about what is on GPUs over nccl.
    """
    if not together():
        yield ALONE
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def _real(tensor: Tensor) -> Tensor:
    """Complex numbers as pairs of real ones, in the same memory."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor

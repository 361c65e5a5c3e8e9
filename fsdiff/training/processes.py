"""Several processes that train one network together, started by torchrun or something like it.

Each has all weights, holds its part of the data and takes its part of every batch, whose fields it
gets from those that hold them; the sum of all gradients is that of the whole batch. One flat array
is reduced after the backward pass: networks here have few megabytes of weights, for which
overlapping communication with computation, as wrapping the network would, gains nothing; and parts
may differ in size, complex weights are reduced like others, and the network keeps its names.
"""

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
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
        return self.parts(size)[self.rank]

    def parts(self, size: int) -> list[slice]:
        """Those of all processes."""
        ends = [rank * size // self.count for rank in range(self.count + 1)]
        return list(itertools.starmap(slice, itertools.pairwise(ends)))

    def exchanged(self, held: Tensor, size: int, wanted: Sequence[Tensor]) -> Tensor:
        """Of ``size`` samples, those at the positions that each process wants; this one's.

        ``held`` is this process's part of them, in memory of the CPU. All processes call this
        with the same ``wanted``, one tensor of positions for each.
        """
        if self.count == 1:
            return held[wanted[0]]
        starts = torch.tensor([part.start for part in self.parts(size)])
        holders = [torch.bucketize(positions, starts, right=True) - 1 for positions in wanted]
        sent = [p[h == self.rank] for p, h in zip(wanted, holders, strict=True)]
        own = holders[self.rank]
        received = held.new_empty(len(own), *held.shape[1:])
        distributed.all_to_all_single(
            received,
            held[torch.cat(sent) - starts[self.rank]],
            torch.bincount(own, minlength=self.count).tolist(),
            [len(positions) for positions in sent],
        )
        result = torch.empty_like(received)
        result[own.argsort(stable=True)] = received
        return result

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
        """The mean of all processes' values, each of ``weight`` samples; nan of no samples."""
        if self.count == 1:
            return value if weight else math.nan
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

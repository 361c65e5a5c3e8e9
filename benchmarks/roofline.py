"""What a calculation asks of a machine, and how fast the machine could do it at best.

Operations are counted as they run, one by one: the arithmetic of products of matrices and
convolutions, and the bytes that each operation reads and writes, as if nothing stayed in a cache
from one to the next. The time that is attainable is the sum, over operations, of the larger of what
arithmetic and memory take at the highest rates that were measured.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


@dataclass(frozen=True)
class Ceilings:
    """The highest rates of a device: bytes, and operations of matrix products, per second."""

    bandwidth: float
    arithmetic: dict[str, float]


@dataclass
class Work:
    """What operations take, by name or by the part of a calculation that they are of.

    How often they run, their arithmetic and bytes, the least seconds that the ceilings leave, and
    the processor seconds that are taken, of which a GPU's are no part.
    """

    calls: Counter[str] = field(default_factory=Counter)
    arithmetic: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)

    @property
    def attainable(self) -> float:
        """Seconds at the ceilings."""
        return sum(self.seconds.values())

    def largest(self, count: int) -> list[tuple[str, float]]:
        """The operations that take most of that, with their shares."""
        return [(name, s / self.attainable) for name, s in self.seconds.most_common(count)]


class _Counting(TorchDispatchMode):
    def __init__(self, work: Work, ceilings: Ceilings, part: Callable[[str], str]) -> None:
        super().__init__()
        self.work, self.ceilings, self.part = work, ceilings, part

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        start = time.process_time()
        result = function(*args, **(kwargs or {}))
        taken = time.process_time() - start
        if not function.is_view:
            self._count(function, args, kwargs or {}, result, taken)
        return result

    def _count(self, function: Any, args: Any, kwargs: Any, result: Any, taken: float) -> None:
        tensors = list(_tensors([*args, *kwargs.values(), result]))
        if not tensors:
            return
        name = function.__name__.partition(".")[0].rstrip("_")
        moved = sum(map(_extent, tensors))
        done = _arithmetic(name, args, kwargs, result)
        kind = str(tensors[0].dtype.to_real()).removeprefix("torch.")
        fastest = self.ceilings.arithmetic.get(kind, self.ceilings.arithmetic["float32"])
        work, part = self.work, self.part(name)
        work.calls[part] += 1
        work.bytes[part] += moved
        work.arithmetic[part] += done
        work.seconds[part] += max(done / fastest, moved / self.ceilings.bandwidth)
        work.taken[part] += taken


def counted(
    run: Callable[[], Any], ceilings: Ceilings, part: Callable[[str], str] = lambda name: name
) -> Work:
    """What a calculation takes.

    ``part`` says what an operation of some name counts to, and is asked where the operation runs,
    so that it may look at what has called it.
    """
    work = Work()
    with _Counting(work, ceilings, part):
        run()
    return work


def ceilings(device: torch.device, *, quick: bool = False) -> Ceilings:
    """The highest rates that are met on a device: of a copy, and of products by precision."""
    numbers, n, rounds = (2**20, 128, 2) if quick else (2**28, 8192, 10)
    if device.type == "cpu" and not quick:
        numbers, n = 2**25, 1024
    rates = {}
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        size = n // 2 if dtype == torch.float64 else n
        name = str(dtype).removeprefix("torch.")
        rates[name] = rate_of_products((size, size, size), device, dtype, rounds)
    return Ceilings(rate_of_copies(numbers, device, rounds), rates)


def rate_of_copies(numbers: int, device: torch.device, rounds: int = 10) -> float:
    """Bytes per second, read and written, of copying an array of numbers in single precision."""
    source = torch.ones(numbers, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _fastest(lambda: target.copy_(source), device, rounds)


def rate_of_products(
    sizes: tuple[int, int, int],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
    rounds: int = 10,
) -> float:
    """Operations per second of a matrix (rows, inner) times another (inner, columns)."""
    rows, inner, columns = sizes
    a, b = (
        torch.randn(*shape, device=device).to(dtype) for shape in ((rows, inner), (inner, columns))
    )
    out = a.new_empty(rows, columns)
    taken = _fastest(lambda: torch.mm(a, b, out=out), device, rounds)
    return 2 * rows * inner * columns / taken


def synchronise(device: torch.device) -> None:
    """Wait until the device has finished what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def wall_times(run: Callable[[], Any], device: torch.device, rounds: int) -> list[float]:
    """Wall times of runs, in seconds, each until the device has finished."""
    taken = []
    for _ in range(rounds):
        synchronise(device)
        start = time.perf_counter()
        run()
        synchronise(device)
        taken.append(time.perf_counter() - start)
    return taken


def _fastest(run: Callable[[], Any], device: torch.device, rounds: int) -> float:
    """The least of some times, after one that is not counted."""
    return min(wall_times(run, device, rounds + 1)[1:])


def _arithmetic(name: str, args: Any, kwargs: Any, result: Any) -> int:
    packet = getattr(torch.ops.aten, name, None)
    if packet not in flop_registry:
        return 0
    kwargs = {key: value for key, value in kwargs.items() if key != "out"}
    complex_numbers = any(tensor.is_complex() for tensor in _tensors(args))
    # A complex product is four real ones.
    return flop_registry[packet](*args, **kwargs, out_val=result) * (4 if complex_numbers else 1)


def _extent(tensor: Tensor) -> int:
    """Bytes of the numbers of a tensor, each once however often it is repeated."""
    distinct = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        distinct *= size if stride else 1
    return distinct * tensor.element_size()


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)

"""Control of the threads that torch uses within an operation, and of work beside other work."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain, pairwise
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")


@contextmanager
def single_thread() -> Iterator[None]:
    """Run operations on one thread inside a ``with`` block or a decorated function.

    Sums and matrix products round in a way that depends on the number of threads; and operations
    on one field are so short that sharing them between threads costs more than it saves.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def side_by_side(
    work: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]
) -> list[Result]:
    """What ``work`` makes of the items, in order, shared between as many threads as torch may use.

    Each operation runs on one thread, so results do not depend on how many there are. ``work`` sets
    for itself what torch keeps for each thread, such as ``no_grad``.
    """

    def alone(part: Sequence[Item]) -> list[Result]:
        with single_thread():
            return work(part)

    threads = min(torch.get_num_threads(), len(items))
    if threads < 2:
        return alone(items)
    edges = [len(items) * i // threads for i in range(threads + 1)]
    parts = [items[first:last] for first, last in pairwise(edges)]
    with single_thread(), ThreadPoolExecutor(threads) as pool:  # new threads start from one, too
        return [*chain(*pool.map(alone, parts))]

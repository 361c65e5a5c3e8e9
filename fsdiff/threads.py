"""Control of the threads that torch uses within an operation."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


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

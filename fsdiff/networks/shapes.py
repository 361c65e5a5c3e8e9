"""Networks of which only the shapes of their weights are wanted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


class _Undrawn(TorchFunctionMode):
    """Draws no numbers, for which PyTorch would import its compiler: a second of each job."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is torch.Tensor.div_ or getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else (kwargs or {})["tensor"]
        return (torch.empty if func is torch.randn else func)(*args, **(kwargs or {}))


@contextmanager
def shapes_alone() -> Iterator[None]:
    """Networks that are made meanwhile have weights without numbers, and take no memory."""
    with torch.device("meta"), _Undrawn():
        yield

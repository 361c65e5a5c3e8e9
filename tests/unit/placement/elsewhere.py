"""A device that is not the processor, on any machine: ``elsewhere``.

Its tensors hold their values in the processor's memory and are computed there, so that programs
run to their end with true numbers, whatever they read and branch on. To torch, and to the program,
they lie elsewhere: as with a GPU, an operation on tensors of both places is refused, NumPy gets
none of them, and tensors made without a device are on the processor.
"""

from functools import partial

import torch
from torch.utils import backend_registration

aten = torch.ops.aten

NAME = "elsewhere"
AVAILABLE = hasattr(backend_registration, "_setup_privateuseone_for_python_backend")
"""Whether torch is recent enough, 2.9, to have devices that are written in Python."""

MOVING = {aten._to_copy.default, aten.copy_.default, aten._copy_from.default}
"""What may have tensors of both places: copies from one to the other."""

INDEXING = {aten.index.Tensor, aten.index_put.default, aten.index_put_.default}
"""What may be given indices on the processor."""


class MisplacedError(RuntimeError):
    """An operation on tensors in two places."""


class Placed(torch.Tensor):
    """A tensor elsewhere; ``values`` are its numbers, a tensor of the processor."""

    @staticmethod
    def __new__(cls, values):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=torch.device(NAME, 0),
        )

    def __init__(self, values):
        self.values = values

    def __repr__(self):
        return f"{type(self).__name__}({self.values})"

    def data_ptr(self):
        """Where its numbers are."""
        return self.values.data_ptr()

    def tolist(self):
        """Its numbers, which may be read from anywhere."""
        return self.values.tolist()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return computed(function, args, kwargs or {})


def computed(function, args, kwargs):
    """What an operation gives, of tensors elsewhere or asked for there."""
    tensors = [leaf for leaf in leaves([*args, *kwargs.values()]) if isinstance(leaf, torch.Tensor)]
    check(function, args, tensors)
    if function is aten._copy_from.default:
        function, args = aten.copy_.default, (args[1], args[0])
    # Within a dispatch torch does not look whether values are only marked as conjugates.
    function = aten.conj_physical.default if function is aten._conj.default else function
    device = kwargs.get("device")
    known = {id(t.values): t for t in tensors if isinstance(t, Placed)}
    values = [mapped(Placed, lambda t: t.values, one) for one in args]
    named = {name: mapped(Placed, lambda t: t.values, one) for name, one in kwargs.items()}
    if device is not None:
        named["device"] = "cpu"
    result = function(*values, **named)
    back = not isinstance(args[0], Placed) if function is aten.copy_.default else is_here(device)
    if back:
        return result
    # What is changed in place is the tensor that it was.
    return mapped(torch.Tensor, lambda t: known[id(t)] if id(t) in known else Placed(t), result)


def is_here(device):
    """Whether the processor is asked for by name."""
    return device is not None and torch.device(device).type == "cpu"


def leaves(arguments):
    """The arguments of an operation, those in lists one by one."""
    for one in arguments:
        if isinstance(one, list | tuple):
            yield from one
        else:
            yield one


def mapped(kind, change, argument):
    """An argument or result with every tensor of a kind changed."""
    if isinstance(argument, kind):
        return change(argument)
    if isinstance(argument, list | tuple):
        return type(argument)(mapped(kind, change, one) for one in argument)
    return argument


def check(function, args, tensors):
    """Refuse tensors in two places where a GPU would."""
    if function in MOVING:
        return
    if function in INDEXING and isinstance(args[0], Placed):
        tensors = [args[0], *(leaf for leaf in args[2:] if isinstance(leaf, torch.Tensor))]
    numbers_may_be_anywhere = torch.Tag.pointwise in function.tags
    for tensor in tensors:
        if isinstance(tensor, Placed) or (numbers_may_be_anywhere and tensor.ndim == 0):
            continue
        if any(isinstance(other, Placed) for other in tensors):
            raise MisplacedError(
                f"{function}: a tensor {tuple(tensor.shape)} is on the processor, another elsewhere"
            )


class _Module:
    """What torch asks of a device."""

    def is_available(self):
        return True

    def is_initialized(self):
        return True

    def current_device(self):
        return 0

    def device_count(self):
        return 1

    def manual_seed_all(self, seed):
        """It has no random numbers of its own."""

    def _is_in_bad_fork(self):
        return False

    def get_amp_supported_dtype(self):
        return [torch.bfloat16]


def registered():
    """Make the device known to torch, for as long as what is returned lives.

    Once in a process, before anything is differentiated in it.
    """
    backend_registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    library = torch.library.Library("aten", "IMPL")
    # What ``torch.tensor`` and the like call on the way, past ``__torch_dispatch__``.
    for name in ("empty.memory_format", "empty_strided", "_copy_from"):
        operation, _, overload = name.partition(".")
        function = getattr(getattr(aten, operation), overload or "default")
        library.impl(name, partial(_called, function), "PrivateUse1")
    # Autocast is known to be on, and changes no operation by itself.
    autocast = torch.library.Library("_", "IMPL")
    autocast.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    return library, autocast


def _called(function, *args, **kwargs):
    return computed(function, args, kwargs)


if AVAILABLE:
    _LIBRARIES = registered()

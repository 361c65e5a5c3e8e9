"""Where the work of a job is done: on the processor or on an accelerator."""

import os
import platform
from typing import Literal

import torch

from fsdiff.errors import Error

Work = Literal["networks", "data", "metrics"]
"""Networks that are trained and sampled; equations that data sets solve; fields compared."""

VARIABLE = "FSDIFF_DEVICE"
"""Environment variable that names the device, in PyTorch's words; ``cpu`` without it."""

VARIABLES: dict[Work, str] = {
    "networks": VARIABLE,
    "data": "FSDIFF_DATA_DEVICE",
    "metrics": "FSDIFF_METRICS_DEVICE",
}
"""Those that name it for each kind of work, where that is not the first one's."""

CPU = torch.device("cpu")


class DeviceError(Error, RuntimeError):
    """The device is not there; the message says what to do."""


def named_device(work: Work = "networks") -> torch.device:
    """The device that a kind of work is to be done on, whether or not this machine has it."""
    return torch.device(os.environ.get(VARIABLES[work]) or os.environ.get(VARIABLE, "cpu"))


def chosen_device(work: Work = "networks") -> torch.device:
    """The device of this process's work; DeviceError where it is not there."""
    device = named_device(work)
    if device.type == "cuda":
        check_gpu("device" if device == named_device() else f"device_of.{work}")
    # Of processes that work together on a machine, each has a GPU of its own.
    local = os.environ.get("LOCAL_RANK")
    return torch.device("cuda", int(local)) if device.type == "cuda" and local else device


def check_gpu(key: str = "device") -> None:
    """Refuse GPUs where there is none, by the key that asks for one; DeviceError."""
    if torch.cuda.is_available():
        return
    build = "a build for CUDA" if torch.version.cuda else "no build for CUDA"
    raise DeviceError(
        f"{key} = cuda: PyTorch {torch.__version__}, {build}, sees no GPU on {platform.node()}; "
        f"set `{key}: cpu`, or run the job where there is a GPU and install PyTorch for it "
        "(docs/cluster.md)"
    )

"""Where networks are trained and sampled: on the processor or on an accelerator."""

import os
import platform

import torch

from fsdiff.errors import Error

VARIABLE = "FSDIFF_DEVICE"
"""Environment variable that names the device, in PyTorch's words; ``cpu`` without it."""


CPU = torch.device("cpu")


class DeviceError(Error, RuntimeError):
    """The device is not there; the message says what to do."""


def chosen_device() -> torch.device:
    """The device of this process's networks."""
    device = torch.device(os.environ.get(VARIABLE, "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        build = "a build for CUDA" if torch.version.cuda else "no build for CUDA"
        raise DeviceError(
            f"device = {device}: PyTorch {torch.__version__}, {build}, sees no GPU on "
            f"{platform.node()}; set `device: cpu`, or run the job where there is a GPU and "
            "install PyTorch for it (docs/cluster.md)"
        )
    # Of processes that work together on a machine, each has a GPU of its own.
    local = os.environ.get("LOCAL_RANK")
    return torch.device("cuda", int(local)) if device.type == "cuda" and local else device

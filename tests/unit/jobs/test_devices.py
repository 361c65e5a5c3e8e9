"""Where networks run: the environment decides, and a missing GPU is told with what to do."""

import pytest
import torch

from fsdiff.jobs.devices import VARIABLE, DeviceError, chosen_device


def test_the_processor_is_the_default(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert chosen_device() == torch.device("cpu")
    monkeypatch.setenv(VARIABLE, "cpu")
    assert chosen_device() == torch.device("cpu")


def test_the_environment_names_the_device(monkeypatch):
    monkeypatch.setenv(VARIABLE, "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert chosen_device() == torch.device("cuda")


def test_a_missing_gpu_is_refused(monkeypatch):
    monkeypatch.setenv(VARIABLE, "cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(DeviceError, match=r"device = cuda: .* sees no GPU on .*set `device: cpu`"):
        chosen_device()

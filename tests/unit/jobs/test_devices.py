"""Where work is done: the environment decides, and a missing GPU is told with what to do."""

import pytest
import torch

from fsdiff.jobs.devices import VARIABLE, VARIABLES, DeviceError, chosen_device

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def environment(monkeypatch):
    """Sets variables, those of devices alone, with a GPU or without."""

    def make(gpu=True, **variables):
        for name in VARIABLES.values():
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)

    return make


@pytest.mark.parametrize("work", VARIABLES)
def test_the_processor_is_the_default(environment, work):
    environment()
    assert chosen_device(work) == CPU
    environment(FSDIFF_DEVICE="cpu")
    assert chosen_device(work) == CPU


@pytest.mark.parametrize("work", VARIABLES)
def test_the_environment_names_the_device_of_all_work(environment, work):
    environment(FSDIFF_DEVICE="cuda")
    assert chosen_device(work) == CUDA


def test_each_kind_of_work_may_have_its_own(environment):
    environment(FSDIFF_DEVICE="cuda", FSDIFF_DATA_DEVICE="cpu")
    assert [chosen_device(work) for work in VARIABLES] == [CUDA, CPU, CUDA]


def test_a_missing_gpu_is_refused_by_the_key_that_asks_for_it(environment):
    environment(gpu=False, **{VARIABLE: "cuda"})
    for work in VARIABLES:
        with pytest.raises(
            DeviceError, match=r"^device = cuda: .* sees no GPU on .*set `device: cpu`"
        ):
            chosen_device(work)
    environment(gpu=False, FSDIFF_METRICS_DEVICE="cuda")
    assert chosen_device() == CPU
    with pytest.raises(DeviceError, match=r"^device_of.metrics = cuda: .*`device_of.metrics: cpu`"):
        chosen_device("metrics")

"""The device that placement is tested with: what a GPU would refuse, it refuses."""

import elsewhere
import pytest
import torch
from elsewhere import MisplacedError, Placed

pytestmark = pytest.mark.skipif(not elsewhere.AVAILABLE, reason="needs PyTorch 2.9")

NUMBERS = torch.arange(6.0).view(2, 3)


@pytest.fixture
def there():
    """Numbers elsewhere."""
    return NUMBERS.to("elsewhere")


def test_tensors_are_made_where_they_are_asked_for(there):
    for tensor in (
        there,
        there.new_zeros(2),
        there.new_tensor([1.0]),
        torch.zeros_like(there),
        torch.tensor([1.0, 2.0], device=there.device),
        torch.arange(3, device="elsewhere"),
        torch.linspace(0, 1, 3, device="elsewhere"),
        torch.nn.Linear(2, 2).to("elsewhere").weight,
    ):
        assert isinstance(tensor.data, Placed)
        assert tensor.device == torch.device("elsewhere", 0)
    assert type(there.cpu()) is torch.Tensor
    assert torch.equal(there.to("cpu"), NUMBERS)


def test_results_are_those_of_the_processor(there):
    assert there.sum().item() == 15
    assert torch.equal((there @ there.T).cpu(), NUMBERS @ NUMBERS.T)
    assert torch.equal(torch.fft.rfft2(there).cpu(), torch.fft.rfft2(NUMBERS))
    there.view(6)[3:].zero_()  # views share what they are of
    assert there.tolist() == [[0, 1, 2], [0, 0, 0]]


def test_gradients_are_there_too(there):
    weight = torch.nn.Parameter(there)
    (weight.exp() * weight).sum().backward()
    assert isinstance(weight.grad, Placed)
    assert torch.allclose(weight.grad.cpu(), NUMBERS.exp() * (1 + NUMBERS))


@pytest.mark.parametrize(
    "operation",
    [
        lambda u: u + NUMBERS,
        lambda u: NUMBERS * u,
        lambda u: u.add_(NUMBERS),
        lambda u: torch.cat([u, NUMBERS]),
        lambda u: u @ NUMBERS.T,
        lambda u: torch.where(NUMBERS > 1, u, 0.0),
        lambda u: u.index_select(0, torch.tensor([0])),
        lambda u: NUMBERS[u.long()[:, :1] * 0],
        lambda u: torch.addmm(torch.zeros(2, 2), u, u.T),
        lambda u: torch.add(u, u, out=torch.empty(2, 3)),
        lambda u: torch.equal(u, NUMBERS),
        lambda u: torch.nn.Linear(3, 1)(u),
    ],
)
def test_tensors_in_two_places_are_refused(there, operation):
    with pytest.raises(MisplacedError, match="on the processor, another elsewhere"):
        operation(there)


def test_numpy_gets_none(there):
    with pytest.raises((RuntimeError, TypeError)):
        there.numpy()


def test_numbers_and_indices_may_be_anywhere_as_on_a_gpu(there):
    assert torch.equal((there * torch.tensor(2.0)).cpu(), 2 * NUMBERS)
    assert torch.equal(there[:, torch.tensor([0, 2])].cpu(), NUMBERS[:, [0, 2]])
    assert torch.equal(torch.zeros(2, 3).copy_(there), NUMBERS)
    with pytest.raises(MisplacedError):
        there @ torch.tensor(2.0)[None, None].expand(3, 1)

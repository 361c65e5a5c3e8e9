"""Distances of pictures in features that a small network of ImageNet has learnt."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import nn

from fsdiff.metrics.efficientnet import FEATURES, EfficientNet, packaged_weights
from fsdiff.metrics.pretrained import PictureMetric, with_weights
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis

FAMILY = "features of EfficientNet-Lite0"


@dataclass(frozen=True)
class FrechetEfficientNet(PictureMetric):
    """In 1280 features of EfficientNet-Lite0, of pictures enlarged to ``side`` pixels.

    Weights come with a package (extra ``features``), so that no file is needed. These distances
    are no FID and no KID, which are of another network, and compare with nothing but rows of the
    same table; the limit is given for more than 5120 pictures. Ten milliseconds a picture at 112
    pixels on one core, four times that at 224.
    """

    side: Literal[112, 224] = 112
    features: ClassVar[int] = FEATURES
    kind: Literal["frechet_efficientnet"] = "frechet_efficientnet"
    words = (
        Words("kernel_efficientnet", "kernel distance of features", FAMILY),
        Words("frechet_efficientnet", "Fréchet distance of features", FAMILY),
        Words("frechet_efficientnet_limit", "Fréchet distance, limit of many fields", FAMILY),
    )

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse what is no picture, and to go on without weights."""
        super().check_grid(basis, n)
        packaged_weights()

    def network(self) -> nn.Module:
        """With the weights of the package."""
        return with_weights(EfficientNet(self.side), packaged_weights(), ["_fc."])

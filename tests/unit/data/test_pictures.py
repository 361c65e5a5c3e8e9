"""Pictures as fields: brightness or colours from 0 to 1, the bottom row first."""

import struct
from zlib import compress, crc32

import numpy as np
import pytest
from PIL import Image

from fsdiff.data.sources.arrays import opened
from fsdiff.data.sources.files import FileData
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.bases import CosineBasis

RANDOM = np.random.default_rng(0)
COLOURS = RANDOM.integers(0, 256, (6, 8, 3), dtype=np.uint8)
RGB = ("red", "green", "blue")


def read(path):
    with opened(path) as arrays:
        return {name: stored.values[...] for name, stored in arrays.items()}


def save(path, pixels, **options):
    mode = options.pop("mode", None)
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path, **options)
    return path


def test_colours_are_channels_from_zero_to_one_and_y_points_upwards(tmp_path):
    found = read(save(tmp_path / "a.png", COLOURS))
    assert tuple(found) == RGB
    for number, name in enumerate(RGB):
        assert found[name].dtype == np.float32
        np.testing.assert_array_equal(found[name], (COLOURS[::-1, :, number] / 255).astype("f4"))


@pytest.mark.parametrize(
    ("pixels", "options", "white"),
    [
        (COLOURS[..., 0], {}, 255),
        (COLOURS[..., 0].astype(np.uint16) * 256, {}, 65535),
        (COLOURS[..., 0] > 99, {}, 1),
        (COLOURS[..., 0], {"mode": "LA"}, 255),
    ],
    ids=["8 bits", "16 bits", "1 bit", "opaque"],
)
def test_pictures_without_colours_have_one_channel(tmp_path, pixels, options, white):
    found = read(save(tmp_path / "a.png", pixels, **options))
    assert list(found) == ["brightness"]
    np.testing.assert_allclose(found["brightness"], pixels[::-1] / white, rtol=1e-7)


def test_palettes_and_jpeg_are_colours(tmp_path):
    flat = np.full((6, 8, 3), (200, 100, 50), np.uint8)
    Image.fromarray(flat).quantize(8).save(tmp_path / "a.png")
    for path in (
        tmp_path / "a.png",
        save(tmp_path / "b.jpg", flat, quality=95),
        save(tmp_path / "c.png", flat, mode="RGBA"),
    ):
        found = read(path)
        for name, value in zip(RGB, (200, 100, 50), strict=True):
            assert np.abs(found[name] - value / 255).max() < 0.02


def test_pictures_are_upright_however_the_camera_was_held(tmp_path):
    """Orientation 6: the first row of the file is the right side of the picture."""
    about = Image.Exif()
    about[0x0112] = 6
    smooth = np.add.outer(10 * np.arange(16), 3 * np.arange(24)).astype(np.uint8)
    found = read(save(tmp_path / "a.jpg", smooth, exif=about, quality=98))["brightness"]
    assert found.shape == (24, 16)
    upright = smooth.T[:, ::-1]
    np.testing.assert_allclose(found, upright[::-1] / 255, atol=0.02)


def test_a_folder_of_pictures_is_a_data_set(tmp_path):
    pixels = RANDOM.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    for number, each in enumerate(pixels):
        save(tmp_path / f"{number}.PNG", each)
    source = FileData(path=str(tmp_path), basis=CosineBasis(2), variables=RGB)
    assert (source.available, source.values, source.resolution) == (5, 3, 8)
    fields = source.generate(range(5), 0)["field"]
    assert fields["channel"].values.tolist() == list(RGB)
    expected = pixels[:, ::-1].transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(fields.values, expected, rtol=1e-6)
    # Beside data pictures show these, and are none themselves.
    np.save(tmp_path / "fields.npy", np.zeros((3, 8, 8)))
    data = FileData(path=str(tmp_path), basis=CosineBasis(2), dimensions=("sample", "y", "x"))
    assert [path.name for path in data.files] == ["fields.npy"]
    only = FileData(path=str(tmp_path / "*.png"), basis=CosineBasis(2), variables=RGB)
    assert len(only.files) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: save(path, COLOURS[..., 0]), "b.png has no array 'red', only brightness"),
        (lambda path: save(path, COLOURS[:4]), r"b.png: grid = \(4, 8\), but .*a.png has \(6, 8\)"),
    ],
)
def test_pictures_of_several_kinds_are_named(tmp_path, change, message):
    save(tmp_path / "a.png", COLOURS)
    change(tmp_path / "b.png")
    with pytest.raises(StorageError, match=message):
        FileData(path=str(tmp_path), basis=CosineBasis(2), variables=RGB).generate([0, 1], 0)


def test_pictures_that_cannot_be_read_are_refused(tmp_path):
    path = save(tmp_path / "a.png", COLOURS)
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(StorageError, match=r"a.png"):
        FileData(path=str(path), basis=CosineBasis(2), variables=RGB).generate([0], 0)
    clear = np.dstack([COLOURS, COLOURS[..., :1]])
    path = save(tmp_path / "b.png", clear)
    with pytest.raises(StorageError, match=r"b.png is transparent in places: lay it on"):
        FileData(path=str(path), basis=CosineBasis(2), variables=RGB).generate([0], 0)


@pytest.mark.parametrize(("colour_type", "numbers"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_that_would_be_halved_are_refused(tmp_path, colour_type, numbers):
    """Colours, and brightness beside opacity, which Pillow keeps in 8 bits."""
    values = RANDOM.integers(0, 2**16, (6, 8 * numbers)).astype(">u2")
    values[:, numbers - 1 :: numbers] = 2**16 - 1  # opaque

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc32(kind + data))

    header = struct.pack(">IIBBBBB", 8, 6, 16, colour_type, 0, 0, 0)
    rows = compress(b"".join(b"\0" + row.tobytes() for row in values))
    parts = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    with pytest.raises(StorageError, match=r"has 16 bits for each colour, .*of which 8 would be"):
        read(tmp_path / "a.png")

"""Motions of skeletons: where joints are after they have turned, and rotations without jumps."""

import numpy as np
import pytest

from fsdiff.data.sources.curve_files import CurveFiles
from fsdiff.data.sources.formats.motion import about, read_motion
from fsdiff.jobs.failures import StorageError

SKELETON = """HIERARCHY
ROOT hip
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT knee
  {
    OFFSET 1 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT foot
    {
      OFFSET 2 0 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      End Site
      {
        OFFSET 0 0 1
      }
    }
  }
  JOINT shoulder
  {
    OFFSET 0 3 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 1 0
    }
  }
}
MOTION
"""


def write(path, frames):
    lines = [f"Frames: {len(frames)}", "Frame Time: 0.05"]
    lines += [" ".join(map(str, frame)) for frame in frames]
    path.write_text(SKELETON + "\n".join(lines) + "\n")
    return path


def frame(hip=(0, 0, 0), turned=(0, 0, 0), knee=(0, 0, 0)):
    return [*hip, *turned, *knee, *[0] * 6]


def test_joints_are_where_their_parents_have_turned_them(tmp_path):
    """A hip that turns by 90° about z takes x to y; the knee then turns y to z about its own x."""
    frames = [
        frame(hip=(5, 0, 0)),
        frame(turned=(90, 0, 0)),
        frame(turned=(90, 0, 0), knee=(-90, 0, 0)),
    ]
    motion = read_motion(write(tmp_path / "a.bvh", frames))
    assert [joint.name for joint in motion.joints] == ["hip", "knee", "foot", "shoulder"]
    assert [joint.parent for joint in motion.joints] == [None, 0, 1, 0]
    expected = [
        [5, 0, 0, 6, 0, 0, 8, 0, 0, 5, 3, 0],
        [0, 0, 0, 0, 1, 0, 0, 3, 0, -3, 0, 0],
        [0, 0, 0, 0, 1, 0, 2, 1, 0, -3, 0, 0],
    ]
    np.testing.assert_allclose(motion.positions, expected, atol=1e-12)


def test_limbs_keep_their_lengths_however_they_turn(tmp_path):
    random = np.random.default_rng(0)
    frames = [list(random.uniform(-180, 180, 15)) for _ in range(20)]
    places = read_motion(write(tmp_path / "a.bvh", frames)).positions.reshape(20, 4, 3)
    for one, other, length in ((0, 1, 1.0), (1, 2, 2.0), (0, 3, 3.0)):
        lengths = np.linalg.norm(places[:, one] - places[:, other], axis=1)
        np.testing.assert_allclose(lengths, length)


def test_angles_are_turned_by_in_the_order_of_the_channels(tmp_path):
    motion = read_motion(write(tmp_path / "a.bvh", [frame(turned=(30, 40, 50))]))
    z, x, y = np.deg2rad([30.0, 40.0, 50.0])
    expected = about(2, z) @ about(0, x) @ about(1, y)
    np.testing.assert_allclose(motion.joints[0].rotation(motion.frames)[0], expected)
    np.testing.assert_allclose(motion.rotations[0, :6], expected[:, :2].T.ravel())


def test_rotations_do_not_jump_where_angles_do(tmp_path):
    frames = [frame(turned=(angle, 0, 0)) for angle in (179.9, -179.9)]
    motion = read_motion(write(tmp_path / "a.bvh", frames))
    assert np.abs(np.diff(motion.rotations, axis=0)).max() < 0.01


def test_files_are_curves_of_a_data_set(tmp_path):
    for number in range(3):
        frames = [frame(turned=(10 * number + turn, 0, 0)) for turn in range(8)]
        write(tmp_path / f"{number}.bvh", frames)
    source = CurveFiles(
        str(tmp_path), variables=("positions",), dimensions=("curve", "point", "channel")
    )
    assert (source.available, source.values, source.resolution) == (3, 12, 8)
    fields = source.generate(range(3), 0)["field"].values
    angles = np.rad2deg(np.arctan2(fields[:, 4], fields[:, 3])).round(3)
    assert sorted(angles.tolist()) == [[10.0 * n + turn for turn in range(8)] for n in range(3)]


def test_channels_may_be_written_in_small_letters(tmp_path):
    path = write(tmp_path / "a.bvh", [frame(turned=(30, 40, 50))])
    expected = read_motion(path)
    path.write_text(path.read_text().replace("Zrotation", "zrotation").replace("Xpos", "XPOS"))
    np.testing.assert_array_equal(read_motion(path).rotations, expected.rotations)
    np.testing.assert_array_equal(read_motion(path).positions, expected.positions)


def test_names_of_joints_may_have_blanks(tmp_path):
    path = write(tmp_path / "a.bvh", [frame(turned=(30, 40, 50))])
    expected = read_motion(path)
    text = path.read_text().replace("ROOT hip\n{", "ROOT\tthe hip \n{")
    path.write_text(text.replace("JOINT knee\n  {", "JOINT left knee: 1 {"))
    found = read_motion(path)
    assert [joint.name for joint in found.joints] == ["the hip", "left knee: 1", "foot", "shoulder"]
    np.testing.assert_array_equal(found.positions, expected.positions)


def test_motions_that_were_seen_more_and_less_often_are_functions_of_time(tmp_path):
    """A turn of 70 degrees in 0.7 seconds, in steps of 0.1 and of 0.05 seconds."""
    write(tmp_path / "fast.bvh", [frame(turned=(5 * k, 0, 0)) for k in range(15)])
    slow = write(tmp_path / "slow.bvh", [frame(turned=(10 * k, 0, 0)) for k in range(8)])
    slow.write_text(slow.read_text().replace("Time: 0.05", "Time: 0.1"))
    options = {"variables": ("rotations",), "dimensions": ("curve", "point", "channel")}
    source = CurveFiles(str(tmp_path), **options, positions="time", nodes=7, missing="interpolate")
    assert source.interval == (0.0, pytest.approx(0.7))
    one, other = source.curves.at(source.places)
    np.testing.assert_allclose(one[:6], other[:6], atol=4e-3)  # linear between 10 degrees
    with pytest.raises(StorageError, match="1 of 2 curves lack values"):
        _ = CurveFiles(str(tmp_path), **options).curves


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) - 20], "it is cut off; fetch it again"),
        (lambda text: text.replace("OFFSET 1", "OFFSET one"), "is no motion of a skeleton"),
        (lambda text: text.replace("JOINT knee", "KNEE"), "'KNEE' is out of place"),
        (lambda text: text[:100], "is no motion of a skeleton"),
        (lambda text: text.replace("Yposition", "Yscale"), "'yscale' is no channel of a joint"),
        (lambda text: text.replace("Time: 0.05", "Time: 0"), "frames are 0 s apart"),
    ],
)
def test_damaged_files_are_refused(tmp_path, damage, message):
    path = write(tmp_path / "a.bvh", [frame(), frame()])
    path.write_text(damage(path.read_text()))
    with pytest.raises(StorageError, match=message):
        read_motion(path)

"""Curves: what files hold of them, nodes between points, groups in splits, and refusals."""

import re

import numpy as np
import pytest
import torch
import xarray as xr

from fsdiff.data.sources.curve_files import CurveFiles
from fsdiff.data.sources.curves import Curves
from fsdiff.data.sources.formats.tables import read_table
from fsdiff.data.sources.pedestrians import Pedestrians
from fsdiff.data.sources.quadratic import Quadratic
from fsdiff.diffusion.exact import ExactDenoiser
from fsdiff.diffusion.processes.variance_preserving import CosineVariancePreserving
from fsdiff.jobs.failures import StorageError
from fsdiff.measures.priors.kernel import RBF
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.gram import GramBasis
from fsdiff.study import ConfigurationError, load

LINE = CosineBasis(1)
VALUES = np.arange(12.0).reshape(3, 4) ** 2

CSV = """"","a","day","b","c","d"
"1",0,mon,1,4,9
"2",16,mon,25,36,49
"3",64,tue,81,100,121
"""
ARFF = """% comment
@relation curves
@attribute 'a 1' numeric
@attribute b REAL
@attribute c numeric
@attribute d numeric
@attribute target {1,2}

@data
0,1,4,9,1
16,25,36,?,2
64,81,100,121,1
"""
TS = """# comment
@problemName motion
@univariate false
@dimensions 2
@classLabel true walking running
@data
0,1,4,9:1,1,1,1:walking
16,25,36,49:2,2,2,2:running
64,81,100:3,3,3:walking
"""


@pytest.fixture
def write(tmp_path):
    def written(name, text):
        (tmp_path / name).write_text(text)
        return str(tmp_path / name)

    return written


def stored(source):
    """All curves in the order of the file."""
    return source.curves.values


def sampled(source):
    """Samples (curve, node) of one channel, in the order of the file."""
    order = source.curves.order(0)[0]
    return source.generate(np.argsort(order), 0)["field"][:, 0].values


def test_rows_of_a_csv_are_curves_without_their_numbers_and_labels(write):
    source = CurveFiles(write("a.csv", CSV), groups="day")
    assert np.array_equal(stored(source), VALUES[:, None])
    assert source.curves.groups.tolist() == ["mon", "mon", "tue"]


def test_a_csv_without_names_has_a_curve_in_its_first_row(write):
    text = "\n".join(",".join(map(str, row)) for row in VALUES)
    assert np.array_equal(stored(CurveFiles(write("a.csv", text))), VALUES[:, None])


def test_columns_of_a_csv_are_curves_where_rows_are_points(write):
    text = "age,one,two\n1,0,5\n2,1,6\n10,4,7\n"
    source = CurveFiles(write("a.csv", text), dimensions=("point", "curve"), positions="age")
    assert stored(source)[:, 0].tolist() == [[0, 1, 4], [5, 6, 7]]
    assert source.interval == (1, 10)
    np.testing.assert_allclose(source.curves.positions, [0, 1 / 9, 1])


def test_arff_files_have_labels_and_gaps(write):
    path = write("a.arff", ARFF)
    table = read_table(CurveFiles(path).files[0])
    assert table.names == ("a 1", "b", "c", "d")
    assert table.labels["target"].tolist() == ["1", "2", "1"]
    with pytest.raises(StorageError, match="1 of 3 curves lack values, the first is curve 1: say"):
        _ = CurveFiles(path).curves
    kept = CurveFiles(path, missing="drop")
    assert np.array_equal(stored(kept), VALUES[[0, 2], None])
    assert kept.remarks == ("3 curves of 4 points", "1 curves that lack values are left out")
    filled = CurveFiles(path, missing="interpolate")
    assert filled.curves.at(LINE.nodes(4))[1, 0].tolist() == [16, 25, 36, 36]
    empty = write("b.arff", ARFF.replace("16,25,36,?", "?,?,?,?"))
    with pytest.raises(StorageError, match="curve 1 has no values: say missing: drop"):
        _ = CurveFiles(empty, missing="interpolate").curves
    assert len(stored(CurveFiles(empty, missing="drop"))) == 2


def test_ts_files_have_channels_and_curves_of_several_lengths(write):
    source = CurveFiles(write("a.ts", TS), missing="interpolate", groups="class")
    assert source.names == ("channel 1", "channel 2")
    values = stored(source)
    assert values.shape == (3, 2, 4)
    assert np.array_equal(values[:2, 0], VALUES[:2])
    assert np.isnan(values[2, :, 3]).all()
    assert source.curves.at(LINE.nodes(4))[2, 1].tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("suffix", ["npz", "nc"])
def test_arrays_of_any_format_are_read_by_name(tmp_path, suffix):
    path, x = tmp_path / f"a.{suffix}", np.array([1.0, 2.0, 4.0, 8.0])
    if suffix == "npz":
        np.savez(path, boys=VALUES.T[..., None], girls=1 + VALUES.T[..., None], age=x)
    else:
        xr.Dataset(
            {
                "boys": (("age", "curve", "channel"), VALUES.T[..., None]),
                "girls": (("age", "curve", "channel"), 1 + VALUES.T[..., None]),
            },
            {"age": x},
        ).to_netcdf(path)
    source = CurveFiles(
        str(path),
        variables=("boys", "girls"),
        dimensions=("point", "curve", "channel"),
        positions="age",
    )
    assert np.array_equal(stored(source)[:, 0], np.concatenate([VALUES, 1 + VALUES]))
    assert source.interval == (1, 8)


def test_each_curve_may_have_points_of_its_own(tmp_path):
    """A linear function is itself at all nodes within its points, wherever these are."""
    random = np.random.default_rng(0)
    x = np.sort(random.random((5, 9)), axis=1) * 10
    x[:, 0], x[:, -1] = 0, 10
    u = 2 * x - 3
    u[1, 4] = x[2, 8] = np.nan
    np.savez(tmp_path / "a.npz", u=u, x=x)
    source = CurveFiles(
        str(tmp_path / "a.npz"), variables=("u",), positions="x", missing="interpolate", nodes=7
    )
    nodes = 10 * LINE.nodes(7)
    inside = nodes < np.nanmax(x[2])
    found = source.curves.at(LINE.nodes(7))[:, 0]
    np.testing.assert_allclose(found[[0, 1, 3, 4]], np.tile(2 * nodes - 3, (4, 1)))
    np.testing.assert_allclose(found[2, inside], (2 * nodes - 3)[inside])
    assert "linear between the points" in source.remarks[1]


def test_points_that_are_not_equidistant_are_nodes_of_a_gram_basis(tmp_path):
    x = np.array([0.0, 0.1, 0.5, 1.0])
    np.savez(tmp_path / "a.npz", u=VALUES, x=3 + 5 * x)
    basis = GramBasis(points=tuple(x), covariance=RBF(length=0.3))
    source = CurveFiles(str(tmp_path / "a.npz"), variables=("u",), positions="x", basis=basis)
    data = source.generate([0, 1, 2], 0)
    order = source.curves.order(0)[0]
    assert np.array_equal(data["field"][:, 0], VALUES[order])
    np.testing.assert_allclose(data["x"], 3 + 5 * x)
    assert source.remarks == ("3 curves of 4 points",)


WAVE = np.cos(2 * np.pi * np.add.outer(np.linspace(0, 0.3, 3), np.arange(8) * 3 / 8))


def test_points_without_positions_are_nodes_of_the_basis(write):
    """Whatever nodes these are, values are those of the file."""
    path, points = write("a.csv", table(WAVE, names=list("abcdefgh"))), (0.02, 0.3, 0.5, 0.97)
    circle, irregular = FourierBasis(1), GramBasis(points=points, covariance=RBF(length=0.3))
    np.testing.assert_allclose(sampled(CurveFiles(path, basis=circle)), WAVE, atol=1e-6)
    with pytest.raises(StorageError, match="have 8 points, and the basis has 4: say positions"):
        _ = CurveFiles(path, basis=irregular).curves
    path = write("b.csv", table(VALUES, names=list("abcd")))
    for positions in (None, points):  # without ends, too
        source = CurveFiles(path, basis=irregular, positions=positions)
        assert np.array_equal(sampled(source), VALUES)
    np.testing.assert_allclose(source.interval, (0, 1), atol=1e-12)


def test_curves_on_a_circle_go_on_where_they_began(write):
    path, circle = write("a.csv", table(WAVE, names=list("abcdefgh"))), FourierBasis(1)
    halves = tuple(np.arange(8) + 0.5)
    options = {"positions": halves, "ends": (0.0, 8.0), "nodes": 16, "basis": circle}
    between = sampled(CurveFiles(path, **options))[:, ::2]
    np.testing.assert_allclose(between, (WAVE + np.roll(WAVE, 1, 1)) / 2, atol=1e-6)
    with pytest.raises(StorageError, match=r"positions 0 and 7 are one place on a circle, .*0, 8"):
        _ = CurveFiles(path, positions=tuple(range(8)), basis=circle).curves
    path = write("b.csv", table(np.append(WAVE, WAVE[:, :1], 1), names=list("abcdefghi")))
    source = CurveFiles(path, positions=tuple(range(9)), basis=circle, nodes=8)
    np.testing.assert_allclose(sampled(source), WAVE, atol=1e-6)


def test_positions_of_each_curve_have_the_order_of_its_values(tmp_path):
    """Also where there are as many curves as points, so that lengths do not tell."""
    x = np.cumsum(np.random.default_rng(5).random((4, 4)), 1)
    np.savez(tmp_path / "a.npz", u=2 * x, x=x, g=np.array([*"abba"]))
    np.savez(tmp_path / "b.npz", u=2 * x.T, x=x.T, g=np.arange(3))
    rows = CurveFiles(str(tmp_path / "a.npz"), variables=("u",), positions="x", groups="g")
    options = {"variables": ("u",), "positions": "x", "dimensions": ("point", "curve")}
    columns = CurveFiles(str(tmp_path / "b.npz"), **options)
    assert rows.curves.groups.tolist() == [*"abba"]
    assert np.array_equal(columns.curves.positions, rows.curves.positions)
    assert np.array_equal(columns.curves.values, rows.curves.values)
    with pytest.raises(StorageError, match=r"b.npz has 4 curves, and 3 groups"):
        _ = CurveFiles(str(tmp_path / "b.npz"), **options, groups="g").curves
    np.savez(tmp_path / "b.npz", u=np.ones((5, 4)), x=x)
    with pytest.raises(StorageError, match="has 4 curves of 5 points, and 4 x 4 positions"):
        _ = CurveFiles(columns.path, **options).curves


def test_samples_are_a_random_order_of_the_curves(write):
    source = CurveFiles(write("a.csv", CSV))
    fields = source.generate(range(3), 5)["field"][:, 0].values
    assert sorted(fields[:, 0]) == [0, 16, 64]
    assert np.array_equal(source.generate([2], 5)["field"][0, 0], fields[2])


def test_curves_of_a_group_follow_each_other():
    groups = np.array(["b", "a", "b", "c", "a", "b"])
    curves = Curves(np.arange(6.0)[:, None, None] + np.zeros(2), np.array([0.2, 0.7]), groups)
    orders = {tuple(curves.order(seed)[0].tolist()) for seed in range(40)}
    assert len(orders) == 6
    for seed in range(5):
        order, ends = curves.order(seed)
        parts = np.split(groups[order], ends[:-1])
        assert ends[-1] == 6
        assert all(len(set(part)) == 1 for part in parts)
        assert len(parts) == 3


def study(path, **split):
    return {
        "datasets": {
            "days": {
                "source": {"kind": "curves", "path": path, "groups": "day"},
                "split": split,
                "resolutions": [4],
            }
        },
        "experiments": {
            "surrogate": {
                "dataset": "days",
                "method": {"kind": "gaussian"},
                "samples": {"count": 1, "resolutions": [4]},
            }
        },
        "evaluation": {"metrics": {"one_point": {"kind": "one_point"}}},
    }


def test_splits_that_divide_a_group_are_refused_with_counts_that_do_not(write):
    rows = [f"d{i // 3},{i},{i + 1},{i * i},5" for i in range(18)]
    path = write("a.csv", "\n".join(["day,a,b,c,d", *rows]))
    load(study(path, train=9, validation=3, test=6))
    message = "samples of one group would be in two parts; with this seed, use 6 or 9"
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        load(study(path, train=8, validation=4, test=6))
    with pytest.raises(ConfigurationError, match=r"split\.validation = 5: .*use 3 or 6"):
        load(study(path, train=6, validation=5, test=6))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "a,b\n1,2,3\n", "line 2: 3 entries instead of 2"),
        ("a.csv", "a,b\n", "holds no rows"),
        ("a.arff", ARFF.replace("25", "x"), "line 11: 'x' is no number"),
        ("a.arff", "@relation a\n", "it is no ARFF file"),
        ("a.arff", "@attribute a relational\n@data\n1\n", "line 1: relational attribute"),
        ("a.arff", "@attribute a numbers\n@data\n1\n", "line 1: attribute of type numbers; use"),
        ("a.ts", TS.replace("@data", "@timestamps true\n@data"), "points with time stamps"),
        ("a.ts", TS.replace("25", "x"), "line 8: 'x' is no number"),
        ("a.ts", TS.replace("1,1,1,1:", ""), "line 8: 3 entries instead of 2"),
    ],
)
def test_what_is_no_table_is_refused_with_its_line(write, name, text, message):
    with pytest.raises(StorageError, match=f"{name}.*{re.escape(message)}"):
        _ = CurveFiles(write(name, text)).curves


def test_names_that_a_file_does_not_have_are_refused(write, tmp_path):
    with pytest.raises(StorageError, match=r"groups = week: .*a.csv has no such column"):
        _ = CurveFiles(write("a.csv", CSV), groups="week").curves
    np.savez(tmp_path / "a.npz", u=VALUES, v=VALUES)
    with pytest.raises(StorageError, match="has the arrays u, v: say which as variables"):
        _ = CurveFiles(str(tmp_path / "a.npz")).curves
    with pytest.raises(StorageError, match="has no array 'w'; it has u, v"):
        _ = CurveFiles(str(tmp_path / "a.npz"), variables=("w",)).curves
    with pytest.raises(ValueError, match=r"basis.dimension = 2: curves are functions of one"):
        CurveFiles("a.csv", basis=FourierBasis())
    with pytest.raises(ValueError, match="name curve and point, each once"):
        CurveFiles("a.csv", dimensions=("curve", "curve"))


ROWS = np.round(np.random.default_rng(3).standard_normal((20, 5)), 3)


def table(rows=ROWS, separator=",", names=None, before=None):
    """Text of rows, with ``before`` as a first column."""
    lines = [[*row] for row in rows]
    if before is not None:
        lines = [[first, *row] for first, row in zip(before, rows, strict=True)]
    return "\n".join(separator.join(map(str, line)) for line in ([names] if names else []) + lines)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", table(separator=";")),
        ("a.csv", table(separator=";").replace(".", ",")),
        ("a.csv", table(separator=";", names=list("vwxyz")).replace(".", ",")),
        ("a.csv", table(separator="\t")),
        ("a.tsv", table(separator="\t", names=["", *"vwxyz"], before=list(range(20)))),
        ("a.csv", table().replace("\n", ",\n") + ","),
        ("a.csv", table(names=range(5))),
        ("a.csv", table(names=[0.0, 0.25, 0.5, 0.75, 1.0])),
        ("a.csv", table(names=[4000.0, 3998.07, 3996.14, 3994.22, 3992.29])),
        ("a.csv", table(names=["", *range(5)], before=list(range(20)))),
        ("a.csv", table(names=["Unnamed: 0", *range(5)], before=list(range(20)))),
    ],
    ids=[
        *("semicolons", "decimal commas", "names and decimal commas", "tabs", "tabs and numbers"),
        *("ends of rows", "numbered", "positions", "wavenumbers", "pandas", "pandas twice"),
    ],
)
def test_tables_are_written_in_many_ways(write, name, text):
    assert np.array_equal(stored(CurveFiles(write(name, text)))[:, 0], ROWS)


def test_rows_that_rise_in_equal_steps_are_curves_where_the_next_does_too(write):
    lines = np.arange(12.0).reshape(3, 4)
    assert np.array_equal(stored(CurveFiles(write("a.csv", table(lines))))[:, 0], lines)


AGES = (1.0, 1.25, 2.0, 5.0, 11.0, 18.0)


def test_a_first_row_that_may_say_where_points_are_is_asked_for(write):
    """Ages or wavenumbers are no curve, and would be its largest values."""
    rows = np.random.default_rng(4).standard_normal((4, 6))
    path = write("a.csv", table([AGES, *rows]))
    with pytest.raises(StorageError, match=r"a.csv: its first row, 1.0, 1.25, 2.0, …, rises or"):
        _ = CurveFiles(path).curves
    path = write("a.csv", table([AGES, *np.sort(rows)]))
    with pytest.raises(StorageError, match=r"a.csv: its first row are the positions, and no curve"):
        _ = CurveFiles(path, positions=AGES).curves
    path = write("a.csv", table([*rows, AGES]))
    assert np.array_equal(stored(CurveFiles(path))[-1, 0], np.float32(AGES))


def test_columns_that_say_where_points_are_are_no_curves(write):
    """Years would be a curve of their own, and a row for each value one of three points."""
    names, options = ["year", "anna", "bob"], {"dimensions": ("point", "curve")}
    text = table(ROWS[:, :2], names=names, before=list(range(1990, 2010)))
    path = write("a.csv", text)
    with pytest.raises(StorageError, match=r"column 'year' rises .* say positions: year if it"):
        _ = CurveFiles(path, **options).curves
    for choice in ({"positions": "year"}, {"labels": ("year",)}):
        curves = CurveFiles(path, **options, **choice).curves
        assert np.array_equal(curves.values[:, 0], ROWS[:, :2].T)
    index = table(ROWS[:, :2], names=["", "anna", "bob"], before=list(np.arange(20.0) ** 2))
    with pytest.raises(StorageError, match="its column without a name has numbers in unequal"):
        _ = CurveFiles(write("c.csv", index), **options).curves
    long = [[subject, t, ROWS[subject, t]] for subject in range(20) for t in range(5)]
    with pytest.raises(StorageError, match="column 'id' is unlike all others"):
        _ = CurveFiles(write("b.csv", table(long, names=["id", "t", "y"]))).curves


def test_what_a_file_calls_curves_and_points_is_told(tmp_path):
    path = str(tmp_path / "a.nc")
    xr.Dataset({"u": (("time", "station"), VALUES)}).to_netcdf(path)
    told = f"3 curves of 4 points, which {path} calls 'time' and 'station'"
    assert CurveFiles(path).remarks == (told,)
    (turned,) = CurveFiles(path, dimensions=("point", "curve")).remarks
    assert re.fullmatch("4 curves of 3 points, which .* calls 'station' and 'time'", turned)


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("station", {"id": ("station", [*"abcd"], {"cf_role": "timeseries_id"})}),
        ("place", {"lat": ("place", np.arange(4.0)), "lon": ("place", np.arange(4.0))}),
        ("member", {}),
    ],
)
def test_series_at_stations_are_curves_in_time_where_the_file_says_which_are_which(
    tmp_path, name, about
):
    """Whichever axis comes first; what a configuration says counts all the same."""
    path = str(tmp_path / "a.nc")
    made = xr.Dataset({"u": (("time", name), VALUES)}, about)
    for dataset in (made, made.transpose(name, "time", ...)):
        dataset.to_netcdf(path)
        read = CurveFiles(path, variables=("u",))
        np.testing.assert_array_equal(read.curves.values[:, 0], VALUES.T)
        assert f"4 curves of 3 points, which {path} calls '{name}' and 'time'" in read.remarks
    said = CurveFiles(path, variables=("u",), dimensions=("point", "curve"))
    np.testing.assert_array_equal(said.curves.values[:, 0], VALUES)


def test_files_without_curves_say_what_they_have(tmp_path):
    path = tmp_path / "a.nc"
    for held, found in (({}, "none"), ({"a": ("x", VALUES[0])}, "a")):
        xr.Dataset(held).to_netcdf(path)
        with pytest.raises(StorageError, match=f"no array of axes curve, point, but {found}: wri"):
            _ = CurveFiles(str(path)).curves
    xr.Dataset().to_netcdf(path)
    with pytest.raises(StorageError, match="no array 'u'; it has none"):
        _ = CurveFiles(str(path), variables=("u",)).curves


CLASSES = [i % 3 for i in range(20)]


@pytest.mark.parametrize(
    ("name", "text", "labels"),
    [
        ("a.csv", table(names=["class", *(f"t{i}" for i in range(5))], before=CLASSES), "class"),
        ("a.csv", table(names=["id", *range(5)], before=CLASSES), "id"),
        ("a.tsv", table(separator="\t", before=CLASSES), "0"),
        ("a.arff", "@relation a\n@attribute sex numeric\n"
         + "".join(f"@attribute att{i} numeric\n" for i in range(5))
         + "@data\n" + table(before=CLASSES), "sex"),
    ],
)  # fmt: skip
def test_numbers_that_are_no_points_are_asked_for(write, name, text, labels):
    path = write(name, text)
    with pytest.raises(StorageError, match=rf"{name}: column '{labels}' is unlike all others .* "):
        _ = CurveFiles(path).curves
    assert np.array_equal(stored(CurveFiles(path, labels=(labels,)))[:, 0], ROWS)
    with pytest.raises(StorageError, match=r"labels = week: .* has no such column"):
        _ = CurveFiles(path, labels=("week",)).curves


@pytest.mark.parametrize("text", ["1.2.3", "1_000", "-", "0,5x"])
def test_text_among_numbers_is_never_taken_for_a_label(write, text):
    """Or a curve would lose a point."""
    path = write("a.csv", table(separator=";").replace(str(ROWS[2, 1]), text))
    with pytest.raises(StorageError, match=rf"a.csv, line 3: '{re.escape(text)}' in column '1'"):
        _ = CurveFiles(path).curves


@pytest.mark.parametrize("text", ["NULL", "n/a", "#N/A", "<NA>", "None", "", "?"])
def test_what_stands_for_no_value_in_tables(write, text):
    source = CurveFiles(write("a.csv", table().replace(str(ROWS[2, 1]), text)), missing="drop")
    assert np.array_equal(stored(source)[:, 0], np.delete(ROWS, 2, 0))


def test_labels_may_look_like_numbers(write):
    path = write("a.csv", "day,u,v\n1,0.5,2.5\n1b,3,4\nNA,5,6\n")
    with pytest.raises(StorageError, match=r"line 3: '1b' in column 'day', which has numbers"):
        _ = CurveFiles(path).curves
    curves = CurveFiles(path, groups="day").curves
    assert curves.groups.tolist() == ["1", "1b", "NA"]
    assert curves.values[:, 0].tolist() == [[0.5, 2.5], [3, 4], [5, 6]]


def test_targets_behind_curves_are_no_channel(write):
    text = TS.replace("@classLabel true walking running", "@targetlabel true")
    text = text.replace("walking", "1.5").replace("running", "2.5")
    source = CurveFiles(write("a.ts", text), missing="drop")
    assert stored(source).shape == (2, 2, 4)


def test_tags_are_read_in_any_case_and_comments_left_out(write):
    text = TS.replace("@classLabel true", "@ClassLabel TRUE").replace("@data\n", "@data\n# c: d\n")
    assert stored(CurveFiles(write("a.ts", text), missing="drop")).shape == (2, 2, 4)
    ranges = ARFF.replace("numeric", "numeric [-100,100]")
    assert stored(CurveFiles(write("a.arff", ranges), missing="drop")).shape == (2, 1, 4)
    for kind in ("integer[0,100]", "float", "Double"):
        found = CurveFiles(write("a.arff", ARFF.replace("numeric", kind)), missing="drop")
        assert stored(found).shape == (2, 1, 4)
    texts = ARFF.replace("numeric", "string").replace("REAL", "string")
    with pytest.raises(StorageError, match=r"a.arff has no numeric attributes"):
        _ = CurveFiles(write("a.arff", texts)).curves


def points(*positions):
    """Rows of points, the values of which are the positions, and those twice."""
    return "t,one,two\n" + "".join(f"{t},{t},{2 * t}\n" for t in positions)


def test_points_are_put_in_order(write):
    options = {"dimensions": ("point", "curve"), "positions": "t"}
    for order in ((3, 0, 1, 10), (10, 3, 1, 0)):
        source = CurveFiles(write("a.csv", points(*order)), **options)
        assert stored(source)[:, 0].tolist() == [[0, 1, 3, 10], [0, 2, 6, 20]]
        np.testing.assert_allclose(source.curves.positions, [0, 0.1, 0.3, 1])
    hours = CurveFiles(write("a.csv", points(0, 2, 1)), **options, ends=(0.0, 3.0))
    assert hours.curves.at(np.array([0.5, 0.99]))[0, 0].tolist() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("positions", "ends", "message"),
    [
        ((0, 1, 1, 2), None, "two values at position 1: leave one out"),
        ((0, 1, 2), (0.5, 2.0), r"ends = \[0.5, 2\]: points of .*a.csv lie from 0 to 2"),
        ((0, 1, 2), (0.0, 40.0), r"ends = \[0, 40\]: .* to 2, and beyond them, further than"),
    ],
)
def test_points_that_do_not_fit_the_interval_are_refused(write, positions, ends, message):
    path = write("a.csv", points(*positions))
    with pytest.raises(StorageError, match=message):
        _ = CurveFiles(path, dimensions=("point", "curve"), positions="t", ends=ends).curves


def test_positions_are_numbers(write):
    path = write("a.csv", "t,one\nearly,0.5\nlate,1.5\n")
    with pytest.raises(StorageError, match=r"positions = t: .*a.csv has text there"):
        _ = CurveFiles(path, dimensions=("point", "curve"), positions="t").curves


def test_values_keep_the_precision_that_they_need(write):
    """Pressures that vary by a hundredth about 101325, and numbers that float32 does not have."""
    rows = 101325 + 0.01 * ROWS
    data = CurveFiles(write("a.csv", table(rows))).generate(range(20), 0)
    assert data["field"].dtype == np.float64
    assert set(data["field"].values[:, 0].ravel()) == set(rows.ravel())
    with pytest.raises(StorageError, match=r"values beyond 3.4e\+38: scale them"):
        _ = CurveFiles(write("a.csv", table().replace(str(ROWS[2, 1]), "1e300"))).curves


HEADER = "date,hour,year,Queen Street,High Street\n"


def hours(date, first, second=None):
    """A date's rows from six to six."""
    return "".join(
        f"{date},{h % 24}:00-{h % 24}:59,2023,{first(h)},{'' if second is None else second(h)}\n"
        for h in range(6, 30)
    )


def test_days_of_pedestrians_go_from_six_to_six_and_dates_stay_together(write):
    text = HEADER + hours("2023-01-01", lambda h: h, lambda h: 2 * h)
    text += hours("2023-01-02", lambda h: 100 + h) + hours("2023-01-03", lambda h: 0, lambda h: h)
    text += hours("2022-12-31", lambda h: 1) + HEADER.replace(
        HEADER, "2023-01-04,6:00-6:59,2023,1,1\n"
    )
    source = Pedestrians(write("counts.csv", text), years=(2023,))
    days = {tuple(day) for day in source.curves.values[:, 0].tolist()}
    day = np.arange(6.0, 30)
    assert days == {tuple(day), tuple(2 * day), tuple(100 + day)}
    assert source.curves.groups.tolist() == ["2023-01-01"] * 2 + ["2023-01-02", "2023-01-03"]
    assert sorted(np.diff([0, *source.boundaries(0)])) == [1, 1, 2]
    data = source.generate(range(4), 0)
    assert data["x"].values.tolist() == (day + 0.5).tolist()
    assert data["x"].attrs["units"] == "h"


def test_parabolas_have_the_published_law():
    fields = Quadratic().generate(range(4000), 0)["field"][:, 0].values.astype(float)
    x = 20 * LINE.nodes(100) - 10
    design = np.stack([x**2, np.ones(100)], axis=1) / 50
    found, residual, *_ = np.linalg.lstsq(design, fields.T, rcond=None)
    a, epsilon = found
    assert residual.max() < 1e-9
    np.testing.assert_allclose(np.abs(a), 1, atol=1e-6)
    assert abs((a > 0).mean() - 0.5) < 4 * 0.5 / 4000**0.5
    assert abs(epsilon.mean()) < 4 / 4000**0.5
    assert abs(epsilon.std() - 1) < 4 / 8000**0.5
    few = Quadratic(positive=1.0, amplitude=0.5, deviation=0.0).generate([0, 1], 0)["field"]
    np.testing.assert_allclose(few[1, 0], 0.5 * x**2 / 50, rtol=1e-6)


def test_the_exact_expectation_of_parabolas_is_that_of_two_gaussians_on_the_nodes():
    """By matrices on the nodes: E[X_0|x] = Σ_± w_± (±q + m C V⁻¹ (x ∓ m q)), V = m² C + r² K."""
    n, process, noise = 24, CosineVariancePreserving(), RBF(length=0.05)
    source = Quadratic(resolution=n, positive=0.3)
    exact = ExactDenoiser(source.law(), noise=noise, process=process)
    for time in (0.05, 0.4, 0.9):
        t = torch.tensor([time], dtype=torch.float64)
        marginal = exact.law.marginal(t, n)
        m, r = float(marginal.mean_scale), float(marginal.noise_scale)
        identity = torch.eye(n, dtype=torch.float64)
        K = LINE.multiply(identity, noise.eigenvalues(LINE, n) * n)
        C = torch.full((n, n), 1 / 2500, dtype=torch.float64)
        V = m**2 * C + r**2 * K + 1e-13 * identity
        q = torch.from_numpy(source.parabola)
        law = torch.distributions.MultivariateNormal(torch.zeros(n).double(), V)
        x = (m * q + law.sample((5,))) if time < 0.5 else law.sample((5,))
        logits = torch.stack([law.log_prob(x - m * q), law.log_prob(x + m * q)])
        logits = logits + torch.tensor([0.3, 0.7]).double().log()[:, None]
        weights = logits.softmax(0)[..., None]
        means = torch.stack(
            [s * q + (x - m * s * q) @ torch.linalg.solve(V, m * C) for s in (1, -1)]
        )
        expected = (weights * means).sum(0)
        found = exact(x[:, None], t).data[:, 0]
        torch.testing.assert_close(found, expected, rtol=0, atol=2e-5)


def test_a_gram_basis_has_no_constants():
    basis = GramBasis(points=(0.0, 0.4, 1.0), covariance=RBF(length=0.3))
    with pytest.raises(ValueError, match="constants are no function of a gram basis"):
        Quadratic(basis=basis, resolution=3).law()


def test_classes_of_curves_are_a_coordinate_of_samples(write, tmp_path):
    """In the random order of the curves, also where those that lack values are left out."""
    source = CurveFiles(path=write("a.ts", TS), label="class", missing="drop")
    assert source.label == "class"
    (order, _) = source.curves.order(0)
    expected = np.array(["walking", "running"])[order]
    assert source.generate(range(2), 0)["class"].values.tolist() == expected.tolist()
    path = tmp_path / "b.npz"
    np.savez(path, curves=VALUES, kind=np.array([5, 3, 5]))
    source = CurveFiles(path=str(path), variables=("curves",), label="kind")
    (order, _) = source.curves.order(1)
    assert (source.generate(range(3), 1)["kind"].values == np.array([5, 3, 5])[order]).all()
    np.savez(path, curves=VALUES, kind=np.array([5, 3]))
    with pytest.raises(StorageError, match=r"label = kind: .* has 3 curves, and 2 labels"):
        _ = CurveFiles(path=str(path), variables=("curves",), label="kind").curves

"""Tables of curves as people and programs write them: no curve, no point is lost or made up."""

import re

import numpy as np
import pytest
import scipy.io

from fsdiff.data.sources.curve_files import CurveFiles
from fsdiff.data.sources.formats.tables import may_be_table
from fsdiff.jobs.failures import StorageError

ROWS = np.round(np.random.default_rng(3).standard_normal((12, 5)), 3)


@pytest.fixture
def write(tmp_path):
    def written(text, name="a.csv", encoding="utf-8"):
        (tmp_path / name).write_bytes(text.encode(encoding))
        return str(tmp_path / name)

    return written


def table(rows=ROWS, separator=",", before=None):
    """Text of rows, with ``before`` as a first column."""
    lines = rows
    if before is not None:
        lines = [[first, *row] for first, row in zip(before, rows, strict=True)]
    return "".join(separator.join(map(str, line)) + "\n" for line in lines)


def values(path, **options):
    return CurveFiles(path, **options).curves.values[:, 0]


def refused(path, message, **options):
    with pytest.raises(StorageError, match=message) as caught:
        _ = CurveFiles(path, **options).curves
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "before",
    ["# t0,t1,t2,t3,t4\n", "# by hand\n# t0,t1,t2,t3,t4\n", "# by hand, twice\n", "sep=,\n"],
)
def test_comments_above_a_table_are_no_curves(write, before):
    """As numpy.savetxt and spreadsheets write them."""
    np.testing.assert_array_equal(values(write(before + table())), ROWS)


@pytest.mark.parametrize("name", ["a.txt", "a.dat", "a.tsv", "a"])
@pytest.mark.parametrize("separator", [" ", "   ", " \t ", "\t", "; ", ", "])
@pytest.mark.parametrize("before", ["", "t0 t1 t2 t3 t4\n", "# t0 t1 t2 t3 t4\n", "% of MATLAB\n"])
def test_text_is_a_table_whatever_separates_its_cells(write, name, separator, before):
    if separator.strip():
        before = before.replace(" t", f"{separator}t")
    elif "\t" in separator:
        before = before.replace(" t", "\tt")
    text = f"{before}{table(separator=separator)}".replace("\n", separator.rstrip(";,") + "\n")
    if separator == " ":
        text = text.replace("\n", "\n  ")
    np.testing.assert_array_equal(values(write(text, name)), ROWS)


def test_commas_between_spaces_are_decimal(write):
    text = table(separator=" ").replace(".", ",")
    np.testing.assert_array_equal(values(write(text, "a.txt")), ROWS)


def test_text_beside_tables_is_none(write, tmp_path):
    write("measured at noon, 12 times\n", "readme.txt")
    write(table(separator=" "), "a.dat")
    np.testing.assert_array_equal(values(str(tmp_path)), ROWS)
    write(table(), "b.csv")
    refused(str(tmp_path), "may hold fields, but '.dat' is no format")


def test_a_row_of_another_length_is_named(write):
    text = table(separator=" ") + "1.0 2.0\n"
    refused(write(text, "a.txt"), "line 13: 2 entries instead of 5")


@pytest.mark.parametrize("label", ["a", "2000-01-{}"])
def test_a_curve_with_a_label_makes_no_names_of_the_first_row(write, label):
    """Or the first curve would be lost in silence."""
    before = [label.format(10 + number) for number in range(12)]
    refused(write(table(before=before)), "line 1: .*: write a row of names above it")


@pytest.mark.parametrize("names", ["", "x,y,u\n", "x y u\n"])
def test_rows_of_places_and_values_are_no_curves(write, names):
    """(x, y, u), as gnuplot wants them."""
    y, x = np.meshgrid([0.15, 0.45, 0.85], [0.15, 0.45, 0.85], indexing="ij")
    rows = np.stack([x.ravel(), y.ravel(), ROWS.ravel()[:9]], 1)
    text = names + table(rows, "," if "," in names else " ")
    refused(write(text), r"column '[1y]' rises or falls .*dimensions: \[point, curve\]")


def test_rows_with_dates_are_curves_only_where_columns_are_of_one_kind(write):
    days = [f"2000-01-{day}" for day in range(10, 22)]
    prices = "date,open,high,low,close,volume\n" + table(before=days)
    refused(write(prices), r"'date' has a later date .*dimensions: \[point, curve\]")
    np.testing.assert_array_equal(values(write(prices), labels=("date",)), ROWS)
    turned = values(write(prices), dimensions=("point", "curve"), positions="date")
    np.testing.assert_array_equal(turned, ROWS.T)
    hours = "date,h0,h1,h2,h3,h4\n" + table(before=days)
    np.testing.assert_array_equal(values(write(hours)), ROWS)


def test_numbers_of_fortran_are_numbers(write):
    text = "".join(",".join(f"{x:.3e}".replace("e", "D") for x in row) + "\n" for row in ROWS)
    np.testing.assert_allclose(values(write(text)), ROWS, rtol=1e-3)


@pytest.mark.parametrize("cell", ["1.234,5", "1 234.5", "1'234.5", "\u22121.5", "12%", "-", "."])
def test_a_cell_that_is_no_number_makes_no_names_of_the_first_row(write, cell):
    """Or the first curve would be lost in silence."""
    text = table(separator=";")
    first = text.partition(";")[0]
    path = write(text.replace(first, cell, 1))
    refused(path, rf"a.csv, line 1: '{re.escape(cell)}' beside numbers is none that can be read")


@pytest.mark.parametrize("cell", ["1.234,5", "1 234.5", "\u22121.5", "12%", "12 %", "1_000"])
def test_a_column_of_numbers_in_another_form_is_no_label(write, cell):
    """Or all curves would lose a point."""
    names = "t0;t1;t2;t3;t4;t5\n"
    path = write(names + table(separator=";", before=[cell] * len(ROWS)))
    refused(path, rf"line 2: '{re.escape(cell)}' in column 't0' looks like a number, but not as")
    np.testing.assert_array_equal(values(path, labels=("t0",)), ROWS)


@pytest.mark.parametrize("label", ["2000-01-31", "31.12.2000", "12:30", "Anna", "C1"])
def test_labels_without_letters_are_labels(write, label):
    path = write("what,t0,t1,t2,t3,t4\n" + table(before=[label] * len(ROWS)))
    np.testing.assert_array_equal(values(path), ROWS)


def test_text_in_another_encoding_is_told_with_the_remedy(write):
    refused(write("größe,t\n1,2.5\n", encoding="latin-1"), "cannot be read as text .* as UTF-8")


# What columns are


@pytest.mark.parametrize(
    ("names", "numbers", "named"),
    [
        ("year,a,b,c,d,e\n", range(1990, 2002), "year"),
        ("t,a,b,c,d,e\n", 0.5 * np.arange(12), "t"),
        ("height,alpha,beta,c,d,e\n", range(24, 0, -2), "height"),
        ("", 0.25 * np.arange(12), "0"),
    ],
)
def test_columns_that_number_the_rows_are_no_points(write, names, numbers, named):
    """Most often rows are points then."""
    path = write(names + table(before=numbers))
    refused(path, rf"column '{named}' rises or falls from row to row .*\[point, curve\]")
    np.testing.assert_array_equal(values(path, labels=(named,)), ROWS)
    if names:
        turned = {"dimensions": ("point", "curve"), "positions": named}
        np.testing.assert_array_equal(np.sort(values(path, **turned)), np.sort(ROWS.T))
    point = write("t0,t1,t2,t3,t4,t5\n" + table(before=numbers))  # such as a sweep of beginnings
    assert values(point).shape == (12, 6)


def test_many_classes_without_a_name_are_no_points(write):
    """Of 12 curves, each of another class: whole numbers beside fractions."""
    classes = np.random.default_rng(0).permutation(12)
    path = write(table(separator="\t", before=classes), "a.tsv")
    refused(path, "column '0' is unlike all others in its name, or in being whole numbers")
    whole = np.column_stack([np.rint(ROWS[:, 0]) + classes, np.rint(2 * ROWS) / 2])
    assert values(write(table(whole))).shape == (12, 6)  # which may be chance


def test_a_row_for_each_value_is_no_curve(write):
    rows = [("anna", "2000-01-01", 1.5), ("anna", "2000-01-02", 2.5), ("bob", "2000-01-01", 3.5)]
    path = write("name,date,y\n" + table(rows))
    refused(path, "has one point of each curve, and functions need two or more: where each row is")


def test_dates_say_where_points_are(write):
    """On the days 0, 1 and 4, at which the values are those of a straight line."""
    turned = {"dimensions": ("point", "curve")}
    text = "date,one,two\n2000-01-01,0,1\n2000-01-02,1.0,0.5\n2000-01-05,4.0,-1\n"
    path = write(text)
    refused(path, "column 'date' has dates in unequal steps: say positions: date", **turned)
    source = CurveFiles(path, **turned, positions="date", nodes=8)
    assert source.interval == (0, 4 * 86400)
    drawn = source.generate(range(2), 0)
    np.testing.assert_allclose(np.diff(drawn.field.values, 2), 0, atol=1e-6)
    assert values(write(text.replace("01-05", "01-03")), **turned).shape == (2, 3)
    refused(
        write(text.replace("2000-01-02", "later")),
        "positions = date: .* has text there that is no date",
        **turned,
        positions="date",
    )


def test_markers_are_told(write):
    rows = ROWS.copy()
    rows[7, 2] = -999
    remarks = CurveFiles(write(table(rows))).remarks
    assert "curve 7 has values of exactly -999, far from all others" in remarks[-1]
    assert len(CurveFiles(write(table())).remarks) == 1


@pytest.mark.parametrize("variables", [(), ("u",)])
def test_vectors_of_matlab_are_positions(tmp_path, variables):
    """Rows and columns, since it has matrices alone."""
    places = np.array([0.0, 0.1, 0.2, 0.5, 1.0])
    for shape in ((1, 5), (5, 1)):
        scipy.io.savemat(tmp_path / "a.mat", {"u": ROWS, "t": places.reshape(shape)})
        source = CurveFiles(str(tmp_path / "a.mat"), variables=variables, positions="t")
        np.testing.assert_array_equal(source.curves.positions, places)
        np.testing.assert_array_equal(source.curves.values[:, 0], ROWS)


@pytest.mark.parametrize("text", ["\ufeff", "\ufeff\n \n"])
def test_a_file_without_lines_is_no_table(tmp_path, text):
    path = tmp_path / "empty.txt"
    path.write_text(text, encoding="utf-8")
    assert not may_be_table(path)

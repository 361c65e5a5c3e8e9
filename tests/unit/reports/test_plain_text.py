"""Text of configurations and data stays text, in whatever file it is written."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from fsdiff.characters import HIDDEN, Line, visible
from fsdiff.reports.labels import TAKEN, labels
from fsdiff.reports.plain_text import cell, code, html, markdown, number, of_cell

LINE = TypeAdapter(Line)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,3}", fullmatch=True)


class Page(HTMLParser):
    """What a browser makes of a page: its elements and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.elements.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_no_text_is_an_element_of_a_page(text):
    page = Page(f"<p>{html(text)}</p>")
    assert page.elements == ["p"]
    assert page.text == visible(text)


def test_quotes_do_not_end_an_attribute():
    assert html("\"onclick='x'") == "&quot;onclick=&#x27;x&#x27;"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("two *stars*, `code` and a|b", r"two \*stars\*, \`code\` and a\|b"),
        (r"C:\dir\| x", r"C:&#92;dir&#92;\| x"),
        ("<img src=x> & [a](b) ~c~ $d$", r"&lt;img src=x&gt; &amp; \[a\](b) \~c\~ \$d\$"),
        ("log_spectrum_error of _it_ __all__", r"log_spectrum_error of \_it\_ \_\_all\_\_"),
        ("a\n\n# heading", "a # heading"),
        ("http://a.b or www.a.b: c", r"http\://a.b or www\.a.b: c"),
    ],
)
def test_markdown_is_escaped(text, written):
    assert markdown(text) == written


def test_names_are_code_also_with_marks_of_code_in_them():
    assert code("one_point_w1") == "`one_point_w1`"
    assert code("a`|<b>") == r"<code>a\`\|&lt;b&gt;</code>"


@pytest.mark.parametrize(
    "text",
    ['=HYPERLINK("http://x")', "+1+1", "-1+1", "@SUM(A1)", "\tx", "\r=1", "＝1", "'=1", "-", "''"],
)
def test_cells_are_no_formulas(text):
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize("text", ["Bessel prior", "-0.5", "+3e-4", "1e3", "a=b", "", "NaN"])
def test_harmless_cells_are_left_as_they_are(text):
    assert cell(text) == text


@given(st.text())
def test_cells_are_read_as_they_were(text):
    assert of_cell(cell(text)) == text


# Characters


@pytest.mark.parametrize(
    ("value", "written"),
    [(0.04567, "0.0457"), (2.0, "2.00"), (94030.3, "94,030"), (-1.0742e18, "-1.07e+18")],
)
def test_numbers_have_three_digits_or_all_that_can_be_read(value, written):
    assert number(value) == written


def test_what_is_hidden_is_shown_as_missing():
    assert visible("a\x1b[31mb \u202ec\x00\ud800") == "a�[31mb �c��"
    assert visible(" white\n\t\u2028space ") == "white space"
    assert visible("ν ≤ 0.1 — ⚠ 中文 e\u0301 👩\u200d🔬") == "ν ≤ 0.1 — ⚠ 中文 e\u0301 👩\u200d🔬"


@pytest.mark.parametrize(
    "character", ["\u3164", "\U000e0041", "\x1b", "\x00", "\n", "\t", "\u202e", "\uffff"]
)
def test_titles_with_characters_that_cannot_be_shown_are_refused(character):
    with pytest.raises(ValidationError, match=f"U\\+{ord(character):04X} in it, which no figure"):
        LINE.validate_python(f"a{character}b")


def test_titles_of_nothing_and_of_too_much_are_refused():
    with pytest.raises(ValidationError, match="nothing but spaces"):
        LINE.validate_python("  ")
    with pytest.raises(ValidationError, match="at most 200"):
        LINE.validate_python("a" * 1001)


@pytest.mark.parametrize("title", ["1", "nan", "<b> $x$ =1", "Größe 中文", r"\frac{$"])
def test_titles_may_be_anything_else(title):
    assert LINE.validate_python(title) == title


# Labels


def test_equal_titles_are_told_apart_by_name():
    titles = {"a": "Bessel", "b": "Bessel ", "c": "other"}
    assert labels(titles, titles) == {"a": "Bessel (a)", "b": "Bessel (b)", "c": "other"}
    assert labels(["d", "e"], {"d": "e"}) == {"d": "e (d)", "e": "e (e)"}
    assert labels(["a", "b", "c"], {"a": "x", "b": "x", "c": "x (a)"}) == {
        "a": "x (a)",
        "b": "x (b)",
        "c": "x (a) (c)",
    }


@pytest.mark.parametrize(
    ("one", "other"), [("\xe9", "e\u0301"), ("\ufb01ne", "fine"), ("2²", "2²")]
)
def test_titles_that_look_alike_are_told_apart_by_name(one, other):
    assert labels(["a", "b"], {"a": one, "b": other}) == {"a": f"{one} (a)", "b": f"{other} (b)"}


def test_no_cell_of_another_dialect_is_a_formula():
    assert cell("x;=1+1") == "x;'=1+1"
    assert cell("x\t@y; z") == "x\t'@y; z"
    assert of_cell(cell("x;'=1;''\t-1")) == "x;'=1;''\t-1"


def test_no_experiment_is_called_what_data_are():
    assert labels(["a"], {"a": "data (test)"}) == {"a": "data (test) (a)"}


def test_titles_are_in_the_legend_however_they_begin():
    assert labels(["a"], {"a": "_private"}) == {"a": " _private"}


@given(st.dictionaries(NAMES, st.text(alphabet="ab_ ()\x1b"), max_size=5))
def test_labels_are_unique_and_can_be_seen(titles):
    found = labels(titles, titles)
    assert list(found) == list(titles)
    assert len(set(found.values())) == len(titles)
    assert not TAKEN & set(found.values())
    assert not any(HIDDEN.search(label) or label.startswith("_") for label in found.values())

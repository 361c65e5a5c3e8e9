"""What metrics call their results: each says it itself, and a new metric is one file."""

import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from fsdiff import parts
from fsdiff.metrics.words import Words
from fsdiff.provenance import PACKAGE, fingerprint
from fsdiff.reports.plotting.transfer import trained_by_sampled
from fsdiff.reports.summary import as_table, columns
from fsdiff.study.evaluation import without_best

SEEN = """
import pandas as pd
from fsdiff.study import load
from fsdiff.reports.plotting.comparison import metric_by_resolution
from fsdiff.reports.plotting.table import summary_html
from fsdiff.reports.summary import column_title

study = load("config.yaml", {
    "evaluation": {"metrics": {"energy": {"kind": "energy_ratio"}}},
    "claims": {"near": {"where": "here", "statement": "Near.", "metric": "energy_ratio",
               "experiment": "multilevel", "resolution": 32, "at_most": 1.1}},
})
print(study.words())
row = {"dataset": "waves", "resolution": 32, "seed": 0, "trained_at": 32}
rows = [{**row, "row": "real", "energy_ratio": 1.25},
        {**row, "row": "model", "experiment": "a", "energy_ratio": 0.5}]
print(summary_html(rows))
print(metric_by_resolution(rows).axes[0].get_title())
print(column_title("energy_ratio[u]"))
"""


@pytest.fixture
def copied(tmp_path, package_with) -> Path:
    """A copy of the package with the metric in CONTRIBUTING.md."""
    shutil.copy(PACKAGE.parent / "tests" / "workflow" / "tiny.yaml", tmp_path / "config.yaml")
    return package_with(tmp_path, "fsdiff/metrics/energy.py")


def test_a_metric_in_one_file_is_shown_by_its_title(copied):
    done = subprocess.run(
        [sys.executable, "-c", SEEN],
        cwd=copied,
        env={"PYTHONPATH": str(copied), "PATH": "", "MPLCONFIGDIR": str(copied)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    words, *page, title, of_channel = done.stdout.splitlines()
    assert "'title': 'ratio of energies', 'family': 'whole field', 'target': 1.0" in words
    html = "\n".join(page)
    assert "ratio of energies</th>" in html
    # Half of the energy is 0.5 from the goal, real data are 0.25 from it.
    assert "1.25 <small>→ 1.00</small>" in html
    assert "0.500 <small>×2</small>" in html
    assert (title, of_channel) == ("ratio of energies", "channel u, ratio of energies")


def test_titles_are_no_part_of_what_decides_results(copied):
    file = copied / "fsdiff" / "metrics" / "energy.py"
    made = {"modules": ["fsdiff.metrics.energy"], "root": copied / "fsdiff"}
    before = fingerprint(**made)
    file.write_text(file.read_text().replace("ratio of energies", "energy, relative"))
    assert fingerprint(**made) == before
    file.write_text(file.read_text().replace("samples.square()", "samples.abs()"))
    assert fingerprint(**made) != before


@pytest.mark.parametrize("kind", parts.kinds("metrics"))
def test_every_result_has_words_and_every_target_is_a_result(kind):
    described = parts.find("metrics", kind)
    most = described(permutations=9) if kind == "rbf_mmd" else described()
    named = {words.name: words for words in most.words}
    assert {name for name in most.results if not name.endswith("_reference")} == set(named)
    targets = {f"{name}_reference" for name, item in named.items() if item.target == "reference"}
    assert targets == {name for name in most.results if name.endswith("_reference")}


KNOWN = (
    Words("coverage", "coverage", "calibration", target=0.9),
    Words("distance", "distance", "whole field"),
    Words("p", "p-value", "whole field", target=None),
)


def test_results_are_ranked_by_their_targets():
    rows = [
        {"row": "model", "experiment": name, "trained_at": 8, "dataset": "d", "resolution": 8}
        | {"seed": 0, "coverage": coverage, "distance": 2.0, "p": 0.5, "loss": 1.0, "other": 3.0}
        for name, coverage in (("a", 0.95), ("b", 0.8))
    ]
    table = as_table(rows)
    found = {column.name: column for column in columns(table, KNOWN)}
    assert list(found) == ["distance", "p", "coverage", "other", "loss"]
    assert found["coverage"].deviation(table).to_list() == pytest.approx([0.05, 0.1])
    assert found["coverage"].distance == "|coverage − 0.9|"
    ranked = {name: column.ranked for name, column in found.items()}
    assert ranked == {"distance": True, "p": False, "coverage": True, "other": True, "loss": False}
    titles = [axes.get_title(loc="left") for axes in trained_by_sampled(table, known=KNOWN).axes]
    assert [title for title in titles if title] == ["distance", "|coverage − 0.9|", "other"]


def test_only_results_that_are_best_where_they_are_least_are_minimised():
    from fsdiff.study.schema import Shape

    blocks = {"vendi": {"kind": "vendi"}, "mmd": {"kind": "rbf_mmd", "permutations": 9}}
    metrics = Shape.model_fields["evaluation"].annotation(metrics=blocks).metrics
    assert without_best("rbf_mmd", metrics) is None
    assert without_best("training_seconds", metrics) is None
    assert without_best("rbf_mmd_p_value", metrics).startswith("says of nothing")
    assert without_best("vendi[u]", metrics).startswith("is best where it is vendi_reference")


def test_columns_without_words_are_called_by_their_names():
    table = pd.DataFrame([{"row": "model", "resolution": 8, "new_x": 1.0, "new_x_reference": 3.0}])
    (column,) = columns(as_table(table), ())
    assert (column.title, column.family) == ("new x", "further metrics")
    assert column.deviation(table).to_list() == [2.0]

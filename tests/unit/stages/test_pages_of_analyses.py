"""What became of claims about analyses, and a page with their numbers, from stored results."""

import pytest

from fsdiff.data import storage
from fsdiff.parts import build
from fsdiff.stages.page import write_page
from fsdiff.stages.reproduction import reproduction
from fsdiff.study import load, strict_yaml

STUDY = """
analyses:
  step:
    kind: discretisation
    title: one step
    law: {kind: line}
    samples: 20
claims:
  second_order:
    where: Remark 3.3
    statement: Both are of second order.
    analysis: step
    metric: order
    at: {quantity: mean}
    at_least: 1.9
    at_most: 2.1
  first_order:
    where: Remark 3.3
    statement: It is of first order.
    analysis: step
    metric: order
    at: {quantity: variance}
    at_most: 1.5
page:
  title: Steps
  text: Which order?
  claims: true
  analyses:
    - {title: Orders, analyses: [step], columns: [order]}
"""


@pytest.fixture
def written(tmp_path):
    """The page of a study that has analyses alone."""
    study = load(strict_yaml.parse(STUDY))
    results = build("analysis", study.analyse_slice("step")["analysis"]).run()
    storage.write(
        results, tmp_path / "step.nc", title="step", provenance=storage.Provenance({}, "code", 0)
    )
    analyses = [tmp_path / "step.nc"]
    told = {"summary": None, "trajectories": None, "analyses": analyses}
    claims, page = tmp_path / "reproduction.md", tmp_path / "page.md"
    config = {"config": study.reproduction_slice()}
    reproduction(config, searches=(), output=claims, **told)
    write_page({"config": study.page_slice()}, claims=claims, posteriors=None, output=page, **told)
    return page.read_text(encoding="utf-8").splitlines()


def test_claims_are_decided_by_stored_results(written):
    assert "1 reproduced, 1 not reproduced, 0 not checkable." in written
    row = next(line for line in written if "It is of first order." in line)
    assert "`order` of `step` (quantity variance): at most 1.5" in row
    assert "(exact) | **not reproduced**" in row


def test_the_page_has_a_table_of_them(written):
    place = written.index("## Orders")
    header = "power of the length with which it falls"
    assert written[place + 2] == f"|  | {header}, mean | {header}, variance |"
    assert written[place + 4].startswith("| one step | 1.99 |")

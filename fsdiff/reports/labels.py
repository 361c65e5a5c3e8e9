"""What figures and tables call experiments: by title, and by name where that is not enough."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar
from unicodedata import normalize

from fsdiff.characters import visible

Result = TypeVar("Result")

REFERENCES = {
    "real": "real against real",
    "surrogate": "Gaussian surrogate",
    "white_noise": "white noise",
}
"""Value of ``row`` in the summary → what the reader sees."""

FLOOR = "real against real (floor)"
TEST_DATA = "data (test)"
TRAINING_DATA = "data (training)"
TARGET = "value of the data"

NO_NUMBERS = "There are no numbers: no experiment has any of these results."
"""What stands in the place of a table or figure of results that all came to nothing."""

TAKEN = frozenset({*REFERENCES.values(), FLOOR, TEST_DATA, TRAINING_DATA, TARGET})
"""Labels of what is no experiment."""


def labels(names: Iterable[str], titles: Mapping[str, str] | None = None) -> dict[str, str]:
    """The label of each experiment: its title, with its name where another label reads the same.

    Names are unique, titles are what people chose; an experiment without a title is called by its
    name.
    """
    plain = {name: visible(str((titles or {}).get(name) or name)) or name for name in names}
    found = dict(plain)
    while doubtful := _doubtful(found) & {name for name in plain if found[name] == plain[name]}:
        found |= {name: f"{plain[name]} ({name})" for name in doubtful}
    # Matplotlib leaves what begins with an underscore out of legends.
    return {name: f" {text}" if text.startswith("_") else text for name, text in found.items()}


def labelled(
    results: Mapping[str, Result], titles: Mapping[str, str] | None = None
) -> dict[str, Result]:
    """Results of experiments, given by name, by label."""
    known = labels(results, titles)
    return {known[name]: result for name, result in results.items()}


def _doubtful(found: Mapping[str, str]) -> set[str]:
    """Names of the experiments whose labels others have, too."""
    seen = {name: normalize("NFKC", text) for name, text in found.items()}
    counts = Counter(seen.values())
    return {name for name, text in seen.items() if text in TAKEN or counts[text] > 1}

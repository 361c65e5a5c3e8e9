"""What the columns of the summary table mean, and how a result is judged against its references.

A row of the table is one evaluation: ``row`` is "model", or one of the three references "real" (two
disjoint sets of real data, a row for each of several divisions), "surrogate" (a Gaussian random
field with the data's spectrum) and "white_noise". ``count`` is how many fields are compared with
data, and references stand beside models of as many, because distances of fewer are larger. Columns
may be absent. KEY is a result for all channels together and KEY[CHANNEL] that for one of several.

The floor is the mean deviation of real data: of what may have either sign, such as an unbiased
squared distance, or a kurtosis beside that of the data, the mean of the moduli, as for the seeds of
a model. The modulus of the mean would shrink with the number of divisions.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fsdiff import parts
from fsdiff.metrics.results import parsed
from fsdiff.metrics.words import FURTHER, Words
from fsdiff.reports.labels import REFERENCES, labels
from fsdiff.reports.tables import IDENTITY

FAMILIES = {"structure": "structure (beyond second moments)", "whole field": "whole field"}
"""Families of metrics that are shown first → what the reader sees."""

STRUCTURE = FAMILIES["structure"]

LOSS = "denoising loss"
"""Family of what does not compare between experiments with other priors."""

COST = "cost"

OTHERS = (
    Words("loss", "test data", LOSS, target=None),
    Words("validation_loss", "validation data", LOSS, target=None),
    Words("validation_loss_final", "validation data, at the end", LOSS, target=None),
    Words("validation_loss_initial", "validation data, untrained", LOSS, target=None),
    Words("training_seconds", "training [s]", COST),
    Words("parameters", "parameters", COST),
    Words("network_evaluations", "network evaluations per sample", COST),
    Words("fine_evaluations", "in units of those on the grid of the samples", COST),
    Words("seconds_per_sample", "sampling [s per sample]", COST),
)
"""Results of evaluations that are of no metric, in the order of the table."""

LEVEL_SECONDS = "training_seconds_at_"
"""What the columns about levels begin with; the resolution follows."""

Known = Iterable[Words] | None
"""What metrics call their results, in the order of the table; None for all of this package."""


@dataclass(frozen=True)
class Column:
    """A result: its name in the table, what it is called, and the family it is shown with.

    ``target`` is the value of perfect samples, or the name of the column that holds it. ``ranked``
    is False where a value is neither near nor far from anything, such as a p-value, or does not
    compare between experiments, such as the loss. ``compares`` is True where it is a metric's, of
    all channels together: these are drawn. A result of a single channel belongs to the family of
    that channel.
    """

    name: str
    title: str
    family: str
    target: str | float = 0.0
    ranked: bool = True
    compares: bool = True

    @property
    def distance(self) -> str:
        """What the deviation from the target is called."""
        if not self.target:
            return self.title
        goal = "that of the data" if isinstance(self.target, str) else f"{self.target:g}"
        return f"|{self.title} − {goal}|"

    def goal(self, rows: pd.DataFrame) -> pd.Series:
        """The value of perfect samples, for each row."""
        if isinstance(self.target, str):
            return rows[self.target]
        return pd.Series(self.target, rows.index)

    def deviation(self, rows: pd.DataFrame) -> pd.Series:
        """What is ranked, less is better: the distance from the target.

        Unbiased estimates of squared distances may be negative; their size is then noise as well.
        """
        if not self.ranked:
            return pd.Series(float("nan"), rows.index)
        return (rows[self.name] - self.goal(rows)).abs()

    def shown(self, rows: pd.DataFrame) -> pd.Series:
        """What stands beside others: deviations, but values where one is to be matched."""
        return self.deviation(rows) if self.ranked and not self.target else rows[self.name]

    def mean_deviation(self, rows: pd.DataFrame) -> float:
        """The mean of ``deviation``, NaN if a row has no number."""
        return mean_of_all(self.deviation(rows))


def mean_of_all(values: pd.Series) -> float:
    """The mean over seeds, NaN if one has no number: means of other seeds do not compare."""
    return float(values.mean(skipna=False))


def std_of_all(values: pd.Series) -> float:
    """The standard deviation over seeds, NaN if there is one seed or one has no number."""
    return float(values.std(skipna=False))


def as_table(rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The summary as a data frame with the columns every reader relies on.

    Raises ValueError if ``row`` or ``resolution`` is absent or ``row`` has an unknown value.
    """
    table = rows.copy() if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    absent = [name for name in ("row", "resolution") if name not in table]
    if absent:
        raise ValueError(f"the summary has no column {', '.join(absent)}; evaluate writes it")
    if foreign := set(table["row"]) - {"model", *REFERENCES}:
        known = ", ".join(["model", *REFERENCES])
        raise ValueError(f"unknown kind of row {sorted(foreign)} in the summary; known: {known}")
    title = table.get("title", "")
    unknown = dict.fromkeys(["count", "trained_at"], float("nan"))
    defaults = {"dataset": "", "experiment": title, "title": "", **unknown}
    return table.assign(**{name: value for name, value in defaults.items() if name not in table})


def columns(table: pd.DataFrame, known: Known = None) -> list[Column]:
    """The results a table has, family by family, those of single channels behind all others.

    Columns without any number are left out.
    """
    words = _words(known)
    numeric = [name for name in table.select_dtypes("number") if name not in IDENTITY]
    shown = [
        _column(name, numeric, words)
        for name in numeric
        if not parsed(name)[0].endswith("_reference") and table[name].notna().any()
    ]
    channels = list(dict.fromkeys(parsed(name)[1] for name in numeric))
    families = _families(words)
    places = {name: place for place, name in enumerate(words)}

    def order(column: Column) -> tuple[bool, int, int, int]:
        key, channel = parsed(column.name)
        family = families.index(_named(key, words).family)
        return channel != "", channels.index(channel), family, places.get(key, len(places))

    return sorted(shown, key=order)


def column_title(name: str, known: Known = None) -> str:
    """What a result is called in figures."""
    column = _column(name, [], _words(known))
    single = parsed(name)[1] or column.family == LOSS
    return f"{column.family}, {column.title}" if single else column.title


def all_words() -> Iterator[Words]:
    """What all metrics of this package call their results."""
    for kind in parts.kinds("metrics"):
        yield from parts.build("metrics", {"kind": kind}).words


def models(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of each experiment (all seeds and resolutions) by name, in the table's order."""
    rows = table[table["row"] == "model"]
    return dict(list(rows.groupby("experiment", sort=False)))


def titles(table: pd.DataFrame) -> dict[str, str]:
    """What the experiments of a table are called, by name."""
    firsts = {name: rows["title"].iloc[0] for name, rows in models(table).items()}
    return labels(firsts, {name: title for name, title in firsts.items() if pd.notna(title)})


def beside(table: pd.DataFrame, kind: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a reference for data, grids and numbers of fields, if known, as of ``rows``."""
    chosen = table["row"] == kind
    for name in {"dataset", "resolution", "count"} & set(table):
        chosen &= table[name].isin(rows[name].unique())
    return table[chosen]


def reference(table: pd.DataFrame, kind: str, column: Column, rows: pd.DataFrame) -> float:
    """Mean deviation of a reference beside ``rows``; NaN if there is none with a number."""
    return float(column.deviation(beside(table, kind, rows)).mean())


def by_count(rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The rows for each number of fields, most first, and what titles say of it.

    Nothing where there is one alone.
    """
    groups = list(rows.groupby("count", dropna=False))[::-1]
    return [(f", {count:.0f} fields" if len(groups) > 1 else "", part) for count, part in groups]


def _words(known: Known) -> dict[str, Words]:
    """All words by the name of their result."""
    metrics = all_words() if known is None else known
    return {words.name: words for words in (*metrics, *OTHERS)}


def _families(words: Mapping[str, Words]) -> list[str]:
    """All families in the order of the table: losses and costs behind those of metrics."""
    others = [item.family for item in OTHERS]
    own = [item.family for item in words.values() if item.family not in others]
    return list(dict.fromkeys([*FAMILIES, *own, FURTHER, *others]))


def _named(key: str, words: Mapping[str, Words]) -> Words:
    """The words of a result; one that has none is called by its name."""
    if key.startswith(LEVEL_SECONDS):
        return Words(key, f"training at {key.removeprefix(LEVEL_SECONDS)} [s]", COST, target=None)
    return words.get(key) or Words(key, key.replace("_", " "), FURTHER)


def _column(name: str, numeric: Collection[str], words: Mapping[str, Words]) -> Column:
    key, channel = parsed(name)
    _, title, family, target, _ = _named(key, words)
    compares = not channel and family not in {item.family for item in OTHERS}
    family = f"channel {channel}" if channel else FAMILIES.get(family, family)
    reference = f"{key}_reference{name.removeprefix(key)}"
    ranked = target is not None and (target != "reference" or reference in numeric)
    wanted: str | float = target if ranked and target is not None else 0.0
    if ranked and reference in numeric and (target == "reference" or key not in words):
        wanted = reference
    return Column(name, title, family, wanted, ranked, compares)

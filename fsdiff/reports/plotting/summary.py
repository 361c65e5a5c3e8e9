"""What the columns of the summary table mean, and how a result is judged against its references.

A row of the table is one evaluation: ``row`` is "model", or one of the three references "real" (two
disjoint sets of real data: the floor), "surrogate" (a Gaussian random field with the data's
spectrum) and "white_noise". Columns may be absent. KEY is a result for all channels together and
KEY[CHANNEL] that for one of several.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from fsdiff.metrics.results import parsed
from fsdiff.reports.labels import REFERENCES, labels

IDENTITY = ("experiment", "title", "dataset", "row", "seed", "resolution", "trained_at")
"""Columns that say what was evaluated; all others are results."""

STRUCTURE = "structure (beyond second moments)"
"""Family of the metrics that see what a Gaussian field with the same spectrum lacks."""


@dataclass(frozen=True)
class Column:
    """A result: its name in the table, what it is called, and the family it is shown with.

    ``target`` names the column that holds the value of perfect samples, which is zero without one.
    ``ranked`` is False where a value is neither near nor far from anything, such as a p-value, or
    does not compare between experiments, such as the loss. A result of a single channel belongs to
    the family of that channel, which is none of ``METRICS``: figures are of all channels together.
    """

    name: str
    title: str
    family: str
    target: str | None = None
    ranked: bool = True

    def deviation(self, rows: pd.DataFrame) -> pd.Series:
        """What is ranked, less is better: the distance from the target.

        Unbiased estimates of squared distances may be negative; their size is then noise as well.
        """
        if not self.ranked:
            return pd.Series(float("nan"), rows.index)
        target = rows[self.target] if self.target else 0.0
        return (rows[self.name] - target).abs()


LOSS = "denoising loss"
"""Family of what does not compare between experiments with other priors."""

_KNOWN = {
    "sliced_wasserstein": ("sliced Wasserstein", "whole field"),
    "sw_gaussian_approx": ("sliced Wasserstein, Gaussian approximation", "whole field"),
    "sw_gaussian_approx_physical": (
        "sliced Wasserstein, Gaussian approximation, physical units",
        "whole field",
    ),
    "rbf_mmd": ("MMD², Gaussian kernel", "whole field"),
    "rbf_mmd_p_value": ("MMD p-value", "whole field"),
    "energy_distance": ("energy distance", "whole field"),
    "log_spectrum_error": ("log-spectrum error", "whole field"),
    "autocovariance_error": ("autocovariance error", "whole field"),
    "vendi": ("Vendi score", "whole field"),
    "vendi_physical": ("Vendi score, physical units", "whole field"),
    "patch_sliced_wasserstein": ("sliced Wasserstein of patches", STRUCTURE),
    "one_point_w1": ("one-point W₁", STRUCTURE),
    "one_point_kurtosis": ("one-point kurtosis", STRUCTURE),
    "gradient_w1": ("derivative W₁", STRUCTURE),
    "gradient_kurtosis": ("derivative kurtosis", STRUCTURE),
    "loss": ("test data", LOSS),
    "validation_loss": ("validation data", LOSS),
    "validation_loss_final": ("validation data, at the end", LOSS),
    "validation_loss_initial": ("validation data, untrained", LOSS),
    "training_seconds": ("training [s]", "cost"),
    "parameters": ("parameters", "cost"),
    "network_evaluations": ("network evaluations per sample", "cost"),
    "fine_evaluations": ("in units of those on the grid of the samples", "cost"),
    "seconds_per_sample": ("sampling [s per sample]", "cost"),
}

METRICS = (STRUCTURE, "whole field", "further metrics")
"""Families of columns that compare sets of fields, in the order of the table."""

_FAMILIES = (*METRICS, LOSS, "cost")

LEVEL_SECONDS = "training_seconds_at_"
"""What the columns about levels begin with; the resolution follows."""

_NEED_TARGET = ("vendi", "vendi_physical", "one_point_kurtosis", "gradient_kurtosis")


def as_table(rows: pd.DataFrame | Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The summary as a data frame with the columns every reader relies on.

    Raises ValueError if ``row`` or ``resolution`` is absent or ``row`` has an unknown value.
    """
    table = rows.copy() if isinstance(rows, pd.DataFrame) else pd.DataFrame(list(rows))
    absent = [name for name in ("row", "resolution") if name not in table]
    if absent:
        raise ValueError(f"the summary has no column {', '.join(absent)}; evaluate writes it")
    unknown = set(table["row"]) - {"model", *REFERENCES}
    if unknown:
        known = ", ".join(["model", *REFERENCES])
        raise ValueError(f"unknown kind of row {sorted(unknown)} in the summary; known: {known}")
    title = table.get("title", "")
    defaults = {"dataset": "", "experiment": title, "title": "", "trained_at": float("nan")}
    return table.assign(**{name: value for name, value in defaults.items() if name not in table})


def columns(table: pd.DataFrame) -> list[Column]:
    """The results a table has, family by family, those of single channels behind all others.

    Columns without any number are left out.
    """
    numeric = [name for name in table.select_dtypes("number") if name not in IDENTITY]
    shown = [
        _column(name, numeric)
        for name in numeric
        if not parsed(name)[0].endswith("_reference") and table[name].notna().any()
    ]
    channels = list(dict.fromkeys(parsed(name)[1] for name in numeric))
    return sorted(shown, key=lambda column: _order(column.name, channels))


def _order(name: str, channels: list[str]) -> tuple[bool, int, int, int]:
    """Where a column stands: by channel, by family, and within this as in ``_KNOWN``."""
    (key, channel), known = parsed(name), list(_KNOWN)
    place = known.index(key) if key in known else len(known)
    return channel != "", channels.index(channel), _FAMILIES.index(_known(key)[1]), place


def column_title(name: str) -> str:
    """What a result is called in figures."""
    column = _column(name, [])
    single = parsed(name)[1] or column.family == LOSS
    return f"{column.family}, {column.title}" if single else column.title


def models(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Rows of each experiment (all seeds and resolutions) by name, in the table's order."""
    rows = table[table["row"] == "model"]
    return dict(list(rows.groupby("experiment", sort=False)))


def titles(table: pd.DataFrame) -> dict[str, str]:
    """What the experiments of a table are called, by name."""
    firsts = {name: rows["title"].iloc[0] for name, rows in models(table).items()}
    return labels(firsts, {name: title for name, title in firsts.items() if pd.notna(title)})


def reference(table: pd.DataFrame, kind: str, column: Column) -> float:
    """Mean deviation of a reference row; NaN if the table has none."""
    return float(column.deviation(table[table["row"] == kind]).mean())


def _column(name: str, numeric: list[str]) -> Column:
    key, channel = parsed(name)
    title, family = _known(key)
    reference = f"{key}_reference{name.removeprefix(key)}"
    target = reference if reference in numeric else None
    alone = key in _NEED_TARGET or key.endswith("_p_value") or key.startswith(LEVEL_SECONDS)
    ranked = bool(target) or not (alone or family == LOSS)
    return Column(name, title, f"channel {channel}" if channel else family, target, ranked)


def _known(key: str) -> tuple[str, str]:
    """What a result is called, and its family."""
    if key.startswith(LEVEL_SECONDS):
        return f"training at {key.removeprefix(LEVEL_SECONDS)} [s]", "cost"
    return _KNOWN.get(key, (key.replace("_", " "), "further metrics"))

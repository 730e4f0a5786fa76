"""The way through all faults: every point, every error that it can meet, once and lasting."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from pathlib import Path
from random import Random

from chaos.failing.breaking import break_once
from chaos.failing.faults import ERRORS, MANNERS, Fault
from chaos.sweeping.points import Point


def points_of(variant: str, folder: Path) -> list[Point]:
    """Return the points that one telling of *variant* passes where nothing fails; raise where that does harm."""
    outcome = break_once(folder / variant, variant)
    if outcome.violations:
        raise AssertionError(f"{variant}, with nothing that fails: {outcome.violations}")
    return outcome.points


def all_faults(points: Iterable[Point], seed: int) -> list[Fault]:
    """Return every fault, in an order that *seed* draws: first one of each point that is met once, and one that lasts.

    Within either part one of each kind of call comes before any kind has a second.
    """
    random = Random(f"{seed}/faults")
    first: dict[tuple[str, ...], list[Fault]] = defaultdict(list)
    rest: dict[tuple[str, ...], list[Fault]] = defaultdict(list)
    for point in points:
        faults = list(_faults_at(point))
        if not faults:
            continue
        chosen = [random.choice([fault for fault in faults if bool(fault.seconds) == lasts]) for lasts in (False, True)]
        first[point[1:4]] += chosen
        rest[point[1:4]] += [fault for fault in faults if fault not in chosen]
    return [*_in_turn(first, random), *_in_turn(rest, random)]


def _in_turn(kinds: dict[tuple[str, ...], list[Fault]], random: Random) -> Iterator[Fault]:
    rows = list(kinds.values())
    random.shuffle(rows)
    for row in rows:
        random.shuffle(row)
    return (fault for fault in chain.from_iterable(zip_longest(*rows)) if fault is not None)


def _faults_at(point: Point) -> Iterator[Fault]:
    for error in ERRORS.get(point.call, ()):
        for manner in MANNERS:
            if error != "EMFILE" or not manner.startswith("everybody"):  # each process has a limit of its own
                yield Fault(point, error, manner)

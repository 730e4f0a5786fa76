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
    """Return every fault, in an order that *seed* draws: of each kind of call one comes before any has a second."""
    kinds: dict[tuple[str, ...], list[Fault]] = defaultdict(list)
    for point in points:
        kinds[point[1:4]] += _faults_at(point)
    random = Random(f"{seed}/faults")
    rows = list(kinds.values())
    random.shuffle(rows)
    for row in rows:
        random.shuffle(row)
    return [fault for fault in chain.from_iterable(zip_longest(*rows)) if fault is not None]


def _faults_at(point: Point) -> Iterator[Fault]:
    for error in ERRORS.get(point.call, ()):
        for manner in MANNERS:
            if error != "EMFILE" or not manner.startswith("everybody"):  # each process has a limit of its own
                yield Fault(point, error, manner)

"""The way through all faults: every point, every error that it can meet, once and lasting."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain, zip_longest
from pathlib import Path
from random import Random

from chaos.failing.breaking import break_once
from chaos.failing.faults import ERRORS, MANNERS, Fault
from chaos.reference_run.variants import VARIANTS
from chaos.sweeping.points import Point


def all_points(folder: Path, variants: Iterable[str] = VARIANTS) -> dict[str, list[Point]]:
    """Return the points that one telling of each variant passes where nothing fails; raise where that does harm."""
    found = {}
    for variant in variants:
        outcome = break_once(folder / variant, variant)
        if outcome.violations:
            raise AssertionError(f"{variant}, with nothing that fails: {outcome.violations}")
        found[variant] = outcome.points
    return found


def all_faults(points: dict[str, list[Point]], seed: int) -> list[Fault]:
    """Return every fault, in an order that *seed* draws: of each kind of call one comes before any has a second."""
    kinds: dict[tuple[str, ...], list[Fault]] = defaultdict(list)
    for passed in points.values():
        for point in passed:
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

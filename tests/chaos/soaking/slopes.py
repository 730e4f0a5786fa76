"""What grows, by robust regression: the median of the slopes between all pairs of samples (Theil and Sen)."""

import statistics
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, Final, NamedTuple

MB: Final = 1024 * 1024
HOUR: Final = 3600.0
WAL_BOUND: Final = 64 * MB
"""The write-ahead log goes back to 16 MB; while a reader holds a snapshot it has to grow."""

LEAST: Final = 5
"""Samples without which nothing is said of a life."""
REAPED: Final = 5.0
"""Seconds within which the dead are reaped."""


class Bound(NamedTuple):
    """How much a figure may rise in an hour, and what is noise within one life whatever its slope."""

    per_hour: float
    noise: float


PROCESS_BOUNDS: Final = {
    "rss": Bound(1.0 * MB, 1.0 * MB),
    "pss": Bound(1.0 * MB, 1.0 * MB),
    "anonymous": Bound(1.0 * MB, 1.0 * MB),
    "fds": Bound(0.5, 0.5),
    "threads": Bound(0.5, 0.5),
}
STATE_BOUNDS: Final = {"unowned": Bound(60, 60), "history": Bound(1.0 * MB, 1.0 * MB)}


class Growth(NamedTuple):
    """How a figure went in one life."""

    name: str
    life: int
    first: float
    last: float
    most: float
    per_hour: float
    hours: float
    is_too_much: bool


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the rise per unit of the first coordinate."""
    rises = [(y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(points, 2) if x2 != x1]
    return statistics.median(rises) if rises else 0.0


def growths(samples: Sequence[dict[str, Any]], warm_up: float) -> Iterator[Growth]:
    """Give the growth of every figure: of the processes in each life, of the state directory over all of it.

    A life's first *warm_up* seconds are left out, and lives that have too few samples left.
    """
    for role in ("daemon", "forkserver"):
        pids = dict.fromkeys(sample[role]["pid"] for sample in samples if sample[role])
        for number, pid in enumerate(pids, 1):
            life = [sample for sample in samples if sample[role] and sample[role]["pid"] == pid]
            settled = [sample for sample in life if sample["at"] >= life[0]["at"] + warm_up]
            for name, bound in PROCESS_BOUNDS.items():
                points = [(sample["at"] / HOUR, sample[role][name] - _due(sample, role, name)) for sample in settled]
                yield from _growth(f"{role} {name}", number, points, bound)
    settled = [sample for sample in samples if sample["at"] >= samples[0]["at"] + warm_up]
    for name, bound in STATE_BOUNDS.items():
        yield from _growth(name, 0, [(sample["at"] / HOUR, sample[name]) for sample in settled], bound)


def _due(sample: dict[str, Any], role: str, name: str) -> int:
    """Return what is no growth: the daemon holds the journal of each live run open."""
    return int(sample["processes"].get("run", 0)) if (role, name) == ("daemon", "fds") else 0


def _growth(name: str, life: int, points: Sequence[tuple[float, float]], bound: Bound) -> Iterator[Growth]:
    if len(points) < LEAST:
        return
    per_hour, hours = slope(points), points[-1][0] - points[0][0]
    ends = max(1, len(points) // 10)
    first, last = (statistics.median(y for _, y in part) for part in (points[:ends], points[-ends:]))
    is_too_much = per_hour > bound.per_hour and per_hour * hours > bound.noise
    yield Growth(name, life, first, last, max(y for _, y in points), per_hour, hours, is_too_much)


def leaks(samples: Sequence[dict[str, Any]], warm_up: float) -> list[str]:
    """Return what grows without bound, and what stays that ought to go."""
    if not samples:
        return ["I14 nothing could be measured: no sample was taken"]
    found = [
        f"I14 {growth.name} of life {growth.life} grows by {growth.per_hour:.3g} an hour:"
        f" {growth.first:.0f} to {growth.last:.0f} in {growth.hours:.3f} h"
        for growth in growths(samples, warm_up)
        if growth.is_too_much
    ]
    if (most := max(sample["wal"] for sample in samples)) > WAL_BOUND:
        found.append(f"I14 the write-ahead log grew to {most / MB:.1f} MB")
    since: dict[int, float] = {}
    for sample in samples:
        since = {pid: since.get(pid, sample["at"]) for pid in sample["zombies"]}
        found += [f"I14 nobody reaps {pid}" for pid, at in since.items() if sample["at"] - at > REAPED]
    return found

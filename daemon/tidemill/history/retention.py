"""Finding what may be removed: by age, by number, by size. Read beside the writer, a window at a time.

A window is a walk down an index from where the last one ended, so that a million runs are looked at without
anybody holding a reading for long. Whoever removes asks again.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from tidemill.domain.states import STEPS, State
from tidemill.history.reading import Reading
from tidemill.history.steps import listed

WINDOW: Final = 500
"""Runs looked at in one query."""
FAULTS: Final = (State.FAILED, State.CRASHED, State.TIMED_OUT, State.UPSTREAM_FAILED)
"""Ends that people come back to, so these runs are kept longer."""

UNFINISHED: Final = f"state <> 'completed' AND state IN ({listed(state for state in State if STEPS[state])})"
"""What is not over, in the words of a partial index."""

_RUN: Final = "id, uid, state, queued_at, finished_at, parent_id"
_ENDED: Final = "root_id IS NULL AND finished_at IS NOT NULL"
_NEWEST: Final = (
    "SELECT (SELECT r.id FROM runs r WHERE r.flow_id = f.id AND r.root_id IS NULL"
    " ORDER BY r.queued_at DESC, r.id DESC LIMIT 1) FROM flows f"
)


class EndedRun(NamedTuple):
    """A run that has ended."""

    id: int
    uid: str
    state: str
    queued_at: int
    finished_at: int
    parent_id: int | None
    """The run that it retried."""

    @property
    def is_fault(self) -> bool:
        """Tell whether it is one of those that are kept longer."""
        return self.state in FAULTS


def newest_runs(reading: Reading) -> set[int]:
    """Return the key of the newest run of each flow, which always stays."""
    return {int(key) for (key,) in reading.rows(_NEWEST) if key is not None}


def ended_before(reading: Reading, cutoff: int) -> Iterator[list[EndedRun]]:
    """Give the runs that were queued before *cutoff* and have ended, the newest first: retries before their parents."""
    place: tuple[int, int] = (cutoff, 0)
    sql = (
        f"SELECT {_RUN} FROM runs WHERE root_id IS NULL AND (queued_at, id) < (:at, :id)"
        " ORDER BY queued_at DESC, id DESC LIMIT :limit"
    )
    while rows := reading.rows(sql, {"at": place[0], "id": place[1], "limit": WINDOW}):
        place = (int(rows[-1][3]), int(rows[-1][0]))
        yield _ended(rows)


def oldest_ended(reading: Reading) -> Iterator[list[EndedRun]]:
    """Give the runs that have ended, the oldest first."""
    place: tuple[int, int] = (-(2**62), 0)
    sql = (
        f"SELECT {_RUN} FROM runs WHERE root_id IS NULL AND (queued_at, id) > (:at, :id)"
        " ORDER BY queued_at, id LIMIT :limit"
    )
    while rows := reading.rows(sql, {"at": place[0], "id": place[1], "limit": WINDOW}):
        place = (int(rows[-1][3]), int(rows[-1][0]))
        yield _ended(rows)


def beyond_number(reading: Reading, keep: int) -> Iterator[list[EndedRun]]:
    """Give of each flow the runs that are older than its newest *keep*; faults are counted by themselves."""
    for (flow_id,) in reading.rows("SELECT id FROM flows ORDER BY id"):
        for word in ("NOT IN", "IN"):
            yield from _beyond_number(reading, int(flow_id), keep, f"state {word} ({listed(FAULTS)})")


def _beyond_number(reading: Reading, flow_id: int, keep: int, kind: str) -> Iterator[list[EndedRun]]:
    of_flow = "flow_id = :flow AND root_id IS NULL"
    beyond = f"SELECT queued_at, id FROM runs WHERE {of_flow}{{}} ORDER BY queued_at DESC, id DESC LIMIT 1 OFFSET :keep"
    asked = {"flow": flow_id, "keep": keep}
    # Most flows have fewer, which the index alone tells.
    if not reading.rows(beyond.format(""), asked):
        return
    first = reading.rows(beyond.format(f" AND finished_at IS NOT NULL AND {kind}"), asked)
    if not first:
        return
    at, key = first[0]
    sql = (
        f"SELECT {_RUN} FROM runs WHERE {of_flow} AND {kind} AND (queued_at, id) <= (:at, :id)"
        " ORDER BY queued_at DESC, id DESC LIMIT :limit"
    )
    while rows := reading.rows(sql, {"flow": flow_id, "at": at, "id": key, "limit": WINDOW}):
        yield _ended(rows)
        at, key = rows[-1][3], int(rows[-1][0]) - 1


def retries_of(reading: Reading, runs: Sequence[EndedRun]) -> dict[int, list[int]]:
    """Return for each of *runs* that was retried the keys of the runs that retried it."""
    if not runs:
        return {}
    keys = ", ".join(str(int(run.id)) for run in runs)
    found: dict[int, list[int]] = {}
    for parent, key in reading.rows(
        f"SELECT parent_id, id FROM runs WHERE trigger = 'retry' AND parent_id IN ({keys})"
    ):
        found.setdefault(int(parent), []).append(int(key))
    return found


def old_moments(reading: Reading, cutoff: int) -> dict[int, tuple[int, int]]:
    """Return for each schedule up to where its moments may go, and how many rows those are about."""
    found = {}
    for schedule_id, cursor in reading.rows("SELECT id, cursor FROM schedules ORDER BY id"):
        before = min(cutoff, int(cursor))
        rows = reading.rows(
            "SELECT COUNT(*) FROM occurrences WHERE schedule_id = :schedule AND moment < :before"
            " AND moment < (SELECT MAX(n.moment) FROM occurrences n WHERE n.schedule_id = :schedule)",
            {"schedule": schedule_id, "before": before},
        )
        if rows[0][0]:
            found[int(schedule_id)] = (before, int(rows[0][0]))
    return found


def old_schedules(reading: Reading, cutoff: int) -> list[int]:
    """Return the schedules that their flows have not had since before *cutoff*."""
    sql = "SELECT id FROM schedules WHERE removed_at IS NOT NULL AND removed_at < :cutoff"
    return [int(key) for (key,) in reading.rows(sql, {"cutoff": cutoff})]


def unused_versions(reading: Reading) -> tuple[list[int], int]:
    """Return the versions that no flow has and no run was made of, and the newest run that was looked at."""
    newest = reading.rows("SELECT MAX(id) FROM runs")[0][0]
    used = {key for (key,) in reading.rows("SELECT DISTINCT version_id FROM runs WHERE version_id IS NOT NULL")}
    used |= {key for (key,) in reading.rows("SELECT version_id FROM flows WHERE version_id IS NOT NULL")}
    return [int(key) for (key,) in reading.rows("SELECT id FROM versions") if key not in used], int(newest or 0)


def unused_sources(reading: Reading) -> tuple[list[str], int]:
    """Return the hashes of the texts that no version has, and the newest version that was looked at."""
    import json

    used: set[str] = set()
    newest = 0
    for key, digest, sources in reading.rows("SELECT id, hash, sources FROM versions"):
        newest = max(newest, int(key))
        used.add(digest)
        used.update(json.loads(sources).values())
    return [digest for (digest,) in reading.rows("SELECT hash FROM sources") if digest not in used], newest


def known_runs(reading: Reading, prefix: str) -> set[str]:
    """Return the ids that begin with *prefix*, those included whose files are about to be removed."""
    asked = {"prefix": prefix, "behind": prefix + "{"}
    where = "WHERE uid >= :prefix AND uid < :behind"
    return {
        str(uid) for table in ("runs", "removals") for (uid,) in reading.rows(f"SELECT uid FROM {table} {where}", asked)
    }


def history_size(reading: Reading, *, is_file: bool) -> tuple[int, int]:
    """Return the bytes that the history takes and the bytes of it that are free; (0, 0) where it is no file."""
    if not is_file:
        return 0, 0
    pages, free, size = (
        int(reading.rows(f"PRAGMA {name}")[0][0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return pages * size, free * size


def _ended(rows: Iterable[Sequence[object]]) -> list[EndedRun]:
    return [EndedRun(*row) for row in rows if row[4] is not None]  # type: ignore[arg-type]

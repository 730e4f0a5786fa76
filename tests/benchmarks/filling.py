"""A history of a million runs, written as rows: what the daemon would have recorded in three months."""

import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from world import World

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
DAYS: Final = 85
"""Days over which the runs are spread: fewer than a run is kept."""
SECOND: Final = 1_000_000
TASKS: Final = 3
BATCH: Final = 20_000

Row = tuple[Any, ...]


def uid(number: int) -> str:
    """Return an id as the daemon would draw it, another for each number."""
    bits = number * 0x2_5A5A_5A5A_5A55 % (1 << 50)
    return "".join(ALPHABET[bits >> 5 * place & 31] for place in range(10))


def fill(w: World, count: int) -> None:
    """Add *count* runs of the flows that the history knows, their tasks and their moments; no daemon may serve."""
    with sqlite3.connect(w.paths.database) as connection:
        flows = connection.execute(
            "SELECT f.id, f.version_id, s.id FROM flows f LEFT JOIN schedules s ON s.flow_id = f.id ORDER BY f.id"
        ).fetchall()
        (first,) = connection.execute("SELECT coalesce(max(id), 0) + 1 FROM runs").fetchone()
        step = DAYS * 86_400 * SECOND // count
        began = time.time_ns() // 1000 - DAYS * 86_400 * SECOND
        for start in range(0, count, BATCH):
            runs = [
                _run(first + n, flows[n % len(flows)], began + n * step)
                for n in range(start, min(start + BATCH, count))
            ]
            connection.executemany(
                "INSERT INTO runs (id, uid, flow_id, state, trigger, queued_at, started_at, finished_at, scheduled_for,"
                " attempt, priority, parent_id, version_id, schedule_id, pid, start_time, boot_id, journal_offset,"
                " parameters, error)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, NULL, ?, ?, 4711, 100, 'boot', 420, '{}', ?)",
                runs,
            )
            connection.executemany(
                "INSERT INTO task_runs (run_id, idx, name, state, attempts, started_at, finished_at)"
                " VALUES (?, ?, ?, ?, 1, ?, ?)",
                (task for run in runs for task in _tasks(run)),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO occurrences (schedule_id, moment, outcome, run_id, count, decided_at, reason)"
                " VALUES (?, ?, 'ran', ?, 1, ?, 'started on time')",
                ((run[10], run[8], run[0], run[8] + 900) for run in runs if run[8] is not None),
            )


def _run(key: int, flow: Row, at: int) -> Row:
    """Return a run: one in forty failed, one in two hundred crashed, one in twenty was asked for by hand."""
    flow_id, version, schedule = flow
    luck = key * 7919 % 1000
    state = "failed" if luck < 25 else "crashed" if luck < 30 else "cancelled" if luck < 33 else "completed"
    error = f'["ValueError", "no order {key}", ""]' if luck < 25 else None
    took = (2 + key * 104_729 % 60) * SECOND
    is_planned = luck < 950 and schedule is not None
    return (
        key, uid(key), flow_id, state, "schedule" if is_planned else "manual", at, at + 4000, at + took,
        at // SECOND * SECOND if is_planned else None, version, schedule, error,
    )  # fmt: skip


def _tasks(run: Row) -> Iterator[Row]:
    begun, ended = run[6], run[7]
    for index in range(TASKS):
        state = "failed" if run[3] == "failed" and index == TASKS - 1 else "completed"
        at = begun + (ended - begun) * index // TASKS
        yield run[0], index, f"task_{index}", state, at, at + (ended - begun) // TASKS


def add_files(w: World, count: int, first: int = 1) -> float:
    """Write the journals of the runs with the keys from *first* on, as an ended run leaves one; return the seconds."""
    begun = time.monotonic()
    text = b'["run_started",0,{"pid":4711}]\n' + b'["task_ended",0,{"name":"task","state":"completed"}]\n' * 8
    text = (text + b'["run_ended",0,"completed"]\n')[-420:]
    folders: set[Path] = set()
    for number in range(first, first + count):
        path = w.paths.journal(uid(number))
        if path.parent not in folders:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            folders.add(path.parent)
        path.write_bytes(text)
    return time.monotonic() - begun

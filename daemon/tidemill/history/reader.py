"""The history for whoever only looks: plain dictionaries in the shape of the contract, no daemon needed.

Nothing that was stored is ever unpickled or executed here.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from tidemill.domain.errors import HistoryError, NotFound
from tidemill.domain.identifiers import is_run_prefix
from tidemill.domain.naming import base_name
from tidemill.domain.results import ITEMS
from tidemill.domain.states import State
from tidemill.domain.times import iso, to_micros
from tidemill.history import backfills, queries, shapes
from tidemill.history.migrations import LATEST, VERSIONS
from tidemill.history.progress import progress
from tidemill.history.reading import Reading, Row, open_reading

Record = dict[str, Any]

LAST: Final = "last"
_SHOWN_WHOLE: Final = 64 * 1024 * 1024
"""Bytes of a result's file that are read into memory at most."""


def open_reader(address: str | Path) -> "Reader":
    """Open the history at a path or a URL."""
    reading = open_reading(address)
    try:
        return Reader(reading)
    except BaseException:
        reading.close()
        raise


class Reader:
    """Answers questions; every answer is complete and nothing is held open behind it."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._check_version()

    def close(self) -> None:
        """Close the history."""
        self._reading.close()

    # Flows

    def flows(self) -> list[Record]:
        """Return the flows of the folder by name, then the broken files whose flows are not known."""
        rows = self._reading.rows(f"{queries.FLOWS} WHERE f.active = 1 ORDER BY f.name")
        known = {row[1] for row in rows}
        broken = [row for row in self._reading.rows(queries.BROKEN_FILES) if row[0] not in known]
        return [shapes.flow(row) for row in rows] + [shapes.broken_file(*row) for row in broken]

    def flow(self, name: str) -> Record:
        """Return one flow, also one that has left the folder."""
        rows = self._reading.rows(f"{queries.FLOWS} WHERE f.name = :name", {"name": name})
        if not rows:
            raise NotFound(f"there is no flow {name!r}")
        return shapes.flow(rows[0])

    def timezone(self) -> str | None:
        """Return the zone in which the daemon reads schedules that name none; None if none has told yet."""
        rows = self._reading.rows(queries.META, {"key": queries.TIMEZONE_KEY})
        return str(rows[0][0]) if rows and rows[0][0] else None

    def schedules(self, flow: str) -> list[Record]:
        """Return the schedules a flow has and had, with how far each is accounted for."""
        return [
            {
                "id": key,
                **json.loads(spec),
                "accounted_until": iso(cursor),
                "created_at": iso(created_at),
                "removed_at": iso(removed_at),
            }
            for key, spec, cursor, created_at, removed_at in self._reading.rows(queries.SCHEDULES, {"flow": flow})
        ]

    def statistics(self, since: datetime, flow: str | None = None) -> list[Record]:
        """Return how the runs of each flow did, or of one, that were queued since *since* and have ended."""
        from tidemill.history import statistics

        if flow is None:
            return statistics.of_flows(self._reading, to_micros(since))
        flow_id = self._flow_id(flow)
        return [] if flow_id is None else [statistics.of_flow(self._reading, flow_id, flow, to_micros(since))]

    def counts(self) -> Record:
        """Return how many flows there are and runs go on, and what is wrong with flow files."""
        flows, paused = self._reading.rows(queries.COUNT_FLOWS)[0]
        states: dict[str, int] = dict(self._reading.rows(queries.COUNT_LIVE))
        return {
            "flows": flows,
            "paused": int(paused),
            "active_runs": sum(states.get(state, 0) for state in ("running", "retrying", "cancelling", "paused")),
            "queued_runs": sum(states.get(state, 0) for state in ("pending", "scheduled")),
            "errors": [
                {"file": path, **problem}
                for path, _, errors in self._reading.rows(queries.BROKEN_FILES)
                for problem in json.loads(errors)
            ],
        }

    # Runs

    def runs(
        self,
        flow: str | None = None,
        states: Collection[str] = (),
        since: datetime | None = None,
        limit: int = 20,
        *,
        top: bool = False,
    ) -> list[Record]:
        """Return runs, the newest first; with *top* only those that no other run called."""
        parameters: Record = {"limit": limit}
        if flow is not None:
            parameters["flow_id"] = self._flow_id(flow)
            if parameters["flow_id"] is None:
                return []
        if since is not None:
            parameters["since"] = to_micros(since)
        sql = queries.runs(
            {State(state) for state in states}, of_flow=flow is not None, since=since is not None, top=top
        )
        return [shapes.run(row) for row in self._reading.rows(sql, parameters)]

    def find_run(self, reference: str) -> str:
        """Return the id of the run that is meant: an id, an unambiguous beginning of one, ``last``, ``FLOW@last``."""
        flow, at, last = reference.rpartition("@")
        if reference == LAST:
            return self._last_run(None)
        if at and last == LAST:
            return self._last_run(flow)
        prefix = reference.lower()
        if not is_run_prefix(prefix):
            raise NotFound(f"{reference!r} is no run: give three or more symbols of its id, last, or FLOW@last")
        rows = self._reading.rows(queries.RUNS_BY_PREFIX, {"prefix": prefix, "behind": prefix + "{"})
        if len(rows) == 1 or (rows and rows[0][0] == prefix):
            return str(rows[0][0])
        if not rows:
            raise NotFound(f"there is no run {reference}")
        shown = ", ".join(f"{uid} ({name}, {state})" for uid, name, state in rows[:4])
        raise NotFound(f"{reference} could be {shown}{' or another' if len(rows) > 4 else ''}; type more of it")

    def run(self, uid: str) -> Record:
        """Return one run."""
        return shapes.run(self._run(uid))

    def callers(self, root: str) -> dict[str, str]:
        """Return the runs within the run *root*, at any depth, each with the run that called it."""
        return dict(self._reading.rows(queries.CALLERS, {"root": root}))

    def run_detail(self, uid: str) -> Record:
        """Return one run with its tasks and events, its own result, and its whole error as ``failure``."""
        row = self._run(uid)
        key = {"run_id": row[0]}
        failed: dict[int, list[Row]] = {}
        for attempt in self._reading.rows(queries.ATTEMPTS, key):
            failed.setdefault(attempt[0], []).append(attempt)
        retry = self._reading.rows(queries.RETRY_OF, key)
        own = next((found for found in self._reading.rows(queries.RESULTS, key) if found[0] < 0), None)
        return {
            **shapes.run(row),
            "tasks": [shapes.task(task, failed.get(task[0], ())) for task in self._reading.rows(queries.TASKS, key)],
            "events": shapes.events(row, self._reading.rows(queries.EVENTS, key)),
            "failure": shapes.error(row[12]),
            "note": row[14],
            "retried_by": retry[0][0] if retry else None,
            "parent_task": row[17] if row[16] is not None else None,
            "result": None
            if own is None
            else {"handler": own[2], "location": own[3], "size": own[4], "preview": own[5]},
        }

    def progress(self, uid: str, limit: int) -> Record:
        """Return how far a run is, with at most *limit* of its tasks: those that ended last, and those that go on."""
        found = progress(self._reading, uid, limit)
        if found is None:
            raise NotFound(f"there is no run {uid}")
        return found

    def result(self, uid: str, task: str | None = None) -> Record:
        """Return what a run, or a task of it by either name or number, returned; ``value`` only where it is JSON.

        A graph returns nothing itself: asked without *task*, its only final task answers for it. A mapped task answers
        with the list of what its items returned.
        """
        run = self._run(uid)
        key, flow, state = run[0], run[2], run[3]
        rows = self._reading.rows(queries.RESULTS, {"run_id": key})
        states = {idx: (name, ended) for idx, name, ended, *_ in self._reading.rows(queries.TASKS, {"run_id": key})}
        chosen = _choose(rows, states, task, self._final_task(flow, states) if task is None else None)
        if len(chosen) > 1:
            numbers = ", ".join(str(row[0]) for row in chosen[:20])
            raise NotFound(f"run {uid} has {len(chosen)} results of {task}; name one by its number: {numbers}")
        if not chosen:
            raise NotFound(_without_result(uid, state, rows, states, task))
        index, name, handler, location, size, preview, encoding = chosen[0][:7]
        record = {
            "run": uid,
            "task": name,
            "index": index if index >= 0 else None,
            "handler": handler,
            "location": location,
            "size": size,
            "preview": preview,
            "encoding": encoding,
            "value": None,
        }
        if encoding == "json":
            record["value"] = self._json_value(key, index, location)
        elif handler == ITEMS:
            record["value"] = self._values_of_items(key, name, rows, states.values())
        return record

    # The ledger

    def occurrence(self, flow: str, at: datetime) -> Record | None:
        """Return what became of a due moment; None if none of the flow's schedules, past ones too, has it recorded.

        Several moments that ended alike may share one row; it answers for those of them that were due.
        """
        micros = to_micros(at)
        found: list[Record] = []
        for key, spec, row in self._ledger(queries.OCCURRENCES_BEFORE, flow, micros, 1):
            if row[0] == micros or (row[4] is not None and row[4] >= micros and _is_due(spec, micros)):
                found.append({**shapes.occurrence(flow, spec, row), "at": iso(micros), "schedule_id": key})
        return min(found, key=lambda record: record["run"] is None, default=None)

    def occurrences(self, flow: str, around: datetime, limit: int = 3) -> list[Record]:
        """Return the recorded moments next to *around* in time, at most *limit* on each side, oldest first."""
        micros = to_micros(around)
        before = sorted(self._ledger(queries.OCCURRENCES_BEFORE, flow, micros, limit), key=lambda found: found[2][0])
        after = sorted(self._ledger(queries.OCCURRENCES_AFTER, flow, micros, limit), key=lambda found: found[2][0])
        return [
            {**shapes.occurrence(flow, spec, row), "schedule_id": key}
            for key, spec, row in (*before[-limit:], *after[:limit])
        ]

    def backfilled(self, flow: str, at: datetime) -> Record | None:
        """Return id and state of the newest run that a backfill made for a moment of the flow."""
        return backfills.of_moment(self._reading, flow, to_micros(at))

    def backfill_states(self, first: str, last: str) -> dict[str, int]:
        """Return how many runs of the backfill from the run *first* to the run *last* are in which state."""
        return backfills.states(self._reading, first, last)

    def backfill_runs(self, first: str, last: str) -> list[Record]:
        """Return the runs of a backfill: id, moment, state, error."""
        return backfills.runs(self._reading, first, last)

    # What the answers are made of

    def _check_version(self) -> None:
        try:
            rows = self._reading.rows("SELECT version_num FROM alembic_version")
        except HistoryError as error:
            if "alembic_version" not in str(error):
                raise
            raise HistoryError("the database is not a history of tidemill, or no daemon has made it yet") from error
        version = rows[0][0] if rows else ""
        if version not in VERSIONS:
            raise HistoryError(f"the history was written by a newer tidemill (schema {version}); upgrade this program")
        if version != LATEST:
            raise HistoryError("the history was written by an older tidemill; start the daemon once, which upgrades it")

    def _json_value(self, key: int, index: int, location: str | None) -> Any:
        stored = self._reading.rows(queries.VALUE, {"run_id": key, "idx": index})[0][0]
        return _value(_text_of(location) if stored is None else stored)

    def _values_of_items(self, key: int, task: str, rows: list[Row], ended: Iterable[tuple[str, str]]) -> Any:
        """Return what the items of a mapped task returned, in their order; None where one of them is no JSON."""
        kept = {row[1]: row for row in rows}
        values = {}
        for name, state in ended:
            if name == task or base_name(name) != task:
                continue
            row = kept.get(name)
            if row is None and state != State.SKIPPED:
                return None
            if row is not None and row[6] != "json":
                return None
            values[int(name[len(task) + 1 : -1])] = None if row is None else self._json_value(key, row[0], row[3])
        return [values[place] for place in sorted(values)]

    def _final_task(self, flow: str, states: Mapping[int, tuple[str, str]]) -> int | None:
        """Return the number of the task that no other task of the flow needs, if there is exactly one.

        The graph is the flow's present one; it counts if the run had the same tasks.
        """
        rows = self._reading.rows(queries.MANIFEST, {"name": flow})
        tasks = (json.loads(rows[0][0]) if rows and rows[0][0] else {}).get("tasks") or ()
        # The items of mapped tasks are no tasks of the graph.
        ran = {idx: name for idx, (name, _) in states.items() if base_name(name) == name}
        if {task["index"]: task["name"] for task in tasks} != ran:
            return None
        final = {task["index"] for task in tasks} - {needed for task in tasks for needed in task["depends_on"]}
        return final.pop() if len(final) == 1 else None

    def _flow_id(self, name: str) -> int | None:
        rows = self._reading.rows(queries.FLOW_ID, {"name": name})
        return rows[0][0] if rows else None

    def _last_run(self, flow: str | None) -> str:
        if flow is None:
            rows = self._reading.rows(queries.LAST_RUN)
            if not rows:
                raise NotFound("nothing has run yet")
            return str(rows[0][0])
        flow_id = self._flow_id(flow)
        if flow_id is None:
            raise NotFound(f"there is no flow {flow!r}")
        which = {"flow_id": flow_id}
        rows = self._reading.rows(queries.LAST_RUN_OF_FLOW, which)
        rows = rows or self._reading.rows(queries.LAST_CHILD_OF_FLOW, which)
        if not rows:
            raise NotFound(f"{flow} has never run; start it with: tidemill run {flow}")
        return str(rows[0][0])

    def _run(self, uid: str) -> Row:
        rows = self._reading.rows(queries.RUN_BY_UID, {"uid": uid})
        if not rows:
            raise NotFound(f"there is no run {uid}")
        return rows[0]

    def _ledger(self, sql: str, flow: str, at: int, limit: int) -> list[tuple[int, Record, Row]]:
        return [
            (key, json.loads(spec), row)
            for key, spec, *_ in self._reading.rows(queries.SCHEDULES, {"flow": flow})
            for row in self._reading.rows(sql, {"schedule_id": key, "at": at, "limit": limit})
        ]


def _choose(rows: list[Row], tasks: Mapping[int, tuple[str, str]], asked: str | None, final: int | None) -> list[Row]:
    """Return the results that may be meant."""
    if asked is not None:
        by_name = [row for row in rows if row[1] == asked] or [row for row in rows if row[7] == asked]
        return by_name or [row for row in rows if str(row[0]) == asked]
    own = [row for row in rows if row[0] < 0] or [row for row in rows if row[0] == final]
    return own or ([] if len(tasks) > 1 else rows)


def _without_result(
    uid: str, state: str, rows: list[Row], tasks: Mapping[int, tuple[str, str]], asked: str | None
) -> str:
    """Say why there is no result where one was looked for, and where there are some."""
    names = ", ".join(list(dict.fromkeys(base_name(str(row[1])) for row in rows if row[1]))[:20])
    if asked is None:
        if not State(state).is_terminal:
            told = f"run {uid} is {state} and has returned nothing yet"
        else:
            told = f"run {uid} {'returned nothing itself' if names else 'has no results'}"
        return f"{told}; name a task of it: {names}" if names else told
    ended = [word for idx, (name, word) in tasks.items() if asked in (name, str(idx))]
    if ended:
        return f"the task {asked} of run {uid} is {ended[0]} and has no result"
    known = ", ".join(list(dict.fromkeys(base_name(name) for name, _ in tasks.values()))[:20])
    return f"run {uid} has no task {asked}; it has {known or 'none'}"


def _value(text: str | None) -> Any:
    """Return what a JSON text says; None where it is none, for a file may have been changed by anybody."""
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        return None


def _text_of(location: str | None) -> str | None:
    """Return the text of a local file that holds a result; None if it is elsewhere, gone or beyond showing."""
    path = Path(location or "")
    try:
        if not path.is_absolute() or not path.is_file() or path.stat().st_size > _SHOWN_WHOLE:
            return None
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _is_due(spec: Record, at: int) -> bool:
    """Tell whether the schedule has the moment *at*."""
    # Computing moments takes time zones; only this question needs them.
    from tidemill.domain.schedules import ScheduleSpec

    schedule = ScheduleSpec(**spec)
    return schedule.next_micros(at - 1, schedule.zone()) == at

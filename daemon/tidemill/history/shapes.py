"""Rows in the shape of the contract's JSON: times as ISO 8601 in UTC, durations in seconds, absent is None."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tidemill.domain.times import iso

Row = Sequence[Any]
Record = dict[str, Any]


def run(row: Row) -> Record:
    """Shape the columns of queries.RUN."""
    (
        _,
        uid,
        flow,
        state,
        trigger,
        scheduled,
        queued,
        started,
        finished,
        attempt,
        parent,
        parameters,
        error,
        version,
        _,
        name,
        root,
    ) = row[:17]
    return {
        "id": uid,
        "name": name,
        "flow": flow,
        "state": state,
        "trigger": trigger,
        "scheduled_for": iso(scheduled),
        "queued_at": iso(queued),
        "started_at": iso(started),
        "finished_at": iso(finished),
        "duration": duration(started, finished),
        "attempt": attempt,
        "parent": parent,
        "root": root,
        "parameters": json.loads(parameters) if parameters else {},
        "error": error_line(error),
        "version": version,
    }


def duration(started: int | None, finished: int | None) -> float | None:
    """Return the seconds between two moments; None while one is missing."""
    return None if started is None or finished is None else (finished - started) / 1_000_000


def error(text: str | None) -> Record | None:
    """Shape a recorded error."""
    return None if text is None else dict(zip(("type", "message", "traceback"), json.loads(text), strict=True))


def error_line(text: str | None) -> str | None:
    """Return a recorded error in one line."""
    if text is None:
        return None
    kind, message, _ = json.loads(text)
    first = str(message).strip().split("\n", 1)[0]
    return f"{kind}: {first}" if first else str(kind)


def flow(row: Row) -> Record:
    """Shape a row of queries.FLOWS."""
    name, file, shown, manifest_text, version, paused_at, active, errors, uid, state, started, finished = row
    manifest = json.loads(manifest_text) if manifest_text else None
    declared = manifest or {}
    return {
        "name": name,
        "file": shown or file,
        "description": declared.get("description", ""),
        "tags": list(declared.get("tags", ())),
        "schedules": [
            {"kind": spec["kind"], "expression": spec["expression"], "timezone": spec["timezone"], "next": None}
            for spec in declared.get("schedules", ())
        ],
        "next_run_at": None,
        "paused": paused_at is not None,
        "parameters": [
            {field: parameter[field] for field in ("name", "type", "required", "default")}
            for parameter in declared.get("parameters", ())
        ],
        "last_run": None
        if uid is None
        else {"id": uid, "state": state, "started_at": iso(started), "duration": duration(started, finished)},
        "error": problem_line(shown or file, errors),
        "paused_at": iso(paused_at),
        "active": bool(active),
        "path": file,
        "version": version,
        "manifest": manifest,
    }


def broken_file(path: str, shown: str, errors: str) -> Record:
    """Shape a file whose flows nobody knows as a flow without a name."""
    record = flow((None, path, shown, None, None, None, 1, errors, None, None, None, None))
    record["active"] = False
    return record


def problem_line(file: str | None, errors: str | None) -> str | None:
    """Return what is wrong with a file in one line, with the line to look at."""
    problems = json.loads(errors) if errors else []
    if not problems:
        return None
    where = f"{file}:{problems[0]['line']}" if problems[0]["line"] else f"{file}"
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return f"{where}: {problems[0]['message']}{more}"


def task(row: Row, failed_attempts: Iterable[Row]) -> Record:
    """Shape a row of queries.TASKS, with the task's rows of queries.ATTEMPTS."""
    index, name, state, attempts, started, finished, failure, handler, location, size, preview, run_name, child = row
    return {
        "name": name,
        "run_name": run_name,
        "index": index,
        "state": state,
        "attempts": attempts,
        "started_at": iso(started),
        "finished_at": iso(finished),
        "duration": duration(started, finished),
        "error": error(failure),
        "result": None
        if handler is None
        else {"handler": handler, "location": location, "size": size, "preview": preview},
        "subflow": child,
        "failed_attempts": [
            {
                "attempt": attempt,
                "started_at": iso(begun),
                "finished_at": iso(ended),
                "next_at": iso(due),
                "error": error(text),
            }
            for _, attempt, begun, ended, due, text in failed_attempts
        ],
    }


def events(row: Row, between: Iterable[Row]) -> list[Record]:
    """Tell a run's life from the columns of queries.RUN and the rows of queries.EVENTS."""
    state, queued, started, finished, failure = row[3], row[6], row[7], row[8], row[12]
    told = [(at, word, note) for at, word, note in between]
    if started is not None:
        told.append((started, "running", None))
    told.sort(key=lambda event: event[0])
    # A run that another one called never waits.
    if row[16] is None and (finished is None or finished != queued):
        told.insert(0, (queued, "pending", None))
    if finished is not None:
        told.append((finished, state, error_line(failure)))
    return [{"at": iso(at), "state": word, "note": note} for at, word, note in told]


def occurrence(flow_name: str, spec: Record, row: Row) -> Record:
    """Shape a row of the ledger."""
    moment, outcome, uid, coalesced_into, until, count, decided_at, reason = row
    return {
        "flow": flow_name,
        "at": iso(moment),
        "outcome": outcome,
        "run": uid,
        "reason": reason,
        "schedule": {name: spec[name] for name in ("kind", "expression", "timezone")},
        "coalesced_into": iso(coalesced_into),
        "until": iso(until),
        "count": count,
        "decided_at": iso(decided_at),
    }

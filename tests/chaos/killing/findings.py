"""The invariants, judged when all is quiet: by the history, the journals, the effects and what people were told.

Nothing here is the product's: the schedule is a count of seconds, a journal is lines of JSON.
"""

import json
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from chaos.killing.effects import check_executions, check_retries, check_slots
from chaos.killing.evidence import ENDS, FINISHED, SECOND, Evidence
from chaos.killing.moments import check_moments

PASSED_OVER = (
    "SELECT run_id, note FROM run_events"
    " WHERE note LIKE '%passed over%' AND note NOT LIKE 'an event of a later version %'"
)


def check_all(evidence: Evidence) -> tuple[list[str], dict[str, Any]]:
    """Return every violation, and figures."""
    figures: dict[str, Any] = {}
    violations = [
        *check_answers(evidence),
        *check_ends(evidence, figures),
        *check_moments(evidence, figures),
        *check_executions(evidence, figures),
        *check_retries(evidence, figures),
        *check_slots(evidence),
        *_crashes(evidence, figures),
        *_hooks(evidence, figures),
        *check_journals(evidence),
        *check_database(evidence),
    ]
    figures["runs"] = len(evidence.tops)
    figures["sub_flow_runs"] = len(evidence.runs) - len(evidence.tops)
    figures["states"] = dict(Counter(run["state"] for run in evidence.tops.values()))
    figures["effects"] = len(evidence.effects)
    return violations, figures


def check_answers(evidence: Evidence) -> Iterator[str]:
    """I1: what was answered is there; what was asked once is there once."""
    made: dict[str, list[str]] = defaultdict(list)
    for uid, run in evidence.tops.items():
        if run["trigger"] == "manual":
            made[json.loads(run["parameters"])["token"]].append(uid)
    asked = {deed.token: deed for deed in evidence.deeds if deed.verb == "run"}
    for token, uids in made.items():
        if len(uids) > 1 or token not in asked:
            yield f"I1 the request {token} has the runs {uids}"
    for deed in evidence.deeds:
        if deed.answered is None:
            continue
        if deed.verb in ("run", "retry"):
            run = evidence.tops.get(deed.run or "")
            if run is None:
                yield f"I1 the run {deed.run} was acknowledged and is not in the history"
            elif deed.verb == "run" and made[deed.token or ""] != [deed.run]:
                yield f"I1 the request {deed.token} was answered with {deed.run} and made {made[deed.token or '']}"
        elif deed.verb == "cancel":
            run = evidence.runs.get(deed.subject)
            if run is None:
                yield f"I1 the run {deed.subject} was cancelled and is not in the history"
            elif run["state"] == "crashed":
                yield f"I1 the run {deed.subject} was cancelled, and is told to have crashed: {run['error']}"


def check_ends(evidence: Evidence, figures: dict[str, Any]) -> Iterator[str]:
    """I2, I7: every run and every task run has an end."""
    for uid, run in evidence.runs.items():
        if run["state"] not in ENDS or run["finished_at"] is None:
            yield f"I2 the run {uid} of {run['flow']} is {run['state']}"
        elif run["finished_at"] < (run["started_at"] or 0) or run["finished_at"] < run["queued_at"]:
            yield f"I13 the run {uid} ends before it begins"
        if run["root_id"] is not None and run["root_id"] not in evidence.uids:
            yield f"I2 the sub-flow run {uid} has no root"
    for uid, tasks in evidence.tasks.items():
        for key, task in tasks.items():
            if task["state"] not in ENDS or task["finished_at"] is None:
                yield f"I2 the task {key} of {uid} is {task['state']}"
            if evidence.runs[uid]["state"] == "completed" and task["state"] not in FINISHED | {"failed"}:
                yield f"I7 the run {uid} completed with its task {key} {task['state']}"
    for row in evidence.rows(PASSED_OVER):
        yield f"I9 {evidence.uids[row['run_id']]}: {row['note']}"
    figures["tasks"] = sum(len(tasks) for tasks in evidence.tasks.values())


def _crashes(evidence: Evidence, figures: dict[str, Any]) -> Iterator[str]:
    """I12: nothing crashed that nobody had killed, and a crash has its signal where somebody was left to see it."""
    struck = {stroke.run for stroke in evidence.strokes if stroke.run is not None}
    servers = [stroke.at for stroke in evidence.strokes if stroke.kind == "forkserver"]
    children = [stroke.at for stroke in evidence.strokes if stroke.kind == "child"]
    unknown = 0
    for uid, run in evidence.tops.items():
        if run["state"] != "crashed":
            continue
        error = run["error"] or ""
        begun = run["started_at"] or run["queued_at"]
        if "code 9" in error and run["flow"] == "fragile":
            continue
        is_struck = uid in struck or any(begun - 5 * SECOND < at < run["finished_at"] + SECOND for at in children)
        if not is_struck and not (run["flow"] == "fragile" and _died_by_itself(evidence, uid)):
            yield f"I12 the run {uid} of {run['flow']} crashed, and nobody had killed it: {error[:200]}"
        if not re.search(r"signal \d+ \(SIG|code \d+", error):
            unknown += 1
            if not any(begun - SECOND < at < run["finished_at"] + 10 * SECOND for at in servers):
                yield f"I12 the run {uid} crashed without a signal, though its fork server lived: {error[:200]}"
    figures["crashed_without_witness"] = unknown


def _hooks(evidence: Evidence, figures: dict[str, Any]) -> Iterator[str]:
    """A crash calls the hooks for it once; where the process that called them was killed, that is told."""
    crashed = {uid for uid, run in evidence.tops.items() if run["flow"] == "long" and run["state"] == "crashed"}
    for uid, times in evidence.hooks.items():
        if times > 1 or uid not in crashed:
            yield f"I4 the hook for the crash of {uid} was called {times} times; it is {evidence.runs[uid]['state']}"
    figures["crash_hooks_called"] = sum(evidence.hooks.values())
    forgone = crashed - evidence.hooks.keys()
    figures["crash_hooks_killed"] = len(forgone)
    told = {
        evidence.uids[row["run_id"]] for row in evidence.rows("SELECT run_id FROM run_events WHERE note LIKE '%hook%'")
    }
    for uid in forgone - told:
        yield f"I12 the hook for the crash of {uid} was not called, and nothing tells why"


def _died_by_itself(evidence: Evidence, uid: str) -> bool:
    decide = evidence.tasks[uid].get("fragile/decide")
    return decide is not None and decide["state"] == "crashed"


def check_journals(evidence: Evidence) -> Iterator[str]:
    """I9: whole lines, but for a torn tail; nothing after the end."""
    for path in sorted(evidence.state.glob("journals/??/*.journal")):
        *lines, tail = path.read_bytes().split(b"\n")
        ended = False
        for line in lines:
            try:
                name = json.loads(line)[0]
            except ValueError:
                yield f"I9 {path.name} has a line that is none: {line[:80]!r}"
                continue
            if ended:
                yield f"I9 {path.name} goes on after its end: {line[:80]!r}"
            ended = ended or name == "run_ended"
        if path.stem not in evidence.runs:
            yield f"I9 {path.name} belongs to no run of the history"
        if tail and ended:
            yield f"I9 {path.name} has a torn line after its end"


def check_database(evidence: Evidence) -> Iterator[str]:
    """I8."""
    with closing(sqlite3.connect(f"file:{evidence.state}/history.db?mode=ro", uri=True)) as connection:
        for pragma in ("integrity_check", "foreign_key_check"):
            told = [tuple(row) for row in connection.execute(f"PRAGMA {pragma}")]
            if told not in ([], [("ok",)]):
                yield f"I8 {pragma}: {told[:5]}"

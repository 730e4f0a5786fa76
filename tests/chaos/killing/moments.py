"""Every moment of every schedule, against a count of seconds."""

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from chaos.killing.evidence import SECOND, Evidence
from chaos.killing.person import Deed
from chaos.killing.workload import MADE_UP, STEPS


def check_moments(evidence: Evidence, figures: dict[str, Any], steps: Mapping[str, int] = STEPS) -> Iterator[str]:
    """I3: every second that a flow is due at has one row, and at most one run."""
    counts: Counter[str] = Counter()
    schedules = evidence.rows(
        "SELECT s.id, s.created_at, s.cursor, s.removed_at, f.name FROM schedules s JOIN flows f ON f.id = s.flow_id"
    )
    names = Counter(row["name"] for row in schedules)
    if names != dict.fromkeys(steps, 1):
        yield f"I3 the schedules are {dict(names)}"
    for schedule in schedules:
        name, step = schedule["name"], steps[schedule["name"]] * SECOND
        found: Counter[int] = Counter()
        for row in evidence.rows(f"SELECT * FROM occurrences WHERE schedule_id = {schedule['id']}"):
            moments = range(row["moment"], (row["until"] or row["moment"]) + 1, step)
            found.update(moments)
            counts[row["outcome"]] += len(moments)
            yield from _row(evidence, name, row)
        first = (schedule["created_at"] // step + 1) * step
        expected = set(range(first, schedule["cursor"] + 1, step))
        if missing := sorted(expected - set(found)):
            yield f"I3 {name}: moments without a row: {missing[:5]}, {len(missing)} in all"
        if strange := sorted(set(found) - expected):
            yield f"I3 {name}: rows for moments that are none: {strange[:5]}, {len(strange)} in all"
        if twice := [moment for moment, times in found.items() if times > 1]:
            yield f"I3 {name}: moments with several rows: {twice[:5]}"
        made = Counter(
            run["scheduled_for"]
            for run in evidence.tops.values()
            if run["trigger"] == "schedule" and run["schedule_id"] == schedule["id"]
        )
        if twice := [moment for moment, times in made.items() if times > 1]:
            yield f"I3 {name}: moments with several runs: {twice[:5]}"
        if strange := sorted(set(made) - set(found)):
            yield f"I3 {name}: runs for moments without a row: {strange[:5]}"
    figures["moments"] = dict(counts)


def _row(evidence: Evidence, name: str, row: sqlite3.Row) -> Iterator[str]:
    """I3, I12: a row has what its outcome says, and the reason."""
    what = f"{name} at {row['moment']}: {row['outcome']}"
    run = evidence.uids.get(row["run_id"])
    if row["outcome"] in ("ran", "late"):
        if run is None or evidence.runs[run]["scheduled_for"] != row["moment"]:
            yield f"I3 {what}, with the run {run}"
    elif row["run_id"] is not None and row["outcome"] != "coalesced":
        yield f"I3 {what}, with the run {run}"
    if name in MADE_UP and row["outcome"] not in ("ran", "late", "paused"):
        yield f"I3 {what}, where every moment has its run: {row['reason']}"
    if not row["reason"]:
        yield f"I12 {what} without a reason"
    for deed, after in _pauses(evidence, name):
        if (deed.answered or 0) < row["decided_at"] < after.sent and row["outcome"] != "paused":
            yield f"I1 {what}, decided at {row['decided_at']} while the flow was paused"


def _pauses(evidence: Evidence, flow: str) -> Iterator[tuple[Deed, Deed]]:
    """Give each acknowledged pause of a flow with what was asked next."""
    about = [deed for deed in evidence.deeds if deed.verb in ("pause", "resume") and deed.subject == flow]
    for deed, after in pairwise(about):
        if deed.verb == "pause" and deed.answered is not None:
            yield deed, after

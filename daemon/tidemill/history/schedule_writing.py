"""What the daemon writes about schedules: which ones a flow has, and what became of those that were taken away."""

import json
from collections.abc import Sequence
from typing import Final

import msgspec

from tidemill.domain.manifests import FlowManifest
from tidemill.domain.outcomes import Outcome
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.times import from_micros
from tidemill.history.ledger import LedgerWriting
from tidemill.history.ledger_gaps import fill_gaps
from tidemill.history.records import NewOccurrence, StoredSchedule
from tidemill.history.statements import Row

_SPEC: Final = msgspec.json.Decoder(ScheduleSpec)
_PAUSED: Final = "the flow was paused"


class ScheduleWriting(LedgerWriting):
    """The sentences about schedules."""

    def sync_schedules(self, flow: str, specs: Sequence[ScheduleSpec], now: int) -> list[StoredSchedule]:
        """Make *specs* the schedules of a flow; a new or returning one is due from *now* on.

        One that is taken away has been due until *now*: nobody knows it better.
        """
        flow_id = self.flow_id(flow)
        wanted = {spec.key(): spec for spec in specs}
        known = {
            row[0]: row[1:]
            for row in self.rows(
                "SELECT key, id, spec, cursor, removed_at FROM schedules WHERE flow_id = ?", (flow_id,)
            )
        }
        for key, (schedule_id, text, cursor, removed_at) in known.items():
            if key not in wanted and removed_at is None:
                self._take_away(flow_id, schedule_id, read_spec(text), cursor, now)
        return [self._sync(flow_id, key, spec, known.get(key), now) for key, spec in wanted.items()]

    def _take_away(self, flow_id: int, schedule_id: int, spec: ScheduleSpec, cursor: int, now: int) -> None:
        """Let a schedule be due no more, and say of the moments that nobody has judged why they have no run."""
        is_paused = self.row("SELECT 1 FROM flows WHERE id = ? AND paused_at IS NOT NULL", (flow_id,))
        outcome, reason = (Outcome.PAUSED, _PAUSED) if is_paused else (Outcome.MISSED, _taken_away(now))
        fill_gaps(self, NewOccurrence(schedule_id, now, outcome, reason, now), spec, cursor, now)
        self.execute(
            "UPDATE schedules SET removed_at = ?, cursor = CASE WHEN cursor < ? THEN ? ELSE cursor END WHERE id = ?",
            (now, now, now, schedule_id),
        )

    def _sync(self, flow_id: int, key: str, spec: ScheduleSpec, known: Row | None, now: int) -> StoredSchedule:
        text = as_json(spec)
        if known is None:
            row = self.row(
                "INSERT INTO schedules (flow_id, key, spec, cursor, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
                (flow_id, key, text, now, now),
            )
            assert row is not None
            return StoredSchedule(int(row[0]), spec, now)
        schedule_id, stored, cursor, removed_at = known
        if removed_at is not None:
            cursor = now  # also where that lies behind it: a clock that was set back comes to moments it was away for
        if removed_at is not None or stored != text:
            self.execute(
                "UPDATE schedules SET spec = ?, removed_at = NULL, cursor = ? WHERE id = ?", (text, cursor, schedule_id)
            )
        return StoredSchedule(schedule_id, spec, cursor)


def read_spec(text: str) -> ScheduleSpec:
    """Return a schedule as it was recorded."""
    return _SPEC.decode(text)


def as_json(value: FlowManifest | ScheduleSpec) -> str:
    """Return a manifest or a schedule as the history keeps it."""
    # Through json, which writes what is beyond ASCII as escapes: every database takes those.
    return json.dumps(msgspec.to_builtins(value))


def _taken_away(now: int) -> str:
    seen = from_micros(now).strftime("%Y-%m-%d %H:%M:%S UTC")
    return f"no run had been made for it when its schedule was changed or taken away, as the daemon saw at {seen}"

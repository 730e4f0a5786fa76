"""What the daemon writes about flows, their files, versions and schedules."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from tidemill.domain.errors import NotFound
from tidemill.domain.manifests import FlowManifest, Problem
from tidemill.domain.schedules import ScheduleSpec
from tidemill.domain.zones import LARGE_JUMP
from tidemill.history.records import StoredFlow, StoredSchedule
from tidemill.history.run_writing import RunWriting
from tidemill.history.statements import Row
from tidemill.history.texts import storable

_SPEC: Final = msgspec.json.Decoder(ScheduleSpec)
_SET_BACK: Final = LARGE_JUMP * 1_000_000
"""Microseconds: whoever is set back by more follows the clock at once."""
_FLOW: Final = msgspec.json.Decoder(FlowManifest)


class FlowWriting(RunWriting):
    """The sentences about flows."""

    def add_sources(self, texts: Mapping[str, bytes]) -> None:
        """Keep source texts by their hashes; what is kept already stays."""
        self.execute_all(
            "INSERT INTO sources (hash, body) VALUES (?, ?) ON CONFLICT (hash) DO NOTHING", list(texts.items())
        )

    def add_version(
        self, name: str, digest: str, sources: Mapping[str, str], code: Mapping[str, Mapping[str, str]] | None = None
    ) -> int:
        """Record under *name* which texts belong together: real path to hash, *digest* the flow file's own.

        *code* marks what they do, by flow and task; under "" for the whole file. Python's next version marks it anew.
        """
        self.execute(
            "INSERT INTO versions (name, hash, sources, code) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (name) DO UPDATE SET code = COALESCE(excluded.code, versions.code)",
            (name, digest, json.dumps(dict(sources)), json.dumps(code) if code else None),
        )
        found = self.version_id(name)
        assert found is not None
        return found

    def save_flow(self, flow: FlowManifest, file: str, version: str, now: int) -> list[StoredSchedule]:
        """Record a flow as its file declares it now, and return its schedules with their keys."""
        flow_id = self.flow_id(flow.name)
        self.execute(
            "UPDATE flows SET file = ?, manifest = ?, version_id = ?, active = 1 WHERE id = ?",
            (storable(file), _json(flow), self.version_id(version), flow_id),
        )
        return self.sync_schedules(flow.name, flow.schedules, now)

    def remove_flows(self, names: Iterable[str], now: int) -> None:
        """Take flows out of the catalog; their history stays, their schedules are due no more."""
        for name in names:
            flow_id = self.flow_id(name)
            self.execute("UPDATE flows SET active = 0 WHERE id = ?", (flow_id,))
            self.execute("UPDATE schedules SET removed_at = ? WHERE flow_id = ? AND removed_at IS NULL", (now, flow_id))

    def set_paused(self, flow: str, at: int | None) -> bool:
        """Pause a flow, or resume it (*at* None); False if it was so already."""
        condition = "paused_at IS NOT NULL" if at is None else "paused_at IS NULL"
        if self.execute(f"UPDATE flows SET paused_at = ? WHERE name = ? AND {condition}", (at, flow)):
            return True
        if self.row("SELECT 1 FROM flows WHERE name = ?", (flow,)) is None:
            raise NotFound(f"there is no flow {flow}")
        return False

    def sync_schedules(self, flow: str, specs: Sequence[ScheduleSpec], now: int) -> list[StoredSchedule]:
        """Make *specs* the schedules of a flow; a new or returning one is due from *now* on."""
        flow_id = self.flow_id(flow)
        wanted = {spec.key(): spec for spec in specs}
        known = {
            row[0]: row[1:]
            for row in self.rows(
                "SELECT key, id, spec, cursor, removed_at FROM schedules WHERE flow_id = ?", (flow_id,)
            )
        }
        for key, (schedule_id, _, _, removed_at) in known.items():
            if key not in wanted and removed_at is None:
                self.execute("UPDATE schedules SET removed_at = ? WHERE id = ?", (now, schedule_id))
        return [self._sync(flow_id, key, spec, known.get(key), now) for key, spec in wanted.items()]

    def save_file(self, path: str, shown: str, errors: Sequence[Problem], warnings: Sequence[Problem]) -> None:
        """Record what is wrong with a flow file as it stands now; nothing, if nothing is."""
        self.execute(
            "INSERT INTO files (path, shown, errors, warnings) VALUES (?, ?, ?, ?) ON CONFLICT (path) DO UPDATE"
            " SET shown = excluded.shown, errors = excluded.errors, warnings = excluded.warnings",
            (storable(path), storable(shown), _problems(errors), _problems(warnings)),
        )

    def remove_file(self, path: str) -> None:
        """Forget a flow file."""
        self.execute("DELETE FROM files WHERE path = ?", (storable(path),))

    def save_cache(self, entries: Mapping[str, str | None], maker: str) -> None:
        """Remember what inspections of files answered, in the words of *maker*; None forgets one."""
        gone = [(storable(path),) for path, entry in entries.items() if entry is None]
        kept = [(storable(path), entry, maker) for path, entry in entries.items() if entry is not None]
        if gone:
            self.execute_all("DELETE FROM manifest_cache WHERE path = ?", gone)
        if kept:
            self.execute_all(
                "INSERT INTO manifest_cache (path, entry, maker) VALUES (?, ?, ?) ON CONFLICT (path) DO UPDATE"
                " SET entry = excluded.entry, maker = excluded.maker",
                kept,
            )

    def load_cache(self, maker: str) -> dict[str, str]:
        """Return what *maker* remembered of each file; what others wrote is worth nothing to it."""
        return dict(self.rows("SELECT path, entry FROM manifest_cache WHERE maker = ?", (maker,)))

    def load_catalog(self) -> list[StoredFlow]:
        """Return the flows that were in the catalog last."""
        schedules: dict[int, list[StoredSchedule]] = {}
        for flow_id, key, spec, cursor in self.rows(
            "SELECT flow_id, id, spec, cursor FROM schedules WHERE removed_at IS NULL ORDER BY id"
        ):
            schedules.setdefault(flow_id, []).append(StoredSchedule(key, _SPEC.decode(spec), cursor))
        return [
            StoredFlow(
                name,
                file,
                None if manifest is None else _FLOW.decode(manifest),
                version,
                json.loads(sources) if sources else {},
                paused_at,
                schedules.get(flow_id, []),
            )
            for flow_id, name, file, manifest, version, sources, paused_at in self.rows(
                "SELECT f.id, f.name, f.file, f.manifest, v.name, v.sources, f.paused_at FROM flows f"
                " LEFT JOIN versions v ON v.id = f.version_id WHERE f.active = 1 ORDER BY f.name"
            )
        ]

    def load_paused(self) -> dict[str, int]:
        """Return the names of the paused flows and since when; a flow may be paused while its file is away."""
        return dict(self.rows("SELECT name, paused_at FROM flows WHERE paused_at IS NOT NULL"))

    def _sync(self, flow_id: int, key: str, spec: ScheduleSpec, known: Row | None, now: int) -> StoredSchedule:
        text = _json(spec)
        if known is None:
            row = self.row(
                "INSERT INTO schedules (flow_id, key, spec, cursor, created_at) VALUES (?, ?, ?, ?, ?) RETURNING id",
                (flow_id, key, text, now, now),
            )
            assert row is not None
            return StoredSchedule(int(row[0]), spec, now)
        schedule_id, stored, cursor, removed_at = known
        known_cursor = cursor
        if cursor - now > _SET_BACK:
            # The clock was wrong when it was written, and by it the schedule would be silent until then.
            cursor = self._last_seen(schedule_id, now) if removed_at is None else now
        elif removed_at is not None:
            cursor = max(cursor, now)
        if removed_at is not None or stored != text or cursor != known_cursor:
            self.execute(
                "UPDATE schedules SET spec = ?, removed_at = NULL, cursor = ? WHERE id = ?", (text, cursor, schedule_id)
            )
        return StoredSchedule(schedule_id, spec, cursor)

    def _last_seen(self, schedule_id: int, now: int) -> int:
        """Return up to which moment the ledger accounts for a schedule, of those that have come by *now*."""
        row = self.row(
            "SELECT COALESCE(until, moment) FROM occurrences WHERE schedule_id = ? AND moment <= ?"
            " ORDER BY moment DESC LIMIT 1",
            (schedule_id, now),
        )
        return now if row is None else min(int(row[0]), now)


def _json(value: FlowManifest | ScheduleSpec) -> str:
    # Through json, which writes what is beyond ASCII as escapes: every database takes those.
    return json.dumps(msgspec.to_builtins(value))


def _problems(problems: Sequence[Problem]) -> str:
    return json.dumps([{"line": problem.line, "message": problem.message} for problem in problems])

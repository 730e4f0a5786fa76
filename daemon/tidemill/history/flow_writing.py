"""What the daemon writes about flows, their files, versions and schedules."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from tidemill.domain.errors import NotFound
from tidemill.domain.manifests import FlowManifest, Problem
from tidemill.history.records import StoredFlow, StoredSchedule
from tidemill.history.schedule_writing import ScheduleWriting, as_json, read_spec
from tidemill.history.texts import storable

_FLOW: Final = msgspec.json.Decoder(FlowManifest)


class FlowWriting(ScheduleWriting):
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
            (storable(file), as_json(flow), self.version_id(version), flow_id),
        )
        return self.sync_schedules(flow.name, flow.schedules, now)

    def remove_flows(self, names: Iterable[str], now: int) -> None:
        """Take flows out of the catalog; their history stays, their schedules are due no more."""
        for name in names:
            flow_id = self.flow_id(name)
            self.execute("UPDATE flows SET active = 0 WHERE id = ?", (flow_id,))
            self.sync_schedules(name, (), now)

    def set_paused(self, flow: str, at: int | None) -> bool:
        """Pause a flow, or resume it (*at* None); False if it was so already."""
        condition = "paused_at IS NOT NULL" if at is None else "paused_at IS NULL"
        if self.execute(f"UPDATE flows SET paused_at = ? WHERE name = ? AND {condition}", (at, flow)):
            return True
        if self.row("SELECT 1 FROM flows WHERE name = ?", (flow,)) is None:
            raise NotFound(f"there is no flow {flow}")
        return False

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
            schedules.setdefault(flow_id, []).append(StoredSchedule(key, read_spec(spec), cursor))
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


def _problems(problems: Sequence[Problem]) -> str:
    return json.dumps([{"line": problem.line, "message": problem.message} for problem in problems])

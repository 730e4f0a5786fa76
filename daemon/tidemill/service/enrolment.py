"""From a changed folder to flows that are scheduled: the roster, the history and the clock, in this order."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from tidemill.catalog.known import CatalogChange, KnownFile, Version
from tidemill.catalog.sources import SourceStore
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.domain.manifests import FlowManifest
from tidemill.domain.times import from_micros, to_micros
from tidemill.history.records import StoredSchedule
from tidemill.history.writing import Writer
from tidemill.journal.processes import boot_id
from tidemill.scheduler.clock import Clock
from tidemill.service.recording import Recording
from tidemill.service.roster import KnownFlow, Roster
from tidemill.service.timekeeping import Timekeeper

log = logging.getLogger(__name__)

_TICK = timedelta(microseconds=1)
AT_ONCE = 20
"""Flows taken away in one transaction: the moments that they missed are counted in it."""


class Enrolment:
    """Takes the catalog's changes on the loop and makes them true everywhere."""

    def __init__(
        self,
        roster: Roster,
        recording: Recording,
        dispatcher: Dispatcher,
        timekeeper: Timekeeper,
        clock: Clock,
        *,
        sources: SourceStore,
        flows_dir: Path,
        timezone: str | None,
        paused: dict[str, int],
        now: Callable[[], datetime],
    ) -> None:
        self._roster = roster
        self._recording = recording
        self._dispatcher = dispatcher
        self._timekeeper = timekeeper
        self._clock = clock
        self._sources = sources
        self._root = str(flows_dir.resolve())
        self._timezone = timezone
        for name, at in paused.items():
            roster.pause(name, at)
        self._now = now
        self._sources_kept: set[str] = set()
        self.pending = 0
        """Changes that are on their way into the history."""

    def apply(self, change: CatalogChange) -> None:
        """Enrol what is new, drop what is gone, and record both; then schedule."""
        for file in change.removed:
            self._roster.problems.pop(file.path, None)
        for file in change.changed:
            self._note_problems(file)
        for name in change.gone:
            for schedule_id in self._roster.drop(name):
                self._clock.remove(schedule_id)
        enrolled = [flow for file in change.changed for flow in self._enrol(file)]
        texts = self._new_texts(change)
        now = to_micros(self._now())
        self.pending += 1

        def work(writer: Writer) -> list[list[StoredSchedule]]:
            return _write(writer, change, texts, self._in_zone(change), now)

        def done(answer: list[list[StoredSchedule]] | BaseException) -> None:
            self.pending -= 1
            if isinstance(answer, BaseException):
                log.error("changed flows could not be recorded: %s", answer)
                return
            self._sources_kept.update(texts)
            for flow, schedules in zip(enrolled, answer, strict=True):
                self._schedule(flow, schedules)

        self._recording.submit(work, done)
        if change.arrived or change.gone:
            log.info("%s", _tell(change))

    async def settled(self) -> None:
        """Return when every change told so far is recorded and scheduled."""
        # An answer comes behind every change that was told before it was asked for.
        await self._recording.perform(lambda _: None)
        while self.pending:
            await self._recording.perform(lambda _: None)

    def forget_texts(self, digests: Collection[str]) -> None:
        """Take these texts for not recorded: they are about to be removed, and may be needed again one day."""
        self._sources_kept.difference_update(digests)

    async def drop_absent(self, known: Iterable[str]) -> None:
        """Take flows out of the history's catalog that left the folder while no daemon watched."""
        absent = [name for name in known if self._roster.find(name) is None]
        now = to_micros(self._now())
        for first in range(0, len(absent), AT_ONCE):
            await self._recording.perform(partial(Writer.remove_flows, names=absent[first : first + AT_ONCE], now=now))

    def _note_problems(self, file: KnownFile) -> None:
        if file.errors:
            self._roster.problems[file.path] = file.errors
            first = file.errors[0]
            kept = "; its last good version stays" if file.good else ""
            log.warning("%s:%s: %s%s", file.shown, first.line or 1, first.message, kept)
        else:
            self._roster.problems.pop(file.path, None)

    def _enrol(self, file: KnownFile) -> Iterator[KnownFlow]:
        if file.good is None:
            return
        # One of each for all flows of the file: there are files with thousands.
        sources = dict(file.good.sources)
        kept = {path: str(self._sources.path(digest)) for path, digest in sources.items()}
        for manifest in file.flows:
            flow = KnownFlow(
                manifest,
                file.path,
                sources,
                file.good.id,
                kept=kept,
                code={**file.good.manifest.code, **manifest.code},
                root=self._root,
            )
            self._roster.put(flow)
            self._dispatcher.flow_changed(manifest.name, flow.limit, manifest.tags)
            yield flow

    def _new_texts(self, change: CatalogChange) -> dict[str, bytes]:
        digests = {
            digest for file in change.changed if file.good for digest in file.good.sources.values()
        } - self._sources_kept
        return {digest: self._sources.path(digest).read_bytes() for digest in sorted(digests)}

    def _in_zone(self, change: CatalogChange) -> list[FlowManifest]:
        """Return the changed flows, their schedules in the zone that those without one are read in."""
        return [_zoned(flow, self._timezone) for file in change.changed if file.good for flow in file.flows]

    def _schedule(self, flow: KnownFlow, schedules: list[StoredSchedule]) -> None:
        if self._roster.find(flow.manifest.name) is not flow:
            return  # replaced while it was being recorded; the newer one follows
        before = flow.schedules
        for schedule_id in self._roster.schedule(flow.manifest.name, {s.id: s.spec for s in schedules}):
            self._clock.remove(schedule_id)
        for schedule_id, spec, cursor in schedules:
            if schedule_id in before:
                # It is ticking, and its moments must not be told twice.
                coming = self._clock.next_at(schedule_id)
                if spec != before[schedule_id] and coming is not None:
                    self._clock.set(schedule_id, spec, coming - _TICK)  # another jitter
                continue
            if spec.kind == "reboot":
                self._timekeeper.reboot(flow, schedule_id, boot_id())
                continue
            now = self._now()
            seen = self._timekeeper.catch_up(flow, schedule_id, from_micros(cursor), now)
            self._clock.set(schedule_id, spec, seen)


def _write(
    writer: Writer, change: CatalogChange, texts: dict[str, bytes], flows: list[FlowManifest], now: int
) -> list[list[StoredSchedule]]:
    writer.add_sources(texts)
    for file in change.removed:
        writer.remove_file(file.path)
    schedules: list[list[StoredSchedule]] = []
    zoned = iter(flows)
    for file in change.changed:
        writer.save_file(file.path, file.shown, file.errors, file.warnings)
        if file.good is None:
            continue
        _add_version(writer, file.good)
        schedules += [writer.save_flow(next(zoned), file.path, file.good.id, now) for _ in file.flows]
    writer.remove_flows(change.gone, now)
    return schedules


def _add_version(writer: Writer, version: Version) -> None:
    flows = version.manifest.flows
    code = {"": version.manifest.code} | {flow.name: flow.code for flow in flows if flow.code}
    writer.add_version(version.id, version.manifest.hash, version.sources, code if any(code.values()) else None)


def _zoned(flow: FlowManifest, timezone: str | None) -> FlowManifest:
    return replace(flow, schedules=tuple(spec.in_zone(timezone) for spec in flow.schedules))


def _tell(change: CatalogChange) -> str:
    words = []
    if change.arrived:
        words.append(f"new: {_listed(change.arrived)}")
    if change.gone:
        words.append(f"gone: {_listed(change.gone)}")
    return (
        f"flows {'; '.join(words)} ({Path(change.changed[0].shown).name})"
        if len(change.changed) == 1
        else (f"flows {'; '.join(words)}")
    )


def _listed(names: Sequence[str], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more

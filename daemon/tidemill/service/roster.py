"""The flows as the daemon knows them now: manifest, version, pause, schedules, error."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from tidemill.domain.manifests import FlowManifest, Problem
from tidemill.domain.schedules import ScheduleSpec


@dataclass(slots=True)
class KnownFlow:
    """A flow that can be run: the last good version of what its file declares."""

    manifest: FlowManifest
    path: str
    sources: dict[str, str]
    """Real path of each source file to the hash of its inspected text."""
    version: str
    kept: dict[str, str] = field(default_factory=dict)
    """Real path of each source file to the file that keeps its inspected text."""
    root: str = ""
    """The watched folder's real path."""
    code: dict[str, str] = field(default_factory=dict)
    """Marks of the code of the tasks that its runs may come to, by their names."""
    paused_at: int | None = None
    schedules: dict[int, ScheduleSpec] = field(default_factory=dict)
    """Schedule ids of the history to what they say."""

    @property
    def limit(self) -> int | None:
        """How many of its runs may live at once."""
        if self.manifest.max_active_runs is not None:
            return self.manifest.max_active_runs
        return None if self.manifest.overlap == "allow" else 1


class Roster:
    """All known flows by name, and the files that cannot be used."""

    def __init__(self) -> None:
        self._flows: dict[str, KnownFlow] = {}
        self._by_schedule: dict[int, str] = {}
        self.problems: dict[str, tuple[Problem, ...]] = {}
        """Path of a broken file to what is wrong with it."""
        self._paused: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._flows)

    def __iter__(self) -> Iterator[KnownFlow]:
        return iter(self._flows.values())

    def find(self, name: str) -> KnownFlow | None:
        """Return the flow called *name*."""
        return self._flows.get(name)

    def of_schedule(self, schedule_id: int) -> KnownFlow | None:
        """Return the flow a schedule belongs to."""
        name = self._by_schedule.get(schedule_id)
        return None if name is None else self._flows.get(name)

    def names(self) -> list[str]:
        """Return every name, for suggestions."""
        return sorted(self._flows)

    def put(self, flow: KnownFlow) -> None:
        """Add a flow, or replace its older version; its schedules come with :meth:`schedule`."""
        old = self._flows.get(flow.manifest.name)
        if old is not None:
            flow.schedules = old.schedules
        flow.paused_at = self._paused.get(flow.manifest.name)
        self._flows[flow.manifest.name] = flow

    def pause(self, name: str, at: int | None) -> None:
        """Note since when the flow called *name* is paused, or that it is not; that outlives its file."""
        if at is None:
            self._paused.pop(name, None)
        else:
            self._paused[name] = at
        flow = self._flows.get(name)
        if flow is not None:
            flow.paused_at = at

    def schedule(self, name: str, schedules: dict[int, ScheduleSpec]) -> set[int]:
        """Give the flow its schedules; return the ids that are no longer among them."""
        flow = self._flows.get(name)
        if flow is None:
            return set(schedules)
        gone = flow.schedules.keys() - schedules.keys()
        for schedule_id in gone:
            self._by_schedule.pop(schedule_id, None)
        flow.schedules = schedules
        self._by_schedule.update(dict.fromkeys(schedules, name))
        return gone

    def drop(self, name: str) -> set[int]:
        """Forget a flow; return the ids of its schedules."""
        flow = self._flows.pop(name, None)
        if flow is None:
            return set()
        for schedule_id in flow.schedules:
            self._by_schedule.pop(schedule_id, None)
        return set(flow.schedules)

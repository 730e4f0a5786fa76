"""The machine: its clock, its time zone, and its bounds for watching and for open files."""

import os
import resource
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from tidemill.care.findings import Finding, Site, error, note, warning
from tidemill.domain.errors import HistoryError
from tidemill.domain.times import iso
from tidemill.domain.zones import local_zone, zone_name
from tidemill.history.reading import open_reading

EARLIEST: Final = 1_735_689_600_000_000
"""2025: no clock that is set shows less."""
LATEST: Final = 4_102_444_800_000_000
"""2100."""
BACK: Final = 5 * 60 * 1_000_000
"""Microseconds by which the history may be ahead of the clock."""
FEW_OPEN: Final = 256
INOTIFY: Final = Path("/proc/sys/fs/inotify")


def look_at_clock(site: Site) -> Iterator[Finding]:
    """Look at the time, which decides what runs."""
    if not EARLIEST < site.now < LATEST:
        yield error(f"the clock says {iso(site.now)}, which cannot be; set it, schedules go by it")
    newest = _newest(site)
    if newest is not None and newest > site.now + BACK:
        yield error(
            f"the clock says {iso(site.now)}, and a run was recorded at {iso(newest)}: it was set back, or is wrong;"
            " moments in between are not run again"
        )
    zone = zone_name(local_zone())
    if zone is None:
        yield warning("the machine's time zone has no name; give one to schedules, or set schedule.timezone")
    told = _zone_of_history(site)
    if told and zone and told != zone and site.settings.schedule.timezone is None:
        yield note(f"the daemon reads schedules without a zone in {told}; this shell is in {zone}")


def look_at_bounds(site: Site) -> Iterator[Finding]:
    """Look at what the kernel grants."""
    folders = _count_folders(Path(site.settings.places.flows_dir))
    with suppress(OSError, ValueError):
        watches = int((INOTIFY / "max_user_watches").read_text())
        if folders > watches // 2:
            every = site.settings.catalog.sweep_interval
            yield warning(
                f"the kernel watches {watches:,} folders for a user at most (fs.inotify.max_user_watches), and the"
                f" flows take {folders:,}; changes are then found by a look every {every:g} s"
            )
    with suppress(OSError, ValueError):
        instances = int((INOTIFY / "max_user_instances").read_text())
        if instances < 16:
            yield note(f"the kernel grants a user {instances} watchers only (fs.inotify.max_user_instances)")
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FEW_OPEN + 4 * site.settings.dispatch.max_runs
    if soft != resource.RLIM_INFINITY and soft < wanted:
        yield warning(
            f"a process may open {soft} files here, and {wanted} are wanted for dispatch.max_runs; raise: ulimit -n"
        )


def _newest(site: Site) -> int | None:
    return _ask(site, "SELECT MAX(queued_at) FROM runs WHERE root_id IS NULL")


def _zone_of_history(site: Site) -> str | None:
    found = _ask(site, "SELECT value FROM meta WHERE key = 'timezone'")
    return None if found is None else str(found)


def _ask(site: Site, sql: str) -> int | None:
    if site.is_file and not site.paths.database.exists():
        return None
    try:
        with closing(open_reading(site.address)) as reading:
            rows = reading.rows(sql)
    except HistoryError:
        return None
    return rows[0][0] if rows else None


def _count_folders(folder: Path) -> int:
    return sum(1 for _ in os.walk(folder))

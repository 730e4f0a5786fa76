"""What the stack takes of the machine, looked at from outside."""

import json
import os
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

from chaos.killing.stack import Stack
from tidemill.domain.errors import TidemillError

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
TICK: Final = os.sysconf("SC_CLK_TCK")


class Sampler(threading.Thread):
    """Takes a sample every *interval* seconds, into a list and as a line of JSON into *file*."""

    def __init__(self, stack: Stack, interval: float, file: Path, each: Callable[[list[dict[str, Any]]], None]) -> None:
        super().__init__(daemon=True, name="sampler")
        self.samples: list[dict[str, Any]] = []
        self.over = threading.Event()
        self.troubles: Counter[str] = Counter()
        self._stack = stack
        self._interval = interval
        self._file = file
        self._each = each

    def run(self) -> None:
        """Be the thread."""
        began = due = time.monotonic()
        while not self.over.wait(max(0.0, due - time.monotonic())):
            due += self._interval
            try:
                sample = take_sample(self._stack, time.monotonic() - began)
                self.samples.append(sample)
                with self._file.open("a") as file:
                    file.write(json.dumps(sample) + "\n")
                self._each(self.samples)
            except (OSError, sqlite3.Error, TidemillError) as error:  # what was looked at is dying, or held up
                self.troubles[f"{type(error).__name__}: {error}"[:120]] += 1


def take_sample(stack: Stack, at: float) -> dict[str, Any]:
    """Return what everything takes at the moment *at*."""
    processes = stack.processes()
    servers = [process.pid for process in processes if process.kind == "forkserver"]
    pids = {"daemon": stack.daemon.pid if stack.is_up() else None, "forkserver": max(servers, default=None)}
    state = stack.state
    return {
        "at": round(at, 1),
        "time": round(time.time(), 1),
        "starts": stack.starts,
        **{role: _process(pid) if pid is not None else None for role, pid in pids.items()},
        "processes": dict(Counter(process.kind for process in processes)),
        "zombies": _zombies({pid for pid in pids.values() if pid is not None}),
        **_files(stack),
        "db": (state / "history.db").stat().st_size,
        "wal": _size(state / "history.db-wal"),
        **_history(stack),
        "ping": _timed(lambda: stack.ask("ping")),
        "status": _timed(lambda: stack.ask("status")),
    }


def _process(pid: int) -> dict[str, Any] | None:
    folder = Path(f"/proc/{pid}")
    try:
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        told = (line.split() for line in (folder / "smaps_rollup").read_text().splitlines()[1:])
        sizes = {name: int(kilobytes) * 1024 for name, kilobytes, _ in told}
        fds = len(list((folder / "fd").iterdir()))
    except OSError:
        return None
    return {
        "pid": pid,
        "rss": int(fields[21]) * PAGE,
        "pss": sizes.get("Pss:", 0),
        "anonymous": sizes.get("Anonymous:", 0),
        "fds": fds,
        "threads": int(fields[17]),
        "cpu": (int(fields[11]) + int(fields[12])) / TICK,
    }


def _zombies(parents: set[int]) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if state == "Z" and int(parent) in parents:
                found.append(int(path.parent.name))
    return found


def _files(stack: Stack) -> dict[str, Any]:
    """Count the files of the state directory, and their bytes; the history's own are not among them.

    *unowned* are those that belong to no run of the history: how many that has, goes up and down.
    """
    state, counts, size = stack.state, Counter[str](), 0
    owners: Counter[str] = Counter()
    for folder, _, names in os.walk(state):
        place = Path(folder).relative_to(state).parts
        for name in names:
            if not name.startswith("history.db"):
                counts[place[0] if place else "top"] += 1
                owners[place[2] if len(place) > 2 else name.partition(".")[0]] += 1
                size += _size(Path(folder, name))
    with closing(stack.history()) as connection:  # later than the files: of a run, its row comes first
        kept = {uid for (uid,) in connection.execute("SELECT uid FROM runs")}
    unowned = sum(count for owner, count in owners.items() if owner not in kept)
    return {"files": counts.total(), "files_in": dict(counts), "files_bytes": size, "unowned": unowned}


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _history(stack: Stack) -> dict[str, Any]:
    """Measure the history; *history* is its file without the ledger, which is kept for two days at least."""
    with closing(stack.history()) as connection:
        ((ledger,),) = connection.execute("SELECT coalesce(sum(pgsize), 0) FROM dbstat WHERE name = 'occurrences'")
        ((pages,),) = connection.execute("PRAGMA page_count")
        ((free,),) = connection.execute("PRAGMA freelist_count")
        ((runs,),) = connection.execute("SELECT count(*) FROM runs")
        ((ever,),) = connection.execute("SELECT coalesce(max(id), 0) FROM runs")
        ((moments,),) = connection.execute("SELECT count(*) FROM occurrences")
    return {
        "ledger": ledger,
        "history": pages * 4096 - ledger,
        "free": free * 4096,
        "runs": runs,
        "runs_ever": ever,
        "moments": moments,
    }


def _timed(ask: Callable[[], Any]) -> float:
    """Return the milliseconds that an answer takes."""
    began = time.monotonic()
    ask()
    return round((time.monotonic() - began) * 1000, 2)

"""What much costs: ten thousand scheduled flows, a thousand of them due at one instant."""

import os
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from world import World, children_cpu, cpu, percentile, program, pss, python_floor, report, timed, world

MANY: Final = 10_000
DUE: Final = 1000
AWAKE: Final = 100
"""Flows among the many that are due every ten seconds, while the others wait."""
WATCHED: Final = 33.0
TIMES: Final = 5

SLEEPERS: Final = """
from tidemill import Flow, task, cron
@task
def t(): pass
flows = [Flow(f"f{file}_{{n}}", tasks=[t], schedule=cron("{minute} {hour} * * *")) for n in range({count})]
"""

MARKER: Final = """
import time
from datetime import datetime
from tidemill import Flow, task, every
def marking(n):
    @task
    def mark():
        now = time.time_ns()
        with open({marks!r}, "a") as file:
            file.write(f"{{n}} {{now}}\\n")
    return mark
flows = [
    Flow(f"awake{{n}}", tasks=[marking(n)], schedule=every(seconds=10, anchor=datetime.fromtimestamp(
        {anchor} + n * 10 / {count}).astimezone())) for n in range({count})
]
"""

AT_ONCE: Final = """
from datetime import datetime
from tidemill import Flow, task, at
@task
def t(): pass
flows = [Flow(f"f{file}_{{n}}", tasks=[t], schedule=at(datetime.fromisoformat({due!r}))) for n in range({count})]
"""


def load_flows() -> None:
    """Ten thousand scheduled flows in a hundred files: what they cost while they wait, and whether the due are late."""
    with world() as w:
        later = datetime.now(UTC) + timedelta(hours=12)
        for file in range(100):
            text = SLEEPERS.format(file=file, minute=later.minute, hour=later.hour, count=MANY // 100)
            (w.flows / f"f{file}.py").write_text(text)
        w.start()
        w.until(lambda: w.query("SELECT count(*) FROM schedules")[0][0] == MANY, 120)
        w.stop()
        floor = python_floor()
        measure_start("load_flows_start", w, 5, floor)
        w.start()
        time.sleep(10)
        pids = w.processes()
        before, begun = cpu(pids), time.monotonic()
        time.sleep(30)
        share = (cpu(pids) - before) / (time.monotonic() - begun) * 100
        report("load_flows_idle_cpu", share, "%", 1)
        memory = [pss(pid) for pid in pids]
        report("load_flows_idle_pss", sum(memory), "MB", 200, daemon_mb=memory[0], forkserver_mb=memory[1])
        for name in ("status", "flows", "next"):
            measure_command(f"load_flows_{name}", w, [name], floor, 3)
        late = _lateness(w)
        report("load_flows_late_p50", statistics.median(late) * 1e3, "ms", 10, runs=len(late))
        report("load_flows_late_p99", percentile(late, 0.99) * 1e3, "ms", 50, worst_ms=max(late) * 1e3)


def measure_start(name: str, w: World, target: float, floor: float) -> None:
    """Start the daemon several times, until it answers, with what it knows already; it is stopped afterwards."""
    starts, used = [], []
    for _ in range(3):
        starts.append(w.start())
        used.append(cpu(w.processes()[:1]))
        w.stop()
    report(name, statistics.median(starts), "s", target, cpu_s=statistics.median(used), floor_python_s=floor)


def measure_command(name: str, w: World, arguments: Sequence[str], floor: float, target: float) -> None:
    """Call a command several times; *floor* and *target* are seconds."""
    before = children_cpu()
    cost = statistics.median(timed([*program(), *arguments], w.environment) for _ in range(TIMES))
    report(
        name, cost * 1e3, "ms", target * 1e3, cpu_ms=(children_cpu() - before) / TIMES * 1e3, floor_ms=floor * 1e3,
        ratio=cost / floor,
    )  # fmt: skip


def _lateness(w: World) -> list[float]:
    """Return the seconds from each due moment to the first line of user code."""
    marks, anchor = w.flows / "marks", 1_767_225_600
    (w.flows / "awake.py").write_text(MARKER.format(marks=str(marks), anchor=anchor, count=AWAKE))
    w.until(lambda: w.query("SELECT count(*) FROM schedules")[0][0] == MANY + AWAKE, 60)
    time.sleep(WATCHED)
    lines = [line.split() for line in marks.read_text().splitlines()]
    return [(int(at) / 1e9 - anchor - int(n) * 10 / AWAKE) % 10 for n, at in lines][20:]


class Rush(NamedTuple):
    """What became of many flows that were due at one instant; times are seconds from that instant."""

    ready: float
    """The daemon's first start."""
    pings: list[float]
    """How long a command waited for its answer, again and again."""
    ledger: float
    """All moments have their row."""
    done: float
    """All runs are over."""
    started: list[float]
    """Each run has begun."""
    floor: float
    """As many bare forks, on all cores."""


def rush(count: int, ahead: timedelta) -> Rush:
    """Let *count* flows be due at one instant, and see to it that each of them has run."""
    with world() as w:
        due = (datetime.now(UTC) + ahead).replace(microsecond=0)
        for file in range(count // 100):
            (w.flows / f"f{file}.py").write_text(AT_ONCE.format(file=file, due=due.isoformat(), count=100))
        ready = w.start()
        w.until(lambda: w.query("SELECT count(*) FROM schedules")[0][0] == count, 120)
        floor = statistics.median(w.floor()) * count / (os.cpu_count() or 1)
        assert time.time() < due.timestamp() - 1, "the daemon took too long to read the files"
        time.sleep(due.timestamp() - time.time() - 1)
        with _pinging(w) as pings:
            w.until(lambda: w.query("SELECT count(*) FROM occurrences")[0][0] == count, 120, 0.02)
            ledger = time.time() - due.timestamp()
            w.until(lambda: w.query("SELECT count(*) FROM runs WHERE state = 'completed'")[0][0] == count, 300, 0.1)
            done = time.time() - due.timestamp()
        rows = w.query("SELECT started_at, scheduled_for FROM runs")
        assert {moment for _, moment in rows} == {round(due.timestamp() * 1e6)}
        assert w.query("SELECT DISTINCT outcome FROM occurrences") in ([("ran",)], [("late",)], [("late",), ("ran",)])
        return Rush(ready, pings, ledger, done, [(started - moment) / 1e6 for started, moment in rows], floor)


@contextmanager
def _pinging(w: World) -> Iterator[list[float]]:
    """Ask for an answer all the time; give the seconds that each took."""
    pings: list[float] = []
    over = threading.Event()

    def ping() -> None:
        with w.client() as client:
            while not over.wait(0.005):
                begun = time.monotonic()
                client.request("ping")
                pings.append(time.monotonic() - begun)

    thread = threading.Thread(target=ping)
    thread.start()
    try:
        yield pings
    finally:
        over.set()
        thread.join()


def burst() -> None:
    """Ten thousand flows due at one instant: how long the loop keeps a command waiting, and that all is recorded."""
    found = rush(MANY, timedelta(minutes=3))
    report(
        "burst_longest_stall", max(found.pings) * 1e3, "ms", 50, p50_ms=statistics.median(found.pings) * 1e3,
        ledger_after_s=found.ledger, completed_after_s=found.done, first_start_s=found.ready,
    )  # fmt: skip


def load_due() -> None:
    """A thousand flows due at one instant: when each has its row, and when each has begun."""
    found = rush(DUE, timedelta(seconds=45))
    report("load_due_ledger", found.ledger * 1e3, "ms", 1000, longest_stall_ms=max(found.pings) * 1e3)
    report("load_due_begun_p50", statistics.median(found.started), "s", 5, all_begun_s=max(found.started))
    report("load_due_done", found.done, "s", 10, runs=len(found.started), floor_forks_s=found.floor)

"""What tasks cost inside a run, measured by the run itself as the daemon runs it, and how soon they are recorded."""

import json
import sqlite3
import statistics
import time
from pathlib import Path
from typing import Any

from world import World, report, world

COSTS = """
import json
import os
import time

from tidemill import flow, task


@task
def identity(number):
    return number


@flow
def inner(number):
    return number


def floor(count):
    fd, line = os.open("/tmp", os.O_TMPFILE | os.O_WRONLY), b"x" * 60 + bytes([10])
    for number in range(count):
        os.write(fd, line)
        identity.fn(number)
        os.write(fd, line)
    os.close(fd)


def inline(count):
    for number in range(count):
        identity(number)


def submitted(count):
    for future in [identity.submit(number) for number in range(count)]:
        future.result()


def mapped(count):
    identity.map(range(count)).result()


def subflow(count):
    for number in range(count):
        inner(number)


@flow
def costs():
    best = {}
    for _ in range(7):
        for work, count in ((floor, 2000), (inline, 2000), (submitted, 2000), (mapped, 2000), (subflow, 200)):
            begun = time.process_time()
            work(count)
            cost = (time.process_time() - begun) / count
            best[work.__name__] = min(cost, best.get(work.__name__, cost))
    with open(PLACE, "w") as file:
        json.dump(best, file)
"""

MEMORY = """
import json
from pathlib import Path

from tidemill import Flow, flow, task

HIGH = {}


def resident(what):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024


def begin():
    Path("/proc/self/clear_refs").write_text("5")
    HIGH["before"] = resident("VmRSS")


def end():
    Path(PLACE).write_text(json.dumps(resident("VmHWM") - HIGH["before"]))


def items():
    return [{"number": number, "name": f"item {number}"} for number in range(10_000)]


@task
def work(item):
    return {"number": item["number"] ** 2}


@flow
def function():
    given = items()
    begin()
    work.map(given).result()
    end()


@task
def source():
    given = items()
    begin()
    return given


@task
def total(results):
    end()


declared = Flow("declared", tasks=[total.bind(results=work.map(item=source))])
"""

MAPPED = """
from tidemill import Flow, task


@task
def numbers():
    return list(range(10_000))


@task
def leaf(number):
    return number


@task
def total(leaves):
    return len(leaves)


flow = Flow("mapped", tasks=[total.bind(leaves=leaf.map(number=numbers))])
"""


def task_costs() -> None:
    """A task called in its run, one beside it in threads, and a flow called as a part of another: processor time."""
    with world() as w:
        place = _write(w, "costs", COSTS)
        w.start()
        _run(w, "costs")
        best = json.loads(place.read_text())
    floor = best.pop("floor") * 1e6
    for name, target in (("inline", 20), ("submitted", 40), ("mapped", 40), ("subflow", 1000)):
        cost = best[name] * 1e6
        report(f"task_{name}", cost, "us", target, floor_us=floor, ratio=cost / floor)


def map_memory() -> None:
    """What a run of ten thousand items takes above the items themselves, at its peak."""
    with world() as w:
        place = _write(w, "memory", MEMORY)
        w.start()
        for style in ("function", "declared"):
            _run(w, style)
            report(f"map_memory_{style}", float(place.read_text()), "MB", 50)


def map_recorded() -> None:
    """Ten thousand items of a mapped task: from the end of their run until every row is committed."""
    with world() as w:
        _write(w, "mapped", MAPPED)
        w.start()
        times = []
        for _ in range(5):
            _run(w, "mapped")
            known = time.time()
            ((key, began_at, ended_at),) = w.query(
                "SELECT id, started_at, finished_at FROM runs ORDER BY id DESC LIMIT 1"
            )
            done = w.query(f"SELECT count(*) FROM task_runs WHERE state = 'completed' AND run_id = {key}")[0][0]
            assert done == 10_003, done
            times.append((known - ended_at / 1e6, (ended_at - began_at) / 1e6))
        floor = _rows_floor(w.paths.database.with_name("floor.db"), 10_000)
    late, ran = (statistics.median(column) for column in zip(*times, strict=True))
    report("map_recorded", late, "s", 1.0, floor_rows_s=floor, ratio=late / floor, run_s=ran)


def _write(w: World, name: str, text: str) -> Path:
    """Write a flow file that knows where its figures go, and return that place."""
    place = w.flows.with_name(f"{name}.json")
    (w.flows / f"{name}.py").write_text(f"PLACE = {str(place)!r}\n{text}")
    return place


def _run(w: World, flow: str) -> None:
    with w.client() as client:
        ended: dict[str, Any] = client.request("run", flow=flow, wait=True)
    assert ended["state"] == "completed", ended


def _rows_floor(path: Path, count: int) -> float:
    """Seconds in which SQLite takes as many rows in one transaction, and has them on the disk."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "CREATE TABLE rows (id INTEGER PRIMARY KEY, run INTEGER, place INTEGER, name, state, result)"
        )
        begun = time.monotonic()
        connection.executemany(
            "INSERT INTO rows (run, place, name, state, result) VALUES (1, ?, ?, 'completed', ?)",
            ((number, f"leaf[{number}]", str(number)) for number in range(count)),
        )
        connection.commit()
        return time.monotonic() - begun

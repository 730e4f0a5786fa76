"""What a history of a million runs costs: its size, the daemon's start, and every command that reads or mends it."""

import json
import os
import statistics
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from filling import add_files, fill, uid
from load import SLEEPERS, measure_command, measure_start
from world import World, children_cpu, cpu, percentile, program, pss, python_floor, report, world

RUNS: Final = int(os.environ.get("LOAD_RUNS", "1000000"))
FLOWS: Final = 200
NOISE: Final = """
from tidemill import Flow, task
@task
def noop(): pass
flow = Flow("noop", tasks=[noop], overlap="allow")
"""

READING: Final = {
    "runs": ["runs"],
    "runs_flow": ["runs", "--flow", "f0_3"],
    "runs_completed": ["runs", "--state", "completed"],
    "runs_failed": ["runs", "--state", "failed"],
    "runs_crashed_flow": ["runs", "--state", "crashed", "--flow", "f0_30"],
    "runs_never": ["runs", "--state", "timed_out"],
    "runs_since": ["runs", "--since", "2h"],
    "runs_since_failed_flow": ["runs", "--since", "80d", "--state", "failed", "--flow", "f1_7"],
    "show": ["show", "last"],
    "status": ["status"],
    "stats": ["stats"],
    "stats_flow": ["stats", "f0_3"],
    "stats_85_days": ["stats", "--since", "85d"],
    "why": ["why", "f0_3"],
}
"""Each command, and what is asked of it."""
SLOW: Final = {"stats": 1.0, "stats_85_days": 5.0}
"""Seconds that the least of some may take; of all others it is six times a bare Python."""


def load_history() -> None:
    """A million runs of two hundred flows, three tasks each, with a ledger and journals of their own."""
    with world() as w:
        _make(w)
        measure_history(w)


def measure_history(w: World) -> None:
    """Measure all that is done with the history that *w* has; no daemon serves yet."""
    size = sum(path.stat().st_size for path in w.state.glob("history.db*"))
    report("load_history_size", size / 1e6, "MB", 700, bytes_per_run=size / RUNS)
    floor = python_floor()
    measure_start("load_history_start", w, 2, floor)
    w.start()
    for name, arguments in READING.items():
        measure_command(f"load_history_{name}", w, arguments, floor, SLOW.get(name, 6 * floor))
    report("load_history_pss", pss(w.processes()[0]), "MB", 60)
    _measure_backup(w)
    _measure_doctor(w)
    _measure_prune(w)


def _make(w: World) -> None:
    for file in range(2):
        (w.flows / f"f{file}.py").write_text(SLEEPERS.format(file=file, minute=0, hour=3, count=FLOWS // 2))
    w.start()
    w.until(lambda: w.query("SELECT count(*) FROM schedules")[0][0] == FLOWS, 60)
    w.stop()
    fill(w, RUNS)
    add_files(w, RUNS)
    (w.flows / "noop.py").write_text(NOISE)


def _beside(w: World, command: Sequence[str]) -> tuple[float, float, list[float], str]:
    """Call *command* while runs are asked for all the time.

    Return its seconds, the processor time it and the daemon took, the seconds of each run, and what it printed.
    """
    over, times = threading.Event(), []

    def ask() -> None:
        with w.client() as client:
            while not over.wait(0.02):
                begun = time.monotonic()
                client.request("run", flow="noop", wait=True)
                times.append(time.monotonic() - begun)

    thread = threading.Thread(target=ask)
    thread.start()
    before, begun = cpu(w.processes()) + children_cpu(), time.monotonic()
    with suppress(subprocess.CalledProcessError):
        told = subprocess.run([*program(), *command], env=w.environment, capture_output=True, text=True, check=False)
    took, used = time.monotonic() - begun, cpu(w.processes()) + children_cpu() - before
    over.set()
    thread.join()
    return took, used, times, told.stdout + told.stderr


def _quiet(w: World) -> float:
    """Return the median seconds of a run while nothing else happens."""
    with w.client() as client:
        return statistics.median(timed_call(lambda: client.request("run", flow="noop", wait=True)) for _ in range(60))


def timed_call(call: Any) -> float:
    """Seconds that a call takes."""
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def _measure_backup(w: World) -> None:
    target = w.state.parent / "copy.db"
    alone = _quiet(w)
    took, used, times, told = _beside(w, ["backup", str(target)])
    assert target.exists(), told
    floor = timed_call(lambda: _copy(w.paths.database, w.state.parent / "bytes"))
    report("load_history_backup", took, "s", 60, cpu_s=used, floor_copy_s=floor)
    report(
        "load_history_backup_beside", percentile(times, 0.99) * 1e3, "ms", 250, p50_ms=statistics.median(times) * 1e3,
        alone_ms=alone * 1e3,
    )  # fmt: skip
    target.unlink()


def _copy(source: Path, target: Path) -> None:
    """Copy a file, and have it on the disk."""
    subprocess.run(["dd", f"if={source}", f"of={target}", "bs=2M", "conv=fsync", "status=none"], check=True)
    target.unlink()


def _measure_doctor(w: World) -> None:
    took, used, times, told = _beside(w, ["doctor", "--json"])
    assert any(check["check"] == "history" and check["ok"] for check in json.loads(told)["checks"]), told[-2000:]
    report("load_history_doctor", took, "s", 120, cpu_s=used, beside_p99_ms=percentile(times, 0.99) * 1e3)


def _measure_prune(w: World) -> None:
    """Remove the oldest day, beside runs that are asked for; then look once more, with nothing to remove."""
    before = w.query("SELECT count(*) FROM runs")[0][0]
    took, used, times, told = _beside(w, ["prune", "--older-than", "84d", "--failed"])
    gone = before + len(times) - w.query("SELECT count(*) FROM runs")[0][0]
    assert gone > RUNS // 100, told
    report(
        "load_history_prune", gone / took, "1/s", 500, removed=gone, seconds=took, cpu_s=used,
        beside_p50_ms=statistics.median(times) * 1e3, beside_p99_ms=percentile(times, 0.99) * 1e3,
    )  # fmt: skip
    took, used, times, told = _beside(w, ["prune"])
    report("load_history_look", used, "s", 30, wall_s=took, beside_p99_ms=percentile(times, 0.99) * 1e3)
    assert w.query("SELECT count(*) FROM runs WHERE uid = '" + uid(RUNS) + "'")[0][0] == 1, told

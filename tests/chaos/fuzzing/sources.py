"""Flow files that are nonsense, or mean harm: dropped into the folder of a real daemon, which must tell of each."""

import json
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from chaos.commanding.world import World
from chaos.fuzzing.harms import ENDLESS, HARMS
from chaos.fuzzing.nonsense import a_text, spoiled
from chaos.fuzzing.watch import open_descriptors
from tidemill.catalog.lanes import LANES

TOGETHER = 40
"""Files of one reload."""
PATIENCE = 30.0
"""Seconds after which no inspection is under way any more."""
SETTINGS = "[catalog]\ninspect_timeout = 1.0\n"
GOOD = b'''"""Sums up."""
import json
from tidemill import Flow, cron, every, flow, task

@task(retry_kwargs={"max_retries": 3, "delay": 0.5})
def extract(day: str = "today") -> list[int]:
    return [1, 2, 3]

@task(depends_on=[extract])
def total(extract):
    return sum(extract)

@flow(name="NAME", schedule=cron("*/5 2 * * 1-5", timezone="Europe/Berlin"), tags=["a"])
def sums(n: int = 3, word: str = "x"):
    return n * word

nightly = Flow("OTHER", tasks=[total], schedule=every(minutes=5), overlap="queue", max_active_runs=2)
'''


def a_source(random: Random, number: int) -> bytes:
    """Return a file: a good one with harm done to it, harm, or noise."""
    good = GOOD.replace(b"NAME", b"sums-%d" % number).replace(b"OTHER", b"nightly-%d" % number)
    kind = random.randrange(20)
    if kind < 9:
        return spoiled(random, good)
    if kind < 12:
        lines = good.splitlines()
        random.shuffle(lines)
        return b"\n".join(lines[: random.randrange(len(lines) + 1)])
    if kind < 18:
        harm = random.choice(HARMS)
        harm = HARMS[0] if harm == ENDLESS and random.random() < 0.9 else harm
        return harm.encode("utf-8", "surrogatepass") + (b"\n" + good if random.random() < 0.3 else b"")
    return random.randbytes(random.randrange(400)) if kind == 18 else a_text(random).encode("utf-8", "surrogatepass")


def drop(random: Random, count: int, folder: Path) -> dict[str, Any]:
    """Drop so many files, and after each armful ask the daemon for all of them; it serves on and holds nothing more."""
    world = World(folder)
    world.config.write_text(SETTINGS)
    met: Counter[str] = Counter()
    try:
        world.drop("whole.py", "from tidemill import flow\n\n@flow\ndef whole():\n    return 1\n")
        assert world.tell("start").code == 0
        assert world.tell("run", "whole", "--wait").code == 0
        pid = world.pid
        _armful(random, world, met, 3)
        _clear(world)
        before = open_descriptors(pid)
        met.clear()
        while met["inputs"] < count:
            _armful(random, world, met, min(TOGETHER, count - met["inputs"]))
            if (now := world.tell("status", "--json")).code != 0 or now.document["pid"] != pid:
                met[f"crashes: the daemon is not there any more: {now}"] += 1
                break
            if (ran := world.tell("run", "whole", "--wait")).code != 0:
                met[f"crashes: a good flow does not run any more: {ran}"] += 1
            _clear(world)
        leaked = _leaked(pid, before)
        if "Traceback" in (log := (world.state / "logs" / "daemon.log").read_text()):
            met[f"crashes: the daemon's log: {log[log.index('Traceback') :][:600]}"] += 1
        left = _children(world)
    finally:
        world.sweep()
    return {**met, "leaked": leaked, "processes left": left}


def _armful(random: Random, world: World, met: Counter[str], count: int) -> None:
    names = [f"f{met['inputs'] + number}.py" for number in range(count)]
    for number, name in enumerate(names):
        (world.flows / name).write_bytes(a_source(random, met["inputs"] + number))
    told = world.tell("reload")
    if told.code not in (0, 1):
        met[f"crashes: reload: {told}"[:400]] += 1
    listed = world.read("flows")
    held = {flow["file"] for flow in listed if flow["name"] is not None}
    wrong = {flow["file"] for flow in listed if flow["error"] is not None}
    met["inputs"] += count
    met["files with flows"] += len(held & set(names))
    met["files with errors"] += len(wrong & set(names))
    met["files with neither"] += len(set(names) - held - wrong)
    for error in world.read("status")["errors"]:
        if not error["message"] or "Traceback" in error["message"] or len(error["message"]) > 20_000:
            met[f"crashes: {json.dumps(error)[:300]}"] += 1


def _clear(world: World) -> None:
    for path in world.flows.glob("f*.py"):
        path.unlink()
    world.tell("reload")


def _leaked(pid: int, before: int) -> int:
    """Return how many descriptors more are open for good: what is under way has some for a moment.

    Each of the catalog's threads keeps a connection to the fork server from its first file on.
    """
    deadline = time.monotonic() + PATIENCE
    while (more := open_descriptors(pid) - before - LANES) > 0 and time.monotonic() < deadline:
        time.sleep(0.1)
    return max(more, 0)


def _children(world: World) -> int:
    """Return how many processes are left that are neither the daemon, nor its fork server, nor spare ones."""
    marker = str(world.state).encode()
    found = 0
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker in (entry / "environ").read_bytes():
                line = (entry / "cmdline").read_bytes()
                found += b"tidemill.service" not in line and b"tidemill.forkserver" not in line
        except OSError:
            continue
    return found

"""``make bench``: every figure of the README, as JSON lines, each beside a floor measured in the same run."""

import argparse
import os
import statistics
import sys
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from filling import fill
from load import burst, load_due, load_flows
from load_history import load_history
from table import write_table
from tasks import map_memory, map_recorded, task_costs
from world import cpu, percentile, program, pss, python_floor, report, reported, timed, world

NOOP = """
from tidemill import Flow, task

@task
def noop():
    pass

flow = Flow("noop", tasks=[noop], overlap="allow")
"""


def request_to_recorded() -> None:
    """One run asked for on the control socket, to its end durable in the history."""
    with world() as w:
        (w.flows / "noop.py").write_text(NOOP)
        w.start()
        with w.client() as client:
            times = []
            for _ in range(220):
                begun = time.monotonic()
                client.request("run", flow="noop", wait=True)
                times.append(time.monotonic() - begun)
        floor = statistics.median(w.floor())
    p50 = statistics.median(times[20:])
    report(
        "request_to_recorded_p50", p50 * 1e3, "ms", 6 * floor * 1e3, floor_ms=floor * 1e3, ratio=p50 / floor,
        best_ms=min(times) * 1e3, p99_ms=percentile(times[20:], 0.99) * 1e3,
    )  # fmt: skip


def runs_per_second() -> None:
    """Runs sustained, isolated and durable, sixteen asked for at a time."""
    total, clients = 2000, 16
    with world() as w:
        (w.flows / "noop.py").write_text(NOOP)
        w.start()
        floor = statistics.median(w.floor())

        def ask() -> None:
            with w.client() as client:
                for _ in range(total // clients):
                    client.request("run", flow="noop", wait=True)

        threads = [threading.Thread(target=ask) for _ in range(clients)]
        begun = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rate = total / (time.monotonic() - begun)
        recorded = w.query("SELECT count(*) FROM runs WHERE state = 'completed'")[0][0]
    assert recorded == total
    report("runs_per_second", rate, "1/s", 200, floor_per_second=os.cpu_count() / floor, recorded=recorded)


def per_task() -> None:
    """Tasks of one run, in the history when the run ends."""
    chain = "from tidemill import Flow, task\nprevious = None\nfor n in range(1000):\n"
    chain += "    @task(name=f't{n}', depends_on=[previous] if previous else [])\n"
    chain += "    def step(): pass\n    previous = step\n"
    chain += "flow = Flow('chain', tasks=[previous])\n"
    fan = "from tidemill import Flow, task\n@task\ndef leaf(n): pass\n"
    fan += "flow = Flow('fan', tasks=[leaf.bind(n=n) for n in range(10000)])\n"
    floor = _journal_floor(10_000)
    for name, text, count in (("chain", chain, 1000), ("fan", fan, 10_000)):
        with world() as w:
            (w.flows / f"{name}.py").write_text(text)
            w.start()
            empty, full = [], []
            (w.flows / "noop.py").write_text(NOOP)
            w.until(lambda w=w: w.query("SELECT 1 FROM flows WHERE name = 'noop' AND active = 1"))
            with w.client() as client:
                for _ in range(5):
                    for flow, times in (("noop", empty), (name, full)):
                        begun = time.monotonic()
                        assert client.request("run", flow=flow, wait=True)["state"] == "completed"
                        times.append(time.monotonic() - begun)
                        rows = w.query(
                            "SELECT count(*) FROM task_runs WHERE state = 'completed' AND run_id ="
                            " (SELECT max(id) FROM runs)"
                        )[0][0]
                        assert rows == (1 if flow == "noop" else count), rows
            cost = (statistics.median(full) - statistics.median(empty)) / count
        report(f"per_task_{name}", cost * 1e6, "us", 100, floor_us=floor * 1e6, ratio=cost / floor, tasks=count)


def retries_unused() -> None:
    """What a retry policy adds to a task that succeeds, in processor time, inline in one run."""
    from tidemill import flow, task

    def work() -> None:
        pass

    def cost(called: Callable[[], None]) -> float:
        @flow
        def many() -> float:
            begun = time.thread_time()
            for _ in range(10_000):
                called()
            return (time.thread_time() - begun) / 10_000

        return many()

    plain, patient = task(work), task(retries=3, retry_delay_seconds=10, retry_jitter_factor=0.5)(work)
    rounds = [(cost(plain), cost(patient)) for _ in range(15)]
    floor, with_policy = (min(costs) for costs in zip(*rounds, strict=True))
    report("retries_unused", max(0.0, with_policy - floor) * 1e6, "us", 2, floor_task_us=floor * 1e6)


def idle() -> None:
    """The daemon and its fork server with a hundred flows and nothing to do."""
    with world() as w:
        for n in range(100):
            (w.flows / f"f{n}.py").write_text(
                f"from tidemill import Flow, task, cron\n@task\ndef t(): pass\n"
                f"flow = Flow('f{n}', tasks=[t], schedule=cron('0 3 * * *'))\n"
            )
        w.start()
        time.sleep(5)
        pids = w.processes()
        before, begun = cpu(pids), time.monotonic()
        time.sleep(30)
        share = (cpu(pids) - before) / (time.monotonic() - begun) * 100
        memory = [pss(pid) for pid in pids]
        spares = [pss(pid) for pid in _children(pids[1])]
    report(
        "idle_pss", sum(memory), "MB", 60, daemon_mb=memory[0], forkserver_mb=memory[1],
        spares_mb=sum(spares),
    )  # fmt: skip
    report("idle_cpu", share, "%", 0.2)


def lateness() -> None:
    """From the due moment to the first line of user code, a hundred flows spread over ten seconds."""
    with world() as w:
        marks = w.flows / "marks"
        anchor = datetime(2026, 1, 1, tzinfo=UTC)
        for n in range(100):
            (w.flows / f"f{n}.py").write_text(
                "import time\nfrom datetime import datetime\nfrom tidemill import Flow, task, every\n@task\ndef t():\n"
                f"    now = time.time_ns()\n    with open({str(marks)!r}, 'a') as f: f.write(f'{n} {{now}}\\n')\n"
                f"flow = Flow('f{n}', tasks=[t], schedule=every(seconds=10,"
                f" anchor=datetime.fromisoformat({(anchor + timedelta(seconds=n / 10)).isoformat()!r})))\n"
            )
        w.start()
        time.sleep(33)
        w.stop()
        late = []
        for line in marks.read_text().splitlines():
            n, at = line.split()
            late.append((int(at) / 1e9 - anchor.timestamp() - int(n) / 10) % 10)
    late = late[20:]
    report("due_to_user_code_p50", statistics.median(late) * 1e3, "ms", 10, runs=len(late))
    report("due_to_user_code_p99", percentile(late, 0.99) * 1e3, "ms", 50, worst_ms=max(late) * 1e3)


def commands() -> None:
    """The CLI on a history of a hundred thousand runs."""
    with world() as w:
        (w.flows / "noop.py").write_text(NOOP)
        w.start()
        with w.client() as client:
            client.request("run", flow="noop", wait=True)
        w.stop()
        fill(w, 100_000)
        for name, arguments in (("help", ["--help"]), ("runs", ["runs"])):
            floor = python_floor()
            cost = statistics.median(timed([*program(), *arguments], w.environment) for _ in range(15))
            report(f"cli_{name}", cost * 1e3, "ms", 6 * floor * 1e3, floor_ms=floor * 1e3, ratio=cost / floor)


def edit() -> None:
    """From an edited file to its new version being what runs."""
    with world() as w:
        path = w.flows / "noop.py"
        path.write_text(NOOP)
        w.start()
        times = []
        for n in range(15):
            before = w.query("SELECT version_id FROM flows")
            path.write_text(f"{NOOP}\n# {n}\n")
            begun = time.monotonic()
            w.until(lambda before=before: w.query("SELECT version_id FROM flows") != before, 10, 0.002)
            times.append(time.monotonic() - begun)
            time.sleep(0.3)
    report("edit_live", statistics.median(times), "s", 0.5, worst_s=max(times))


def start() -> None:
    """From exec to the first answered command."""
    floor = python_floor()
    for count, target in ((10, 1.0), (1000, 2.0)):
        with world() as w:
            for n in range(count):
                (w.flows / f"f{n}.py").write_text(NOOP.replace('"noop"', f'"f{n}"'))
            first = w.start()
            times = []
            for _ in range(5):
                w.stop()
                times.append(w.start())
        report(f"start_{count}_flows", statistics.median(times), "s", target, first_s=first, floor_python_s=floor)


def _journal_floor(count: int) -> float:
    """Seconds per task of a bare loop that calls a function and appends two lines."""
    fd = os.open("/tmp", os.O_TMPFILE | os.O_WRONLY)
    line, call = b"x" * 60 + b"\n", lambda: None
    begun = time.monotonic()
    for _ in range(count):
        os.write(fd, line)
        call()
        os.write(fd, line)
    cost = (time.monotonic() - begun) / count
    os.close(fd)
    return cost


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


MEASUREMENTS: dict[str, Callable[[], None]] = {
    measure.__name__: measure
    for measure in (
        request_to_recorded, runs_per_second, per_task, task_costs, retries_unused, map_memory, map_recorded,
        idle, lateness, burst, commands, edit, start,
    )
}  # fmt: skip

LOAD: dict[str, Callable[[], None]] = {measure.__name__: measure for measure in (load_flows, load_due, load_history)}
"""These take long, and are taken when they are named, or all by the name load."""
GROUPS = {"load": LOAD, "all": MEASUREMENTS | LOAD}


def main() -> None:
    """Take the measurements that are named, by themselves or as load or all; without a name all but load."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *GROUPS, *GROUPS["all"]], metavar="NAME")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write all figures into its table")
    options = parser.parse_args()
    named = [other for name in options.names for other in GROUPS.get(name, (name,))]
    for name in named or MEASUREMENTS:
        GROUPS["all"][name]()
    if options.readme is not None:
        write_table(options.readme, reported)


if __name__ == "__main__":
    main()

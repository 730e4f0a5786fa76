"""Named limits as flows and tasks meet them in run processes."""

import itertools
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from textwrap import dedent

import pytest

from engine_lab import Record, RunNoted, run_file, wait_for_line, write_flow
from tidemill.domain.limits import Limit
from tidemill.limits.slots import Slots
from tidemill.limits.table import write_table

HEAD = """
import asyncio, os, time
from tidemill import Flow, flow, task

NOW = [0, 0]

class Held:
    def __enter__(self):
        NOW[0] += 1
        NOW[1] = max(NOW)

    def __exit__(self, *_):
        NOW[0] -= 1

def most():
    print("at most", NOW[1])
"""


@pytest.fixture
def limits(tmp_path):
    write_table(tmp_path / "limits", {"database": Limit(1), "wide": Limit(2), "api": Limit(2, 20.0)})
    return tmp_path / "limits"


@pytest.fixture
def carry(tmp_path, limits):
    def run(text: str, flow: str = "nightly", **fields) -> Record:
        path = write_flow(tmp_path / "flows", HEAD + dedent(text))
        fields.setdefault("max_workers", 6)
        return run_file(path, flow, state=tmp_path / "state", limits_dir=str(limits), **fields)

    return run


def test_tasks_of_one_limit_go_one_after_the_other_however_they_are_called(carry):
    record = carry("""
        @task(tags=["wide"])
        def use(n):
            with Held():
                time.sleep(0.01)

        @flow
        def nightly():
            futures = [use.submit(n) for n in range(8)]
            use(8)
            futures += use.map(list(range(4)))
            [future.result() for future in futures]
            most()
    """)

    assert record.state == "completed"
    assert record.lines()[-1].endswith("at most 2")


def test_a_graph_and_its_mapped_items_heed_limits_too(carry):
    record = carry("""
        @task
        def numbers():
            return list(range(30))

        @task(tags=["database"])
        def use(numbers):
            with Held():
                time.sleep(0.001)

        @task(tags=["database"])
        def other():
            with Held():
                time.sleep(0.01)

        @task
        def told(use, other):
            most()

        Flow("nightly", tasks=[numbers, use.map(numbers=numbers), other, told])
    """)

    assert record.state == "completed", record.log
    assert any(line.endswith("at most 1") for line in record.lines()), record.log


def test_async_tasks_wait_without_stopping_the_loop(carry):
    record = carry("""
        @task(tags=["wide"])
        async def use(n):
            with Held():
                await asyncio.sleep(0.005)

        @flow
        async def nightly():
            ticks = []
            async def tick():
                while True:
                    ticks.append(1)
                    await asyncio.sleep(0.001)
            ticking = asyncio.create_task(tick())
            await asyncio.gather(*[use(n) for n in range(20)])
            ticking.cancel()
            most()
            print("ticked", len(ticks) > 10)
    """)

    assert record.state == "completed", record.log
    assert [line[8:] for line in record.lines()] == ["at most 2", "ticked True"]


def test_an_attempt_that_is_not_going_on_holds_nothing(carry):
    record = carry("""
        @task(tags=["database"], retries=1, retry_delay_seconds=0.2)
        def fails():
            print("tried", time.time())
            raise ValueError

        @task(tags=["database"])
        def works():
            print("worked")

        @flow
        def nightly():
            first = fails.submit()
            time.sleep(0.05)
            works()
            first.wait()
            first.state
    """)

    assert [line.split()[2] for line in record.lines() if "OUT" in line] == ["tried", "worked", "tried"]


def test_a_time_out_counts_the_execution_and_not_the_wait(carry):
    record = carry("""
        @task(tags=["database"], timeout_seconds=0.3)
        def use(n):
            time.sleep(0.2)

        @flow
        def nightly():
            [future.result() for future in [use.submit(n) for n in range(3)]]
    """)

    assert record.state == "completed", record.log


def test_what_a_flow_holds_its_tasks_need_not_wait_for(carry):
    record = carry(
        """
        @task(tags=["database"])
        def inner():
            with Held():
                time.sleep(0.005)

        @task(tags=["database"])
        def outer():
            inner()

        @flow(tags=["database"])
        def child():
            outer()

        @flow(tags=["database"])
        def nightly():
            from tidemill.concurrency.sync import concurrency
            inner()
            [future.result() for future in [outer.submit() for _ in range(3)]]
            child()
            with concurrency("database", timeout_seconds=5):
                inner()
            most()
    """,
        "nightly",
    )

    assert record.state == "completed", record.log
    assert record.lines()[-1].endswith("at most 1")


def test_a_limit_whose_file_cannot_be_opened_fails_the_task_with_a_sentence(carry, limits):
    (limits / "database.slots").mkdir()
    record = carry("""
        @task(tags=["database"])
        def use():
            pass

        @flow
        def nightly():
            use.submit().wait()
            use()
    """)

    assert record.state == "failed"
    assert record.end.error.message.startswith("no slot of database can be taken: [Errno 21] Is a directory")


def test_a_rate_paces_tasks_and_calls(carry):
    record = carry("""
        from tidemill.concurrency.sync import rate_limit

        @task(tags=["api"])
        def use(n):
            pass

        @flow
        def nightly():
            begun = time.monotonic()
            [future.result() for future in use.map(list(range(6)))]
            for _ in range(4):
                rate_limit("api")
            print(time.monotonic() - begun)
    """)

    assert record.state == "completed", record.log
    assert 8 / 20 * 0.9 < float(record.lines()[-1].split()[-1]) < 3


def test_the_record_says_what_was_waited_for_once(carry):
    record = carry("""
        @task(tags=["database"])
        def use(n):
            time.sleep(0.02)

        @flow
        def nightly():
            [future.result() for future in use.map(list(range(4)))]
    """)

    (note,) = [event.note for event in record.of(RunNoted) if "waiting" in event.note]
    assert note == (
        f"task use is waiting for a slot of limit 'database' (1 of 1 held by run {record.order.run} (task use))"
    )


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_cancelled_run_does_not_wait_on(carry, limits):
    lease = Slots(limits).take(("database",))
    record = carry(
        """
        @task(tags=["database"])
        def use(n):
            print("used")

        @flow
        def nightly():
            futures = [use.submit(n) for n in range(3)]
            print("submitted")
            [future.result() for future in futures]
        """,
        meanwhile=lambda pid, log: (wait_for_line(log, "submitted"), time.sleep(0.1), os.kill(pid, signal.SIGTERM)),
    )
    lease.release()

    assert record.state == "cancelled"
    assert "used" not in record.log
    assert set(record.states().values()) <= {"cancelled"}


def test_a_flow_waits_for_its_slot_and_holds_it_to_its_end(carry, limits, tmp_path):
    text = """
        @flow(tags=["database"])
        def nightly():
            print("begun", time.monotonic())
            time.sleep(0.1)
            print("ended", time.monotonic())
    """
    with ThreadPoolExecutor() as threads:
        path = write_flow(tmp_path / "flows", HEAD + dedent(text))
        runs = [
            threads.submit(run_file, path, "nightly", state=tmp_path / "state", limits_dir=str(limits))
            for _ in range(3)
        ]
        times = sorted(tuple(float(line.split()[-1]) for line in run.result().lines() if "OUT" in line) for run in runs)

    assert all(ended <= begun for (_, ended), (begun, _) in itertools.pairwise(times))


def test_a_flow_that_is_expected_passes_by_those_who_wait(carry, limits):
    slots = Slots(limits)
    number = slots.join(("wide",), 2)
    slots.take(("wide",), number=number)
    record = carry('@flow(tags=["wide", "api"])\ndef nightly(): print(1)\n', is_admitted=True)

    assert record.state == "completed"
    assert slots.held("api") == 0, "the daemon has taken from the rate already"


def test_code_in_other_processes_of_the_run_holds_slots_of_its_own(carry, limits):
    record = carry("""
        import multiprocessing
        from tidemill.concurrency.sync import concurrency

        def work(queue):
            with concurrency("wide", timeout_seconds=10):
                queue.put(os.getpid())
                time.sleep(0.05)

        @flow
        def nightly():
            for method in ("fork", "spawn"):
                context = multiprocessing.get_context(method)
                queue = context.Queue()
                child = context.Process(target=work, args=(queue,))
                child.start()
                assert queue.get(timeout=20) != os.getpid()
                child.join()
                print(method, child.exitcode)
    """)

    assert [line[8:] for line in record.lines()] == ["fork 0", "spawn 0"], record.log


def test_a_task_in_another_process_is_lent_what_it_holds_in_this_one(carry):
    record = carry("""
        from tidemill.task_runners import ProcessPoolTaskRunner
        from tidemill.concurrency.sync import concurrency

        @task(tags=["database"])
        def use(n):
            with concurrency("database", timeout_seconds=10):
                return n

        @flow(task_runner=ProcessPoolTaskRunner(max_workers=2))
        def nightly():
            print([future.result() for future in use.map([1, 2, 3])])
    """)

    assert record.state == "completed", record.log
    assert record.lines()[-1].endswith("[1, 2, 3]")


def test_a_run_that_is_killed_frees_what_it_held_though_its_children_live(carry, limits, tmp_path):
    left = tmp_path / "left"
    record = carry(
        f"""
        @task(tags=["database"])
        def use():
            child = os.fork()
            if child == 0:
                os.setsid()
                time.sleep(60)
                os._exit(0)
            open({str(left)!r}, "w").write(str(child))
            print("held", flush=True)
            time.sleep(60)

        @flow
        def nightly():
            use()
        """,
        meanwhile=lambda pid, log: (wait_for_line(log, "held"), os.kill(pid, signal.SIGKILL)),
    )
    child = int(left.read_text())

    assert record.exit_code == -signal.SIGKILL
    os.kill(child, 0)  # it lives
    assert Slots(limits).take(("database",)) is not None
    os.kill(child, signal.SIGKILL)

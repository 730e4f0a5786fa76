"""Mapped tasks in processes of their own: what the journal tells, what is resumed, and what a cancel leaves."""

import os
import signal
import tracemalloc

from engine_lab import TaskStarted, run_file, wait_for_line, write_flow
from tidemill.authoring.context import RunContext
from tidemill.domain.events import OfSubflow, TaskEnded
from tidemill.domain.runs import FinishedTask
from tidemill.engine.calls.local import InMemory, Nowhere
from tidemill.engine.flow_run import carry_out, prepare
from tidemill.engine.run import Run

FLOW = """
    import pathlib
    from tidemill import Flow, task

    here = pathlib.Path(__file__).parent

    @task
    def extract():
        with open(here / "extracted", "a") as file: file.write("x")
        return [0, 1, 2, 3, 4]

    @task
    def load(row):
        with open(here / "loaded", "a") as file: file.write(str(row))
        if row in (1, 3) and not (here / "mended").exists():
            raise ValueError(f"row {row}")
        return row * 10

    @task
    def store(row):
        with open(here / "stored", "a") as file: file.write(f"{row} ")
        return row + 1

    @task
    def total(rows):
        print("total of", rows)
        if not (here / "mended").exists(): raise ValueError("not yet")
        return sum(rows)

    loaded = load.map(row=extract)
    etl = Flow("etl", tasks=[total.bind(rows=store.map(row=loaded))], max_workers=2)
"""


def finished(*records):
    """What a history tells of runs that belong together: what completed in any of them, by name."""
    found = {}
    for record in records:
        for event in record.tasks.values():
            if event.state in ("completed", "cached"):
                found[event.name] = FinishedTask(event.index, event.name, event.result)
    return tuple(found.values())


def test_a_resumed_run_runs_only_the_items_that_had_not_completed(tmp_path):
    path = write_flow(tmp_path / "flows", FLOW)
    here = path.parent

    first = run_file(path, state=tmp_path)

    assert first.state == "failed"
    assert first.end.error.message == "task loaded: 2 of 5 items failed; the first, loaded[1]: ValueError: row 1"
    assert first.states() == {
        "extract": "completed",
        "loaded": "failed",
        **{f"loaded[{n}]": "failed" if n in (1, 3) else "completed" for n in range(5)},
        "store": "upstream_failed",
        **{f"store[{n}]": "upstream_failed" if n in (1, 3) else "completed" for n in range(5)},
        "total": "upstream_failed",
    }

    (here / "mended").touch()
    for name in ("extracted", "loaded", "stored"):
        (here / name).unlink()
    second = run_file(path, state=tmp_path, resume=finished(first), attempt=2)

    assert second.state == "completed"
    assert not (here / "extracted").exists()
    assert sorted((here / "loaded").read_text()) == ["1", "3"]
    assert sorted((here / "stored").read_text().split()) == ["10", "30"]
    assert "total of [1, 11, 21, 31, 41]" in second.log
    assert {name for name, state in second.states().items() if state == "cached"} == {
        "extract",
        *(f"{task}[{n}]" for task in ("loaded", "store") for n in (0, 2, 4)),
    }


def test_a_mapped_task_that_completed_is_taken_over_whole_with_its_items_results(tmp_path):
    path = write_flow(tmp_path / "flows", FLOW.replace("if row in (1, 3) and", "if row > 9 and"))
    first = run_file(path, state=tmp_path)
    assert first.states()["total"] == "failed"
    result = first.tasks["store"].result
    assert (result.handler, result.preview, result.value) == ("items", "5 items", "5")

    (path.parent / "mended").touch()
    second = run_file(path, state=tmp_path, resume=finished(first), attempt=2)

    items = {f"{task}[{n}]": "cached" for task in ("loaded", "store") for n in range(5)}
    assert second.states() == {
        "extract": "cached",
        "loaded": "cached",
        "store": "cached",
        "total": "completed",
        **items,
    }
    assert "total of [1, 11, 21, 31, 41]" in second.log

    third = run_file(
        path,
        state=tmp_path,
        resume=tuple(task for task in finished(first, second) if task.name not in ("store[2]", "total")),
        attempt=3,
    )
    # One of the items is to be run again: the others, and the task as a whole, are not.
    assert third.tasks["store"].state == "completed"
    assert [name for name, state in third.states().items() if name.startswith("store[") and state == "completed"] == [
        "store[2]"
    ]
    assert "total of [1, 11, 21, 31, 41]" in third.log


def test_a_graph_that_was_called_and_finished_still_answers_for_its_tasks(tmp_path):
    path = write_flow(
        tmp_path / "flows",
        """
        from tidemill import Flow, flow, task

        @task
        def source(): return [1, 2]

        @task
        def double(n): return 2 * n

        inner = Flow("inner", tasks=[double.map(n=source)])

        @flow
        def outer(fails: bool):
            run = inner.run()
            print("got", run.result(source), run.result("double"), run.result("double[1]"))
            if fails: raise ValueError("later")
        """,
    )
    first = run_file(path, "outer", state=tmp_path, parameters={"fails": True})
    assert first.log.count("got [1, 2] [2, 4] 4") == 1
    inside = [event.event for event in first.of(OfSubflow) if isinstance(event.event, TaskEnded)]
    resume = [FinishedTask(0, "inner", first.tasks["inner"].result)]
    resume += [FinishedTask(event.index, event.name, event.result, inside=(("inner", 1),)) for event in inside]

    second = run_file(path, "outer", state=tmp_path, parameters={"fails": False}, resume=tuple(resume), attempt=2)

    assert second.state == "completed"
    assert second.states() == {"inner": "cached"}
    assert second.log.count("got [1, 2] [2, 4] 4") == 1


def test_a_cancel_in_the_middle_of_a_map_begins_no_further_item(tmp_path):
    path = write_flow(
        tmp_path / "flows",
        """
        import time
        from tidemill import Flow, task

        @task
        def wait(n):
            if n == 5:
                print("at five", flush=True)
                time.sleep(60)

        etl = Flow("etl", tasks=[wait.map(n=range(1000))])
        """,
    )

    def cancel(pid, log):
        wait_for_line(log, "at five")
        os.kill(pid, signal.SIGTERM)

    record = run_file(path, state=tmp_path, meanwhile=cancel, max_workers=1)

    assert record.state == "cancelled"
    assert record.states() == {
        **{f"wait[{n}]": "completed" for n in range(5)},
        "wait[5]": "cancelled",
        "wait": "cancelled",
    }
    assert record.tasks["wait"].error.message == "not run to its end: the run was cancelled"


def test_items_are_journalled_in_their_order_below_their_task(tmp_path):
    path = write_flow(
        tmp_path / "flows",
        """
        from tidemill import Flow, task

        @task
        def double(n, /):
            return 2 * n

        etl = Flow("etl", tasks=[double.map(range(3))])
        """,
    )

    record = run_file(path, state=tmp_path, max_workers=1)

    started = [(event.index, event.name) for event in record.of(TaskStarted)]
    assert started == [(0, "double"), (1, "double[0]"), (2, "double[1]"), (3, "double[2]")]
    assert [record.tasks[f"double[{n}]"].result.value for n in range(3)] == ["0", "2", "4"]
    assert list(record.tasks) == ["double[0]", "double[1]", "double[2]", "double"]


def test_ten_thousand_items_take_a_few_megabytes_besides_themselves():
    from tidemill import Flow, task

    @task
    def double(n):
        return 2 * n

    @task
    def total(numbers):
        return sum(numbers)

    flow = Flow("f", tasks=[total.bind(numbers=double.map(n=range(10_000)))])
    run = Run(RunContext("abc", "f", {}), Nowhere(), InMemory(), max_workers=2)
    tracemalloc.start()
    try:
        verdict = carry_out(prepare(flow, {}), run)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        run.pool.close()

    assert verdict.state == "completed"
    assert peak < 20_000_000

"""Result handlers inside runs: what fails, what waits, what is read back, and what is never shown."""

import os
import signal
import time
from pathlib import Path

import pytest

from engine_lab import inspect_file, run_file, wait_for_line, write_flow
from tidemill.domain.runs import FinishedTask


@pytest.fixture
def run(tmp_path):
    def run(text, **fields):
        return run_file(write_flow(tmp_path / "flows", text), state=tmp_path / "state", **fields)

    return run


def left_behind(tmp_path):
    """Return everything that runs have written, flow files aside."""
    return b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()).decode()


COUNTED = """
    from pathlib import Path
    from tidemill import CloudResult, DatabaseResult, LocalResult, flow, task

    def count(name):
        with Path(f"{name}.calls").open("a") as calls:
            calls.write("x")
"""


def test_a_handler_that_cannot_write_fails_the_task_with_where_and_why(run, tmp_path):
    record = run(
        COUNTED
        + """
    Path("out").write_text("in the way")

    @task(result_handler=LocalResult("out"), retries=2)
    def load():
        count("load")
        return [1]
    """
    )

    error = record.tasks["load"].error
    assert record.state == "failed"
    assert error.type == "ResultError"
    assert error.message.startswith(f"the result of load cannot be written to {tmp_path}/flows/out/")
    assert error.message.endswith(f"{tmp_path}/flows/out is a file, or lies below one, and cannot be a folder")
    assert record.tasks["load"].attempts == 3
    assert (tmp_path / "flows" / "load.calls").read_text() == "x"


def test_a_value_that_could_not_be_kept_is_kept_by_the_next_attempt_without_computing_it_again(run, tmp_path):
    record = run(
        COUNTED
        + """
    class Late(LocalResult):
        def put(self, info, data, place):
            count("put")
            if Path("put.calls").stat().st_size < 3:
                raise OSError("not yet")
            super().put(info, data, place)

    @task(result_handler=Late("out"), retries=3)
    def load():
        count("load")
        return [1]

    @flow
    def main():
        return load()
    """
    )

    assert record.state == "completed"
    assert record.tasks["load"].attempts == 3
    assert record.tasks["load"].result.handler == "Late"
    assert (tmp_path / "flows" / "load.calls").read_text() == "x"


def test_what_a_task_does_not_say_the_flow_around_it_says(run, tmp_path):
    record = run(
        COUNTED
        + """
    @task
    def inherits(): return 1

    @task(result_storage="own", result_storage_key="{task}-{parameters[day]}")
    def own(day): return day

    @task(persist_result=False)
    def forgets(): return object()

    @task(result_storage_key="named-{parameters[day]}")
    def named(day): return day

    @flow(result_storage="shared", result_serializer="compressed/json")
    def main():
        inherits()
        own("monday")
        forgets()
        named("tuesday")
        return inherits.submit().result()
    """
    )
    folder = tmp_path / "flows"
    uid = record.order.run

    assert record.state == "completed"
    assert record.end.result.location == f"{folder}/shared/main-{uid}-result-main.json.gz"
    assert record.tasks["inherits"].result.location == f"{folder}/shared/main-{uid}-4-inherits.json.gz"
    assert record.tasks["named"].result.location == f"{folder}/shared/named-tuesday.json.gz"
    assert record.tasks["own"].result.location == f"{folder}/own/own-monday.json.gz"
    assert record.tasks["forgets"].result is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('result_storage="s3-bucket/reports"', "block s3-bucket/reports of a Prefect server"),
        ('result_storage="ftp://host"', "result_storage of task load: CloudResult knows no ftp://"),
        ('result_serializer="jsn"', "did you mean 'json'"),
        ('result_storage="out", result_storage_key="{tsk}"', "did you mean 'task'"),
    ],
)
def test_what_no_handler_can_be_made_of_is_told_at_inspection(tmp_path, options, said):
    path = write_flow(tmp_path / "flows", f"from tidemill import task\n\n@task({options})\ndef load(): return 1\n")

    (error,) = inspect_file(path).errors

    assert said in error.message
    assert error.line == 3


@pytest.mark.parametrize(
    "handler",
    ['LocalResult("out")', 'DatabaseResult("kept.db")', 'LocalResult("out", "compressed/pickle", "{task}")'],
)
def test_a_resumed_run_reads_results_back_through_their_handler(run, tmp_path, handler):
    text = (
        COUNTED
        + f"""
    @task(result_handler={handler})
    def load():
        count("load")
        return {{"rows": [1, 2]}}

    @task(depends_on=[load])
    def total(load):
        if not Path("ready").exists():
            raise ValueError("not ready")
        return sum(load["rows"])
    """
    )
    first = run(text)
    (tmp_path / "flows" / "ready").touch()
    kept = first.tasks["load"].result
    second = run(text, resume=(FinishedTask(0, "load", kept),), attempt=2)

    assert (first.state, second.state) == ("failed", "completed")
    assert second.states() == {"load": "cached", "total": "completed"}
    assert second.tasks["total"].result.value == "3"
    assert (tmp_path / "flows" / "load.calls").read_text() == "x"


def test_a_result_is_read_back_where_it_was_written_though_its_task_names_another_place_by_now(run, tmp_path):
    text = """
        from tidemill import DatabaseResult, LocalResult, task

        @task(result_handler={handler})
        def load(): return 5

        @task
        def double(load): return 2 * load
    """
    first = run(text.format(handler='DatabaseResult("kept.db")'))
    resume = (FinishedTask(0, "load", first.tasks["load"].result),)
    second = run(text.format(handler='LocalResult("out")'), resume=resume)
    third = run(text.format(handler="None"), resume=resume)

    assert [record.tasks["double"].result.value for record in (second, third)] == ["10", "10"]


def test_a_damaged_result_fails_the_resumed_run_with_a_sentence(run, tmp_path):
    text = """
        from tidemill import LocalResult, task

        @task(result_handler=LocalResult("out"))
        def load(): return [1, 2]

        @task
        def total(load): return sum(load)
    """
    kept = run(text).tasks["load"].result
    Path(kept.location).write_text("[1, 3]")
    record = run(text, resume=(FinishedTask(0, "load", kept),))

    assert record.state == "failed"
    assert "is damaged, or was overwritten since" in record.tasks["total"].error.message
    assert record.tasks["total"].error.message.endswith("load finished in an earlier attempt and is not run again")


def test_a_run_that_waits_to_write_can_be_cancelled(run):
    moments = []

    def meanwhile(pid, log):
        wait_for_line(log, "trying again in")
        moments.append(time.monotonic())
        os.kill(pid, signal.SIGTERM)

    record = run(
        """
        from tidemill import DatabaseResult, task

        @task(result_handler=DatabaseResult("postgresql://me@127.0.0.1:1/db", retries=99, retry_delay=30))
        def load(): return 1
        """,
        meanwhile=meanwhile,
    )

    assert record.state == "cancelled"
    assert record.states() == {"load": "cancelled"}
    assert time.monotonic() - moments[0] < 1.9


def test_a_run_that_waits_to_write_in_a_thread_can_be_cancelled_too(run):
    moments = []

    def meanwhile(pid, log):
        wait_for_line(log, "trying again in")
        moments.append(time.monotonic())
        os.kill(pid, signal.SIGTERM)

    record = run(
        """
        from tidemill import DatabaseResult, flow, task

        @task(result_handler=DatabaseResult("postgresql://me@127.0.0.1:1/db", retries=99, retry_delay=30))
        def load(): return 1

        @flow
        def main():
            load.submit().result()
        """,
        meanwhile=meanwhile,
    )

    assert record.state == "cancelled"
    assert time.monotonic() - moments[0] < 1.9


def test_an_event_loop_goes_on_while_a_result_is_written(run):
    record = run(
        """
        import asyncio, time
        from tidemill import LocalResult, flow, task

        class Slow(LocalResult):
            def put(self, info, data, place):
                time.sleep(0.4)
                super().put(info, data, place)

        @task(result_handler=Slow("out"))
        async def load():
            return 1

        @flow
        async def main():
            ticks = 0
            loading = asyncio.ensure_future(load())
            while not loading.done():
                await asyncio.sleep(0.02)
                ticks += 1
            assert ticks >= 5, ticks
            return await loading
        """
    )

    assert record.state == "completed", record.log
    assert record.tasks["load"].result.handler == "Slow"


def test_a_password_in_a_flow_file_is_told_nowhere(run, tmp_path):
    failed = run(
        """
        from tidemill import DatabaseResult, task

        def handler():
            return DatabaseResult("postgresql://me:swordfish@127.0.0.1:1/db", retries=1, retry_delay=0)

        @task(result_handler=handler())
        def load(): return 1

        @task
        def raises(load=None):
            if "postgresql://me:swordfish@127.0.0.1:1/db": raise ValueError("postgresql://me:swordfish@host/db")
        """
    )
    broken = 'from tidemill import DatabaseResult\nDatabaseResult("postgresql://me:swordfish@h/db", table="no name")\n'
    wrong = run(broken)
    manifest = inspect_file(write_flow(tmp_path / "flows", broken, "broken.py"))

    assert (failed.state, wrong.state) == ("failed", "failed")
    assert "postgresql+psycopg://me@127.0.0.1:1/db#tidemill_results/" in failed.tasks["load"].error.message
    assert "me:***@" in failed.tasks["raises"].error.traceback
    assert "table of DatabaseResult must be a name" in str(manifest.errors)
    assert "swordfish" not in left_behind(tmp_path) + str(manifest)


def test_a_server_that_comes_back_gets_the_value_which_is_not_computed_again(run, tmp_path, postgres):
    def meanwhile(pid, log):
        wait_for_line(log, "trying again in")
        postgres.start()

    postgres.stop()
    record = run(
        COUNTED
        + f"""
    @task(result_handler=DatabaseResult("{postgres.url}", "came_back", retries=20, retry_delay=0.1))
    def load():
        count("load")
        return {{"rows": 3}}
    """,
        meanwhile=meanwhile,
    )

    assert record.state == "completed"
    assert record.tasks["load"].attempts == 1
    assert record.tasks["load"].result.location.endswith(f"#came_back/{record.order.run}/load/0")
    assert (tmp_path / "flows" / "load.calls").read_text() == "x"

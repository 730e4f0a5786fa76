"""A process that calls the hooks of a run whose own process could not."""

import time

import pytest

from engine_lab import RunNoted, run_file, write_flow
from tidemill.domain.runs import CRASH_HOOKS

CRASHED = ("crashed", "Crashed: the run process was killed")


@pytest.fixture
def call(tmp_path):
    def go(text, verdict=CRASHED, flow="etl", **fields):
        path = write_flow(tmp_path / "flows", text)
        path.write_text("import asyncio, os, time\nfrom tidemill import *\n" + path.read_text())
        return run_file(path, flow, state=tmp_path / "state", purpose=CRASH_HOOKS, verdict=verdict, **fields)

    return go


def printed(record):
    return [line.partition("OUT ")[2] for line in record.lines() if " OUT " in line]


TELLING = """
    def told(flow, flow_run, state): print(flow.name, flow_run.state is state, state.kind.value, state.message)
    @flow({kind}=[told])
    def etl(day: int = 3): print("never run")
"""


@pytest.mark.parametrize(
    ("state", "kind"), [("crashed", "on_crashed"), ("cancelled", "on_cancellation"), ("timed_out", "on_failure")]
)
def test_the_hooks_for_the_state_are_called_and_the_flow_is_not_run(call, state, kind):
    record = call(TELLING.format(kind=kind), verdict=(state, "because"))

    assert (record.state, record.exit_code) == ("completed", 0)
    assert printed(record) == [f"etl True {state} because"]
    assert record.tasks == {}


def test_a_flow_without_such_hooks_is_told_apart(call):
    record = call(TELLING.format(kind="on_completion"))

    assert (record.state, printed(record)) == ("skipped", [])


def test_declared_flows_have_them_and_async_ones_are_awaited_in_order(call):
    record = call(
        """
        async def first(flow, flow_run, state):
            await asyncio.sleep(0)
            print("first", flow_run.parameters, current_run().run_id == flow_run.id)
        def second(flow, flow_run, state): get_run_logger().info("second")
        @task
        def nothing(day: int): ...
        etl = Flow("etl", tasks=[nothing], on_crashed=[first, second])
        """,
        parameters={"day": "5"},
    )

    assert printed(record) == ["first {'day': 5} True"]
    assert "[-] INFO second" in record.lines()


def test_one_that_fails_is_noted_with_its_traceback_in_the_log_and_the_next_is_called(call):
    record = call(
        """
        def bad(flow, flow_run, state): raise LookupError("no such channel")
        def good(flow, flow_run, state): print("good")
        @flow(on_crashed=[bad, good])
        def etl(): ...
        """
    )

    assert [event.note for event in record.of(RunNoted)] == [
        "the on_crashed hook bad failed: LookupError: no such channel"
    ]
    assert (record.state, printed(record)) == ("failed", ["good"])
    assert 'raise LookupError("no such channel")' in record.log


def test_one_that_takes_too_long_is_ended_and_none_follows(call):
    begun = time.monotonic()

    record = call(
        """
        def slow(flow, flow_run, state): time.sleep(60)
        def late(flow, flow_run, state): print("late")
        @flow(on_crashed=[slow, late])
        def etl(): ...
        """,
        timeout=0.3,
    )

    assert [event.note for event in record.of(RunNoted)] == [
        "the on_crashed hook slow was ended: the time for hooks was over"
    ]
    assert (record.state, printed(record)) == ("failed", [])
    assert time.monotonic() - begun < 5


def test_a_file_that_cannot_be_loaded_says_so(call):
    record = call("raise ImportError('no driver')\n")

    assert record.state == "failed"
    assert "ImportError: no driver" in record.end.error.message


def test_a_run_that_is_killed_in_the_middle_of_its_code_says_that_its_hooks_are_owed(tmp_path):
    path = write_flow(
        tmp_path / "flows",
        """
        import signal, time
        from tidemill import flow
        @flow(on_failure=[lambda *_: print("called")])
        def etl():
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            time.sleep(60)
        """,
    )

    record = run_file(path, state=tmp_path / "state", timeout=0.1)

    assert (record.end.state, record.end.is_unhooked) == ("timed_out", True)
    assert "called" not in record.log

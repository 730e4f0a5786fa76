"""What ends async code early reaches it in its own event loop, wherever that runs."""

import asyncio
import traceback

from tidemill import flow, task
from tidemill.engine.failures import traceback_of

SHORT = 0.05


@task(timeout_seconds=SHORT)
async def waits(told):
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0)
        told.append("cleaned up")
        raise


def test_the_time_out_of_an_async_task_ends_it_in_whichever_thread_it_is():
    told = []

    @flow
    def outer():
        futures = [waits.submit(told) for _ in range(4)]
        return [future.result(raise_on_failure=False) for future in futures]

    assert [type(error) for error in outer()] == [TimeoutError] * 4
    assert told == ["cleaned up"] * 4


def test_an_async_flow_that_waits_for_a_future_outlives_its_time_out():
    told = []

    @flow
    async def outer():
        states = [waits.submit(told, return_state=True), await waits(told, return_state=True)]
        return [state.name for state in states]

    assert asyncio.run(outer()) == ["TimedOut", "TimedOut"]
    assert told == ["cleaned up"] * 2


def test_a_sync_flow_s_time_out_ends_the_async_code_it_runs():
    told = []

    @flow(timeout_seconds=SHORT)
    def outer():
        asyncio.run(waits.with_options(timeout_seconds=60)(told))

    assert outer(return_state=True).name == "TimedOut"
    assert told == ["cleaned up"]


def test_a_traceback_of_async_code_begins_in_the_author_s_file():
    @task
    async def fails():
        raise ValueError

    @flow
    def outer():
        return fails.submit().result(raise_on_failure=False), waits.submit([]).result(raise_on_failure=False)

    for error in outer():
        first = next(line for line in traceback_of(error).splitlines() if line.startswith("  File"))
        assert __file__ in first
        assert "asyncio/runners" in "".join(traceback.format_exception(error))

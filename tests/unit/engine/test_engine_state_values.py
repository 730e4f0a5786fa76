"""What a state says: its type, its name, its value, and what made it fail."""

import asyncio

import pytest

from tidemill import StateType, flow, task
from tidemill.authoring.states import FailedRun, UnfinishedRun
from tidemill.domain.errors import GiveUp, ProcessDied
from tidemill.states import (
    Cached,
    Cancelled,
    Cancelling,
    Completed,
    Crashed,
    Failed,
    Pending,
    TimedOut,
    raise_state_exception,
)


@task
def double(x):
    return 2 * x


@task
def bad(x=None):
    raise GiveUp(f"no {x}")


def test_the_type_of_a_state_is_what_it_is_a_variety_of():
    assert [(state.type, state.kind) for state in (Cached(), TimedOut(), Completed())] == [
        (StateType.COMPLETED, StateType.CACHED),
        (StateType.FAILED, StateType.TIMED_OUT),
        (StateType.COMPLETED, StateType.COMPLETED),
    ]
    assert (str(Cached()), str(Failed(message="no")), str(Completed(name="Done"))) == (
        "Cached(type=COMPLETED)",
        "Failed('no')",
        "Done(type=COMPLETED)",
    )


@pytest.mark.parametrize(
    ("state", "error", "says"),
    [
        (Failed(data=KeyError("z")), KeyError, "z"),
        (Failed(data=Failed(data=ValueError("inner"))), ValueError, "inner"),
        (Failed(data=[Completed(), Failed(message="the second")]), FailedRun, "the second"),
        (Failed(data="told as text"), FailedRun, "told as text"),
        (Crashed(message="gone"), ProcessDied, "gone"),
        (Pending(), UnfinishedRun, "Pending"),
    ],
)
def test_what_made_a_run_fail_is_found_in_the_data_of_its_state(state, error, says):
    with pytest.raises(error, match=says):
        state.result()


def test_a_state_keeps_the_name_that_its_author_gave_it():
    @task
    def does(kind):
        return kind(name="Nothing new", message="all seen")

    @flow
    def says(kind):
        return kind(name="Nothing new", message="all seen")

    for call in (does, says):
        for kind in (Completed, Failed):
            state = call(kind, return_state=True)
            assert (state.name, state.message, state.is_failed()) == ("Nothing new", "all seen", kind is Failed)


def test_a_state_of_an_earlier_attempt_says_nothing_of_the_next():
    answers = iter((Failed(message="not yet"), 3))

    @task(retries=1)
    def late():
        return next(answers)

    state = late(return_state=True)

    assert (state.message, state.result()) == (None, 3)


def test_the_result_of_a_state_is_awaited_in_async_code_and_nowhere_else():
    @task
    async def two():
        return await double(1, return_state=True).result()

    @task
    def plain():
        return double(1, return_state=True).result()

    @flow
    async def outer():
        state = await two(return_state=True)
        with pytest.raises(GiveUp):
            await raise_state_exception(bad(return_state=True))
        return await state.result(), plain(), await asyncio.gather(*[state.result(), state.aresult()])

    async def main():
        return await (await outer(return_state=True)).result()

    assert asyncio.run(main()) == (2, 2, [2, 2])


def test_a_task_that_returns_the_state_of_another_hands_it_on():
    @task
    def hands_on(other):
        return other(return_state=True)

    @flow
    def outer():
        return hands_on(lambda **options: double(1, **options)).is_completed(), hands_on(bad, return_state=True).type

    assert outer() == (True, StateType.FAILED)


def test_a_flow_is_cancelled_by_the_cancelled_states_it_returns():
    @task
    def gives_up():
        return Cancelled(message="enough")

    @flow
    def together():
        return gives_up.submit(), bad.submit(1)

    @flow
    def outer():
        return together(return_state=True)

    @flow
    def cancelling():
        return Cancelling()

    one = together(return_state=True)

    assert one.is_cancelled()
    assert [state.name for state in one.result(raise_on_failure=False)] == ["Cancelled", "Failed"]
    assert outer(return_state=True).is_cancelled()
    assert cancelling(return_state=True).is_cancelled()


def test_a_failed_flow_hands_on_the_value_that_it_returned_with_its_state():
    @flow
    def partly():
        return double.submit(1), bad.submit(1)

    @flow
    def outer():
        return [state.name for state in partly(return_state=True).result(raise_on_failure=False)]

    @flow
    def says():
        return Failed(data="half of it")

    assert outer() == ["Completed", "Failed"]
    assert says(return_state=True).result(raise_on_failure=False) == "half of it"
    with pytest.raises(GiveUp):
        partly()


def test_a_time_out_of_nothing_is_none():
    @task(timeout_seconds=0)
    def endless():
        return 1

    @flow(timeout_seconds=3)
    def limited():
        return endless()

    assert limited.with_options(timeout_seconds=0).timeout_seconds is None
    assert limited() == endless() == 1

"""States as they are asked for, handed on and returned; hooks, names and sub-flows, all in plain Python."""

import asyncio
import threading

import pytest

from tidemill import StateType, allow_failure, current_run, flow, task, unmapped
from tidemill.authoring.states import FailedRun
from tidemill.domain.errors import GiveUp, ParameterError
from tidemill.futures import as_completed, resolve_futures_to_states, wait
from tidemill.states import Completed, Failed


@task
def double(x):
    return 2 * x


@task
def bad(x=None):
    raise GiveUp(f"no {x}")


def test_a_task_called_for_its_state_raises_nothing():
    @flow
    def etl():
        good, failed = double(1, return_state=True), bad(return_state=True)
        assert good.is_completed()
        assert good.result() == 2
        assert failed.is_failed()
        assert failed.name == "Failed"
        assert "no None" in failed.message
        assert isinstance(failed.result(raise_on_failure=False), GiveUp)
        with pytest.raises(GiveUp):
            failed.result()
        return "done"

    assert etl() == "done"


def test_a_flow_called_for_its_state_raises_nothing():
    @flow
    def failing():
        bad(1)

    state = failing(return_state=True)

    assert (state.type, state.is_failed(), state.is_final()) == (StateType.FAILED, True, True)
    with pytest.raises(GiveUp):
        state.result()


def test_what_a_flow_returns_decides_how_it_ended():
    @flow
    def says(state):
        return state()

    assert says(lambda: Completed(data=3)) == 3
    assert says(lambda: Completed(message="fine"), return_state=True).message == "fine"
    assert says(lambda: Failed(message="not today"), return_state=True).message == "not today"
    with pytest.raises(FailedRun, match="not today"):
        says(lambda: Failed(message="not today"))
    assert says(lambda: [Completed(), Failed(message="second")], return_state=True).message == (
        "1 of 2 returned states are failures; the first: second"
    )


def test_what_a_flow_says_by_its_state_reaches_the_flow_that_called_it():
    @flow
    def says(kind):
        return kind(message="so")

    @flow
    def outer():
        return [says(kind, return_state=True).message for kind in (Completed, Failed)]

    assert outer() == ["so", "so"]


def test_a_state_among_other_values_is_a_value_and_a_returned_state_outweighs_a_lost_failure():
    @flow
    def mixed():
        return "bar", bad(return_state=True)

    @flow
    def content():
        bad.submit()
        return Completed(data="happy")

    word, state = mixed()

    assert (word, state.is_failed()) == ("bar", True)
    assert content() == "happy"


def test_what_a_task_returns_decides_how_it_ended():
    @task
    def says(kind):
        return Completed(data=7) if kind == "good" else Failed(message="bad luck")

    assert says("good") == 7
    with pytest.raises(FailedRun, match="bad luck"):
        says("bad")


def test_a_state_given_to_a_task_is_its_result():
    @flow
    def etl():
        state = double(2, return_state=True)
        broken = bad(return_state=True)
        refused = double(broken, return_state=True)
        assert refused.kind is StateType.UPSTREAM_FAILED
        return double(state)

    assert etl() == 8


def test_wait_for_keeps_a_task_back_and_fails_it_with_what_it_waited_for():
    order = []

    @task
    def slow():
        order.append("slow")

    @task
    def after():
        order.append("after")

    @flow
    def etl():
        first = slow.submit()
        after.submit(wait_for=[first]).result()
        state = after(wait_for=[bad.submit()], return_state=True)
        assert state.kind is StateType.UPSTREAM_FAILED

    etl()

    assert order == ["slow", "after"]


def test_allow_failure_hands_the_exception_over():
    @task
    def look(x):
        return type(x).__name__

    @flow
    def etl():
        failing = bad.submit()
        return look(allow_failure(failing)), look.submit(allow_failure(failing)).result()

    assert etl() == ("GiveUp", "GiveUp")


def test_map_takes_lists_in_step_and_unmapped_values_whole():
    @task
    def add(a, b, rest=()):
        return a + b + len(rest)

    @flow
    def etl():
        numbers = double.submit(2)
        return add.map([1, 2], [10, 20], unmapped([0, 0])).result(), add.map([1, numbers], 5).result()

    assert etl() == ([13, 24], [6, 9])


def test_map_takes_arguments_of_every_kind():
    @task
    def join(first, /, *rest, last="", **more):
        return "".join(map(str, (first, *rest, last, *more.values())))

    @flow
    def etl():
        return join.map([1, 2], [3, 4], 5, last=["x", "y"], extra=unmapped("!")).result()

    assert etl() == ["135x!", "245y!"]


def test_map_over_a_future_takes_its_elements():
    @task
    def rows():
        return [1, 2, 3]

    @flow
    def etl():
        return double.map(rows.submit()).result()

    assert etl() == [2, 4, 6]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (([1, 2], [1]), "lists of different lengths: a has 2, b has 1"),
        ((1, 2), "mapped over nothing"),
        ((1, 2, 3), "cannot be mapped like this"),
    ],
)
def test_a_map_that_cannot_be_meant_is_refused(arguments, sentence):
    @task
    def add(a, b): ...

    @flow
    def etl():
        add.map(*arguments)

    with pytest.raises(ParameterError, match=sentence):
        etl()


def test_futures_are_seen_as_they_end():
    gate = threading.Event()

    @task
    def waits():
        gate.wait(10)
        return "late"

    @task
    def quick():
        return "early"

    @flow
    def etl():
        futures = [waits.submit(), quick.submit()]
        seen = []
        for future in as_completed(futures):
            seen.append(future.result())
            gate.set()
        assert wait(futures).not_done == set()
        assert [state.type for state in resolve_futures_to_states(futures)] == [StateType.COMPLETED] * 2
        return seen

    assert etl() == ["early", "late"]


def test_hooks_are_told_what_happened():
    told = []

    def hook(subject, run, state):
        told.append((subject.name, run.name, state.name))

    async def later(subject, run, state):
        told.append((subject.name, "async", state.name))

    @task(on_running=[hook], on_completion=[hook, later], on_failure=[hook], task_run_name="double-{x}")
    def work(x):
        if x > 1:
            raise GiveUp("too much")

    @flow(on_running=[hook], on_completion=[hook], on_failure=[hook], flow_run_name="run-{x}")
    def etl(x):
        work(x)

    etl(1)
    assert told == [
        ("etl", "run-1", "Running"),
        ("work", "double-1", "Running"),
        ("work", "double-1", "Completed"),
        ("work", "async", "Completed"),
        ("etl", "run-1", "Completed"),
    ]
    told.clear()
    etl(2, return_state=True)
    assert told[1:] == [("work", "double-2", "Running"), ("work", "double-2", "Failed"), ("etl", "run-2", "Failed")]


def test_hooks_can_be_added_by_decorators_and_their_failure_changes_nothing():
    told = []

    @flow
    def etl():
        return 1

    @etl.on_completion
    def broken(*_):
        told.append("called")
        raise ValueError

    assert etl() == 1
    assert told == ["called"]


def test_a_sub_flow_is_a_run_of_its_own():
    @flow
    def inner(x):
        return current_run().run_id, current_run().parent, current_run().flow_name, double(x)

    @flow
    def outer():
        return current_run().run_id, inner(3), current_run().flow_name

    run_id, (child, parent, name, value), own_name = outer()

    assert (parent, name, value, own_name) == (run_id, "inner", 6, "outer")
    assert child != run_id


def test_a_sub_flow_that_fails_fails_its_caller_unless_it_is_handled():
    @flow
    def inner():
        bad()

    @flow
    def outer():
        inner()

    @flow
    def careful():
        return inner(return_state=True).is_failed()

    with pytest.raises(GiveUp):
        outer()
    assert careful() is True


def test_a_sub_flow_has_a_time_out_of_its_own():
    @flow(timeout_seconds=0.05)
    def endless():
        threading.Event().wait(60)

    @flow
    def outer():
        state = endless(return_state=True)
        return state.kind, double(1)

    assert outer() == (StateType.TIMED_OUT, 2)


def test_async_sub_flows_share_the_loop_of_their_caller():
    @flow
    async def inner():
        return asyncio.get_running_loop(), current_run().flow_name

    @flow(timeout_seconds=0.05)
    async def slow():
        await asyncio.sleep(60)

    @flow
    async def outer():
        (one, name), (two, _) = await asyncio.gather(inner(), inner())
        late = await slow(return_state=True)
        return one is two is asyncio.get_running_loop(), name, current_run().flow_name, late.kind

    assert asyncio.run(outer()) == (True, "inner", "outer", StateType.TIMED_OUT)


def test_an_async_task_is_awaited_from_sync_code_as_in_plain_python():
    @task
    async def fetch(x):
        return x + 1

    @flow
    def etl():
        return asyncio.run(fetch(1)), fetch.submit(2).result()

    assert etl() == (2, 3)


def test_a_flow_can_be_a_method():
    class Loader:
        def __init__(self, base):
            self.base = base

        @flow
        def load(self, x: int):
            return self.base + x

        @flow
        @classmethod
        def name(cls):
            return cls.__name__

        @flow
        @staticmethod
        def plain(x):
            return x

    assert Loader(10).load("5") == 15
    assert Loader.name() == "Loader"
    assert Loader(1).plain(3) == 3


def test_with_options_changes_what_it_names_and_nothing_else():
    seen = []

    @flow(name="etl", retries=1, description="loads")
    def etl():
        seen.append(1)
        raise ValueError

    quiet = etl.with_options(name="quiet", retries=0)

    with pytest.raises(ValueError):
        quiet()
    assert (len(seen), quiet.name, quiet.description, etl.name) == (1, "quiet", "loads", "etl")
    assert double.with_options(retries=3, timeout_seconds=5).with_options(retries=1)(4) == 8


def test_a_flow_s_second_attempt_runs_only_what_had_not_completed():
    calls, attempts = [], []

    @task
    def count(x):
        calls.append(x)
        return x

    @flow
    def inner(x):
        count(x)
        attempts.append(x)
        if len(attempts) < 3:
            raise ValueError
        return x

    @flow(retries=2)
    def outer():
        return count("first"), inner("second"), count("third")

    assert outer() == ("first", "second", "third")
    assert calls == ["first", "second", "third"]
    assert len(attempts) == 3


def test_a_generator_task_yields_its_values_as_they_come():
    order = []

    @task(retries=1)
    def numbers(n):
        for number in range(n):
            order.append(f"made {number}")
            yield number

    @task
    async def letters():
        for letter in "ab":
            yield letter

    @flow
    def etl():
        for number in numbers(2):
            order.append(f"took {number}")
        return numbers.submit(3).result(), letters.submit().result()

    assert etl() == ([0, 1, 2], ["a", "b"])
    assert order[:4] == ["made 0", "took 0", "made 1", "took 1"]
    assert list(numbers(2)) == [0, 1]


def test_generator_flows_stream_inside_and_outside_of_flows():
    @flow
    def squares(n: int):
        for number in range(n):
            yield double(number)

    @flow
    async def later():
        for number in range(2):
            yield number

    @flow
    async def outer():
        return list(squares("3")) + [value async for value in later()]

    assert list(squares(2)) == [0, 2]
    assert asyncio.run(outer()) == [0, 2, 4, 0, 1]


def test_a_generator_that_fails_has_failed_where_it_is_consumed():
    @task
    def broken():
        yield 1
        raise GiveUp("half way")

    @flow
    def etl():
        values = broken()
        first = next(values)
        with pytest.raises(GiveUp):
            next(values)
        return first

    assert etl() == 1

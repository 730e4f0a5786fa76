"""Flows and tasks called in plain Python: same engine, no daemon, no files."""

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import tidemill
from tidemill import Flow, GiveUp, LocalResult, StateType, current_run, current_task, flow, task
from tidemill.domain.errors import NotFound, ParameterError, TidemillError


def test_a_task_called_alone_returns_its_value_after_its_retries():
    calls = []

    @task(retries=2)
    def shaky(x):
        calls.append(x)
        if len(calls) < 3:
            raise ValueError("not yet")
        return x

    assert shaky(x=5) == 5
    assert calls == [5, 5, 5]


def test_a_task_called_alone_raises_what_it_raised():
    @task(retries=1)
    def bad():
        raise KeyError("k")

    with pytest.raises(KeyError):
        bad()


def test_a_bound_task_takes_what_it_was_bound_to():
    @task
    def two():
        return 2

    @task
    def add(a, b, c=0):
        return a + b + c

    assert add.bind(b=2)(1) == 3
    assert add.bind(b=2)(1, b=5) == 6
    assert add.bind(b=two)(1, c=1) == 4


def test_a_function_flow_returns_its_value_and_converts_its_parameters():
    @flow
    def etl(n: int, *rest: str, scale: float = 1.0, **others: int):
        return n * scale, rest, others

    assert etl("3", "a", scale="2", x=1) == (6.0, ("a",), {"x": 1})


def test_a_function_flow_raises_the_exception_of_its_task_itself():
    error = ValueError("boom")

    @task
    def bad():
        raise error

    @flow
    def etl():
        bad()

    with pytest.raises(ValueError, match="boom") as caught:
        etl()
    assert caught.value is error


def test_wrong_parameters_of_a_call_are_refused():
    @flow
    def etl(n: int): ...

    with pytest.raises(ParameterError, match="must be int"):
        etl("x")
    with pytest.raises(ParameterError, match="needs the parameter n"):
        etl()
    with pytest.raises(ParameterError, match="unexpected keyword"):
        etl(1, m=2)


def test_running_a_graph_gives_states_and_results():
    @task
    def extract():
        return [1, 2]

    @task(depends_on=[extract])
    def total(extract, factor: int = 1):
        return sum(extract) * factor

    run = Flow("etl", tasks=[total]).run(factor="2")

    assert run.state is StateType.COMPLETED
    assert run.is_completed
    assert (run.result(total), run.result("extract")) == (6, [1, 2])
    with pytest.raises(NotFound, match="did you mean 'total'"):
        run.result("totl")


def test_a_graph_that_fails_raises_nothing_until_its_result_is_asked_for():
    @task
    def bad():
        raise ValueError("boom")

    @task(depends_on=[bad])
    def below(bad): ...

    run = Flow("etl", tasks=[below])()

    assert run.state is StateType.FAILED
    assert run.error.line == "ValueError: task bad: boom"
    assert run.tasks["below"].state is StateType.UPSTREAM_FAILED
    with pytest.raises(ValueError, match="boom"):
        run.result(bad)
    with pytest.raises(TidemillError, match="upstream_failed"):
        run.result(below)


def test_futures_tell_what_became_of_their_tasks():
    @task
    def double(x):
        return 2 * x

    @task
    def bad(_):
        raise GiveUp("no")

    @flow
    def etl():
        first = double.submit(1)
        nested = double.submit(double.submit(first))
        failing = bad.submit(nested)
        after = double.submit(failing)
        nested.wait()
        return (
            nested.result(),
            nested.state.type,
            nested.done(),
            type(failing.result(raise_on_failure=False)),
            type(after.result(raise_on_failure=False)),
            after.state.type,
        )

    assert etl() == (8, StateType.COMPLETED, True, GiveUp, GiveUp, StateType.FAILED)


def test_a_future_in_a_list_or_a_dict_is_waited_for_too():
    @task
    def one():
        return 1

    @task
    def total(numbers, named):
        return sum(numbers) + sum(named.values())

    @flow
    def etl():
        return total([one.submit(), 2], {"a": one.submit()})

    assert etl() == 4


def test_a_returned_future_reaches_the_caller_as_the_state_of_its_task():
    @task
    def one():
        return 1

    @flow
    def single():
        return one.submit()

    @flow
    def several():
        return {"ones": [one.submit(), one.submit()], "two": 2}

    @flow
    def outer():
        return single().result(), [state.result() for state in several()["ones"]], several()["two"]

    assert single().is_completed()
    assert outer() == (1, [1, 1], 2)


def test_waiting_with_a_time_limit_gives_up():
    free = threading.Event()

    @task
    def blocked():
        free.wait(10)

    @flow
    def etl():
        future = blocked.submit()
        try:
            future.result(timeout=0.01)
        except TimeoutError as error:
            return str(error)
        finally:
            free.set()

    assert etl() == "task blocked has not ended within 0.01 s"


def test_a_task_can_be_submitted_outside_of_a_flow():
    assert task(lambda x: x + 1).submit(1).result() == 2


def test_a_time_out_ends_a_task_in_plain_python_too():
    @task(timeout_seconds=0.02)
    def nap():
        time.sleep(60)

    with pytest.raises(TimeoutError, match=r"took longer than its time-out of 0\.02 s"):
        nap()


def test_a_time_out_ends_a_task_called_from_another_thread():
    @task(timeout_seconds=0.02)
    def spin():
        while True:
            time.sleep(0.001)

    caught = []

    def call():
        try:
            spin()
        except TimeoutError as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(10)

    assert len(caught) == 1


def test_the_context_is_there_inside_and_only_inside():
    @task
    def inner():
        return current_run().flow_name, current_task().name

    @flow
    def etl(n=1):
        return inner(), current_run().parameters, current_task()

    assert etl(n=2) == (("etl", "inner"), {"n": 2}, None)
    with pytest.raises(TidemillError, match="no run here"):
        current_run()


def test_results_of_a_handler_are_written_in_plain_python_too(tmp_path):
    @task(result_handler=LocalResult(dir=tmp_path / "results"))
    def rows():
        return [1]

    assert rows() == [1]
    (file,) = (tmp_path / "results").iterdir()
    assert file.read_text() == "[1]"
    assert file.name.startswith("rows-")


def test_a_keyboard_interrupt_ends_the_call():
    @task(retries=3)
    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()


def test_async_flows_and_tasks_are_awaited_as_in_plain_python():
    @task(retries=1)
    async def fetch(n, seen=[]):  # noqa: B006
        await asyncio.sleep(0)
        seen.append(n)
        if len(seen) == 1:
            raise ValueError
        return n, current_task().name

    @flow
    async def child(n: int):
        return await fetch(n)

    @flow
    async def parent():
        return await asyncio.gather(child("1"), child("2"), fetch(3))

    assert asyncio.run(fetch(0)) == (0, "fetch")
    assert asyncio.run(parent()) == [(1, "fetch"), (2, "fetch"), (3, "fetch")]


def test_the_facade_offers_its_names_and_no_others():
    for name in tidemill.__all__:
        assert getattr(tidemill, name) is not None
    assert set(tidemill.__all__) <= set(dir(tidemill))
    assert tidemill.__version__
    with pytest.raises(AttributeError):
        tidemill.no_such_name  # noqa: B018


def test_the_facade_alone_imports_nothing():
    code = "import sys, tidemill; print(*[name for name in sys.modules if name.startswith('tidemill.')])"
    environment = {"PYTHONPATH": str(Path(tidemill.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True
    )

    assert done.stdout == "\n"


def test_ctrl_c_ends_a_graph_in_plain_python_whatever_else_is_to_do():
    begun = []

    @task(retry=2)
    def first():
        begun.append("first")
        raise KeyboardInterrupt

    @task(depends_on=[first])
    def second():
        begun.append("second")

    @task
    def other():
        begun.append("other")

    with pytest.raises(KeyboardInterrupt):
        Flow("etl", tasks=[second, other], max_workers=1).run()

    assert begun == ["first"]

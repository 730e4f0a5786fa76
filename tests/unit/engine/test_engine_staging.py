"""Classes of tasks with a setup and a teardown around their work."""

import asyncio
import threading

import pytest

from tidemill import Flow, Skip, Task, flow, task
from tidemill.domain.errors import DefinitionError
from tidemill.domain.states import State
from tidemill.engine.graphs.graph import build_graph

told: list[str] = []


@pytest.fixture(autouse=True)
def _nothing_told():
    told.clear()


class Load(Task):
    def setup(self):
        self.connection = "open"
        told.append("setup")

    def run(self, rows=(1, 2)):
        told.append(f"run {self.connection}")
        return len(rows)

    def teardown(self):
        told.append(f"teardown {self.connection}")


def test_setup_and_teardown_stand_around_the_work():
    run = Flow("f", tasks=[Load()]).run()

    assert run.result("Load") == 2
    assert told == ["setup", "run open", "teardown open"]


def test_a_plain_class_and_a_decorated_run_are_staged_too():
    @task
    class Plain:
        def setup(self):
            told.append("setup")

        def run(self):
            told.append("run")

    class Decorated(Task):
        @task(retries=1)
        def run(self):
            told.append(f"run {self.x}")

        def setup(self):
            self.x = 1

        def teardown(self):
            told.append("teardown")

    Flow("f", tasks=[Plain(), Decorated(depends_on=["Plain"])]).run()

    assert told == ["setup", "run", "run 1", "teardown"]


def test_each_attempt_is_set_up_anew():
    class Shaky(Load, retries=1):
        def run(self):
            told.append("run")
            if told.count("run") == 1:
                raise ConnectionError

    run = Flow("f", tasks=[Shaky]).run()

    assert run.is_completed
    assert told == ["setup", "run", "teardown open"] * 2


def test_a_setup_that_fails_fails_the_attempt_and_needs_no_teardown():
    class Closed(Load):
        def setup(self):
            raise ConnectionError("no route")

    run = Flow("f", tasks=[Closed()]).run()

    assert (run.error.line, told) == ("ConnectionError: task Closed: no route", [])


@pytest.mark.parametrize("error", [ValueError("boom"), Skip("nothing to do")])
def test_the_work_is_torn_down_whatever_became_of_it(error):
    class Bad(Load):
        def run(self):
            raise error

    run = Flow("f", tasks=[Bad()]).run()

    assert run.tasks["Bad"].exception is error
    assert told == ["setup", "teardown open"]


@pytest.mark.parametrize("works", [True, False])
def test_a_teardown_that_fails_is_told_and_changes_nothing(works, caplog):
    class Untidy(Load):
        def run(self):
            if not works:
                raise ValueError("boom")
            return 1

        def teardown(self):
            raise OSError("already closed")

    run = Flow("f", tasks=[Untidy()]).run()

    assert run.tasks["Untidy"].state is (State.COMPLETED if works else State.FAILED)
    assert not works or run.result("Untidy") == 1
    assert "the teardown of task Untidy failed" in caplog.text
    assert "OSError: already closed" in caplog.text


def test_async_methods_run_in_one_loop():
    class Later(Task):
        async def setup(self):
            self.loop = asyncio.get_running_loop()

        async def run(self):
            await asyncio.sleep(0)
            return self.loop is asyncio.get_running_loop()

        def teardown(self):
            told.append(str(self.loop is asyncio.get_running_loop()))

    assert Flow("f", tasks=[Later()]).run().result("Later") is True
    assert told == ["True"]


def test_an_async_setup_goes_with_a_plain_run():
    class Mixed(Load):
        async def setup(self):
            await asyncio.sleep(0)
            self.connection = "open"

    assert Flow("f", tasks=[Mixed()]).run().result("Mixed") == 2
    assert told == ["run open", "teardown open"]


def test_items_that_run_beside_each_other_have_instances_of_their_own():
    together = threading.Barrier(3, timeout=5)

    class Own(Task):
        def setup(self):
            self.thread = threading.get_ident()
            together.wait()

        def run(self, x):
            return self.thread == threading.get_ident()

    own = Own()

    assert Flow("f", tasks=[own.map(x=[1, 2, 3])], max_workers=3).run().result("Own") == [True, True, True]
    assert not hasattr(own, "thread")


def test_a_class_called_inside_a_flow_function_is_staged():
    @flow
    def etl():
        return Load()(rows=[1]), Load().submit().result()

    assert etl() == (1, 2)
    assert told == ["setup", "run open", "teardown open"] * 2


def test_methods_called_so_in_a_class_that_is_no_task_are_its_own_business():
    class Report:
        def setup(self):
            raise AssertionError

        @task
        def write(self):
            return 1

    assert Flow("f", tasks=[Report().write]).run().result("write") == 1


def test_work_that_yields_cannot_be_torn_down_in_time_and_is_refused():
    class Rows(Load):
        def run(self):
            yield 1

    with pytest.raises(DefinitionError, match="task Rows yields its values") as caught:
        build_graph(Flow("f", tasks=[Rows()]))
    assert caught.value.line is not None


def test_what_only_a_graph_can_fill_is_refused_in_a_flow_function():
    from tidemill import Parameter
    from tidemill.domain.errors import TidemillError

    mapped = Load().map(rows=[1])

    @flow
    def etl(given):
        return given()

    for given in (mapped, Load().bind(rows=Parameter("rows"))):
        with pytest.raises(TidemillError, match="which only a declared flow can fill"):
            etl(given)

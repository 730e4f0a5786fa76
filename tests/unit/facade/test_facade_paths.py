"""The import paths of Prefect, with one word changed, and what is refused there."""

import asyncio
import importlib
import inspect
import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

import tidemill
from tidemill import TidemillError, flow, task
from tidemill.authoring.unsupported import MODULES, NAMES
from tidemill.context import FlowRunContext, MissingContextError, TaskRunContext, get_run_context, tags, with_context
from tidemill.domain.errors import DefinitionError, ScheduleError
from tidemill.filesystems import LocalFileSystem
from tidemill.futures import resolve_futures_to_results
from tidemill.logging import disable_run_logger, get_run_logger
from tidemill.logging.loggers import disable_logger, flow_run_logger
from tidemill.runtime import deployment, flow_run, task_run
from tidemill.schedules import Cron, Interval, RRule, cron, every
from tidemill.serializers import CompressedSerializer, JSONSerializer, PickleSerializer, Serializer
from tidemill.utilities.annotations import quote

PATHS = {
    "tidemill": "Flow State Task allow_failure flow get_run_logger tags task unmapped",
    "tidemill.client.schemas.objects": "FlowRun State StateType TaskRun",
    "tidemill.cache_policies": "DEFAULT INPUTS NO_CACHE RUN_ID TASK_SOURCE CachePolicy",
    "tidemill.context": "FlowRunContext TaskRunContext get_run_context tags with_context",
    "tidemill.exceptions": "CancelledRun CrashedRun FailedRun MissingResult PrefectException UnfinishedRun",
    "tidemill.filesystems": "LocalFileSystem",
    "tidemill.flows": "Flow flow",
    "tidemill.futures": "PrefectConcurrentFuture PrefectFuture PrefectFutureList as_completed"
    " resolve_futures_to_results resolve_futures_to_states wait",
    "tidemill.logging": "disable_run_logger get_logger get_run_logger",
    "tidemill.logging.loggers": "disable_logger flow_run_logger get_run_logger patch_print task_run_logger",
    "tidemill.results": "CloudResult DatabaseResult LocalResult",
    "tidemill.runtime": "deployment flow_run task_run",
    "tidemill.schedules": "Cron Interval RRule",
    "tidemill.serializers": "CompressedSerializer JSONSerializer PickleSerializer Serializer",
    "tidemill.states": "AwaitingRetry Cancelled Completed Crashed Failed Late Pending Running State StateType"
    " get_state_exception is_state raise_state_exception",
    "tidemill.task_runners": "ConcurrentTaskRunner ProcessPoolTaskRunner ThreadPoolTaskRunner",
    "tidemill.tasks": "Task exponential_backoff task task_input_hash",
    "tidemill.testing.utilities": "prefect_test_harness",
    "tidemill.transactions": "CommitMode IsolationLevel get_transaction transaction",
    "tidemill.utilities.annotations": "allow_failure opaque quote unmapped",
}


@pytest.mark.parametrize(("path", "names"), PATHS.items())
def test_prefect_s_import_paths_are_here(path, names):
    module = importlib.import_module(path)

    assert [name for name in names.split() if not hasattr(module, name)] == []
    assert set(getattr(module, "__all__", ())) <= set(dir(module)) | set(tidemill.__all__)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_that_is_not_supported_says_what_to_do_instead(module):
    below = [] if module in tidemill._MODULES else [f"tidemill.{module}"]
    for name in (*below, f"tidemill.{module}.below"):
        with pytest.raises(ModuleNotFoundError, match=r"tidemill\.[\w.]+ is not supported: ."):
            importlib.import_module(name)


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in NAMES.items() for name in names])
def test_a_name_that_is_not_supported_says_what_to_do_instead(module, name):
    place = f"tidemill.{module}".rstrip(".")

    with pytest.raises(ImportError, match=rf"{place}\.{name} is not supported: ."):
        getattr(importlib.import_module(place), name)


@pytest.mark.parametrize(
    "line",
    [
        "from tidemill.client.orchestration import get_client",
        "from tidemill.client import get_client",
        "from tidemill.client.schemas.objects import WorkPool",
        "from tidemill.client.schemas.filters import FlowRunFilter",
    ],
)
def test_of_the_client_there_are_runs_and_their_states_alone(line):
    with pytest.raises(ImportError, match="is not supported: there is no server to talk to"):
        exec(line)


def test_the_modules_are_there_without_an_import_of_their_own():
    code = "import tidemill; print(tidemill.runtime.flow_run.name, tidemill.states.Completed().name, tidemill.futures)"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=False)

    assert done.stdout.startswith("None Completed <module"), done.stderr


def test_what_never_was_is_missed_in_python_s_own_words():
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'tidemill\.nonsense'"):
        importlib.import_module("tidemill.nonsense")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = tidemill.nonsense


def test_each_path_can_be_the_first_import_of_a_program():
    for path in PATHS:
        done = subprocess.run(
            [sys.executable, "-P", "-c", f"import {path}, tidemill.flows as f; print(f.flow(lambda: 3, name='x')())"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.stdout, done.stderr) == ("3\n", ""), path


def test_facts_of_the_run_are_there_inside_and_absent_outside():
    @task(task_run_name="look-{x}", tags=["own"])
    def look(x):
        context = TaskRunContext.get()
        return task_run.name, task_run.parameters, task_run.run_count, task_run.tags, context.task.name

    @flow(flow_run_name="run-{n}")
    def inner(n: int = 3):
        return flow_run.name, flow_run.parameters, flow_run.parent_flow_run_id, flow_run.root_flow_run_id

    @flow
    def outer():
        with tags("outer"), tags("inner"):
            facts = look(5)
        assert get_run_context().flow_run.id == flow_run.id == FlowRunContext.get().flow_run.id
        assert task_run.id is None
        return flow_run.id, facts, inner()

    run_id, facts, (name, parameters, parent, root) = outer()

    assert facts == ("look-5", {"x": 5}, 1, ["inner", "outer", "own"], "look")
    assert (name, parameters, parent, root) == ("run-3", {"n": 3}, run_id, run_id)
    assert (flow_run.id, flow_run.parameters, flow_run.tags, task_run.run_count) == (None, {}, [], 0)
    assert deployment.id is None
    with pytest.raises(MissingContextError, match="no run is going on"):
        get_run_context()
    with pytest.raises(AttributeError, match="no fact 'nonsense'; known are"):
        _ = flow_run.nonsense


def test_schedules_under_prefect_s_names_are_ours():
    assert Cron("0 2 * * *", timezone="Europe/Berlin") == cron("0 2 * * *", timezone="Europe/Berlin")
    assert Interval(timedelta(minutes=5)) == Interval(300) == every(minutes=5)
    with pytest.raises(ScheduleError, match="RRule schedules are not supported"):
        RRule("FREQ=DAILY")
    with pytest.raises(ScheduleError, match="day_or=False is not supported"):
        Cron("0 2 1 * 1", day_or=False)


def test_the_run_s_logger_can_be_silenced(caplog):
    with caplog.at_level(logging.INFO), disable_run_logger():
        get_run_logger().warning("never")
    with caplog.at_level(logging.INFO):
        get_run_logger().warning("heard")

    assert caplog.messages == ["heard"]


def test_a_quoted_value_is_handed_on_as_it_is():
    @task
    def take(x):
        return x

    @flow
    def etl():
        return take.submit(quote([1, 2])).result()

    assert etl() == [1, 2]


def test_a_function_keeps_its_run_in_threads_of_the_author_s_own():
    @task
    def spread():
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(with_context(lambda: tidemill.current_run().run_id)).result() == flow_run.id

    @flow
    def etl():
        return spread()

    assert etl() is True


def test_the_signatures_of_flows_and_tasks_are_those_of_their_functions():
    @flow
    def etl(x: int, y: str = "a"): ...

    @task
    def step(z): ...

    assert str(inspect.signature(etl)) == "(x: int, y: str = 'a')"
    assert str(inspect.signature(step)) == "(z)"


def test_serving_and_deploying_say_what_to_do_instead():
    @flow
    def etl(): ...

    for call in (etl.serve, etl.deploy):
        with pytest.raises(tidemill.TidemillError, match="put its file into the watched folder"):
            call(name="x")


def test_serializers_take_what_they_have_options_for():
    assert (JSONSerializer(), PickleSerializer(picklelib="pickle"), CompressedSerializer("json")) == (
        "json",
        "pickle",
        "compressed/json",
    )
    with pytest.raises(DefinitionError, match=r"has no option jsonlib: give an object with dumps\(\) and loads\(\)"):
        JSONSerializer(jsonlib="orjson")
    with pytest.raises(DefinitionError, match="has no option compressionlib"):
        CompressedSerializer(compressionlib="lzma")


def test_a_serializer_of_an_author_s_own_is_an_object_with_both_methods(tmp_path):
    class Upper(Serializer):
        type = "upper"

        def dumps(self, obj):
            return obj.upper().encode()

        def loads(self, blob):
            return blob.decode().lower()

    @task(result_storage=LocalFileSystem(basepath=str(tmp_path)), result_serializer=Upper(), persist_result=True)
    def says():
        return "hello"

    @flow
    def etl():
        return says()

    assert etl() == "hello"
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"HELLO"]


def test_a_folder_for_results_needs_no_saving_and_is_kept_under_no_name(tmp_path):
    storage = LocalFileSystem(basepath=str(tmp_path))

    assert storage.save("mine", overwrite=True) is None
    assert asyncio.run(_saved(storage)) is None
    with pytest.raises(TidemillError, match="no folder is kept under the name 'mine'"):
        LocalFileSystem.load("mine")


async def _saved(storage):
    return await storage.save("mine")


def test_hooks_may_ask_for_the_logger_of_their_run(caplog):
    def tell(flow, run, state):
        flow_run_logger(run, flow).warning("%s is %s", flow.name, state.name)

    @flow(on_completion=[tell])
    def etl():
        with disable_logger("noisy"):
            logging.getLogger("noisy").error("unheard")

    etl()

    assert caplog.messages == ["etl is Completed"]


def test_the_facts_of_runs_can_be_listed():
    assert {"id", "name", "parameters", "scheduled_start_time"} <= set(dir(flow_run))
    assert {"id", "name", "task_name", "run_count"} <= set(dir(task_run))


def test_several_futures_become_their_results():
    @task
    def double(x):
        return 2 * x

    @flow
    def etl():
        return resolve_futures_to_results({"a": [double.submit(1)], "b": 3})

    assert etl() == {"a": [2], "b": 3}

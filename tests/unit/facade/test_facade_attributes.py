"""What Prefect's programs ask of flows and tasks: their options as attributes, and what is refused in a sentence."""

import inspect
from datetime import timedelta

import pytest

from tidemill import Flow, Task, TidemillError, flow, task
from tidemill.cache_policies import INPUTS
from tidemill.task_runners import ThreadPoolTaskRunner


def told(*_):
    """Take part as a hook."""


@task(
    description="Loads.",
    tags=["db", "slow"],
    version="3",
    retries=2,
    retry_delay_seconds=[1, 10],
    retry_jitter_factor=0.5,
    timeout_seconds=60,
    cache_policy=INPUTS,
    cache_expiration=timedelta(hours=1),
    task_run_name="load-{day}",
    persist_result=True,
    result_storage_key="{task}",
    log_prints=True,
    viz_return_value=[1],
    on_completion=[told],
)
def load(day=1):
    return day


@flow(version="7", retries=1, timeout_seconds=5, flow_run_name="etl-{n}", log_prints=True, validate_parameters=False)
async def etl(n: int = 3):
    """Run everything."""
    return n


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "name": "load",
        "description": "Loads.",
        "tags": {"db", "slow"},
        "version": "3",
        "retries": 2,
        "retry_delay_seconds": [1, 10],
        "retry_jitter_factor": 0.5,
        "timeout_seconds": 60,
        "cache_policy": INPUTS,
        "cache_expiration": timedelta(hours=1),
        "cache_key_fn": None,
        "refresh_cache": None,
        "task_run_name": "load-{day}",
        "persist_result": True,
        "result_storage": None,
        "result_storage_key": "{task}",
        "cache_result_in_memory": True,
        "log_prints": True,
        "viz_return_value": [1],
        "on_completion_hooks": [told],
        "on_failure_hooks": [],
        "isasync": False,
        "isgenerator": False,
        "__name__": "load",
    }.items(),
)
def test_a_task_answers_for_its_options(name, value):
    assert getattr(load, name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    {
        "name": "etl",
        "description": "Run everything.",
        "version": "7",
        "tags": set(),
        "retries": 1,
        "retry_delay_seconds": 0,
        "timeout_seconds": 5,
        "flow_run_name": "etl-{n}",
        "log_prints": True,
        "should_validate_parameters": False,
        "task_runner": None,
        "on_crashed_hooks": [],
        "isasync": True,
        "__name__": "etl",
    }.items(),
)
def test_a_flow_answers_for_its_options(name, value):
    assert getattr(etl, name) == value


def test_flows_and_tasks_lead_to_the_functions_they_were_made_of():
    assert inspect.unwrap(load) is load.fn
    assert "def load" in inspect.getsource(load)
    assert load.source_code.startswith("@task(")
    assert load.task_key.endswith("test_facade_attributes.py:load")
    assert etl.__wrapped__ is etl.fn


def test_options_can_be_taken_back():
    assert load.with_options(task_run_name=None, cache_policy=None).task_run_name is None
    assert load.with_options(cache_policy=None).cache_policy is None
    assert load.with_options(description=None, version=None).version == "3"
    assert etl.with_options(flow_run_name=None).flow_run_name is None
    assert etl.with_options(task_runner=ThreadPoolTaskRunner(2)).task_runner.max_workers == 2


@pytest.mark.parametrize("name", ["delay", "apply_async", "serve", "aserve", "create_run", "result"])
def test_what_a_task_has_not_says_what_to_do_instead(name):
    with pytest.raises(TidemillError, match=rf"task load has no {name}\(\): .*\.submit\(\)"):
        getattr(load, name)(1)


@pytest.mark.parametrize("name", ["serve", "deploy", "adeploy", "to_deployment", "afrom_source"])
def test_a_flow_is_not_served_but_put_into_the_folder(name):
    with pytest.raises(TidemillError, match=rf"flow etl has no {name}\(\): put its file into the watched folder"):
        getattr(etl, name)("a name", cron="* * * * *")


def test_a_flow_is_drawn_by_the_command_line_and_loaded_from_nowhere_else():
    with pytest.raises(TidemillError, match="tidemill graph"):
        etl.visualize()
    with pytest.raises(TidemillError, match="watched folder"):
        Flow.from_source("https://example.org", entrypoint="a.py:b")


@pytest.mark.parametrize("thing", [load, etl, Flow("graph", tasks=[load])])
def test_what_nobody_ever_had_is_missed_in_python_s_own_words(thing):
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        _ = thing.nonsense


def test_a_task_is_made_of_a_named_function_too():
    class Doubles:
        def __call__(self, x):
            return 2 * x

    assert Task(fn=Doubles(), name="doubles")(2) == 4
    assert Task(fn=len)([1, 2]) == 2


def test_a_flow_is_made_of_a_named_function_too():
    made = Flow(fn=lambda x: 2 * x, name="doubles", retries=1)

    assert made(2) == 4
    assert (made.name, made.retries, isinstance(made, Flow)) == ("doubles", 1, True)
    assert Flow(len)([1, 2]) == 2


def test_a_map_that_is_to_be_deferred_is_refused_inside_and_outside_of_flows():
    @flow
    def inside():
        return load.map([1], deferred=False).result(), load.map([1], deferred=True)

    for call in (inside, lambda: load.map([1], deferred=True)):
        with pytest.raises(TidemillError, match="cannot be mapped with deferred=True: map it inside a flow"):
            call()

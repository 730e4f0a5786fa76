"""What code may ask of its run under Prefect's names: in bodies, in hooks and in functions that name runs."""

from datetime import UTC, datetime, timedelta

from tidemill import flow, runtime, task
from tidemill.context import EngineContext, FlowRunContext, TaskRunContext, get_run_context
from tidemill.states import StateType


def name_of_run():
    return f"{runtime.flow_run.flow_name} of {runtime.flow_run.parameters['day']}"


def name_of_task_run():
    return f"{runtime.task_run.task_name} {runtime.task_run.parameters['x']} in {runtime.flow_run.flow_name}"


@task(task_run_name=name_of_task_run)
def named(x):
    return runtime.task_run.name


def test_functions_that_name_runs_may_ask_what_they_name():
    @flow(flow_run_name=name_of_run)
    def daily(day):
        return runtime.flow_run.name, named(1), named.submit(2).result(), named.map([3]).result()

    @flow
    def outer():
        return daily("Monday")[0], runtime.flow_run.flow_name

    assert daily("Sunday") == ("daily of Sunday", "named 1 in daily", "named 2 in daily", ["named 3 in daily"])
    assert outer() == ("daily of Monday", "outer")


def test_the_context_knows_the_flow_the_task_and_when_they_began():
    begun = datetime.now(UTC)

    @task(tags=["t"])
    def inside(x):
        context = get_run_context()
        run = context.task_run
        assert context.task is inside
        assert (context.parameters, run.task_key, run.state_name, run.state_type, run.tags) == (
            {"x": 1},
            "inside",
            "Running",
            StateType.RUNNING,
            ("t",),
        )
        return FlowRunContext.get().flow

    @flow
    def etl():
        context = get_run_context()
        run = context.flow_run
        assert TaskRunContext.get() is None
        assert isinstance(context, EngineContext)
        assert (run.state_name, run.state_type, run.deployment_id) == ("Running", StateType.RUNNING, None)
        assert begun <= context.start_time == run.start_time <= datetime.now(UTC)
        return context.flow is inside(1) is etl

    assert etl()


def test_a_run_that_nobody_scheduled_was_to_start_when_it_did():
    @flow
    def etl():
        return runtime.flow_run.scheduled_start_time

    begun = etl()
    assert timedelta() <= datetime.now(UTC) - begun < timedelta(seconds=30)
    assert runtime.flow_run.scheduled_start_time.tzinfo is UTC


def test_hooks_see_the_state_by_type_and_name_and_the_values_that_a_failed_flow_returned():
    seen = []

    def tell(flow, run, state):
        seen.append((run.state_name, run.state_type, state.result(raise_on_failure=False)))

    @task
    def fails():
        raise ValueError

    @flow(on_failure=[tell])
    def etl():
        return fails.submit(), 3

    assert etl(return_state=True).is_failed()
    (name, kind, (state, three)) = seen[0]
    assert (name, kind, state.is_failed(), three) == ("Failed", StateType.FAILED, True, 3)

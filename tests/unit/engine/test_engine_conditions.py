"""When a task of a graph begins, what it is given, and how the run ends."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import Flow, flow, task
from tidemill.authoring.context import RunContext
from tidemill.domain.errors import DefinitionError, Skip
from tidemill.domain.runs import FinishedTask
from tidemill.domain.states import State
from tidemill.engine.calls.local import InMemory
from tidemill.engine.flow_run import carry_out, prepare
from tidemill.engine.graphs.graph import build_graph
from tidemill.engine.run import Nowhere, Run
from tidemill.storage.history import NOTHING

GOOD = {"completed"}
BAD = {"failed", "upstream_failed"}
NEED_SOMETHING = ("any_succeeded", "any_failed", "all_failed")
CONDITIONS = ("all_succeeded", "all_finished", "none_failed", "none_skipped", *NEED_SOMETHING)


def begins(condition, above):
    """The conditions in their own words."""
    return {
        "all_succeeded": set(above) <= GOOD,
        "all_finished": True,
        "none_failed": not BAD & set(above),
        "none_skipped": "skipped" not in above,
        "any_succeeded": bool(GOOD & set(above)),
        "any_failed": bool(BAD & set(above)),
        "all_failed": set(above) <= BAD,
    }[condition]


def model(graph):
    """Say how each task ends: one after the other, no threads, no counting."""
    ends = []
    for above, condition, outcome in graph:
        states = [ends[index] for index in above]
        if begins(condition, states):
            ends.append(outcome)
        elif condition in ("all_succeeded", "any_succeeded", "none_failed") and BAD & set(states):
            ends.append("upstream_failed")
        else:
            ends.append("skipped")
    return ends


@st.composite
def graphs(draw):
    size = draw(st.integers(1, 9))
    graph = []
    for n in range(size):
        above = draw(st.lists(st.integers(0, n - 1), unique=True, max_size=4)) if n else []
        condition = draw(st.sampled_from(CONDITIONS if above else CONDITIONS[:4]))
        graph.append((above, condition, draw(st.sampled_from(["completed", "failed", "skipped"]))))
    return graph


def work_of(outcome, ran, name):
    def work():
        ran.append(name)
        if outcome == "failed":
            raise ValueError("on purpose")
        if outcome == "skipped":
            raise Skip("on purpose")

    return work


@settings(max_examples=150, deadline=None)
@given(graphs(), st.integers(1, 3), st.randoms())
def test_a_graph_of_any_shape_ends_as_the_model_says(graph, threads, random):
    ran, tasks = [], []
    for n, (above, condition, outcome) in enumerate(graph):
        depends_on = [tasks[index] for index in above]
        options = {"name": f"t{n}", "depends_on": depends_on, "condition": condition}
        tasks.append(task(**options)(work_of(outcome, ran, f"t{n}")))

    run = Flow("f", tasks=random.sample(tasks, len(tasks)), max_workers=threads).run()

    expected = dict(zip((made.name for made in tasks), model(graph), strict=True))
    assert {name: str(outcome.state) for name, outcome in run.tasks.items()} == expected
    states = {name: begins_by(expected, graph, n) for n, name in enumerate(expected)}
    assert sorted(ran) == sorted(name for name, begun in states.items() if begun)
    assert run.state is (State.FAILED if "failed" in expected.values() else State.COMPLETED)


def begins_by(ends, graph, n):
    above, condition, _ = graph[n]
    return begins(condition, [ends[f"t{index}"] for index in above])


def fails():
    raise ValueError("boom")


def skips():
    raise Skip("no new rows")


def test_a_task_is_given_none_for_what_failed_or_was_skipped():
    bad, gone = task(name="bad")(fails), task(name="gone")(skips)

    @task
    def fine():
        return 1

    @task(depends_on=[bad, gone, fine], condition="all_finished")
    def cleanup(bad, gone, fine, listed):
        return bad, gone, fine, listed

    run = Flow("f", tasks=[cleanup.bind(listed=[bad, {"a": fine}])]).run()

    assert run.result("cleanup") == (None, None, 1, [None, {"a": 1}])


def test_a_cleanup_does_not_make_a_failed_run_green():
    bad = task(name="bad")(fails)
    cleanup = task(name="cleanup", depends_on=[bad], condition="all_finished")(lambda: None)

    run = Flow("f", tasks=[cleanup]).run()

    assert run.tasks["cleanup"].state is State.COMPLETED
    assert (run.state, run.error.line) == (State.FAILED, "ValueError: task bad: boom")


def test_a_handler_that_nobody_needed_does_not_make_a_good_run_red():
    good = task(name="good")(lambda: 1)
    handler = task(name="handler", depends_on=[good], condition="any_failed")(lambda: None)
    after = task(name="after", depends_on=[handler])(lambda: None)

    run = Flow("f", tasks=[after]).run()

    assert run.is_completed
    assert {name: str(outcome.state) for name, outcome in run.tasks.items()} == {
        "good": "completed",
        "handler": "skipped",
        "after": "skipped",
    }


@pytest.mark.parametrize(
    ("first", "condition", "state", "reason"),
    [
        (fails, None, "upstream_failed", "UpstreamFailed: not run, because task first ended as failed"),
        (skips, None, "skipped", "Skipped: not run, because task first was skipped: no new rows"),
        (skips, "any_failed", "skipped", "Skipped: not run: its condition any_failed is not met: first skipped"),
        (skips, "none_skipped", "skipped", "Skipped: not run, because task first was skipped: no new rows"),
    ],
)
def test_the_reason_names_the_first_cause_however_far_above_it_is(first, condition, state, reason):
    top = task(name="first")(first)
    middle = task(name="middle", depends_on=[top], condition=condition)(lambda: None)
    last = task(name="last", depends_on=[middle])(lambda: None)

    run = Flow("f", tasks=[last]).run()

    assert (str(run.tasks["middle"].state), run.tasks["middle"].error.line) == (state, reason)
    assert run.tasks["last"].state is run.tasks["middle"].state
    if reason.startswith(("UpstreamFailed", "Skipped: not run, because")):
        assert run.tasks["last"].error.line == reason


def test_a_task_that_skips_itself_says_why_and_is_not_tried_again():
    calls = []

    @task(retries=3)
    def poll():
        calls.append(1)
        raise Skip("no new rows")

    run = Flow("f", tasks=[poll]).run()

    assert (run.state, calls) == (State.COMPLETED, [1])
    assert run.tasks["poll"].state is State.SKIPPED
    assert run.tasks["poll"].error.line == "Skip: no new rows"


@pytest.mark.parametrize(("answer", "state"), [(True, "completed"), (False, "skipped")])
def test_an_author_s_own_condition_is_asked_with_the_states_by_name(answer, state):
    seen = []

    def mine(states):
        seen.append(states)
        return answer

    bad, fine = task(name="bad")(fails), task(name="fine")(lambda: 1)
    below = task(name="below", depends_on=[bad, fine], condition=mine)(lambda: None)

    run = Flow("f", tasks=[below]).run()

    assert seen == [{"bad": State.FAILED, "fine": State.COMPLETED}]
    assert str(run.tasks["below"].state) == state
    if not answer:
        assert run.tasks["below"].error.line.endswith("its condition mine is not met: bad failed, fine completed")


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        (lambda states: states["nobody"], "KeyError: condition <lambda> of task below: 'nobody'"),
        (lambda states: None, "TypeError: condition <lambda> of task below: it returned NoneType, and must return"),
    ],
)
def test_a_condition_that_cannot_tell_fails_its_task(condition, reason):
    top = task(name="top")(lambda: 1)
    below = task(name="below", depends_on=[top], condition=condition)(lambda: None)

    run = Flow("f", tasks=[below]).run()

    assert run.state is State.FAILED
    assert run.tasks["below"].error.line.startswith(reason)


def test_a_condition_without_anything_above_is_asked_too():
    alone = task(name="alone", condition=lambda states: len(states) > 0)(lambda: None)

    assert Flow("f", tasks=[alone]).run().tasks["alone"].state is State.SKIPPED


@pytest.mark.parametrize("condition", NEED_SOMETHING)
def test_a_condition_that_nothing_can_meet_is_refused_with_the_line(condition):
    alone = task(name="alone", condition=condition)(lambda: None)

    with pytest.raises(DefinitionError, match=f"condition {condition} and depends on nothing") as caught:
        build_graph(Flow("f", tasks=[alone]))
    assert caught.value.line is not None


def test_a_wrong_condition_is_refused_with_the_nearest():
    with pytest.raises(DefinitionError, match="task t has no condition 'all_succeded'; did you mean 'all_succeeded'"):
        task(name="t", condition="all_succeded")(lambda: None)
    with pytest.raises(DefinitionError, match="condition of task t must be one of all_succeeded, any_succeeded"):
        task(name="t", condition=3)(lambda: None)


def test_a_task_cancelled_by_itself_cancels_what_needs_it():
    from tidemill import Cancelled

    def stops():
        raise Cancelled

    top = task(name="top")(stops)
    below = task(name="below", depends_on=[top])(lambda: None)
    other = task(name="other", depends_on=[top], condition="all_finished")(lambda: 2)

    run = Flow("f", tasks=[below, other]).run()

    assert run.tasks["below"].state is State.CANCELLED
    assert run.tasks["below"].error.line == "Cancelled: not run, because task top ended as cancelled"
    assert run.result("other") == 2
    assert (run.state, run.error.line) == (State.CANCELLED, "Cancelled: task top was cancelled")


def fallback(primary=fails, secondary=lambda: 2):
    first = task(name="primary")(primary)
    second = task(name="secondary", depends_on=[first], condition="any_failed")(secondary)
    use = task(name="use", condition="any_succeeded")(lambda first, second: first or second)
    return use.bind(first=first, second=second)


@pytest.mark.parametrize("reference", ["use", fallback])
def test_a_flow_that_names_reference_tasks_ends_as_they_do(reference):
    use = fallback()

    run = Flow("f", tasks=[use], reference_tasks=["use"] if reference == "use" else [use]).run()

    assert (run.state, run.result("use")) == (State.COMPLETED, 2)
    assert run.tasks["primary"].state is State.FAILED


def test_a_reference_task_that_was_not_run_because_of_a_failure_counts_as_failed():
    run = Flow("f", tasks=[fallback(secondary=fails)], reference_tasks=["use"]).run()

    assert run.state is State.FAILED
    assert run.error.line == "UpstreamFailed: task use: not run, because task primary ended as failed"


def test_a_reference_task_that_is_not_there_is_refused():
    stranger = task(name="stranger")(lambda: None)

    with pytest.raises(DefinitionError, match=r"the end of flow f depends on 'uze', .* did you mean 'use'"):
        build_graph(Flow("f", tasks=[fallback()], reference_tasks=["uze"]))
    with pytest.raises(DefinitionError, match="depends on stranger, which is no part of the flow") as caught:
        build_graph(Flow("f", tasks=[fallback()], reference_tasks=stranger))
    assert caught.value.line is not None
    with pytest.raises(DefinitionError, match="flow etl is a function"):

        @flow(reference_tasks=["use"])
        def etl(): ...


def carried(flow, finished=()):
    run = Run(RunContext("abc", "f", {}), Nowhere(), InMemory(), max_workers=2, finished=finished)
    try:
        carry_out(prepare(flow, {}), run)
    finally:
        run.pool.close()
    return {task_run.name: str(task_run.state) for task_run in run.task_runs}


@settings(max_examples=100, deadline=None)
@given(graphs(), st.lists(st.sampled_from(["completed", "failed", "skipped"]), min_size=9, max_size=9))
def test_a_resumed_graph_runs_what_had_not_completed_and_asks_its_conditions_anew(graph, outcomes):
    ran, tasks = [], []
    again = {f"t{n}": outcome for n, outcome in enumerate(outcomes)}

    def work_in(first, second, name):
        def work():
            work_of(second if resumed else first, ran, name)()

        return work

    for n, (above, condition, outcome) in enumerate(graph):
        options = {"name": f"t{n}", "depends_on": [tasks[index] for index in above], "condition": condition}
        tasks.append(task(**options)(work_in(outcome, again[f"t{n}"], f"t{n}")))
    flow = Flow("f", tasks=tasks)

    resumed = False
    before = carried(flow)
    completed = [name for name, state in before.items() if state == "completed"]
    ran.clear()
    resumed = True
    after = carried(flow, [FinishedTask(0, name, NOTHING) for name in completed])

    ends = []
    for n, (above, condition, _) in enumerate(graph):
        above_it = [([], "all_finished", ends[index]) for index in above]
        end = model([*above_it, (range(len(above)), condition, again[f"t{n}"])])[-1]
        # What was cached has succeeded, for all that depends on it.
        ends.append("completed" if f"t{n}" in completed else end)
    assert after == {f"t{n}": "cached" if f"t{n}" in completed else end for n, end in enumerate(ends)}
    assert not set(ran) & set(completed)

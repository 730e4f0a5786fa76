"""A task of a declared graph that is mapped over what another returns."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import Flow, allow_failure, flow, task, unmapped
from tidemill.domain.errors import DefinitionError, Skip
from tidemill.domain.states import State
from tidemill.engine.graphs.graph import build_graph


@task
def numbers():
    return [1, 2, 3]


@task
def double(x):
    return 2 * x


def test_each_element_has_a_task_run_of_its_own_and_plain_use_collects_in_order():
    @task
    def total(doubled):
        return doubled

    doubled = double.with_options(name="doubled").map(x=numbers)
    run = Flow("f", tasks=[total.bind(doubled=doubled)], max_workers=3).run()

    assert run.is_completed
    assert run.result("total") == run.result("doubled") == [2, 4, 6]
    assert [run.result(f"doubled[{n}]") for n in range(3)] == [2, 4, 6]
    assert [task.index for name, task in run.tasks.items() if "[" in name] == [3, 4, 5]


def test_a_mapped_task_mapped_again_takes_item_by_item():
    quadrupled = double.with_options(name="again").map(double.map(numbers))

    assert Flow("f", tasks=[quadrupled]).run().result("again") == [4, 8, 12]


def test_several_lists_are_taken_in_step_and_unmapped_goes_to_all():
    @task
    def join(a, b, rates, sign="+"):
        return f"{a}{sign}{b}@{sum(rates)}"

    joined = join.map(numbers, b=("x", "y", "z"), rates=unmapped(numbers), sign="-")

    assert Flow("f", tasks=[joined]).run().result("join") == ["1-x@6", "2-y@6", "3-z@6"]


def test_lists_of_different_lengths_are_refused_with_both_when_the_file_is_read():
    @task
    def join(a, b): ...

    with pytest.raises(DefinitionError, match=r"mapped over a \(2 items\) and b \(3 items\)") as caught:
        build_graph(Flow("f", tasks=[join.map(a=[1, 2], b=["x", "y", "z"])]))
    assert caught.value.line is not None


def test_results_of_different_lengths_fail_the_task_with_both():
    @task
    def join(a, b): ...

    run = Flow("f", tasks=[join.map(a=[1, 2], b=numbers)]).run()

    assert run.error.line == (
        "DefinitionError: task join is mapped over a (2 items) and b (3 items): they must have the same length"
    )


@pytest.mark.parametrize(
    ("returned", "reason"),
    [
        (None, "is None and no list of items"),
        (5, "is of the type int and no list of items"),
        ("abc", "is of the type str and no list of items"),
        ({1, 2}, "is a set, which has no order to resume by: map over sorted"),
        ({"a": 1}, "is a dict: map over a list of its keys, values or items"),
    ],
)
def test_what_is_no_list_fails_the_mapped_task_with_a_sentence(returned, reason):
    @task
    def source():
        return returned

    run = Flow("f", tasks=[double.map(source)]).run()

    assert run.tasks["double"].state is State.FAILED
    assert f"the result of source, which task double is mapped over, {reason}" in run.error.line


def test_an_iterable_that_raises_fails_the_mapped_task():
    class Rows:
        def __iter__(self):
            raise OSError("connection lost")

    rows = Rows()
    run = Flow("f", tasks=[double.map(task(name="source")(lambda: rows))]).run()

    assert run.error.line == "OSError: task double: connection lost"


def test_an_empty_list_completes_with_an_empty_list():
    @task
    def nothing():
        return []

    after = task(name="after")(lambda doubled: doubled)

    run = Flow("f", tasks=[after.bind(doubled=double.map(nothing))]).run()

    assert run.is_completed
    assert run.result("after") == []


def fails_on_two(x):
    if x == 2:
        raise ValueError("two")
    return x


def test_an_item_that_fails_fails_the_whole_and_not_the_others():
    shaky = task(name="shaky")(fails_on_two).map(numbers)
    after = task(name="after", depends_on=[shaky])(lambda shaky: shaky)
    lenient = task(name="lenient", depends_on=[shaky], condition="all_finished")(lambda shaky: shaky)

    run = Flow("f", tasks=[after, lenient]).run()

    assert [str(run.tasks[f"shaky[{n}]"].state) for n in range(3)] == ["completed", "failed", "completed"]
    assert run.tasks["shaky"].error.line == "ValueError: 1 of 3 items failed; the first, shaky[1]: ValueError: two"
    assert run.tasks["after"].error.line == "UpstreamFailed: not run, because task shaky ended as failed"
    assert run.result("lenient") == [1, None, 3]
    assert run.error.line == "ValueError: task shaky: 1 of 3 items failed; the first, shaky[1]: ValueError: two"


def test_below_an_item_that_failed_only_its_own_item_is_not_run():
    shaky = task(name="shaky")(fails_on_two).map(numbers)
    below = double.map(shaky)

    run = Flow("f", tasks=[below]).run()

    assert [str(run.tasks[f"double[{n}]"].state) for n in range(3)] == ["completed", "upstream_failed", "completed"]
    assert run.tasks["double[1]"].error.line == "UpstreamFailed: not run, because task shaky[1] ended as failed"
    assert run.tasks["double"].state is State.UPSTREAM_FAILED


def test_a_condition_of_a_task_mapped_in_step_is_asked_for_each_item():
    shaky = task(name="shaky")(fails_on_two).map(numbers)
    alert = task(name="alert", condition="any_failed")(lambda x: f"alert {x}").map(shaky)

    run = Flow("f", tasks=[alert]).run()

    assert [str(run.tasks[f"alert[{n}]"].state) for n in range(3)] == ["skipped", "completed", "skipped"]
    assert run.result("alert") == [None, "alert None", None]


def test_the_items_ask_for_tasks_that_are_not_mapped_as_well():
    bad = task(name="bad")(lambda: 1 / 0)
    below = task(name="below")(lambda x, y: x).map(double.map(numbers), y=unmapped(bad))

    run = Flow("f", tasks=[below]).run()

    assert {str(run.tasks[f"below[{n}]"].state) for n in range(3)} == {"upstream_failed"}
    assert run.tasks["below[0]"].error.line == "UpstreamFailed: not run, because task bad ended as failed"


def test_a_task_mapped_over_what_failed_is_not_run_and_has_no_items():
    bad = task(name="bad")(lambda: 1 / 0)
    plain, lenient = double.map(bad), double.with_options(name="kept", condition="all_finished").map(bad)

    run = Flow("f", tasks=[plain, lenient]).run()

    assert run.tasks["double"].state is State.UPSTREAM_FAILED
    assert run.result("kept") == []
    assert list(run.tasks) == ["bad", "double", "kept"]


def test_a_failed_list_beside_a_mapped_one_gives_none_to_every_item():
    bad = task(name="bad")(lambda: 1 / 0)
    both = task(name="both", condition="any_succeeded")(lambda x, y: (x, y))

    run = Flow("f", tasks=[both.map(x=double.map(numbers), y=bad)]).run()

    assert run.result("both") == [(2, None), (4, None), (6, None)]


def test_skipped_items_are_none_and_all_of_them_skipped_is_skipped():
    def odd_only(x):
        if x % 2 == 0:
            raise Skip("even")
        return x

    odd = task(name="odd")(odd_only).map(numbers)
    none = task(name="none")(odd_only).map(x=[2, 4])
    below = double.map(odd)
    run = Flow("f", tasks=[below, none]).run()

    assert run.is_completed
    assert run.result("odd") == [1, None, 3]
    assert run.result("double") == [2, None, 6]
    assert run.tasks["double[1]"].error.line == "Skipped: not run, because task odd[1] was skipped: even"
    assert run.tasks["none"].state is State.SKIPPED


def test_every_item_has_its_own_retries():
    tries: dict[int, int] = {}

    @task(retries=2)
    def shaky(x):
        tries[x] = tries.get(x, 0) + 1
        if tries[x] < x:
            raise ValueError(f"try {tries[x]}")
        return x

    run = Flow("f", tasks=[shaky.map(numbers)], max_workers=2).run()

    assert run.result("shaky") == [1, 2, 3]
    assert tries == {1: 1, 2: 2, 3: 3}
    assert [run.tasks[f"shaky[{n}]"].attempts for n in range(3)] == [1, 2, 3]


def test_items_run_beside_each_other():
    together = threading.Barrier(3, timeout=5)

    @task
    def meet(x):
        together.wait()
        return x

    assert Flow("f", tasks=[meet.map(numbers)], max_workers=3).run().result("meet") == [1, 2, 3]


def test_a_long_map_lets_other_tasks_have_their_turn():
    order = []
    many = task(name="many")(order.append).map(range(100))
    first = task(name="first")(lambda: order.append("first"))
    other = task(name="other", depends_on=[first])(lambda: order.append("other"))

    Flow("f", tasks=[many, other], max_workers=1).run()

    assert order.index("other") < 10


def test_task_runs_are_made_as_threads_get_free():
    alive = []

    @task
    def look(n):
        from tidemill.authoring.context import CURRENT_RUN

        alive.append(len(CURRENT_RUN.get().task_runs))

    Flow("f", tasks=[look.map(range(1000))], max_workers=1).run()

    assert alive == list(range(2, 1002))


def test_a_parameter_of_a_mapped_task_is_converted_item_by_item():
    @task
    def typed(n: int):
        return n

    assert Flow("f", tasks=[typed.map(n=["1", "2"])]).run().result("typed") == [1, 2]
    with pytest.raises(DefinitionError, match="parameter 'n' of task typed must be int, and 'x' is not"):
        build_graph(Flow("f", tasks=[typed.map(n=["1", "x"])]))


def test_tasks_in_a_list_that_is_mapped_over_are_its_elements():
    run = Flow("f", tasks=[double.map(x=[task(name="one")(lambda: 1), 5])]).run()

    assert run.result("double") == [2, 10]


def test_mapping_over_nothing_is_refused():
    with pytest.raises(DefinitionError, match=r"task double is mapped over nothing: give \.map\(\) a list"):
        double.map(x=unmapped(numbers))


def test_a_later_bind_takes_the_place_of_what_was_mapped():
    assert Flow("f", tasks=[double.map(numbers).bind(x=5)]).run().result("double") == 10


def test_what_could_be_taken_for_an_item_is_refused():
    other = task(name="double[1]")(lambda: None)

    with pytest.raises(DefinitionError, match=r"task double\[1\] is called like an item of the mapped task double"):
        build_graph(Flow("f", tasks=[double.map(numbers), other]))


def test_allow_failure_names_what_a_graph_has_instead():
    with pytest.raises(DefinitionError, match="give the task that takes the value a condition such as all_finished"):
        build_graph(Flow("f", tasks=[double.bind(x=allow_failure(numbers))]))


def test_a_flow_that_is_tried_again_takes_the_items_that_completed():
    tries: dict[int, int] = {}

    @task
    def shaky(x):
        tries[x] = tries.get(x, 0) + 1
        if x == 2 and tries[x] == 1:
            raise ValueError("once")
        return x

    run = Flow("f", tasks=[double.bind(x=shaky.map(numbers))], retries=1).run()

    assert run.result("double") == [1, 2, 3, 1, 2, 3]
    assert tries == {1: 1, 2: 2, 3: 1}


def test_what_a_map_waits_for_is_depended_on():
    first = task(name="first")(lambda: 1)
    flow = Flow("f", tasks=[double.map(numbers, wait_for=[first])])

    assert [(node.name, node.upstream) for node in build_graph(flow).nodes] == [
        ("numbers", ()),
        ("first", ()),
        ("double", (0, 1)),
    ]


def test_a_graph_called_in_a_flow_function_gives_the_items_results():
    @flow
    def outer():
        run = Flow("f", tasks=[double.map(numbers)]).run()
        return run.result("double"), run.result("double[1]")

    assert outer() == ([2, 4, 6], 4)


OUTCOMES = ["completed", "failed", "skipped"]
BEGINS = {
    "all_succeeded": lambda above: above == "completed",
    "none_failed": lambda above: above in ("completed", "skipped"),
    "all_finished": lambda above: True,
    "any_failed": lambda above: above == "failed",
    "none_skipped": lambda above: above != "skipped",
}


def as_told(outcome):
    if outcome == "failed":
        raise ValueError("on purpose")
    if outcome == "skipped":
        raise Skip("on purpose")
    return outcome


def whole(ends):
    """How a mapped task ends by its items."""
    if "failed" in ends:
        return "failed"
    if "upstream_failed" in ends:
        return "upstream_failed"
    return "skipped" if ends and set(ends) == {"skipped"} else "completed"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(OUTCOMES), st.sampled_from(OUTCOMES)), max_size=6),
    st.sampled_from(list(BEGINS)),
    st.integers(1, 3),
)
def test_maps_in_step_end_item_by_item_as_the_model_says(items, condition, threads):
    first = task(name="first")(as_told).map([above for above, _ in items])
    second = task(name="second", condition=condition)(lambda x, outcome: as_told(outcome))

    run = Flow("f", tasks=[second.map(first, outcome=[own for _, own in items])], max_workers=threads).run()

    denied = {"failed": "upstream_failed", "skipped": "skipped"}
    ends = [
        own
        if BEGINS[condition](above)
        else denied[above]
        if condition in ("all_succeeded", "none_failed")
        else "skipped"
        for above, own in items
    ]
    assert [str(run.tasks[f"second[{n}]"].state) for n in range(len(items))] == ends
    assert str(run.tasks["first"].state) == whole([above for above, _ in items])
    # Without items the task as a whole is asked, and what it maps over has completed.
    assert str(run.tasks["second"].state) == (whole(ends) if items or condition != "any_failed" else "skipped")

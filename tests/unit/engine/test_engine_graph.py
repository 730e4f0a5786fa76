import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import Flow, Task, task
from tidemill.domain.errors import DefinitionError
from tidemill.engine.graphs.graph import build_graph


def shape(flow):
    return {node.name: [*node.upstream] for node in build_graph(flow).nodes}


def test_what_a_task_needs_is_pulled_into_its_flow():
    @task
    def a(): ...

    @task(depends_on=[a])
    def b(a): ...

    @task
    def c(rows): ...

    assert shape(Flow("f", tasks=[c.bind(rows=b)])) == {"a": [], "b": [0], "c": [1]}


def test_a_dependency_may_be_a_task_a_class_an_instance_or_a_name():
    class Load(Task):
        def run(self): ...

    @task
    def a(): ...

    instance = Load(name="special")

    @task(depends_on=[a, instance, "late"])
    def b(): ...

    @task
    def late(): ...

    @task(depends_on=Load)
    def c(): ...

    assert shape(Flow("f", tasks=[b, late, c])) == {
        "a": [],
        "special": [],
        "late": [],
        "b": [0, 1, 2],
        "Load": [],
        "c": [4],
    }


def test_a_class_stands_for_the_instance_that_is_in_the_flow():
    class Load(Task):
        def run(self): ...

    @task(depends_on=[Load])
    def a(): ...

    assert shape(Flow("f", tasks=[a, Load(name="mine")])) == {"mine": [], "a": [0]}


def test_a_method_depends_on_the_method_of_its_own_instance():
    class Report:
        @task
        def write(self): ...

        @task(depends_on=[write])
        def send(self, write): ...

    first, second = Report(), Report()

    graph = build_graph(Flow("f", tasks=[first.send, second.send]))

    assert [node.task for node in graph.nodes] == [first.write, first.send, second.write, second.send]
    assert [node.upstream for node in graph.nodes] == [(), (0,), (), (2,)]


@pytest.mark.parametrize("parameter", ["load", "Load", "load_rows", "LoadRows"])
def test_a_parameter_bears_the_task_s_name_in_any_spelling(parameter):
    source = task(name="load-rows" if "ows" in parameter else "Load")(lambda: 1)
    sink = task(depends_on=[source], name="sink")(eval(f"lambda {parameter}: None"))

    (_, node) = build_graph(Flow("f", tasks=[sink])).nodes

    assert node.fed == {parameter: 0}


def test_a_required_parameter_takes_a_task_of_the_flow_without_being_told():
    @task
    def rows(): ...

    @task
    def use(rows, limit=rows): ...

    assert shape(Flow("f", tasks=[use, rows])) == {"rows": [], "use": [0]}


def test_a_default_is_replaced_by_a_declared_dependency_only():
    @task
    def rows(): ...

    @task
    def use(rows=None): ...

    assert shape(Flow("f", tasks=[use, rows])) == {"use": [], "rows": []}


def test_a_bound_value_goes_before_everything_else():
    @task
    def rows(): ...

    @task(depends_on=[rows])
    def use(rows): ...

    (_, node) = build_graph(Flow("f", tasks=[use.bind(rows=[1])])).nodes

    assert (node.values, node.fed, node.asked) == ({"rows": [1]}, {}, {})


def test_tasks_in_a_bound_list_are_needed_too():
    @task
    def one(): ...

    @task
    def total(numbers, named): ...

    other = one.bind()
    graph = build_graph(Flow("f", tasks=[total.bind(numbers=[one, 2], named={"a": other})]))

    assert [node.name for node in graph.nodes] == ["one", "one-2", "total"]
    assert graph.nodes[2].fed == {"numbers": [0, 2], "named": {"a": 1}}


def test_two_results_for_one_parameter_are_refused():
    @task
    def greet(name): ...

    @task(depends_on=[greet.bind(name="a"), greet.bind(name="b")])
    def use(greet): ...

    with pytest.raises(DefinitionError, match="'greet' could take the result of greet, greet"):
        build_graph(Flow("f", tasks=[use]))


def test_tasks_that_wait_for_each_other_are_refused_by_name_and_line():
    first = task(name="a", depends_on=["c"])(lambda: None)
    second = task(name="b", depends_on=[first])(lambda: None)
    third = task(name="c", depends_on=[second])(lambda: None)

    with pytest.raises(DefinitionError, match="a → b → c → a") as caught:
        build_graph(Flow("f", tasks=[first, second, third]))
    assert caught.value.line is not None


def test_a_class_that_cannot_be_made_by_itself_is_refused():
    class Load(Task):
        def __init__(self, table): ...

        def run(self): ...

    with pytest.raises(DefinitionError, match="class Load cannot be made into a task by itself"):
        build_graph(Flow("f", tasks=[Load]))


def test_a_chain_may_be_longer_than_the_stack():
    tasks = [task(name="t0")(lambda: None)]
    for n in range(1, 3000):
        tasks.append(task(name=f"t{n}", depends_on=[tasks[-1]])(lambda: None))

    assert len(build_graph(Flow("f", tasks=[tasks[-1]])).nodes) == 3000


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_every_node_comes_after_what_it_needs_and_a_run_respects_it(data):
    size = data.draw(st.integers(1, 12))
    done: list[str] = []
    tasks = []
    for n in range(size):
        above = data.draw(st.lists(st.sampled_from(tasks), unique_by=id, max_size=4)) if tasks else []

        def work(n=n, above=tuple(above)):
            assert {other.name for other in above} <= set(done)
            done.append(f"t{n}")

        tasks.append(task(name=f"t{n}", depends_on=above)(work))
    order = data.draw(st.permutations(tasks))

    flow = Flow("f", tasks=order, max_workers=data.draw(st.integers(1, 4)))

    assert all(above < node.index for node in build_graph(flow).nodes for above in node.upstream)
    assert flow.run().is_completed
    assert len(done) == size

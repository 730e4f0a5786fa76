"""Parameters of a flow that the tasks of its graph name."""

import pytest

from tidemill import Flow, Parameter, task, unmapped
from tidemill.domain.errors import DefinitionError, ParameterError
from tidemill.engine.files.manifest import describe_flow
from tidemill.engine.graphs.graph import build_graph


@task
def read(path, limit: int = 5):
    return path, limit


def parameters_of(flow):
    manifest, problems = describe_flow(flow)
    assert problems == []
    return {known.name: (known.type, known.required, known.default) for known in manifest.parameters}


def test_a_parameter_fills_what_it_is_bound_to_under_its_own_name():
    flow = Flow("f", tasks=[read.bind(path=Parameter("source", default="rows.csv"))])

    assert parameters_of(flow) == {"source": ("Any", False, "rows.csv"), "limit": ("int", False, 5)}
    assert flow.run().result("read") == ("rows.csv", 5)
    assert flow.run(source="other.csv", limit="7").result("read") == ("other.csv", 7)


def test_a_parameter_without_a_default_has_to_be_given():
    flow = Flow("f", tasks=[read.bind(path=Parameter("source"))])

    with pytest.raises(ParameterError, match="needs the parameter source: give -p source="):
        flow.run()


def test_a_parameter_is_converted_to_its_type_else_to_that_of_the_task():
    typed = Flow("f", tasks=[read.bind(path=Parameter("n", type=int))])
    borrowed = Flow("f", tasks=[read.bind(path="x", limit=Parameter("n"))])

    assert parameters_of(typed) == {"n": ("int", True, None), "limit": ("int", False, 5)}
    assert parameters_of(borrowed) == {"n": ("int", True, None)}
    assert typed.run(n="3").result("read") == (3, 5)
    assert borrowed.run(n="3").result("read") == ("x", 3)
    with pytest.raises(ParameterError, match="parameter 'n' of flow f must be int, and 'x' is not"):
        typed.run(n="x")


def test_one_parameter_fills_several_tasks_each_as_its_own_type():
    day = Parameter("day", default="7")

    @task
    def as_text(day):
        return day

    @task
    def as_number(day: int):
        return day

    run = Flow("f", tasks=[as_text.bind(day=day), as_number.bind(day=day)]).run(day="8")

    assert run.result("as_number") == 8
    assert str(run.result("as_text")) == "8"


def test_a_parameter_may_stand_in_a_list_and_be_mapped_over():
    @task
    def show(x, sign):
        return f"{x}{sign}"

    sign = Parameter("sign", default="!")
    flow = Flow(
        "f",
        tasks=[
            show.map(x=Parameter("names", default=["a", "b"], type=list[str]), sign=unmapped(sign)),
            read.bind(path=[1, {"sign": sign}]),
        ],
    )

    assert flow.run().result("show") == ["a!", "b!"]
    run = flow.run(names='["c"]', sign="?")
    assert (run.result("show"), run.result("read")) == (["c?"], ([1, {"sign": "?"}], 5))


def test_a_parameter_that_is_no_list_and_mapped_over_fails_with_its_name():
    run = Flow("f", tasks=[read.map(path=Parameter("names"))]).run(names=3)

    assert "the parameter names, which task read is mapped over, is of the type int" in run.error.line


def test_what_a_task_names_decides_for_those_that_only_lack_it():
    @task
    def lacks(source):
        return source

    flow = Flow("f", tasks=[lacks, read.bind(path=Parameter("source", default="rows.csv"))])

    assert parameters_of(flow)["source"] == ("Any", False, "rows.csv")
    assert flow.run().result("lacks") == "rows.csv"


def test_two_parameters_of_one_name_that_differ_are_refused_with_the_line():
    def both(one, other):
        return Flow("f", tasks=[read.bind(path=one), read.bind(path=other)])

    with pytest.raises(DefinitionError, match="two parameters of the flow are called 'a' and differ") as caught:
        build_graph(both(Parameter("a", default=1), Parameter("a", default=2)))
    assert caught.value.line is not None
    with pytest.raises(DefinitionError, match="differ"):
        build_graph(both(Parameter("a", type=int), Parameter("a", type=str)))
    assert build_graph(both(Parameter("a", default=1), Parameter("a", default=1)))


def test_a_name_that_cannot_be_given_is_refused():
    with pytest.raises(DefinitionError, match="a parameter needs a name such as 'source'"):
        Parameter("two words")


def test_the_flow_s_own_value_goes_before_the_default():
    flow = Flow("f", tasks=[read.bind(path=Parameter("source", default="a"))], parameters={"source": "b"})

    assert parameters_of(flow)["source"] == ("Any", False, "b")
    assert flow.run().result("read") == ("b", 5)

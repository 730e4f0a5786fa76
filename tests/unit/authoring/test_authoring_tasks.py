import pytest

from tidemill import Flow, Task, flow, task
from tidemill.authoring.tasks import definition_of, signature_of
from tidemill.domain.errors import DefinitionError


@task
def greet(name, greeting="hello"):
    """Say hello."""
    return f"{greeting} {name}"


def test_a_bare_task_is_named_after_its_function():
    definition = definition_of(greet)

    assert (greet.name, definition.options.description, greet.__doc__) == ("greet", "Say hello.", "Say hello.")
    assert greet.fn("Alice") == "hello Alice"


def test_binding_makes_a_new_task_and_leaves_the_old_one_alone():
    alice = greet.bind(name="Alice")
    loud = alice.bind(greeting="HELLO")

    assert definition_of(greet).bound == {}
    assert definition_of(alice).bound == {"name": "Alice"}
    assert definition_of(loud).bound == {"name": "Alice", "greeting": "HELLO"}
    assert definition_of(loud).origin is alice


def test_binding_takes_positions_too():
    assert definition_of(greet.bind("Alice")).bound == {"name": "Alice"}


@pytest.mark.parametrize("values", [{"nam": "Alice"}, {"parameters": 1}])
def test_binding_a_parameter_that_does_not_exist_is_refused(values):
    with pytest.raises(DefinitionError, match="task greet has no parameter"):
        greet.bind(**values)


def test_a_class_of_tasks_has_its_options_as_attributes():
    class Load(Task):
        """Load rows."""

        name = "load rows"
        retries = 3

        def __init__(self, table):
            self.table = table

        def run(self, rows):
            return self.table, rows

    load = Load("t")

    definition = definition_of(load)
    assert (definition.name, definition.options.retry.max_retries) == ("load rows", 3)
    assert definition.options.description == "Load rows."
    assert signature_of(load).names() == ["rows"]
    assert load.fn([1]) == ("t", [1])


def test_an_instance_takes_options_by_name():
    class Load(Task):
        def run(self): ...

    assert definition_of(Load(name="other", retries=1)).options.retry.max_retries == 1


def test_a_bound_copy_of_an_instance_works_on_the_copy():
    class Load(Task):
        def __init__(self):
            self.calls = 0

        def run(self, n):
            return self, n

    load = Load()
    bound = load.bind(n=1)

    assert bound.fn(1) == (bound, 1)


def test_a_decorated_class_keeps_its_name_and_methods():
    @task(name="saving", retries=2)
    class Save:
        def __init__(self, place="here"):
            self.place = place

        def run(self):
            return self.where()

        def where(self):
            return self.place

    save = Save("there")

    assert isinstance(save, Task)
    assert Save.__name__ == "Save"
    assert (save.name, definition_of(save).options.retry.max_retries, save.fn()) == ("saving", 2, "there")


def test_a_decorated_run_gives_its_options_to_the_class():
    class Load(Task):
        @task(retries=4)
        def run(self, n):
            return self, n

    load = Load()

    assert definition_of(load).options.retry.max_retries == 4
    assert load.fn(2) == (load, 2)


def test_a_decorated_method_is_one_task_of_each_instance():
    class Report:
        def __init__(self, n):
            self.n = n

        @task
        def write(self):
            return self.n

    first, second = Report(1), Report(2)

    assert first.write is first.write
    assert first.write is not second.write
    assert (first.write.fn(), second.write.fn()) == (1, 2)
    assert signature_of(first.write).names() == []


def test_with_options_changes_what_is_named_and_nothing_else():
    other = task(retries=2, tags=["a"])(lambda: None).with_options(name="other", timeout_seconds=5)

    options = definition_of(other).options
    assert (other.name, options.retry.max_retries, options.timeout, options.tags) == ("other", 2, 5.0, ("a",))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"retires": 1}, "no option 'retires'; did you mean 'retries'?"),
        ({"name": ""}, "the name of a task"),
        ({"name": "two\nlines"}, "the name of a task"),
        ({"tags": [1]}, "tags of"),
        ({"timeout": "soon"}, "must be a number of seconds"),
        ({"result_handler": "results"}, "LocalResult"),
        ({"parameters": {"x": 1}}, "no parameter 'x'"),
        ({"parameters": ["x"]}, "must be a dict"),
    ],
)
def test_options_that_cannot_be_are_refused(options, sentence):
    with pytest.raises(DefinitionError, match="(?s)" + sentence.replace("?", r"\?")):
        task(**options)(lambda: None)


@pytest.mark.parametrize("thing", [3, "f", None])
def test_only_functions_and_classes_become_tasks(thing):
    with pytest.raises(DefinitionError, match="made of a function"):
        Task(thing)


def test_an_error_carries_the_line_of_the_declaration():
    assert definition_of(greet).place.file == __file__
    assert definition_of(greet).place.line == 8


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"catchup": "last"}, "did you mean 'latest'"),
        ({"overlap": "queu"}, "did you mean 'queue'"),
        ({"grace": -1}, "grace of"),
        ({"max_active_runs": 0}, "1 or more"),
        ({"priority": "high"}, "whole number"),
        ({"schedule": 5}, "must be cron"),
        ({"shedule": None}, "did you mean 'schedule'"),
        ({"parameters": 1}, "must be a dict"),
    ],
)
def test_options_of_a_flow_that_cannot_be_are_refused(options, sentence):
    with pytest.raises(DefinitionError, match=sentence):
        Flow("f", tasks=[greet], **options)


def test_schedules_are_taken_in_every_spelling_and_each_once():
    from datetime import timedelta

    from tidemill import cron, every

    made = Flow("f", tasks=[greet], schedule="@daily", schedules=[every(hours=1), timedelta(hours=1), cron("@daily")])

    assert [schedule.kind for schedule in made.options.schedules] == ["cron", "every"]


def test_a_function_flow_is_named_after_its_function():
    @flow(description="moves rows")
    def etl(n: int): ...

    assert (etl.name, etl.description, etl.signature.names()) == ("etl", "moves rows", ["n"])

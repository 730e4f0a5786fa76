from pathlib import Path

import pytest

from engine_lab import inspect_file, write_flow


@pytest.fixture
def flows(tmp_path):
    folder = tmp_path / "flows"
    folder.mkdir()
    return folder


def only_error(manifest):
    (error,) = manifest.errors
    return error


def test_the_design_page_s_example_works_as_written(flows):
    manifest = inspect_file(
        write_flow(
            flows,
            """
            from tidemill import Flow, Task, task, cron
            from tidemill.engine.results import LocalResult

            @task
            def extract(): ...

            @task(depends_on=[extract], retry_kwargs={"max_retries": 3}, result_handler=LocalResult(dir="./results"))
            def transform(extract): ...

            @task
            def greet(name): ...

            greet_alice = greet.bind(name="Alice")

            class Load(Task):
                def run(self, transform): ...

            @task(parameters={"name": "Alice"}, retry=3)
            def greet_and_retry(name): ...

            nightly = Flow("nightly", tasks=[Load(), greet_alice], schedule=cron("0 2 * * *", timezone="Europe/Berlin"))
            """,
        )
    )

    assert manifest.errors == ()
    (flow,) = manifest.flows
    assert (flow.name, flow.style, flow.parameters) == ("nightly", "graph", ())
    assert [(task.name, task.depends_on, task.max_retries) for task in flow.tasks] == [
        ("extract", (), 0),
        ("transform", (0,), 3),
        ("Load", (1,), 0),
        ("greet_alice", (), 0),
    ]
    assert [(schedule.kind, schedule.timezone) for schedule in flow.schedules] == [("cron", "Europe/Berlin")]


def test_a_file_of_plain_tasks_is_one_flow_named_after_the_file(flows):
    manifest = inspect_file(
        write_flow(
            flows,
            '''
            """Greets everybody."""
            from tidemill import every, task

            schedule = every(minutes=5)

            @task
            def greet(name): ...

            greetings = [greet.bind(name=name) for name in ("Alice", "Bob")]

            @task
            def last(): ...
            ''',
            "morning.py",
        )
    )

    (flow,) = manifest.flows
    assert (flow.name, flow.style, flow.description) == ("morning", "implicit", "Greets everybody.")
    assert [task.name for task in flow.tasks] == ["greet", "greet-2", "last"]
    assert [schedule.kind for schedule in flow.schedules] == ["every"]


def test_classes_and_methods_of_a_plain_file_are_its_tasks(flows):
    manifest = inspect_file(
        write_flow(
            flows,
            """
            from tidemill import Task, task

            class Load(Task):
                retries = 2
                def run(self): return self.read()
                def read(self): ...

            @task(name="save", retries=1)
            class Save:
                def run(self, load): ...

            class Report:
                @task
                def write(self): ...
                @task(depends_on=[write])
                def send(self, write): ...
            """,
        )
    )

    (flow,) = manifest.flows
    assert {task.name: (task.depends_on, task.max_retries) for task in flow.tasks} == {
        "Load": ((), 2),
        "save": ((0,), 1),
        "write": ((), 0),
        "send": ((2,), 0),
    }


def test_parameters_that_nothing_fills_belong_to_the_flow(flows):
    manifest = inspect_file(
        write_flow(
            flows,
            """
            from tidemill import task

            @task
            def fetch(url: str, limit: int = 10): ...
            """,
        )
    )

    assert [(p.name, p.type, p.required, p.default) for p in manifest.flows[0].parameters] == [
        ("url", "str", True, None),
        ("limit", "int", False, 10),
    ]


def test_a_function_flow_shows_its_parameters_and_schedules(flows):
    manifest = inspect_file(
        write_flow(
            flows,
            '''
            from datetime import date
            from pathlib import Path
            from tidemill import cron, every, flow

            hourly, daily = every(hours=1), cron("@daily", parameters={"n": 7})

            @flow(schedules=[hourly, daily], tags=["b", "a"], overlap="queue", grace=60)
            def etl(day: date, n: int = 3, place: Path = Path("x")):
                """Move rows."""

            @flow(name="other")
            def another(): ...
            '''.replace("day: date, ", ""),
        )
    )

    assert manifest.errors == ()
    etl, other = manifest.flows
    assert (etl.name, etl.style, etl.description, etl.tags) == ("etl", "function", "Move rows.", ("a", "b"))
    assert (etl.overlap, etl.grace, len(etl.schedules)) == ("queue", 60, 2)
    assert [(p.name, p.type, p.default) for p in etl.parameters] == [
        ("n", "int", 3),
        ("place", "Path", "x"),
    ]
    assert other.name == "other"


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("x = 1\ndef f(:\n", 2, "SyntaxError"),
        ("from tidemill import task\nx = undefined\n", 2, "NameError: name 'undefined' is not defined"),
        ("import sys\nsys.exit(3)\n", 2, "sys.exit(3)"),
        ("raise KeyboardInterrupt\n", 1, "KeyboardInterrupt"),
        ("import no_such_module_at_all\n", 1, "ModuleNotFoundError: No module named 'no_such_module_at_all'"),
        ("from tidemill import task\n\n@task(retires=3)\ndef f(): ...\n", 3, "did you mean 'retries'?"),
        (
            "from tidemill import task\n@task(retry_kwargs={'max_retry': 3})\ndef f(): ...\n",
            2,
            "did you mean 'max_retries'?",
        ),
        ("from tidemill import task\n@task(retries=-1)\ndef f(): ...\n", 2, "0 or more"),
        ("from tidemill import task\n@task\ndef f(a): ...\nf.bind(b=1)\n", 4, "task f has no parameter 'b'"),
        (
            "from tidemill import task\n@task(depends_on=['g'])\ndef f(): ...\n",
            2,
            "task f depends on 'g', and there is no such task",
        ),
        (
            "from tidemill import task\ndef g(): ...\n@task(depends_on=[g])\ndef f(): ...\n",
            3,
            "depends on g, which is no task",
        ),
        (
            "from tidemill import task\n@task(depends_on=['b'])\ndef a(): ...\n@task(depends_on=['a'])\ndef b(): ...\n",
            2,
            "a → b → a",
        ),
        ("from tidemill import Task\nclass Load(Task): ...\nLoad()\n", 3, "class Load has no run method"),
        ("from tidemill import cron, task\n\nschedule = cron('0 25 * * *')\n@task\ndef f(): ...\n", 3, "25"),
        (
            "from tidemill import Flow, task\n@task\ndef f(): ...\nFlow('a', tasks=[f])\nFlow('a', tasks=[f])\n",
            5,
            "the first is in line 4",
        ),
        ("from tidemill import Flow\nFlow('a', tasks=[])\n", 2, "has no tasks"),
        ("from tidemill import Flow\nFlow('a', tasks=[print])\n", 2, "print"),
        ("from tidemill import flow\n@flow(overlap='skp')\ndef f(): ...\n", 2, "did you mean 'skip'?"),
        (
            "from tidemill import every, flow\n@flow(schedule=every(minutes=1))\ndef f(n: int): ...\n",
            2,
            "needs the parameter n",
        ),
        (
            "from tidemill import *\n@flow(schedule=every(days=1, parameters={'m': 1}))\ndef f(n=1): ...\n",
            2,
            "no parameter 'm'",
        ),
        (
            "from tidemill import *\n@flow(schedule=every(days=1, parameters={'n': 'x'}))\ndef f(n: int = 1): ...\n",
            2,
            "must be int",
        ),
        (
            "from tidemill import every, task\nschedule = every(minutes=1)\n@task\ndef f(data): ...\n",
            3,
            "needs the parameter data",
        ),
        ("from tidemill import flow\n@flow\ndef f(): ...\nf()\n", 4, "if __name__ == '__main__'"),
        ("from tidemill import task\nschedule = 'x'\n@task\ndef f(): ...\n", 2, "x"),
        (
            "from tidemill import task\n@task\ndef f(n: int): ...\nf.bind(n='many')\n",
            4,
            "parameter 'n' of task f must be int, and 'many' is not",
        ),
        (
            "from tidemill import *\n@task\ndef f(n: int): ...\nFlow('x', tasks=[f], parameters={'n': 'many'})\n",
            4,
            "parameter 'n' of flow x must be int, and 'many' is not",
        ),
        (
            "from tidemill import *\n@flow(schedule=every(minutes=5))\ndef f(n): ...\n",
            2,
            "the schedule every 5 minutes: flow f needs the parameter n: give the schedule parameters={'n': …}",
        ),
        (
            "from tidemill import Task\nclass Load(Task):\n    def __init__(self, x): ...\n    def run(self): ...\n",
            2,
            "class Load cannot be made into a task by itself",
        ),
        ("x = '\0'\n", None, "null bytes"),
    ],
)
def test_what_cannot_work_is_refused_with_its_line_and_a_sentence(flows, text, line, sentence):
    error = only_error(inspect_file(write_flow(flows, text)))

    assert sentence in error.message
    assert error.line == line
    assert "\n" not in error.message
    assert "DefinitionError" not in error.message


def test_a_huge_or_binary_file_is_refused_without_being_executed(flows):
    huge = flows / "huge.py"
    huge.write_bytes(b"x = 1\n" * 300_000)
    binary = flows / "binary.py"
    binary.write_bytes(b"\x80\x81\xff" * 100)

    assert "too large" in only_error(inspect_file(huge)).message
    assert only_error(inspect_file(binary)).message


def test_an_empty_file_declares_nothing_and_is_no_error(flows):
    manifest = inspect_file(write_flow(flows, ""))

    assert (manifest.flows, manifest.errors) == ((), ())
    assert "no flow and no task" in manifest.warnings[0].message


def test_helper_modules_are_imported_from_the_folder_and_recorded(flows):
    helper = write_flow(flows, "RATE = 7\n", "rates.py")
    write_flow(flows, "from . import deep\n", "pack/__init__.py")
    deep = write_flow(flows, "DEEP = 1\n", "pack/deep.py")
    path = write_flow(
        flows,
        """
        import json
        import rates
        from pack.deep import DEEP
        from sibling import NEAR
        from tidemill import task

        @task
        def use(rate: int = rates.RATE): ...
        """,
        "sub/etl.py",
    )
    sibling = write_flow(flows, "NEAR = 1\n", "sub/sibling.py")

    manifest = inspect_file(path, flows)

    assert manifest.errors == ()
    assert {Path(file.path) for file in manifest.imports} == {helper, deep, deep.parent / "__init__.py", sibling}
    assert manifest.flows[0].parameters[0].default == 7
    assert not list(flows.rglob("__pycache__"))


def test_flows_of_an_imported_file_stay_that_file_s(flows):
    write_flow(
        flows, "from tidemill import Flow, task\n@task\ndef clean(): ...\nFlow('theirs', tasks=[clean])\n", "theirs.py"
    )
    path = write_flow(
        flows, "from theirs import clean\nfrom tidemill import task\n@task(depends_on=[clean])\ndef mine(): ...\n"
    )

    (flow,) = inspect_file(path).flows

    assert (flow.name, [task.name for task in flow.tasks]) == ("etl", ["clean", "mine"])


def test_an_error_in_a_helper_names_the_helper_and_the_line_of_the_import(flows):
    write_flow(flows, "x = (\n", "broken.py")
    path = write_flow(flows, "import os\nimport broken\n")

    error = only_error(inspect_file(path))

    assert error.line == 2
    assert "broken.py" in error.message


def test_the_given_text_is_inspected_under_the_real_path(flows, tmp_path):
    path = write_flow(flows, "this is not python\n")
    kept = write_flow(tmp_path, "from tidemill import task\n@task\ndef f(where: str = __file__): ...\n", "kept.txt")

    manifest = inspect_file(path, source=kept)

    assert manifest.errors == ()
    assert manifest.flows[0].parameters[0].default == str(path)


def test_a_module_level_schedule_beside_declared_flows_is_warned_about(flows):
    path = write_flow(
        flows,
        "from tidemill import *\nschedule = every(hours=1)\n@task\ndef f(): ...\nFlow('a', tasks=[f])\n",
    )

    manifest = inspect_file(path)

    assert manifest.errors == ()
    assert "not used" in manifest.warnings[0].message


def test_conditions_mapping_and_parameters_of_a_graph_stand_in_the_manifest(flows):
    manifest = inspect_file(
        write_flow(
            flows,
            """
            from tidemill import Flow, Parameter, task, unmapped

            @task
            def extract(path): ...

            @task
            def load(row, day): ...

            loaded = load.map(row=extract.bind(path=Parameter("source", default="a.csv")), day=unmapped("today"))

            def mine(states): return True

            cleanup = task(name="cleanup", depends_on=[loaded], condition="all_finished")(lambda: None)
            alert = task(name="alert", depends_on=[loaded], condition=mine)(lambda: None)
            etl = Flow("etl", tasks=[cleanup, alert], reference_tasks=[loaded])
            """,
        )
    )

    assert manifest.errors == ()
    (flow,) = manifest.flows
    assert [(task.name, task.condition, task.mapped) for task in flow.tasks] == [
        ("extract", "all_succeeded", ()),
        ("loaded", "all_succeeded", ("row",)),
        ("cleanup", "all_finished", ()),
        ("alert", "mine()", ()),
    ]
    assert [(known.name, known.required, known.default) for known in flow.parameters] == [("source", False, "a.csv")]


def test_a_mapped_task_is_part_of_the_implicit_flow_in_place_of_the_task_it_is_made_of(flows):
    manifest = inspect_file(
        write_flow(
            flows,
            """
            from tidemill import task

            @task
            def rows(): return [1, 2]

            @task
            def load(row): ...

            loads = load.map(rows)
            """,
        )
    )

    assert [(task.name, task.depends_on, task.mapped) for task in manifest.flows[0].tasks] == [
        ("rows", (), ()),
        ("loads", (0,), ("row",)),
    ]


@pytest.mark.parametrize(
    ("declared", "message", "line"),
    [
        ("@task(condition='any_faild')\ndef t(): ...", "task t has no condition 'any_faild'; did you mean", 3),
        (
            "@task(condition='any_failed')\ndef t(): ...",
            "task t has the condition any_failed and depends on nothing",
            3,
        ),
        ("@task\ndef t(a, b): ...\nu = t.map(a=[1], b=[1, 2])", "mapped over a (1 item) and b (2 items)", 5),
        ("@task\ndef t(a): ...\nu = t.map(a={1})", "a set, which has no order to resume by", 5),
        ("@task\ndef t(a): ...\nf = Flow('f', tasks=[t], reference_tasks=['u'])", "depends on 'u'", 5),
    ],
)
def test_what_cannot_work_in_a_graph_is_told_with_its_line(flows, declared, message, line):
    path = write_flow(flows, "from tidemill import Flow, task\n\n" + declared)

    error = only_error(inspect_file(path))

    assert message in error.message
    assert error.line == line


def test_what_a_flow_takes_without_naming_it_is_told_too(flows):
    manifest = inspect_file(
        write_flow(
            flows,
            """
            from tidemill import flow

            @flow
            def some(first, *rest, key="k"): ...

            @flow
            def all_of(**kwargs): ...
            """,
        )
    )

    some, all_of = manifest.flows
    assert [(p.name, p.type, p.required, p.default) for p in some.parameters] == [
        ("first", "Any", True, None),
        ("key", "Any", False, "k"),
        ("rest", "list", False, []),
    ]
    assert (some.takes_any, all_of.takes_any, all_of.parameters) == (False, True, ())

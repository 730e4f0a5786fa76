"""Marks of code: what changes them, and what does not."""

import subprocess
import sys
import textwrap

import pytest

from tidemill.authoring.registry import Registry
from tidemill.domain.marks import has_changed
from tidemill.engine.files.marking import marks_of

BEFORE = """
    from functools import lru_cache, wraps
    from tidemill import Task, flow, task

    RATE = 3

    def clean(rows):
        return [tidy(row) for row in rows]

    def tidy(row):
        return row.strip()

    def other(row):
        return row

    @lru_cache
    def look(key):
        return {"a", "b"} | {key}

    def loud(fn):
        @wraps(fn)
        def wrapper(*args):
            return fn(*args)
        return wrapper

    @task
    def extract(n: int = 3):
        '''Get the rows.'''
        return clean([look(n)])

    @task
    @loud
    def load(rows):
        return sorted(rows, key=lambda row: row[0])

    class Send(Task):
        def setup(self):
            return 1

        def run(self, load):
            return load

    send = Send()

    @task
    def whole(rows):
        return load(rows)

    @flow
    def nightly():
        return load(extract())
"""


def marks(text):
    with Registry() as registry:
        exec(compile(textwrap.dedent(text), "/flows/etl.py", "exec"), {"__name__": "etl"})
    return marks_of([*registry.tasks, *registry.flows])


def changed(old, new):
    before, now = marks(BEFORE), marks(BEFORE.replace(old, new))
    assert old in BEFORE
    return {name for name in before if has_changed(before[name], now[name])}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    RATE = 3\n", "    # a comment\n\n\n    RATE = 3\n"),
        ("'''Get the rows.'''", "'''Get all the rows there are.\n\n        And more.'''"),
        (
            "        return clean([look(n)])",
            "        # as they are\n        return clean(\n            [look(n)]\n        )",
        ),
        ("def other(row):\n        return row", "def other(row):\n        return row + 1"),
    ],
)
def test_what_no_task_does_changes_no_mark(old, new):
    assert changed(old, new) == set()


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("clean([look(n)])", "clean([look(n), 1])", {"extract", "nightly"}),
        ("row.strip()", "row.rstrip()", {"extract", "nightly"}),
        ('{"a", "b"} | {key}', '{"a", "c"} | {key}', {"extract", "nightly"}),
        ("key=lambda row: row[0]", "key=lambda row: row[1]", {"load", "nightly"}),
        ("return fn(*args)", "return [fn(*args)]", {"load", "nightly"}),
        ("return 1", "return 2", {"Send"}),
        ("self, load):\n            return load", "self, load):\n            return [load]", {"Send"}),
        ("return load(extract())", "return load([extract()])", {"nightly"}),
    ],
)
def test_a_change_marks_the_task_that_does_something_else_now_and_no_other(old, new, expected):
    assert changed(old, new) == expected


def test_tasks_of_one_name_share_a_mark():
    text = """
        from tidemill import task
        def make(number):
            if number:
                def load(): return 1
            else:
                def load(): return 2
            return task(load)
        tasks = [make(0), make(1)]
    """
    both, one = marks(text), marks(text.replace("[make(0), make(1)]", "[make(1)]"))

    assert set(both) == {"load"}
    assert both != one
    assert both == marks(text.replace("[make(0), make(1)]", "[make(1), make(0), make(1).with_options(retries=3)]"))


def test_an_object_that_gets_in_the_way_takes_the_mark_and_nothing_else():
    text = """
        from tidemill import Task, task
        class Wild:
            def __call__(self): ...
            @property
            def __wrapped__(self):
                raise RuntimeError("not yours")
        class Send(Task):
            tool = Wild()
            def run(self): ...
        send = Send()
        @task
        def load(): ...
    """

    assert set(marks(text)) == {"load"}


def test_a_mark_is_the_same_in_every_process():
    script = f"import sys; sys.path[:0] = {sys.path!r}\n" + textwrap.dedent("""
        import textwrap
        from tidemill.authoring.registry import Registry
        from tidemill.engine.files.marking import marks_of
        with Registry() as registry:
            exec(compile(textwrap.dedent(sys.argv[1]), "/flows/etl.py", "exec"), {"__name__": "etl"})
        print(marks_of([*registry.tasks, *registry.flows]))
    """)
    told = {
        subprocess.run(
            [sys.executable, "-c", script, BEFORE],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert told == {f"{marks(BEFORE)}\n"}


def test_marks_of_another_python_tell_nothing():
    assert has_changed("cpython-311:ab", "cpython-312:cd") is None
    assert has_changed(None, "cpython-312:cd") is None
    assert has_changed("cpython-312:ab", "cpython-312:cd") is True
    assert has_changed("cpython-312:ab", "cpython-312:ab") is False

"""Any nesting of blocks, tasks and failures ends as a model of a few lines says."""

from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from tidemill import flow, task
from tidemill.transactions import transaction

PROGRAMS = st.lists(
    st.recursive(
        st.sampled_from(["good", "good", "bad"]), lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=12
    ),
    max_size=4,
)
"""A tuple is a block; what fails in it is caught there."""


class Model:
    """What is told, in order, when all inside a failed block is undone at its end, and else committed together."""

    def __init__(self):
        self.told = []
        self.numbers = count()

    def perform(self, node):
        """Return what waits to be decided, and whether something has failed."""
        if node == "bad":
            return [], True
        if node == "good":
            number = next(self.numbers)
            self.told.append(f"do {number}")
            return [number], False
        waiting, has_failed = [], False
        for inner in node:
            more, failed = self.perform(inner)
            waiting, has_failed = waiting + more, has_failed or failed
        if has_failed:
            self.told += [f"undo {number}" for number in reversed(waiting)]
            waiting = []
        return waiting, has_failed

    def run(self, program):
        for node in program:
            waiting, _ = self.perform(node)
            self.told += [f"commit {number}" for number in waiting]
        return self.told


class Real:
    """The same by flows, tasks and transactions."""

    def __init__(self, submits):
        self.told = []
        self.numbers = count()
        self.submits = submits

        @task
        def good(number):
            self.told.append(f"do {number}")
            return number

        @task
        def bad():
            raise ValueError

        good.on_commit(lambda txn: self.told.append(f"commit {txn.get('number')}"))
        good.on_rollback(lambda txn: self.told.append(f"undo {txn.get('number')}"))
        self.good, self.bad = good, bad

    def perform(self, node):
        if node == "bad":
            self.bad(return_state=True)
        elif node == "good":
            number = next(self.numbers)
            with transaction() as own:
                own.set("number", number)
                if self.submits:
                    self.good.submit(number).result()
                else:
                    self.good(number)
        else:
            with transaction():
                for inner in node:
                    self.perform(inner)

    def run(self, program):
        @flow
        def etl():
            for node in program:
                self.perform(node)

        etl()
        return self.told


@settings(deadline=None, max_examples=50)
@given(PROGRAMS)
def test_every_program_ends_as_the_model_says(program):
    assert Real(submits=False).run(program) == Model().run(program)


@settings(deadline=None, max_examples=50)
@given(PROGRAMS)
def test_submitted_tasks_make_no_difference(program):
    assert Real(submits=True).run(program) == Model().run(program)

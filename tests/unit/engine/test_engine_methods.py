"""Flows and tasks that are methods, of instances and of classes, in either order of the decorators."""

import pytest

from tidemill import Task, flow, task
from tidemill.cache_policies import INPUTS
from tidemill.runtime import task_run


class Shop:
    prefix = "shop"

    def __init__(self, number):
        self.number = number

    @task(task_run_name="{self.number}-{x}")
    def own(self, x):
        return self.number, x, task_run.name

    @task
    @classmethod
    def of_class(cls, x):
        return cls.prefix, x

    @classmethod
    @task
    def of_class_too(cls, x):
        return cls.prefix, x

    @task
    @staticmethod
    def static(x):
        return x

    @staticmethod
    @task
    def static_too(x):
        return x

    @task(cache_policy=INPUTS)
    def cached(self, x):
        return self.number, x

    @task(cache_policy=INPUTS - "self")
    def shared(self, x):
        return self.number, x

    @flow
    def flow_of_own(self, x):
        return self.own(x), self.of_class.submit(x).result(), self.static.map([x]).result()

    @flow
    @classmethod
    def flow_of_class(cls, x):
        return cls.prefix, x

    @staticmethod
    @flow
    def static_flow(x):
        return x


class Mall(Shop):
    prefix = "mall"


@pytest.mark.parametrize(("cls", "prefix"), [(Shop, "shop"), (Mall, "mall")])
def test_a_method_of_a_class_works_on_the_class_it_is_seen_through(cls, prefix):
    assert cls.of_class(1) == cls(3).of_class(1) == (prefix, 1)
    assert cls.of_class_too(1) == cls(3).of_class_too(1) == (prefix, 1)
    assert cls.flow_of_class(1) == cls(3).flow_of_class(1) == (prefix, 1)


@pytest.mark.parametrize("name", ["static", "static_too", "static_flow"])
def test_a_static_method_works_on_nothing(name):
    assert getattr(Shop, name)(1) == getattr(Shop(3), name)(1) == 1


def test_a_method_works_on_its_instance_whose_name_its_run_s_name_may_use():
    assert Shop(3).own(5) == (3, 5, "3-5")
    assert Mall(4).flow_of_own(5) == ((4, 5, "4-5"), ("mall", 5), [5])


def test_what_a_method_computes_is_cached_for_its_instance_alone():
    one, two = Shop(1), Shop(2)

    @flow
    def etl():
        states = [one.cached(5, return_state=True), one.cached(5, return_state=True), two.cached(5, return_state=True)]
        two.of_class(5)
        return [(state.name, state.result()) for state in (*states, two.cached(5, return_state=True))]

    assert etl() == [("Completed", (1, 5)), ("Cached", (1, 5)), ("Completed", (2, 5)), ("Cached", (2, 5))]


def test_instances_share_what_is_cached_where_the_policy_leaves_them_out():
    @flow
    def etl():
        return Shop(1).shared(5), Shop(2).shared(5)

    assert etl() == ((1, 5), (1, 5))


def test_what_a_class_of_tasks_holds_is_an_input_of_what_is_cached():
    class Load(Task):
        cache_policy = INPUTS

        def __init__(self, table):
            self.table = table

        def run(self, day):
            return self.table, day

    @flow
    def etl():
        return Load("a")(1), Load("b")(1), Load("a")(1, return_state=True).name

    assert etl() == (("a", 1), ("b", 1), "Cached")

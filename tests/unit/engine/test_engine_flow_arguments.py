"""What flows and tasks are called with: futures and states wherever they stand, wrong parameters, starred ones."""

import asyncio
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

import pytest

from tidemill import StateType, allow_failure, flow, task
from tidemill.domain.errors import GiveUp, ParameterError
from tidemill.utilities.annotations import quote


@task
def double(x):
    return 2 * x


@task
def bad(x=None):
    raise GiveUp(f"no {x}")


@dataclass(frozen=True)
class Pair:
    left: object
    right: object = None


class Point(NamedTuple):
    x: object
    y: object


@pytest.mark.parametrize(
    "hold",
    [
        lambda value: [value],
        lambda value: (0, value),
        lambda value: {"deep": {"deeper": [value]}},
        lambda value: {value: 1},
        lambda value: OrderedDict(one=value),
        lambda value: Point(value, 2),
        lambda value: Pair(Pair(value)),
        lambda value: deque([value]),
    ],
)
def test_a_future_is_found_wherever_something_holds_it(hold):
    @task
    def takes(held):
        return held

    @flow
    def etl():
        return takes(hold(double.submit(1)))

    held = etl()

    assert type(held) is type(hold(2))
    assert held == hold(2) or isinstance(held, deque)


def test_objects_that_hold_each_other_are_looked_through_once():
    @dataclass
    class Node:
        links: list = field(default_factory=list)
        value: object = None

    @task
    def total(node):
        return node.value + len(node.links)

    @flow
    def etl():
        nodes = [Node() for _ in range(5)]
        for node in nodes:
            node.links = nodes
        double.submit(1).wait()
        one, two = Node(value=1), Node(value=double.submit(1))
        return total(one) + total(two), total(Node(nodes, 3))

    assert etl() == (3, 8)


def test_a_flow_that_takes_the_future_of_a_failed_task_is_not_run():
    ran = []

    @flow
    def child(x):
        ran.append(x)
        return x

    @flow
    def outer():
        lost = bad.submit(1)
        refused = child(lost, return_state=True)
        with pytest.raises(GiveUp):
            child(1, wait_for=[lost])
        return refused.kind, type(child(allow_failure(lost)))

    assert outer() == (StateType.UPSTREAM_FAILED, GiveUp)
    assert len(ran) == 1


def test_what_is_quoted_reaches_a_flow_as_it_is():
    @flow
    def kinds(things):
        return [type(thing).__name__ for thing in things]

    @flow
    def outer():
        return kinds([double.submit(1)]), kinds(quote([double.submit(1)]))

    assert kinds(quote([1])) == ["int"]
    assert outer() == (["int"], ["Future"])


def test_states_and_futures_of_a_program_are_results_where_a_flow_takes_them():
    @flow
    def child(x):
        return x

    @flow
    async def late(x):
        return x

    assert child(double(1, return_state=True)) == 2
    assert child([double.submit(2), 3]) == [4, 3]
    assert asyncio.run(late(double.submit(3))) == 6
    with pytest.raises(GiveUp):
        child(bad(1, return_state=True))


def test_wrong_parameters_are_how_a_run_ends():
    told = []

    def tell(flow, flow_run, state):
        told.append((flow_run.parameters, state.type, state.message))

    @flow(on_failure=[tell])
    def numbered(n: int):
        return n

    @flow
    async def late(n: int):
        return n

    @flow
    def outer():
        state = numbered("three", return_state=True)
        with pytest.raises(ParameterError):
            numbered("four")
        return state.is_failed()

    with pytest.raises(ParameterError, match="must be int"):
        numbered("one")
    assert numbered("two", return_state=True).is_failed()
    assert outer()
    assert asyncio.run(late("five", return_state=True)).is_failed()
    with pytest.raises(ParameterError, match="must be int"):
        asyncio.run(late("six"))
    assert [parameters["n"] for parameters, _, _ in told] == ["one", "two", "three", "four"]
    assert {kind for _, kind, _ in told} == {StateType.FAILED}


def test_a_flow_takes_any_number_of_positional_arguments():
    @flow
    def some(first, *rest, last=0):
        return first, rest, last

    @flow
    def outer():
        return some(1), some(1, 2, 3, last=4)

    assert some(1, 2, last=3) == (1, (2,), 3)
    assert outer() == ((1, (), 0), (1, (2, 3), 4))
    with pytest.raises(ParameterError, match="unexpected keyword argument 'other'"):
        some(1, other=2)

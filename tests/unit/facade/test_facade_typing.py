"""Annotations that Prefect's users write with its classes."""

from typing import ParamSpec, TypeVar

from tidemill import Flow, Task
from tidemill.futures import PrefectFuture, PrefectFutureList
from tidemill.states import State

P = ParamSpec("P")
R = TypeVar("R")


def test_classes_take_the_types_of_what_they_hold() -> None:
    def call(work: Task[P, R], around: Flow[P, R]) -> PrefectFuture[R]:
        raise NotImplementedError(work, around)

    assert call.__annotations__["work"].__origin__ is Task
    assert call.__annotations__["around"].__origin__ is Flow
    assert call.__annotations__["return"].__origin__ is PrefectFuture
    assert PrefectFutureList[int].__origin__ is PrefectFutureList
    assert State[int].__origin__ is State

"""``task.map()`` inside a run: one task run for every element, submitted one by one."""

from collections.abc import Sequence
from typing import Any

from tidemill.authoring.mapping import AllowFailure, Unmapped, is_mapped_over
from tidemill.authoring.states import State as ReturnedState
from tidemill.authoring.tasks import Task, signature_of
from tidemill.domain.errors import ParameterError
from tidemill.engine.calls.function_run import place_task, submit
from tidemill.engine.calls.future_lists import FutureList
from tidemill.engine.calls.futures import Future
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun


def map_task(run: Run, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any) -> FutureList:
    """Submit *task* once for each element of what it is mapped over; several lists are taken in step."""
    raw = signature_of(task).raw
    try:
        raw.bind_partial(*args, **kwargs)
    except TypeError as error:
        raise ParameterError(f"task {task.name} cannot be mapped like this: {error}") from None
    given: dict[int | str, Any] = dict(enumerate(args))
    given.update(kwargs.items())
    mapped = {place: items for place, value in given.items() if (items := _items(value)) is not None}
    if not mapped:
        raise ParameterError(f"task {task.name} is mapped over nothing: give .map() a list, or submit it once")
    lengths = {place: len(items) for place, items in mapped.items()}
    if len(set(lengths.values())) > 1:
        names = list(raw.parameters)
        said = ", ".join(f"{_name(place, names)} has {length}" for place, length in lengths.items())
        raise ParameterError(f"task {task.name} is mapped over lists of different lengths: {said}")
    constant = {place: _whole(value) for place, value in given.items() if place not in mapped}
    return FutureList(
        submit(_place(run, task, {**constant, **_element(mapped, number)}, wait_for, len(args)))
        for number in range(next(iter(lengths.values())))
    )


def _place(run: Run, task: Task, values: dict[int | str, Any], wait_for: Any, positional: int) -> TaskRun:
    named = {place: value for place, value in values.items() if isinstance(place, str)}
    return place_task(run, task, tuple(values[place] for place in range(positional)), named, wait_for)


def _element(mapped: dict[int | str, Sequence[Any]], number: int) -> dict[int | str, Any]:
    return {place: items[number] for place, items in mapped.items()}


def _name(place: int | str, names: list[str]) -> str:
    """Name an argument for people."""
    if isinstance(place, str):
        return place
    return names[place] if place < len(names) else f"argument {place + 1}"


def _whole(value: Any) -> Any:
    return value.value if isinstance(value, Unmapped) else value


def _items(value: Any) -> Sequence[Any] | None:
    """Return what a value is mapped over; None when it goes whole to every call."""
    if isinstance(value, Unmapped):
        return None
    if isinstance(value, AllowFailure):
        inner = _items(value.value)
        return None if inner is None else [AllowFailure(item) for item in inner]
    if isinstance(value, Future | ReturnedState):
        value = value.result() if isinstance(value, Future) else value.outcome()
    if not is_mapped_over(value):
        return None
    return value if isinstance(value, Sequence) else list(value)

"""``task.map()`` inside a run: one task run for every element, submitted one by one."""

from collections.abc import Sequence
from typing import Any

from tidemill.authoring.mapping import AllowFailure, Unmapped, is_mapped_over
from tidemill.authoring.states import State as ReturnedState
from tidemill.authoring.tasks import Task, signature_of
from tidemill.domain.errors import ParameterError
from tidemill.engine.function_run import place_task, submit
from tidemill.engine.future_lists import FutureList
from tidemill.engine.futures import Future
from tidemill.engine.run import Run


def map_task(run: Run, task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any) -> FutureList:
    """Submit *task* once for each element of what it is mapped over; several lists are taken in step."""
    try:
        values = dict(signature_of(task).raw.bind_partial(*args, **kwargs).arguments)
    except TypeError as error:
        raise ParameterError(f"task {task.name} cannot be mapped like this: {error}") from None
    rest = _rest_of(task)
    if rest is not None:
        values.update(values.pop(rest, {}))
    mapped: dict[str, Sequence[Any]] = {}
    for name, value in values.items():
        items = _items(value)
        if items is not None:
            mapped[name] = items
    if not mapped:
        raise ParameterError(f"task {task.name} is mapped over nothing: give .map() a list, or submit it once")
    lengths = {name: len(items) for name, items in mapped.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ParameterError(f"task {task.name} is mapped over lists of different lengths: {said}")
    constant = {name: _whole(value) for name, value in values.items() if name not in mapped}
    return FutureList(
        submit(place_task(run, task, (), {**constant, **_element(mapped, number)}, wait_for))
        for number in range(next(iter(lengths.values())))
    )


def _element(mapped: dict[str, Sequence[Any]], number: int) -> dict[str, Any]:
    return {name: items[number] for name, items in mapped.items()}


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
        value = value.result()
    if not is_mapped_over(value):
        return None
    return value if isinstance(value, Sequence) else list(value)


def _rest_of(task: Task) -> str | None:
    """Return the name of the parameter that takes any keyword."""
    for parameter in signature_of(task).raw.parameters.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            return parameter.name
    return None

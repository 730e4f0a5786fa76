"""Stand-ins among a task's values: for another task's result, and for a parameter of the flow."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tidemill.authoring.mapping import AllowFailure
from tidemill.authoring.parameters import Parameter
from tidemill.authoring.tasks import Task
from tidemill.domain.errors import DefinitionError


class Place(int):
    """Stands for the result of the node with this index."""

    __slots__ = ()


class FromRun(str):
    """Stands for the flow's parameter of this name."""

    __slots__ = ()


def stood_for(value: Any) -> Iterator[Task | Parameter]:
    """Yield the tasks and parameters of the flow in *value*, also those in lists, tuples and dicts."""
    kind = type(value)
    if isinstance(value, Task | Parameter):
        yield value
    elif kind is list or kind is tuple:
        for item in value:
            yield from stood_for(item)
    elif kind is dict:
        for item in value.values():
            yield from stood_for(item)
    elif kind is AllowFailure:
        raise DefinitionError(
            "allow_failure is for calls inside a flow function; in a declared graph give the task that takes the value"
            " a condition such as all_finished"
        )


def with_places(value: Any, places: Mapping[int, int]) -> Any:
    """Return *value* with stand-ins for tasks and parameters; *places* gives nodes by the identity of their task."""
    kind = type(value)
    if isinstance(value, Task):
        return Place(places[id(value)])
    if isinstance(value, Parameter):
        return FromRun(value.name)
    if kind is list or kind is tuple:
        return kind(with_places(item, places) for item in value)
    if kind is dict:
        return {key: with_places(item, places) for key, item in value.items()}
    return value


def fill_places(value: Any, results: Callable[[int], Any], parameters: Mapping[str, Any]) -> Any:
    """Return *value* with every stand-in replaced by what it stands for."""
    kind = type(value)
    if kind is Place:
        return results(value)
    if kind is FromRun:
        return parameters[value]
    if kind is list or kind is tuple:
        return kind(fill_places(item, results, parameters) for item in value)
    if kind is dict:
        return {key: fill_places(item, results, parameters) for key, item in value.items()}
    return value


def places_in(value: Any) -> Iterator[Place]:
    """Yield the stand-ins for results in *value*."""
    kind = type(value)
    if kind is Place:
        yield value
    elif kind is list or kind is tuple:
        for item in value:
            yield from places_in(item)
    elif kind is dict:
        for item in value.values():
            yield from places_in(item)

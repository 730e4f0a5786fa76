"""Futures and states among the arguments of a call: found, waited for, and replaced by their results."""

from collections.abc import Callable, Iterator
from typing import Any

from tidemill.authoring.mapping import AllowFailure, Opaque, Quoted, Unmapped
from tidemill.authoring.states import FailedRun
from tidemill.authoring.states import State as ReturnedState
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.engine.futures import Future
from tidemill.engine.recording import end
from tidemill.engine.task_run import TaskRun

_LISTS = (list, tuple, set, frozenset)
_PROMISES = (Future, ReturnedState)
_WRAPPERS = (AllowFailure, Opaque, Unmapped)


class Given:
    """What a task run is called with, while some of it is still to come."""

    __slots__ = ("_args", "_kwargs", "_needed")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any], needed: list[tuple[Any, bool]]) -> None:
        self._args = args
        self._kwargs = kwargs
        self._needed = needed
        """Futures and states, and whether each may have failed."""

    @property
    def futures(self) -> tuple[Future, ...]:
        """The futures among it."""
        return tuple(promise for promise, _ in self._needed if isinstance(promise, Future))

    def wait(self) -> None:
        """Wait until all of it has ended."""
        for future in self.futures:
            future.wait()

    def hand_over(self, task_run: TaskRun) -> None:
        """Give the task run its arguments, or bring it to its end when they are not to be had."""
        if task_run.run.interruption is not None:
            end(task_run, State.CANCELLED)
            return
        for promise, may_fail in self._needed:
            state = promise if isinstance(promise, ReturnedState) else promise.state
            if state.is_skipped() and not may_fail:
                end(task_run, State.SKIPPED, ErrorInfo("Skipped", f"not run, because {_name(promise)} was skipped"))
                return
            if not state.is_completed() and not may_fail:
                reason = f"not run, because {_name(promise)} ended as {state.kind}"
                task_run.error = state.error or FailedRun(reason)
                end(task_run, State.UPSTREAM_FAILED, ErrorInfo("UpstreamFailed", reason))
                return
        task_run.args, task_run.kwargs = with_results((self._args, self._kwargs))


def given(args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any) -> Given | None:
    """Return what has to be waited for or unwrapped before a call; None when nothing has to be."""
    needed = list(promises_in((args, kwargs)))
    if wait_for is not None:
        needed += promises_in(list(wait_for) if isinstance(wait_for, _LISTS) else [wait_for])
    if needed or any(_wrapped((args, kwargs))):
        return Given(args, kwargs, needed)
    return None


def promises_in(value: Any, may_fail: bool = False) -> Iterator[tuple[Any, bool]]:
    """Yield futures and states in *value*, at any depth of lists and dicts; each with whether it may have failed."""
    kind = type(value)
    if kind in _PROMISES:
        yield value, may_fail
    elif kind in _LISTS or isinstance(value, list):
        for item in value:
            yield from promises_in(item, may_fail)
    elif kind is dict:
        for item in value.values():
            yield from promises_in(item, may_fail)
    elif kind in _WRAPPERS:
        yield from promises_in(value.value, may_fail or kind is AllowFailure)


def with_results(value: Any) -> Any:
    """Return *value* with every future and every state in it replaced by its result, or by its exception."""
    kind = type(value)
    if kind in _WRAPPERS:
        return with_results(value.value)
    if kind is Quoted:
        return value.value
    return _replaced(value, with_results) if kind not in _PROMISES else _outcome(value)


def with_states(value: Any) -> Any:
    """Return *value* with every future in it replaced by the state it ended in."""
    return _replaced(value, with_states) if type(value) is not Future else value.final_state()


def _outcome(promise: Any) -> Any:
    if type(promise) is Future:
        return promise.result(raise_on_failure=False)
    return promise.outcome(raise_on_failure=False)


def _replaced(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return *value* with *replace* applied to everything in it, where that changes something."""
    kind = type(value)
    if kind in _LISTS or isinstance(value, list):
        if not any(_wrapped(value)):
            return value
        return (kind if kind in _LISTS else list)(replace(item) for item in value)
    if kind is dict and any(_wrapped(value.values())):
        return {key: replace(item) for key, item in value.items()}
    return value


def _wrapped(items: Any) -> Iterator[bool]:
    """Yield once for every item that has to be replaced, or has such a thing in it."""
    for item in items:
        kind = type(item)
        if kind in _PROMISES or kind in _WRAPPERS or kind is Quoted:
            yield True
        elif kind in _LISTS or isinstance(item, list):
            yield from _wrapped(item)
        elif kind is dict:
            yield from _wrapped(item.values())


def _name(promise: Any) -> str:
    return f"task {promise.name}" if isinstance(promise, Future) else "what it waits for"

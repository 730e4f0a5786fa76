"""Futures and states among the arguments of a call: found, waited for, and replaced by their results."""

from collections.abc import Callable, Iterator
from typing import Any

from tidemill.authoring.mapping import AllowFailure, Opaque, Quoted, Unmapped
from tidemill.authoring.states import FailedRun
from tidemill.authoring.states import State as ReturnedState
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.engine.calls.futures import Future
from tidemill.engine.holding import COLLECTIONS, PLAIN, held_by, made_of
from tidemill.engine.recording import end
from tidemill.engine.task_run import TaskRun

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
        bad, state = self._first_missing()
        if state is None:
            task_run.args, task_run.kwargs = with_results((self._args, self._kwargs))
        elif state.is_skipped():
            end(task_run, State.SKIPPED, ErrorInfo("Skipped", f"not run, because {_name(bad)} was skipped"))
        else:
            reason = f"not run, because {_name(bad)} ended as {state.kind}"
            task_run.error = state.exception() if state.is_final() else FailedRun(reason)
            end(task_run, State.UPSTREAM_FAILED, ErrorInfo("UpstreamFailed", reason))

    def results(self) -> dict[str, Any]:
        """Wait, and return the named arguments for a call that is no part of a run; raise what made one fail."""
        self.wait()
        _, state = self._first_missing()
        if state is not None:
            raise state.exception()
        values: dict[str, Any] = with_results(self._kwargs)
        return values

    def _first_missing(self) -> tuple[Any, ReturnedState | None]:
        """Return what was to give a value and has none, with its state; no state where nothing is missing."""
        for promise, may_fail in self._needed:
            state = promise if isinstance(promise, ReturnedState) else promise.state
            if not may_fail and not state.is_completed():
                return promise, state
        return None, None


def given(args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any) -> Given | None:
    """Return what has to be waited for or unwrapped before a call; None when nothing has to be."""
    needed = list(promises_in((args, kwargs)))
    if wait_for is not None:
        needed += promises_in(list(wait_for) if isinstance(wait_for, COLLECTIONS) else [wait_for])
    if needed or _is_marked((args, kwargs)):
        return Given(args, kwargs, needed)
    return None


def promises_in(value: Any) -> Iterator[tuple[Any, bool]]:
    """Yield futures and states in *value*, at any depth of what holds others; each with whether it may have failed."""
    return ((found, may_fail) for found, may_fail in _marked_in(value) if type(found) in _PROMISES)


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
    if type(value) in PLAIN or not _is_marked(value):
        return value
    return made_of(value, replace)


def _is_marked(value: Any) -> bool:
    """Tell whether something in *value* has to be replaced."""
    return any(True for _ in _marked_in(value))


def _marked_in(value: Any, may_fail: bool = False, seen: set[int] | None = None) -> Iterator[tuple[Any, bool]]:
    """Yield everything in *value* that stands for something else; *seen* are objects that may hold each other."""
    kind = type(value)
    if kind in _PROMISES or kind is Quoted:
        yield value, may_fail
    elif kind in _WRAPPERS:
        yield value, may_fail
        yield from _marked_in(value.value, may_fail or kind is AllowFailure, seen)
    elif kind not in PLAIN:
        seen = set() if seen is None else seen
        if kind not in COLLECTIONS:
            if id(value) in seen:
                return
            seen.add(id(value))
        for item in held_by(value):
            if type(item) not in PLAIN:
                yield from _marked_in(item, may_fail, seen)


def _name(promise: Any) -> str:
    return f"task {promise.name}" if isinstance(promise, Future) else "what it waits for"

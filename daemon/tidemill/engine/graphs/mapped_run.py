"""A mapped task in a run: its items become task runs of their own, each when a thread is free for it."""

import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from tidemill.authoring.tasks import definition_of
from tidemill.domain.events import TaskStarted
from tidemill.domain.results import ITEMS, ErrorInfo, ResultInfo
from tidemill.domain.states import State
from tidemill.engine.graphs.graph import Node
from tidemill.engine.graphs.supply import Ended
from tidemill.engine.recording import end
from tidemill.engine.resuming import Later, drop_value, has_finished, take_over, value_of
from tidemill.engine.task_run import TaskRun, execute_elsewhere

NOTHING: Final[Mapping[str, Any]] = {}
_DEPTH: Final = 20
_WORST_FIRST: Final = (State.FAILED, State.TIMED_OUT, State.UPSTREAM_FAILED, State.CANCELLED)


class Item(TaskRun):
    """An element has its place in a mapped task."""

    __slots__ = ("place",)
    place: int


class MappedRun:
    """The items of a mapped task, begun one by one and counted as they end."""

    def __init__(
        self,
        node: Node,
        task_run: TaskRun,
        length: int,
        *,
        columns: Mapping[str, Sequence[Any]] = NOTHING,
        shared: Mapping[str, Any] = NOTHING,
        upstream: Callable[[int], Sequence[Ended]] | None = None,
        keeps_values: bool = True,
    ) -> None:
        self.node = node
        self.task_run = task_run
        self.length = length
        self._columns = columns
        self._shared = shared
        self._upstream = upstream
        """What the item at a place depends on; None when all of that succeeded and no condition is asked."""
        self._keeps_values = keeps_values
        self._items: list[Item | None] = [None] * self.length
        """None while it has not begun."""
        self._first: tuple[int, BaseException] | None = None
        """The failure of the item that comes first."""
        self._lock = threading.Lock()
        self._next = 0
        self._left = self.length

    def begin(self) -> None:
        """Tell that the first item is about to begin."""
        task_run, now = self.task_run, self.task_run.run.now()
        task_run.state, task_run.attempt, task_run.started_at = State.RUNNING, task_run.attempt + 1, now
        task_run.run.sink.write(TaskStarted(now, task_run.index, task_run.name, task_run.attempt))

    def take(self) -> Item | None:
        """Return the next item, ready to be carried or ended already; None when there is none left."""
        run, task = self.task_run.run, self.node.task
        with self._lock:
            place = self._next
            if place == self.length:
                return None
            self._next = place + 1
            name = item_name(self.node.name, place)
            item = self._items[place] = Item(run, name, definition_of(task).options, self.task_run.fn, task)
            item.place = place
            execute_elsewhere(item)
        if (run.earlier or run.finished) and take_over(item, reading=False):
            return item
        if self._upstream is not None:
            from tidemill.engine.graphs.upstream import refusal

            refused = refusal(run, name, self.node.condition, self._upstream(place))
            if refused is not None:
                end(item, *refused)
                return item
        kwargs = {**self._shared, **{name: column[place] for name, column in self._columns.items()}}
        item.args = tuple(kwargs.pop(name) for name in self.node.positional if name in kwargs)
        item.kwargs = kwargs
        return item

    def take_over(self) -> None:
        """Take every item from an earlier attempt, in which all of them completed."""
        while self.take() is not None:
            self._left -= 1
        self.task_run.value = Later(self.values)

    def count(self, item: Item) -> bool:
        """Note that an item has ended, and tell whether it was the last; of what it held keep the least."""
        item.args, item.kwargs, item.steps = (), {}, None
        if not self._keeps_values:
            drop_value(item)
        if item.failure is not None and not item.run.is_local:
            _forget_frames(item)
        with self._lock:
            if item.error is not None and (self._first is None or item.place < self._first[0]):
                self._first = item.place, item.error
            self._left -= 1
            return self._left == 0

    def finish(self) -> None:
        """Say how the whole went, when every item has ended."""
        task_run = self.task_run
        found = {item.state for item in self._items if item is not None}
        state = next((state for state in _WORST_FIRST if state in found), State.COMPLETED)
        if found == {State.SKIPPED}:
            state = State.SKIPPED
        if state is not State.COMPLETED:
            task_run.error = self._first[1] if self._first else None
            end(task_run, state, self._summary(state))
            return
        task_run.result = ResultInfo(ITEMS, None, 0, f"{self.length} items", ITEMS, value=str(self.length))
        task_run.value = Later(self.values)
        end(task_run, state)

    @property
    def is_whole(self) -> bool:
        """Tell whether every item succeeded."""
        return all(item is not None and item.state.is_success for item in self._items)

    def ended(self, place: int) -> Ended:
        """Return how the item at *place* ended."""
        item = self._item(place)
        return Ended(self.node.name, item.name, item.state, item.failure)

    def values(self) -> list[Any]:
        """Return what the items returned, in their order."""
        return [self.value(place) for place in range(self.length)]

    def value(self, place: int) -> Any:
        """Return what the item at *place* returned; None if it did not succeed."""
        item = self._item(place)
        return value_of(item) if item.state.is_success else None

    def _item(self, place: int) -> Item:
        item = self._items[place]
        assert item is not None
        return item

    def _summary(self, state: State) -> ErrorInfo:
        bad = [item for item in self._items if item is not None and item.state is state]
        failure = bad[0].failure or ErrorInfo("Failed", "")
        if state not in (State.FAILED, State.TIMED_OUT):
            return failure
        return ErrorInfo(
            failure.type, f"{len(bad)} of {self.length} items failed; the first, {bad[0].name}: {failure.line}"
        )


def _forget_frames(item: Item) -> None:
    """Let go of the frames that an item's exception passed, and of all they hold: ten thousand items may fail."""
    item.failure = None if item.failure is None else item.failure._replace(traceback=None)
    error = item.error
    for _ in range(_DEPTH):
        if error is None:
            return
        error.__traceback__ = None
        error = error.__cause__ or error.__context__


def finished_length(task_run: TaskRun) -> int | None:
    """Return how many items a mapped task had that completed before; None when not every one of them has."""
    run, key = task_run.run, (task_run.name, task_run.occurrence)
    known = run.earlier.get(key) or run.find_finished(key)
    info = None if known is None else known.result
    if info is None or info.handler != ITEMS or info.value is None:
        return None
    length = int(info.value)
    names = (item_name(task_run.name, place) for place in range(length))
    return length if all(has_finished(run, (name, 1)) for name in names) else None


def item_name(task: str, place: int) -> str:
    """Return what the item at *place* of a mapped task is called in the run."""
    return f"{task}[{place}]"

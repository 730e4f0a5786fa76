"""Carries a graph: what is ready begins, what waits is released, what cannot begin any more is said to."""

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from tidemill.authoring.tasks import definition_of
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.engine.failures import describe
from tidemill.engine.graphs.graph import Graph, Node
from tidemill.engine.graphs.places import places_in
from tidemill.engine.graphs.readiness import Readiness
from tidemill.engine.graphs.supply import Supply
from tidemill.engine.interrupts import Cancelled
from tidemill.engine.invocation import advance
from tidemill.engine.pool import Call
from tidemill.engine.recording import end
from tidemill.engine.resuming import take_over
from tidemill.engine.run import Run
from tidemill.engine.runners.task_code import code_of
from tidemill.engine.task_run import TaskRun, execute_elsewhere
from tidemill.limits.turns import Turn

if TYPE_CHECKING:
    from tidemill.engine.graphs.mapped_run import Item, MappedRun


class GraphRun:
    """A graph is being carried out."""

    def __init__(self, run: Run, graph: Graph, parameters: Mapping[str, Any]) -> None:
        self._run = run
        self.graph = graph
        self._lock = threading.Lock()
        self._busy = 0
        """Calls of nodes that are with a thread just now."""
        self._invitations = 0
        """Calls in the queue that ask a further thread to carry items of a mapped node."""
        self._broken: BaseException | None = None
        self.task_runs = [self._task_run(node) for node in graph.nodes]
        self._supply = Supply(graph, self.task_runs, parameters)
        self._readiness = Readiness(run, graph, self.task_runs, self._supply)

    def carry_out(self) -> None:
        """Run everything that can be run, this thread taking part, until all nodes have ended."""
        if self._run.earlier or self._run.finished:
            for node in self.graph.nodes:
                self._take_over(node)
        ended = [node for node in self.graph.nodes if self.task_runs[node.index].has_ended]
        roots = [self._call(node) for node in self._readiness.roots()]
        ready = [call for node in ended for call in self._settle(node)] + roots
        self._run.pool.work(ready, self._is_done)
        if self._broken is not None:
            raise self._broken
        if self._readiness.left:
            for task_run in [*self._run.task_runs]:
                self._end_unbegun(task_run)

    def _task_run(self, node: Node) -> TaskRun:
        task_run = TaskRun(self._run, node.name, definition_of(node.task).options, code_of(node.task), node.task)
        execute_elsewhere(task_run)
        return task_run

    def _take_over(self, node: Node) -> None:
        """Count a task that completed in an earlier attempt as done; of a mapped one, all items must have."""
        task_run = self.task_runs[node.index]
        if not node.mapped:
            take_over(task_run, reading=False)
            return
        # Most graphs map nothing.
        from tidemill.engine.graphs.mapped_run import MappedRun, finished_length

        length = finished_length(task_run)
        if length is not None and take_over(task_run, reading=False):
            items = MappedRun(node, task_run, length)
            items.take_over()
            self._supply.items[node.index] = items

    def _is_done(self) -> bool:
        return (
            self._readiness.left == 0
            or self._broken is not None
            or (self._run.interruption is not None and not self._busy)
        )

    def _call(self, node: Node) -> Call:
        return partial(self._perform, self._expand if node.mapped else self._carry, node)

    def _perform(self, work: Callable[..., list[Call]], *of: Any, **how: Any) -> Call | None:
        """Do a piece of *work*, and return one of the calls that it released."""
        with self._lock:
            if self._run.interruption is not None:
                return None
            self._busy += 1
        released: list[Call] = []
        try:
            released = work(*of, **how)
        except BaseException as error:
            # A fault of the engine's own: the run must not go on as if nothing was.
            self._broken = self._broken or error
        finally:
            with self._lock:
                self._busy -= 1
                over = self._is_done()
            if over:
                self._run.pool.wake()
        if len(released) > 1:
            self._run.pool.put(released[1:])
        return released[0] if released else None

    def _carry(self, node: Node) -> list[Call]:
        """Carry a node to its next wait or to its end."""
        task_run = self.task_runs[node.index]
        if task_run.steps is None:
            try:
                task_run.kwargs = self._supply.arguments(node)
            except Exception as error:
                end(task_run, State.FAILED, describe(error))
                return self._settle(node)
            if node.positional:
                task_run.args = tuple(task_run.kwargs.pop(name) for name in node.positional if name in task_run.kwargs)
        delay = advance(task_run)
        if delay is None:
            return self._settle(node)
        self._run.pool.put_later(delay, self._call(node))
        return []

    def _expand(self, node: Node) -> list[Call]:
        """Find out what the items of a mapped node are, and let the first ones begin."""
        from tidemill.engine.graphs.mapped_run import MappedRun

        task_run, supply = self.task_runs[node.index], self._supply
        try:
            columns, shared = supply.columns(node), supply.arguments(node)
        except Exception as error:
            end(task_run, State.FAILED, describe(error))
            return self._settle(node)
        length = len(next(iter(columns.values())))
        mapped = MappedRun(
            node,
            task_run,
            length,
            columns=columns,
            shared=shared,
            upstream=partial(supply.item_upstream, node) if self._readiness.is_doubtful(node) else None,
            keeps_values=self._is_used(node),
        )
        supply.items[node.index] = mapped
        mapped.begin()
        if not mapped.length:
            mapped.finish()
            return self._settle(node)
        others = min(self._run.pool.limit, mapped.length) - 1
        with self._lock:
            self._invitations += others
        return [
            partial(self._perform, self._carry_item, mapped, None),
            *[partial(self._perform, self._join, mapped)] * others,
        ]

    def _join(self, mapped: "MappedRun") -> list[Call]:
        """Take part in carrying the items of a mapped node."""
        with self._lock:
            self._invitations -= 1
        return self._carry_item(mapped, None)

    def _carry_item(self, mapped: "MappedRun", item: "Item | None", *, leads: bool = False) -> list[Call]:
        """Carry one item of a mapped node, the next if none is given, to its next wait or to its end.

        After the next, or one that *leads*, another one follows.
        """
        following: list[Call] = [partial(self._perform, self._carry_item, mapped, None)]
        if item is None:
            item = mapped.take()
            if item is None:
                return []
        elif not leads:
            following = []
        delay = None if item.has_ended else advance(item)
        if isinstance(delay, Turn):
            # The next items would wait for the same: they begin behind this one.
            self._run.pool.put_later(delay, partial(self._perform, self._carry_item, mapped, item, leads=True))
            return []
        if delay is not None:
            self._run.pool.put_later(delay, partial(self._perform, self._carry_item, mapped, item))
        elif mapped.count(item):
            mapped.finish()
            return self._settle(mapped.node)
        if self._run.pool.waiting > self._invitations:
            # Others have waited longer than the next item.
            self._run.pool.put(following)
            return []
        return following

    def _is_used(self, node: Node) -> bool:
        """Tell whether somebody may still ask for the results of a node's items."""
        if self._run.is_local or self.graph.flow.options.retry.allows_any:
            return True
        below = (self.graph.nodes[index] for index in node.downstream)
        taken = (place for other in below for place in places_in([*other.fed.values(), *other.mapped.values()]))
        return any(place == node.index for place in taken)

    def _settle(self, node: Node) -> list[Call]:
        """Count a node that has ended, and return the calls of those that can begin now."""
        return [self._call(free) for free in self._readiness.after(node)]

    def _end_unbegun(self, task_run: TaskRun) -> None:
        if not task_run.has_ended:
            reason = "cancelled" if self._run.interruption is Cancelled else "timed out"
            end(task_run, State.CANCELLED, ErrorInfo("Cancelled", f"not run to its end: the run was {reason}"))


def failed(task_runs: Iterable[TaskRun]) -> list[TaskRun]:
    """Return the task runs that ended badly by themselves, in the order of their indices."""
    own = (State.FAILED, State.TIMED_OUT)
    return [task_run for task_run in task_runs if task_run.state in own]

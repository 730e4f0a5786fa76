"""Carries a graph: what is ready begins, what waits is released, what cannot begin any more is said to."""

import threading
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from tidemill.authoring.conversion import convert
from tidemill.authoring.tasks import definition_of
from tidemill.domain.errors import TidemillError
from tidemill.domain.events import TaskEnded
from tidemill.domain.results import ErrorInfo
from tidemill.domain.runs import FinishedTask
from tidemill.domain.states import State
from tidemill.engine.failures import describe
from tidemill.engine.graph import Graph, Node, fill_places
from tidemill.engine.interrupts import Cancelled
from tidemill.engine.pool import Call
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun, attempt, end


class GraphRun:
    """A graph is being carried out."""

    def __init__(self, run: Run, graph: Graph, parameters: Mapping[str, Any]) -> None:
        self._run = run
        self._graph = graph
        self._parameters = parameters
        self._lock = threading.Lock()
        self._waiting = [len(node.upstream) for node in graph.nodes]
        self._left = len(graph.nodes)
        self._busy = 0
        """Calls of nodes that are with a thread just now."""
        self._broken: BaseException | None = None
        self.task_runs = [self._task_run(node) for node in graph.nodes]

    def carry_out(self) -> None:
        """Run everything that can be run, this thread taking part, until all nodes have ended."""
        finished = {task.name: task for task in self._run.finished.values()}
        ready: list[Node] = []
        for node in self._graph.nodes:
            if node.name in finished:
                self._take_over(node, finished[node.name])
            elif self._waiting[node.index] == 0:
                ready.append(node)
        self._run.pool.work([self._call(node) for node in ready], self._is_done)
        if self._broken is not None:
            raise self._broken
        if self._left:
            for task_run in self.task_runs:
                self._end_unbegun(task_run)

    def _task_run(self, node: Node) -> TaskRun:
        task_run = TaskRun(self._run, node.name, self._run.next_index(), definition_of(node.task).options, node.task.fn)
        self._run.task_runs.append(task_run)
        return task_run

    def _is_done(self) -> bool:
        return self._left == 0 or self._broken is not None or (self._run.interruption is not None and not self._busy)

    def _call(self, node: Node) -> Call:
        return partial(self._perform, node)

    def _perform(self, node: Node) -> Call | None:
        """Carry a node through one attempt, and return the call of one that it released."""
        with self._lock:
            if self._run.interruption is not None:
                return None
            self._busy += 1
        task_run = self.task_runs[node.index]
        released: list[Node] = []
        try:
            delay = self._attempt(node, task_run)
            if delay is not None:
                self._run.pool.put_later(delay, self._call(node))
            else:
                released = self._settle(node, task_run)
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
            self._run.pool.put(self._call(other) for other in released[1:])
        return self._call(released[0]) if released else None

    def _attempt(self, node: Node, task_run: TaskRun) -> float | None:
        if task_run.attempt == 0:
            try:
                task_run.kwargs = self._arguments(node)
            except (TidemillError, ValueError, TypeError) as error:
                end(task_run, State.FAILED, describe(error))
                return None
            if node.positional:
                task_run.args = tuple(task_run.kwargs.pop(name) for name in node.positional if name in task_run.kwargs)
        return attempt(task_run)

    def _arguments(self, node: Node) -> dict[str, Any]:
        """Return what the node's task is called with."""
        values = dict(node.values)
        for name, source in node.fed.items():
            values[name] = fill_places(source, self._value)
        for name, parameter in node.asked.items():
            if name in self._parameters:
                values[name] = convert(self._parameters[name], parameter, f"task {node.name}")
        return values

    def _value(self, index: int) -> Any:
        task_run = self.task_runs[index]
        if task_run.state is State.CACHED and task_run.attempt == 0:
            node = self._graph.nodes[index]
            task_run.value = self._run.read_result(task_run.result, task_run.options.result_handler, node.name)
            task_run.attempt = -1  # read once, however many take it
        return task_run.value

    def _settle(self, node: Node, task_run: TaskRun) -> list[Node]:
        """Count the node as ended, and return those that can begin now."""
        if task_run.state.is_success:
            return self._release(node)
        self._end_downstream(node, task_run)
        return []

    def _release(self, node: Node) -> list[Node]:
        released = []
        with self._lock:
            self._left -= 1
            for index in node.downstream:
                self._waiting[index] -= 1
                if self._waiting[index] == 0 and not self.task_runs[index].has_ended:
                    released.append(self._graph.nodes[index])
        return released

    def _end_downstream(self, node: Node, task_run: TaskRun) -> None:
        """Say of everything below a node that did not complete that it cannot begin."""
        state = State.UPSTREAM_FAILED if task_run.state is not State.CANCELLED else State.CANCELLED
        error = ErrorInfo("UpstreamFailed", f"not run, because task {task_run.name} ended as {task_run.state}")
        below: list[int] = list(node.downstream)
        with self._lock:
            self._left -= 1
            while below:
                index = below.pop()
                other = self.task_runs[index]
                if not other.has_ended:
                    end(other, state, error if state is State.UPSTREAM_FAILED else None)
                    self._left -= 1
                    below += self._graph.nodes[index].downstream

    def _take_over(self, node: Node, finished: FinishedTask) -> None:
        """Count a task that finished in an earlier attempt as done."""
        task_run = self.task_runs[node.index]
        task_run.state, task_run.result = State.CACHED, finished.result
        now = self._run.now()
        self._run.sink.write(
            TaskEnded(now, task_run.index, node.name, State.CACHED.value, 0, None, None, finished.result)
        )
        self._release(node)

    def _end_unbegun(self, task_run: TaskRun) -> None:
        if not task_run.has_ended:
            reason = "cancelled" if self._run.interruption is Cancelled else "timed out"
            end(task_run, State.CANCELLED, ErrorInfo("Cancelled", f"not run to its end: the run was {reason}"))


def failed(task_runs: Iterable[TaskRun]) -> list[TaskRun]:
    """Return the task runs that ended badly by themselves, in the order of their indices."""
    own = (State.FAILED, State.TIMED_OUT)
    return [task_run for task_run in task_runs if task_run.state in own]

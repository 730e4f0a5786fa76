"""Which nodes of a graph can begin, counted from those that have ended; what cannot begin any more is said to."""

import threading
from collections.abc import Sequence

from tidemill.domain.states import SUCCESSES
from tidemill.engine.graphs.graph import Graph, Node
from tidemill.engine.graphs.supply import Supply
from tidemill.engine.recording import end
from tidemill.engine.run import Run
from tidemill.engine.task_run import TaskRun


class Readiness:
    """Counts, for every node, how many of those it depends on have not ended."""

    def __init__(self, run: Run, graph: Graph, task_runs: Sequence[TaskRun], supply: Supply) -> None:
        self._run = run
        self._nodes = graph.nodes
        self._task_runs = task_runs
        self._supply = supply
        self._lock = threading.Lock()
        self._waiting = [len(node.upstream) for node in graph.nodes]
        self._doubtful = [node.condition is not None for node in graph.nodes]
        self.left = len(graph.nodes)
        """Nodes that have not ended."""

    def is_doubtful(self, node: Node) -> bool:
        """Tell whether something is to be asked: the node has a condition, or some upstream did not succeed."""
        return self._doubtful[node.index]

    def roots(self) -> list[Node]:
        """Return the nodes that depend on nothing and can begin."""
        return self._admitted([node for node in self._nodes if not node.upstream and not self._has_ended(node)])

    def after(self, node: Node) -> list[Node]:
        """Count a node that has ended, and return those that can begin now."""
        free = self._count(node)
        return self._admitted(free) if free else []

    def _has_ended(self, node: Node) -> bool:
        return self._task_runs[node.index].has_ended

    def _admitted(self, free: list[Node]) -> list[Node]:
        """Return the nodes that begin of those that wait for nothing any more; see who waits for the others."""
        admitted: list[Node] = []
        for node in free:
            if not self._doubtful[node.index] or self._admits(node):
                admitted.append(node)
            else:
                # The loop goes on with them.
                free += self._count(node)
        return admitted

    def _count(self, node: Node) -> list[Node]:
        """Count a node as ended, and return those that wait for nothing any more."""
        good = self._task_runs[node.index].state in SUCCESSES
        if good and node.mapped:
            # Items may have been skipped, and each has its own item below it.
            good = self._supply.items[node.index].is_whole
        free: list[Node] = []
        with self._lock:
            self.left -= 1
            for index in node.downstream:
                self._waiting[index] -= 1
                if not good:
                    self._doubtful[index] = True
                if self._waiting[index] == 0 and not self._task_runs[index].has_ended:
                    free.append(self._nodes[index])
        return free

    def _admits(self, node: Node) -> bool:
        """Tell whether a doubtful node begins; say of one that does not why, and end it."""
        supply = self._supply
        if any(supply.items[index].length for index in supply.in_step(node)):
            # The items of one that takes those of another in step are asked for themselves.
            return True
        # Most graphs ask nothing.
        from tidemill.engine.graphs.upstream import refusal

        refused = refusal(self._run, node.name, node.condition, supply.upstream(node))
        if refused is None:
            return True
        end(self._task_runs[node.index], *refused)
        return False

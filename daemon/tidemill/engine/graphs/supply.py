"""What the nodes of a graph are given: arguments, elements to be mapped over, and what they depend on."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from tidemill.authoring.conversion import convert
from tidemill.authoring.mapping import items_of
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.engine.graphs.graph import Graph, Node, same_length
from tidemill.engine.graphs.places import FromRun, Place, fill_places
from tidemill.engine.resuming import value_of
from tidemill.engine.task_run import TaskRun

if TYPE_CHECKING:
    from tidemill.engine.graphs.mapped_run import MappedRun


class Ended(NamedTuple):
    """A task has ended that another one depends on."""

    task: str
    name: str
    """What it is called in the run: the task's name, or that of an item of a mapped one."""
    state: State
    failure: ErrorInfo | None


class Results(Sequence[Any]):
    """Results one beside the other, each read when somebody takes it."""

    def __init__(self, length: int, read: Callable[[int], Any]) -> None:
        self._length = length
        self._read = read

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: Any) -> Any:
        return self._read(place)


class Supply:
    """Everything the nodes of a graph take from the run and from each other."""

    def __init__(self, graph: Graph, task_runs: Sequence[TaskRun], parameters: Mapping[str, Any]) -> None:
        defaults = {name: known.default for name, known in graph.parameters.items() if not known.required}
        self._parameters = {**defaults, **parameters}
        self._nodes = graph.nodes
        self._task_runs = task_runs
        self.items: dict[int, MappedRun] = {}
        """Of every mapped node that has some."""

    def arguments(self, node: Node) -> dict[str, Any]:
        """Return what the node's task is called with, apart from what it is mapped over."""
        values = dict(node.values)
        for name, source in node.fed.items():
            values[name] = fill_places(source, self._value, self._parameters)
        for name, parameter in node.converted.items():
            values[name] = convert(values[name], parameter, f"task {node.name}")
        for name, parameter in node.asked.items():
            if name in self._parameters:
                values[name] = convert(self._parameters[name], parameter, f"task {node.name}")
        return values

    def columns(self, node: Node) -> dict[str, Sequence[Any]]:
        """Return what the node is mapped over: by parameter, an element for each item.

        What did not succeed has no elements: every item takes None for it.
        """
        columns: dict[str, Sequence[Any]] = {}
        missing: list[str] = []
        for name, source in node.mapped.items():
            if type(source) is Place and source in self.items:
                items = self.items[source]
                columns[name] = Results(items.length, items.value)
            elif type(source) is Place and not self._task_runs[source].state.is_success:
                missing.append(name)
            else:
                elements = fill_places(source, self._value, self._parameters)
                columns[name] = items_of(elements, f"{self._described(source)}, which task {node.name} is mapped over,")
        same_length(node.name, {name: len(column) for name, column in columns.items()})
        length = len(next(iter(columns.values()))) if columns else 0
        nothing = Results(length, lambda _: None)
        return {**columns, **dict.fromkeys(missing, nothing)}

    def upstream(self, node: Node) -> list[Ended]:
        """Return how the tasks ended that the node depends on."""
        return [self._ended(index) for index in node.upstream]

    def item_upstream(self, node: Node, place: int) -> list[Ended]:
        """Return how those ended that one item depends on: of a mapped task only the item in step with it."""
        in_step = self.in_step(node)
        return [self.items[index].ended(place) if index in in_step else self._ended(index) for index in node.upstream]

    def in_step(self, node: Node) -> set[int]:
        """Return the mapped nodes whose items the node's own items take one by one."""
        return {source for source in node.mapped.values() if type(source) is Place and source in self.items}

    def _ended(self, index: int) -> Ended:
        task_run = self._task_runs[index]
        return Ended(task_run.name, task_run.name, task_run.state, task_run.failure)

    def _value(self, index: int) -> Any:
        """Return what a node returned, a list of its items' results where it is mapped; None if it did not succeed."""
        items = self.items.get(index)
        if items is not None:
            return items.values()
        task_run = self._task_runs[index]
        return value_of(task_run) if task_run.state.is_success else None

    def _described(self, source: Any) -> str:
        if type(source) is Place:
            return f"the result of {self._nodes[source].name}"
        return f"the parameter {source}" if type(source) is FromRun else "the list"

"""The graph of a declared flow: its tasks in dependency order, and where each parameter's value comes from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tidemill.authoring.conversion import convert
from tidemill.authoring.flows import Flow
from tidemill.authoring.naming import as_identifier
from tidemill.authoring.signatures import Parameter
from tidemill.authoring.tasks import Task, definition_of, signature_of
from tidemill.domain.errors import DefinitionError
from tidemill.engine.scope import Scope


@dataclass(slots=True)
class Node:
    """A task has its place in a flow."""

    index: int
    name: str
    task: Task
    upstream: tuple[int, ...] = ()
    downstream: list[int] = field(default_factory=list)
    values: dict[str, Any] = field(default_factory=dict)
    """Parameters whose values are known from the declaration."""
    fed: dict[str, Any] = field(default_factory=dict)
    """Parameters that take results: a node's index, or a list or dict in which tasks stand."""
    asked: dict[str, Parameter] = field(default_factory=dict)
    """Parameters that the run has to give, or that have a default."""
    positional: tuple[str, ...] = ()


@dataclass(slots=True)
class Graph:
    """All nodes of a flow; each comes after what it needs."""

    flow: Flow
    nodes: list[Node]


@dataclass(slots=True)
class _Wiring:
    """What one task takes from others, while the graph is being built."""

    task: Task
    needs: dict[int, Task] = field(default_factory=dict)
    """By identity, in the order of declaration."""
    feeds: dict[str, Task] = field(default_factory=dict)


def build_graph(flow: Flow) -> Graph:
    """Return the graph of *flow*, or refuse tasks that wait for each other and dependencies that do not exist."""
    scope = Scope(flow)
    wirings: dict[int, _Wiring] = {}
    done: dict[int, _Wiring] = {}
    for root in scope.tasks:
        _visit(root, scope, wirings, done)
    ordered = list(done.values())
    if not ordered:
        raise DefinitionError(f"flow {flow.name} has no tasks", line=flow.place.line)
    places = {id(wiring.task): index for index, wiring in enumerate(ordered)}
    names = _unique([scope.label(wiring.task) for wiring in ordered])
    nodes = [_node(wiring, index, names[index], places) for index, wiring in enumerate(ordered)]
    for node in nodes:
        for above in node.upstream:
            nodes[above].downstream.append(node.index)
    return Graph(flow, nodes)


def _visit(root: Task, scope: Scope, wirings: dict[int, _Wiring], done: dict[int, _Wiring]) -> None:
    """Walk to everything *root* needs, deepest first; a loop and no recursion, chains may be long."""
    if id(root) in wirings:
        return
    trail: list[tuple[_Wiring, Iterator[Task]]] = []

    def enter(task: Task) -> None:
        wiring = wirings[id(task)] = _wire(task, scope)
        trail.append((wiring, iter(wiring.needs.values())))

    enter(root)
    while trail:
        wiring, rest = trail[-1]
        following = next(rest, None)
        if following is None:
            trail.pop()
            done[id(wiring.task)] = wiring
        elif id(following) not in wirings:
            enter(following)
        elif id(following) not in done:
            raise _circle([step.task for step, _ in trail], following, scope)


def _circle(trail: list[Task], first: Task, scope: Scope) -> DefinitionError:
    start = next(place for place, task in enumerate(trail) if task is first)
    names = [scope.label(task) for task in [*trail[start:], first]]
    message = f"tasks wait for each other in a circle: {' → '.join(reversed(names))}"
    return DefinitionError(message, line=definition_of(first).place.line)


def _wire(task: Task, scope: Scope) -> _Wiring:
    """Find what *task* needs: ``depends_on``, bound tasks, and parameters that bear a task's name."""
    definition = definition_of(task)
    wiring = _Wiring(task)
    owner = f"task {scope.label(task)}"
    try:
        declared = [scope.resolve(given, owner, task) for given in definition.options.depends_on]
        for value in definition.bound.values():
            for needed in _tasks_in(value):
                wiring.needs[id(needed)] = needed
        for parameter in signature_of(task).parameters:
            if parameter.name in definition.bound:
                continue
            feeding = _feeding(parameter, declared, scope)
            if feeding is not None and feeding is not task:
                wiring.feeds[parameter.name] = feeding
    except DefinitionError as error:
        error.line = error.line or definition.place.line
        raise
    for needed in [*declared, *wiring.feeds.values()]:
        wiring.needs[id(needed)] = needed
    return wiring


def _feeding(parameter: Parameter, declared: list[Task], scope: Scope) -> Task | None:
    """Return the task whose result fills *parameter*: one it depends on, else any task that bears its name."""
    wanted = as_identifier(parameter.name)
    spellings: tuple[Callable[[Task], bool], ...] = (
        lambda task: scope.label(task) == parameter.name,
        lambda task: definition_of(task).name == parameter.name,
        lambda task: as_identifier(scope.label(task)) == wanted,
        lambda task: as_identifier(definition_of(task).name) == wanted,
    )
    for matches in spellings:
        found = [task for task in declared if matches(task)]
        if len(found) > 1:
            names = ", ".join(scope.label(task) for task in found)
            raise DefinitionError(
                f"parameter {parameter.name!r} could take the result of {names}; bind it to one of them"
            )
        if found:
            return found[0]
    # A default is a value already: only a declared dependency may replace it.
    return scope.find(parameter.name, everywhere=True) if parameter.required else None


def _node(wiring: _Wiring, index: int, name: str, places: dict[int, int]) -> Node:
    definition, signature = definition_of(wiring.task), signature_of(wiring.task)
    node = Node(index, name, wiring.task, tuple(sorted(places[key] for key in wiring.needs)))
    for parameter, value in definition.bound.items():
        if next(_tasks_in(value), None) is None:
            node.values[parameter] = _converted(wiring, parameter, value, name)
        else:
            node.fed[parameter] = _with_places(value, places)
    for parameter, task in wiring.feeds.items():
        node.fed[parameter] = Place(places[id(task)])
    node.asked = {
        parameter.name: parameter
        for parameter in signature.parameters
        if parameter.name not in node.values and parameter.name not in node.fed
    }
    node.positional = tuple(parameter.name for parameter in signature.parameters if parameter.positional_only)
    return node


def _converted(wiring: _Wiring, name: str, value: Any, owner: str) -> Any:
    """Return a bound value as the type that its annotation asks for, or refuse it in the line that bound it."""
    definition = definition_of(wiring.task)
    for parameter in signature_of(wiring.task).parameters:
        if parameter.name == name and parameter.annotation is not Any:
            try:
                return convert(value, parameter, f"task {owner}")
            except DefinitionError as error:
                error.line = error.line or definition.place.line
                raise
    return value


class Place(int):
    """Stands for the result of the node with this index."""

    __slots__ = ()


def _tasks_in(value: Any) -> Iterator[Task]:
    if isinstance(value, Task):
        yield value
    elif type(value) in (list, tuple):
        for item in value:
            yield from _tasks_in(item)
    elif type(value) is dict:
        for item in value.values():
            yield from _tasks_in(item)


def _with_places(value: Any, places: dict[int, int]) -> Any:
    """Return *value* with every task in it replaced by its place."""
    if isinstance(value, Task):
        return Place(places[id(value)])
    if type(value) in (list, tuple):
        return type(value)(_with_places(item, places) for item in value)
    if type(value) is dict:
        return {key: _with_places(item, places) for key, item in value.items()}
    return value


def fill_places(value: Any, results: Callable[[int], Any]) -> Any:
    """Return *value* with every place in it replaced by that node's result."""
    kind = type(value)
    if kind is Place:
        return results(value)
    if kind is list or kind is tuple:
        return kind(fill_places(item, results) for item in value)
    if kind is dict:
        return {key: fill_places(item, results) for key, item in value.items()}
    return value


def _unique(names: list[str]) -> list[str]:
    """Give tasks of one name a number each, from the second on."""
    seen: dict[str, int] = {}
    taken = set(names)
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        made = name
        while seen[name] > 1 and made in taken:
            made = f"{name}-{seen[name]}"
            seen[name] += made in taken
        taken.add(made)
        result.append(made)
    return result

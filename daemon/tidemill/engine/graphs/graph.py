"""The graph of a declared flow: its tasks in dependency order, and where each parameter's value comes from."""

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from tidemill.authoring.conversion import convert
from tidemill.authoring.flows import Flow
from tidemill.authoring.mapping import Mapped
from tidemill.authoring.signatures import Parameter
from tidemill.authoring.tasks import Task, definition_of, signature_of
from tidemill.domain.errors import DefinitionError
from tidemill.engine.graphs.places import FromRun, Place, stood_for, with_places
from tidemill.engine.graphs.scope import Scope
from tidemill.engine.graphs.wiring import Wiring, parameter_of, wire

if TYPE_CHECKING:
    from tidemill.authoring.parameters import Parameter as FlowParameter

_ITEM: Final = re.compile(r"(.+)\[\d+\]")


class Node(Struct):
    """A task has its place in a flow."""

    index: int
    name: str
    task: Task
    upstream: tuple[int, ...] = ()
    downstream: list[int] = field(default_factory=list)
    condition: Any = None
    """On the ends of those upstream; None: all of them succeeded."""
    values: dict[str, Any] = field(default_factory=dict)
    """Parameters whose values are known from the declaration."""
    fed: dict[str, Any] = field(default_factory=dict)
    """Parameters that take results or parameters of the flow: a stand-in, or a list or dict in which some stand."""
    mapped: dict[str, Any] = field(default_factory=dict)
    """Parameters that take one element each of a list, or of what a stand-in stands for."""
    asked: dict[str, Parameter] = field(default_factory=dict)
    """Parameters that the run has to give, or that have a default."""
    converted: dict[str, Parameter] = field(default_factory=dict)
    """Those of the fed ones that take a parameter of the flow alone, and convert it to a type of their own."""
    positional: tuple[str, ...] = ()


class Graph(Struct):
    """All nodes of a flow; each comes after what it needs."""

    flow: Flow
    nodes: list[Node]
    parameters: dict[str, Parameter] = field(default_factory=dict)
    """Parameters of the flow that its tasks name."""
    references: tuple[int, ...] = ()
    """The tasks that decide how a run ends; empty: all of them."""


def build_graph(flow: Flow) -> Graph:
    """Return the graph of *flow*, or refuse tasks that wait for each other and dependencies that do not exist."""
    scope = Scope(flow)
    wirings: dict[int, Wiring] = {}
    done: dict[int, Wiring] = {}
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
    _check_item_names(nodes)
    return Graph(flow, nodes, _named_parameters(ordered), _references(flow, scope, places))


def _visit(root: Task, scope: Scope, wirings: dict[int, Wiring], done: dict[int, Wiring]) -> None:
    """Walk to everything *root* needs, deepest first; a loop and no recursion, chains may be long."""
    if id(root) in wirings:
        return
    trail: list[tuple[Wiring, Iterator[Task]]] = []

    def enter(task: Task) -> None:
        wiring = wirings[id(task)] = wire(task, scope)
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


def _node(wiring: Wiring, index: int, name: str, places: Mapping[int, int]) -> Node:
    definition, signature = definition_of(wiring.task), signature_of(wiring.task)
    node = Node(index, name, wiring.task, tuple(sorted(places[key] for key in wiring.needs)))
    node.condition = definition.options.condition
    for parameter, value in wiring.values.items():
        if type(value) is Mapped:
            node.mapped[parameter] = _elements(wiring, parameter, value.source, name, places)
        elif next(stood_for(value), None) is None:
            node.values[parameter] = _converted(wiring, parameter, value, name)
        else:
            node.fed[parameter] = with_places(value, places)
            own = parameter_of(wiring.task, parameter) if type(node.fed[parameter]) is FromRun else None
            if own is not None:
                node.converted[parameter] = own
    for parameter, task in wiring.feeds.items():
        node.fed[parameter] = Place(places[id(task)])
    _check_lengths(node, definition.place.line)
    node.asked = {
        parameter.name: parameter
        for parameter in signature.parameters
        if parameter.name not in node.values and parameter.name not in node.fed and parameter.name not in node.mapped
    }
    node.positional = tuple(parameter.name for parameter in signature.parameters if parameter.positional_only)
    return node


def _converted(wiring: Wiring, name: str, value: Any, owner: str) -> Any:
    """Return a bound value as the type that its annotation asks for, or refuse it in the line that bound it."""
    parameter = parameter_of(wiring.task, name)
    try:
        return value if parameter is None else convert(value, parameter, f"task {owner}")
    except DefinitionError as error:
        error.line = error.line or definition_of(wiring.task).place.line
        raise


def _elements(wiring: Wiring, name: str, source: Any, owner: str, places: Mapping[int, int]) -> Any:
    """Return what a parameter is mapped over: a list of elements, or the stand-in of what will be one."""
    if next(stood_for(source), None) is not None:
        return with_places(source, places)
    if parameter_of(wiring.task, name) is None:
        return source
    return [_converted(wiring, name, value, owner) for value in source]


def _check_lengths(node: Node, line: int) -> None:
    """Refuse lists of different lengths that a task is mapped over, as far as they are known before a run."""
    known = {name: len(source) for name, source in node.mapped.items() if type(source) not in (Place, FromRun)}
    try:
        same_length(node.name, known)
    except DefinitionError as error:
        error.line = line
        raise


def same_length(owner: str, lengths: Mapping[str, int]) -> None:
    """Refuse, with both lengths, lists that *owner* is mapped over together and that differ in length."""
    if len(set(lengths.values())) > 1:
        told = " and ".join(f"{name} ({length} item{'s' * (length != 1)})" for name, length in lengths.items())
        raise DefinitionError(f"task {owner} is mapped over {told}: they must have the same length")


def _named_parameters(wirings: list[Wiring]) -> dict[str, Parameter]:
    """Return the parameters of the flow that tasks name, or refuse two of one name that differ."""
    first: dict[str, FlowParameter] = {}
    named: dict[str, Parameter] = {}
    for wiring in wirings:
        for parameter, filled in wiring.parameters:
            known = first.setdefault(parameter.name, parameter)
            if not known.agrees_with(parameter):
                raise DefinitionError(
                    f"two parameters of the flow are called {parameter.name!r} and differ: make one Parameter and bind"
                    " it to every task that takes it",
                    line=definition_of(wiring.task).place.line,
                )
            if parameter.name not in named or named[parameter.name].annotation is Any:
                named[parameter.name] = parameter.asked(filled)
    return named


def _references(flow: Flow, scope: Scope, places: Mapping[int, int]) -> tuple[int, ...]:
    """Return the places of the tasks that decide how a run ends, or refuse those that are no part of the flow."""
    owner = f"the end of flow {flow.name}"
    try:
        resolved = [scope.resolve(given, owner) for given in flow.reference_tasks]
        for given in resolved:
            if id(given) not in places:
                raise DefinitionError(f"{owner} depends on {scope.label(given)}, which is no part of the flow")
    except DefinitionError as error:
        error.line = error.line or flow.place.line
        raise
    return tuple(places[id(given)] for given in resolved)


def _check_item_names(nodes: list[Node]) -> None:
    """Refuse a task that is called like an item of a mapped one: a resumed run would take one for the other."""
    mapped = {node.name for node in nodes if node.mapped}
    if not mapped:
        return
    for node in nodes:
        like = _ITEM.fullmatch(node.name)
        if like is not None and like[1] in mapped:
            raise DefinitionError(
                f"task {node.name} is called like an item of the mapped task {like[1]}; give one of them another name",
                line=definition_of(node.task).place.line,
            )


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

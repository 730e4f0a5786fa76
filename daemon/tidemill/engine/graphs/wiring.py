"""What one task of a graph takes from others, found from everything its author may have written."""

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from tidemill.authoring.mapping import Mapped, Unmapped
from tidemill.authoring.naming import as_identifier
from tidemill.authoring.parameters import Parameter as FlowParameter
from tidemill.authoring.signatures import Parameter
from tidemill.authoring.tasks import Task, definition_of, signature_of
from tidemill.domain.errors import DefinitionError
from tidemill.engine.graphs.places import stood_for
from tidemill.engine.graphs.scope import Scope
from tidemill.engine.runners.task_code import code_of

if TYPE_CHECKING:
    from collections.abc import Callable


class Wiring(Struct):
    """What one task takes, while the graph is being built."""

    task: Task
    needs: dict[int, Task] = field(default_factory=dict)
    """By identity, in the order of declaration."""
    feeds: dict[str, Task] = field(default_factory=dict)
    """Parameters that bear the name of a task."""
    values: dict[str, Any] = field(default_factory=dict)
    """What the task is bound to, or mapped over, by parameter."""
    parameters: list[tuple[FlowParameter, Parameter | None]] = field(default_factory=list)
    """Parameters of the flow that it names, each with the task's parameter that it fills alone, if it does."""


def wire(task: Task, scope: Scope) -> Wiring:
    """Find what *task* needs: ``depends_on``, bound tasks, and parameters that bear a task's name."""
    try:
        return _wire(task, scope)
    except DefinitionError as error:
        error.line = error.line or definition_of(task).place.line
        raise


def _wire(task: Task, scope: Scope) -> Wiring:
    definition = definition_of(task)
    wiring = Wiring(task)
    owner = f"task {scope.label(task)}"
    declared = [scope.resolve(given, owner, task) for given in definition.options.depends_on]
    _wire_bound(wiring)
    for parameter in signature_of(task).parameters:
        if parameter.name in definition.bound:
            continue
        feeding = _feeding(parameter, declared, scope)
        if feeding is not None and feeding is not task:
            wiring.feeds[parameter.name] = feeding
    for needed in [*declared, *wiring.feeds.values()]:
        wiring.needs[id(needed)] = needed
    code_of(task)
    if not wiring.needs and definition.options.condition is not None:
        _check_condition(definition.options.condition, owner)
    return wiring


def _check_condition(condition: Any, owner: str) -> None:
    from tidemill.domain.conditions import NEED_SOMETHING, Condition

    if isinstance(condition, Condition) and condition in NEED_SOMETHING:
        raise DefinitionError(
            f"{owner} has the condition {condition} and depends on nothing, so it would never run: name what it"
            " depends on with depends_on"
        )


def _wire_bound(wiring: Wiring) -> None:
    """Add the tasks and the parameters of the flow that the task is bound to or mapped over."""
    for name, bound in definition_of(wiring.task).bound.items():
        value = wiring.values[name] = bound.value if type(bound) is Unmapped else bound
        for found in stood_for(value.source if type(value) is Mapped else value):
            if isinstance(found, FlowParameter):
                wiring.parameters.append((found, parameter_of(wiring.task, name) if found is value else None))
            else:
                wiring.needs[id(found)] = found


def parameter_of(task: Task, name: str) -> Parameter | None:
    """Return the parameter of *task* that is called *name*, if its type is known."""
    return next(
        (
            parameter
            for parameter in signature_of(task).parameters
            if parameter.name == name and parameter.annotation is not Any
        ),
        None,
    )


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

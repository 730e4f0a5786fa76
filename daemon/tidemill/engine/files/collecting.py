"""Which flows a loaded file declares: its own Flow objects, else the implicit flow of its tasks."""

from typing import Any

from msgspec import Struct, field

from tidemill.authoring.flow_options import parse_schedules
from tidemill.authoring.flows import Flow, FunctionFlow, ImplicitFlow
from tidemill.authoring.locating import Place
from tidemill.authoring.tasks import Task, definition_of, make_instance
from tidemill.domain.errors import DefinitionError
from tidemill.domain.manifests import Problem
from tidemill.engine.files.loading import LoadedFile, implicit_name


class Collected(Struct):
    """The flows of one file, and what is wrong with them."""

    flows: list[Flow] = field(default_factory=list)
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)


def collect(file: LoadedFile) -> Collected:
    """Return the flows that *file* declares."""
    found = Collected()
    variables = vars(file.module)
    declared = [flow for flow in file.registry.flows if isinstance(flow, Flow) and _is_runnable(flow, file)]
    schedule, schedules = variables.get("schedule"), variables.get("schedules")
    if declared:
        _keep_first_of_each_name(declared, found)
        if _is_plain_schedule(schedule) or _is_plain_schedule(schedules):
            message = (
                "the module-level schedule is not used, because the file declares its flows; give it to one of them"
            )
            found.warnings.append(Problem(message))
        return found
    tasks = implicit_tasks(file)
    if not tasks:
        found.warnings.append(Problem("declares no flow and no task; name a helper module _like_this.py"))
        return found
    options: dict[str, Any] = {"description": file.module.__doc__}
    name = implicit_name(file.path)
    try:
        options["schedules"] = list(parse_schedules(schedule, schedules, f"flow {name}"))
    except DefinitionError as error:
        found.errors.append(Problem(error.message, error.line or _line_of_schedule(file)))
    line = definition_of(tasks[0]).place.line
    found.flows.append(ImplicitFlow(name, tasks, place=Place(file.path, line, variables), **options))
    return found


def implicit_tasks(file: LoadedFile) -> list[Task]:
    """Return the tasks that make the implicit flow; of a task and its bound copies only the bound ones."""
    own = {id(task): task for task in file.registry.tasks if isinstance(task, Task) and _is_own(task, file)}
    classes = [cls for cls in file.registry.classes if cls.__module__ == file.module.__name__]
    for cls in classes:
        is_base = any(issubclass(other, cls) for other in classes if other is not cls)
        has_instance = any(isinstance(task, cls) for task in own.values())
        if not is_base and not has_instance and not cls.__name__.startswith("_"):
            task = make_instance(cls)
            own[id(task)] = task
    made: dict[type, object] = {}
    for task in [task for task in own.values() if definition_of(task).attribute]:
        for method in _methods(task, file, made):
            own.setdefault(id(method), method)
    origins = {id(definition_of(task).origin) for task in own.values()}
    return [task for task in own.values() if id(task) not in origins and not _is_part_of_a_class(task)]


def _is_runnable(flow: Flow, file: LoadedFile) -> bool:
    """Tell whether it is a flow of this file that can run by itself; a method needs an instance first."""
    return flow.place.file == file.path and not (isinstance(flow, FunctionFlow) and flow.is_method)


def _is_own(task: Task, file: LoadedFile) -> bool:
    return definition_of(task).place.file == file.path


def _methods(template: Task, file: LoadedFile, made: dict[type, object]) -> list[Task]:
    """Return the task that a decorated method is on each of the module's instances of its class.

    A class that the module makes no instance of gets one, kept in *made* for its other methods.
    """
    owner, name = definition_of(template).attribute or (object, "")
    if issubclass(owner, Task) or definition_of(template).owner is not None:
        return []
    instances = [value for value in vars(file.module).values() if isinstance(value, owner)]
    if not instances and owner.__module__ == file.module.__name__:
        instances = [made.get(owner) or made.setdefault(owner, owner())]
    return [getattr(instance, name) for instance in instances]


def _is_part_of_a_class(task: Task) -> bool:
    """Tell whether the task is a method that no instance was given for, or a step of another task."""
    definition = definition_of(task)
    if definition.attribute is None:
        return False
    return definition.owner is None or isinstance(definition.owner, Task)


def _keep_first_of_each_name(declared: list[Flow], found: Collected) -> None:
    first: dict[str, Flow] = {}
    for flow in declared:
        known = first.setdefault(flow.name, flow)
        if known is flow:
            found.flows.append(flow)
        else:
            message = f"two flows of this file are called {flow.name!r}; the first is in line {known.place.line}"
            found.errors.append(Problem(message, flow.place.line))


def _line_of_schedule(file: LoadedFile) -> int | None:
    """Return the line in which the module's schedule is assigned."""
    # Needed only where something is wrong.
    import ast

    for statement in ast.parse(file.source).body:
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        if any(isinstance(target, ast.Name) and target.id in ("schedule", "schedules") for target in targets):
            return statement.lineno
    return None


def _is_plain_schedule(value: Any) -> bool:
    return value is not None and not callable(value)

"""Which task a name, a class or a method stands for, as seen from one flow."""

from collections.abc import Callable, Iterable
from typing import Any

from tidemill.authoring.flows import Flow
from tidemill.authoring.naming import as_identifier, did_you_mean
from tidemill.authoring.tasks import Task, definition_of, make_instance
from tidemill.domain.errors import DefinitionError


class Scope:
    """The tasks of a flow and of the module it stands in, found by whatever an author may write for them."""

    def __init__(self, flow: Flow) -> None:
        self._flow = flow
        self._variables: dict[str, Any] = flow.place.variables
        self._names: dict[int, str] = {
            id(value): name for name, value in reversed(list(self._variables.items())) if isinstance(value, Task)
        }
        self._instances: dict[type[Task], Task] = {
            type(task): task for task in reversed(flow.tasks) if isinstance(task, Task) and type(task) is not Task
        }
        self.tasks: list[Task] = []
        self.tasks += [self.resolve(task, flow.name) for task in flow.tasks]

    def label(self, task: Task) -> str:
        """Return a task's name in this flow: a bound copy without one of its own is called like its variable."""
        definition = definition_of(task)
        if definition.is_named or definition.origin is None or definition.owner is not None:
            return definition.name
        return self._names.get(id(task), definition.name)

    def resolve(self, given: Any, owner: str, seen_from: Task | None = None) -> Task:
        """Return the task that *given* means in the ``depends_on`` of *owner*, or refuse it."""
        if isinstance(given, Task):
            return self._on_same_instance(given, seen_from)
        if isinstance(given, type) and issubclass(given, Task):
            return self._of_class(given)
        if isinstance(given, str):
            found = self.find(given, everywhere=True)
            if found is None:
                raise DefinitionError(
                    f"{owner} depends on {given!r}, and there is no such task{did_you_mean(given, self._known())}"
                )
            return found
        name = getattr(given, "__name__", repr(given))
        raise DefinitionError(f"{owner} depends on {name}, which is no task: decorate it with @task")

    def find(self, name: str, *, everywhere: bool) -> Task | None:
        """Return the task called *name*, of the flow's own tasks, or of its module's as well."""
        wanted = as_identifier(name)
        spellings: tuple[Callable[[str], bool], ...] = (
            lambda known: known == name,
            lambda known: as_identifier(known) == wanted,
        )
        for matches in spellings:
            for task in self.tasks:
                if matches(self.label(task)):
                    return task
            if everywhere:
                found = self._in_module(matches)
                if found is not None:
                    return found
        return None

    def _in_module(self, matches: Callable[[str], bool]) -> Task | None:
        for variable, value in self._variables.items():
            if isinstance(value, Task) and (matches(variable) or matches(definition_of(value).name)):
                return value
            if isinstance(value, type) and issubclass(value, Task) and value is not Task and matches(variable):
                return self._of_class(value)
        return None

    def _of_class(self, cls: type[Task]) -> Task:
        if cls not in self._instances:
            known = [value for value in self._variables.values() if type(value) is cls]
            self._instances[cls] = known[0] if known else make_instance(cls)
        return self._instances[cls]

    def _on_same_instance(self, task: Task, seen_from: Task | None) -> Task:
        """Return the method *task* on the instance that the method *seen_from* works on."""
        definition = definition_of(task)
        if seen_from is None or definition.attribute is None or definition.owner is not None:
            return task
        owner = definition_of(seen_from).owner
        if not isinstance(owner, definition.attribute[0]):
            return task
        method = getattr(owner, definition.attribute[1])
        return method if isinstance(method, Task) else task

    def _known(self) -> Iterable[str]:
        yield from (self.label(task) for task in self._flow.tasks if isinstance(task, Task))
        yield from (name for name, value in self._variables.items() if isinstance(value, Task))

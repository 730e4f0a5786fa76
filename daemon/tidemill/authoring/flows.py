"""Flows: a declared graph of tasks, or a function that calls them."""

from collections.abc import Callable, Iterable
from typing import Any, overload

from tidemill.authoring.calling import engine
from tidemill.authoring.flow_options import FlowOptions, parse_flow_options
from tidemill.authoring.flow_runs import FlowRun
from tidemill.authoring.locating import Place, find_place
from tidemill.authoring.registry import active
from tidemill.authoring.signatures import Signature, read_signature
from tidemill.authoring.task_options import parse_name
from tidemill.authoring.tasks import Task
from tidemill.domain.errors import DefinitionError


class Flow:
    """Tasks that belong together, when they run, and how. What a task depends on is part of its flow.

    >>> nightly = Flow("nightly", tasks=[load], schedule=cron("0 2 * * *", timezone="Europe/Berlin"))
    """

    style = "graph"

    def __init__(self, name: str, tasks: Iterable[Any] = (), *, place: Place | None = None, **options: Any) -> None:
        self.name = parse_name(name, "flow")
        self.place = place or find_place()
        self.options: FlowOptions = parse_flow_options(options, f"flow {self.name}", None)
        self.tasks: tuple[Task | type[Task], ...] = self._checked(tasks)
        registry = active()
        if registry is not None:
            registry.flows.append(self)

    @property
    def description(self) -> str:
        """What the flow is for."""
        return self.options.description

    def run(self, /, **parameters: Any) -> FlowRun:
        """Run the flow here, with its retries, and return what became of it; raise nothing of its tasks'."""
        return engine(f"flow {self.name}").run_flow(self, parameters)

    def __call__(self, /, **parameters: Any) -> Any:
        """Run the flow here, like ``run``."""
        return self.run(**parameters)

    def __repr__(self) -> str:
        return f"<flow {self.name}>"

    def _checked(self, tasks: Any) -> tuple[Task | type[Task], ...]:
        given = [tasks] if isinstance(tasks, Task | type) else list(tasks)
        for task in given:
            if isinstance(task, Task) or (isinstance(task, type) and issubclass(task, Task)):
                continue
            name = getattr(task, "__name__", repr(task))
            raise DefinitionError(
                f"flow {self.name} has {name} among its tasks, which is no task: decorate it with @task"
            )
        return tuple(given)


class ImplicitFlow(Flow):
    """The flow of a file that defines tasks and no flow."""

    style = "implicit"


class FunctionFlow(Flow):
    """A function that calls tasks; ``@flow`` makes it."""

    style = "function"

    def __init__(self, fn: Callable[..., Any], *, name: str | None = None, **options: Any) -> None:
        if not callable(fn):
            raise DefinitionError(f"a flow is made of a function, and {fn!r} is none")
        own_name = getattr(fn, "__name__", type(fn).__name__)
        if not options.get("description"):
            options["description"] = getattr(fn, "__doc__", None)
        super().__init__(own_name if name is None else name, **options)
        self.fn = fn
        self.signature: Signature = read_signature(fn)
        self.__name__ = own_name
        self.__doc__ = getattr(fn, "__doc__", None)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the flow here and return its value, or raise what it raised."""
        return engine(f"flow {self.name}").call_flow(self, args, kwargs)


@overload
def flow(fn: Callable[..., Any], /) -> FunctionFlow: ...


@overload
def flow(*, name: str | None = None, **options: Any) -> Callable[[Callable[..., Any]], FunctionFlow]: ...


def flow(fn: Callable[..., Any] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
    """Make a flow of a function that calls tasks.

    >>> @flow(schedule=every(minutes=5))
    ... def poll(url: str = "https://example.org"):
    ...     store(fetch(url))
    """
    if fn is None:
        return lambda decorated: FunctionFlow(decorated, name=name, **options)
    return FunctionFlow(fn, name=name, **options)

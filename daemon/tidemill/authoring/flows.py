"""Flows: a declared graph of tasks, or a function that calls them."""

import copy
import inspect
import types
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

from tidemill.authoring.calling import engine
from tidemill.authoring.flow_options import FlowOptions, parse_flow_options
from tidemill.authoring.hooks import Hook, with_hook
from tidemill.authoring.locating import Place, find_place
from tidemill.authoring.options import merge_options, parse_name
from tidemill.authoring.registry import active
from tidemill.authoring.signatures import Signature, read_signature
from tidemill.authoring.tasks import Task
from tidemill.domain.errors import DefinitionError, TidemillError

if TYPE_CHECKING:
    from tidemill.authoring.flow_runs import FlowRun


class Flow:
    """Tasks that belong together, when they run, and how. What a task depends on is part of its flow.

    *name*; *tasks*: tasks and classes of tasks; *reference_tasks* (all): those that decide how a run ends. Every other
    option is one of ``flow()``. Raises DefinitionError for an option or a value that cannot be meant.

    >>> nightly = Flow("nightly", tasks=[load], schedule=cron("0 2 * * *", timezone="Europe/Berlin"))
    """

    style = "graph"
    __class_getitem__: ClassVar[Callable[[Any], types.GenericAlias]] = classmethod(  # type: ignore[assignment]
        types.GenericAlias
    )

    def __new__(cls, *args: Any, **options: Any) -> Self:
        """Make a flow of a function where one is given, as Prefect's ``Flow(fn=…)`` does."""
        is_of_function = cls is Flow and ("fn" in options or (bool(args) and callable(args[0])))
        made: Self = super().__new__(FunctionFlow if is_of_function else cls)  # type: ignore[assignment]
        return made

    def __init__(
        self,
        name: str,
        tasks: Iterable[Any] = (),
        *,
        reference_tasks: Iterable[Any] = (),
        place: Place | None = None,
        **options: Any,
    ) -> None:
        self.name = parse_name(name, "flow")
        self.place = place or find_place()
        self.options: FlowOptions = parse_flow_options(options, f"flow {self.name}", None)
        self.given: Mapping[str, Any] = options
        self.tasks: tuple[Task | type[Task], ...] = self._checked(tasks)
        self.reference_tasks = (reference_tasks,) if isinstance(reference_tasks, str | Task) else tuple(reference_tasks)
        """Tasks, classes or names of tasks that decide how a run ends; empty: it fails when any task does."""
        self._register()

    @property
    def description(self) -> str:
        """What the flow is for."""
        return self.options.description

    def run(self, /, **parameters: Any) -> "FlowRun":
        """Run the flow here, with its retries, and return what became of it; raise nothing of its tasks'."""
        return engine("flow", self).run_flow(self, parameters)

    def __call__(self, /, **parameters: Any) -> Any:
        """Run the flow here, like ``run``."""
        return self.run(**parameters)

    def with_options(self, **options: Any) -> Self:
        """Return a new flow that differs in the given options."""
        given = merge_options(self.given, options)
        name = given.pop("name", None)
        new = copy.copy(self)
        new.name = self.name if name is None else parse_name(name, "flow")
        new.place = find_place()
        new.options, new.given = parse_flow_options(given, f"flow {new.name}", None), given
        new._register()
        return new

    def on_completion(self, hook: Hook) -> Hook:
        """Call *hook* with the flow, the run and its state when it has completed."""
        return self._hook("on_completion", hook)

    def on_failure(self, hook: Hook) -> Hook:
        """Call *hook* with the flow, the run and its state when it has failed for good."""
        return self._hook("on_failure", hook)

    def on_cancellation(self, hook: Hook) -> Hook:
        """Call *hook* with the flow, the run and its state when it was cancelled."""
        return self._hook("on_cancellation", hook)

    def on_crashed(self, hook: Hook) -> Hook:
        """Call *hook*, in a process of its own, with the flow, the run and its state when its process died."""
        return self._hook("on_crashed", hook)

    def on_running(self, hook: Hook) -> Hook:
        """Call *hook* with the flow, the run and its state when it begins."""
        return self._hook("on_running", hook)

    @classmethod
    def from_source(cls, *_: Any, **__: Any) -> Any:
        """Refuse: a flow is where its file is."""
        raise TidemillError("flows are not loaded from elsewhere: put their file into the watched folder")

    def __repr__(self) -> str:
        return f"<flow {self.name}>"

    def __getattr__(self, name: str) -> Any:
        """Answer under the names that Prefect's flows have for what was given to this one."""
        if name.startswith("_") and name not in ("__qualname__", "__wrapped__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        # Few programs ask.
        from tidemill.authoring.attributes import of_flow

        return of_flow(self, name)

    def _hook(self, kind: str, hook: Hook) -> Hook:
        self.options = self.options._replace(hooks=with_hook(self.options.hooks, kind, hook))
        self.given = {**self.given, kind: self.options.hooks[kind]}
        return hook

    def _register(self) -> None:
        registry = active()
        if registry is not None:
            registry.flows.append(self)

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
        self._is_of_class = isinstance(fn, classmethod)
        self._is_static = isinstance(fn, staticmethod)
        self.fn = fn.__func__ if isinstance(fn, staticmethod | classmethod) else fn
        if not callable(self.fn):
            raise DefinitionError(f"a flow is made of a function, and {fn!r} is none")
        own_name = getattr(fn, "__name__", type(fn).__name__)
        if "reference_tasks" in options:
            raise DefinitionError(f"flow {own_name} is a function, and what it returns says how it ended, not a task")
        if not options.get("description"):
            options["description"] = getattr(fn, "__doc__", None)
        super().__init__(own_name if name is None else name, **options)
        self.is_method = False
        """It belongs to a class, and needs an instance before it can run."""
        self.signature: Signature = read_signature(self.fn)
        self.__name__ = own_name
        self.__doc__ = getattr(fn, "__doc__", None)

    def __call__(self, /, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Run the flow here and return its value, or raise what it raised; with *return_state* return its state.

        *wait_for* names futures and states that must have completed before.
        """
        return engine("flow", self).call_flow(self, args, kwargs, wait_for=wait_for, return_state=return_state)

    @property
    def __signature__(self) -> inspect.Signature:
        return self.signature.raw

    def __set_name__(self, owner: type, name: str) -> None:
        self.is_method = True

    def __get__(self, instance: Any, owner: type | None = None) -> "FunctionFlow":
        """Behave as a method: seen through an instance, the flow works on that instance."""
        of = owner if self._is_of_class else instance
        if of is None or self._is_static:
            return self
        bound = copy.copy(self)
        bound.fn = types.MethodType(self.fn, of)
        bound.signature = read_signature(bound.fn)
        return bound


@overload
def flow(fn: Callable[..., Any], /) -> FunctionFlow: ...


@overload
def flow(*, name: str | None = None, **options: Any) -> Callable[[Callable[..., Any]], FunctionFlow]: ...


def flow(fn: Callable[..., Any] | None = None, /, *, name: str | None = None, **options: Any) -> Any:
    """Make a flow of a function that calls tasks.

    Names and meanings are Prefect 3's where it has them. Durations are seconds or a timedelta. Raises DefinitionError
    for an option that does not exist and for a value that cannot be meant. ``daemon/REFERENCE.md`` tells more of each.

    - *name* (the function's), *description* (its docstring), *version*, *tags* (a text or a list; one that is a named
      limit takes a slot of it while the run lives), *flow_run_name* (a template such as ``"load-{day}"``, or a
      function)
    - *schedule* or *schedules* (none): ``cron(…)``, ``every(…)``, ``at(…)``, one or a list
    - *parameters*: a dict of values that a run does not give; *validate_parameters* (True): convert to annotations
    - *catchup* (``"latest"``, ``"all"``, ``"none"``): moments missed while the daemon was down; *grace* (none): how
      late a start may be; *overlap* (``"skip"``, ``"queue"``, ``"allow"``, ``"cancel"``): a run is due while another
      goes; *max_active_runs* (none); *priority* (0; the highest first)
    - *max_workers* (``[dispatch] max_workers``): tasks that go at once; *task_runner* (threads); *limits* (``[runs]``):
      a dict of what a run may take of the machine, such as ``{"memory": "2GB", "cpu": 600}``
    - *timeout_seconds* or *timeout* (none): of the run, retries included
    - *retries*, *retry_delay_seconds*, *retry_jitter_factor*, *retry_condition_fn*, *retry*, *retry_kwargs*: as
      ``task()``; what had completed is not executed again
    - *result_handler*, *result_storage*, *result_serializer*, *result_storage_key*, *persist_result*,
      *cache_result_in_memory*: as ``task()``, of what the function returns; storage and serializer also of tasks that
      say nothing
    - hooks, a function or a list, called with flow, run and state: *on_running*, *on_completion*, *on_failure*,
      *on_cancellation*, *on_crashed*
    - *log_prints*: accepted without effect; prints are always logged

    >>> @flow(schedule=every(minutes=5))
    ... def poll(url: str = "https://example.org"):
    ...     store(fetch(url))
    """
    if fn is None:
        return lambda decorated: FunctionFlow(decorated, name=name, **options)
    return FunctionFlow(fn, name=name, **options)

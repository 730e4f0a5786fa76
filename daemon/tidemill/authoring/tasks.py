"""Tasks: a function, a class with a ``run`` method, or a method, and how each is run."""

import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self, overload

from tidemill.authoring.calling import engine
from tidemill.authoring.context import CURRENT_RUN
from tidemill.authoring.hooks import Hook, with_hook
from tidemill.authoring.locating import Place, find_place
from tidemill.authoring.naming import did_you_mean
from tidemill.authoring.options import merge_options, parse_name
from tidemill.authoring.registry import active
from tidemill.authoring.signatures import Signature, read_signature
from tidemill.authoring.task_options import NAMES, TaskOptions, parse_task_options
from tidemill.domain.errors import DefinitionError, TidemillError


@dataclass(slots=True)
class TaskDefinition:
    """What a task is, apart from the user's own attributes; kept in one place so that it meets none of them."""

    name: str
    place: Place
    options: TaskOptions
    function: Callable[..., Any] | None = None
    """The work; None when it is the instance's own ``run``."""
    is_named: bool = False
    """The author chose the name, rather than it being the function's."""
    bound: dict[str, Any] = field(default_factory=dict)
    origin: "Task | None" = None
    """The task this one was bound from."""
    owner: Any = None
    """The instance, for a task that is a method; the class, for a class method."""
    decorator: type | None = None
    """``staticmethod`` or ``classmethod``, where the function had it."""
    attribute: tuple[type, str] | None = None
    """The class and the name under which it is a method there."""
    signature: Signature | None = None
    given: Mapping[str, Any] = field(default_factory=dict)
    """The options as they were written."""


class Task:
    """A step of a flow. Use ``@task`` on a function, or subclass it and write ``run``.

    The options are those of ``task()``: attributes of the class, keywords of its definition or of the call that makes
    the instance.

    A class may have ``setup`` and ``teardown`` too, plain or async. They stand around every attempt, which works on a
    copy of the instance. A setup that fails fails the attempt; once it is done, the teardown is called whatever became
    of the work, and one that fails is told in the log and changes nothing.

    >>> class Load(Task):
    ...     def run(self, rows):
    ...         return len(rows)
    """

    __class_getitem__: ClassVar[Callable[[Any], types.GenericAlias]] = classmethod(  # type: ignore[assignment]
        types.GenericAlias
    )
    _definition: TaskDefinition
    _options_of_class: ClassVar[Mapping[str, Any]] = {}
    _template: ClassVar["Task | None"] = None
    """A ``run`` that is itself decorated: its options are the class's."""
    _place: ClassVar[Place | None] = None

    def __init_subclass__(cls, **options: Any) -> None:
        """Read the options that the class states as attributes or as keywords of its definition."""
        super().__init_subclass__()
        inherited = dict(cls._options_of_class)
        stated = {
            name: cls.__dict__[name] for name in NAMES if name in cls.__dict__ and not _is_code(cls.__dict__[name])
        }
        inherited.pop("name", None)
        cls._options_of_class = {**inherited, **stated, **options}
        run = next(vars(base)["run"] for base in cls.__mro__ if "run" in vars(base))
        cls._template = run if isinstance(run, Task) else None
        cls._place = find_place()
        registry = active()
        if registry is not None and cls.run is not Task.run:
            registry.classes.append(cls)

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Make the task whole here: a subclass that forgets ``super().__init__()`` works all the same."""
        self = super().__new__(cls)
        if cls is not Task:
            self._define_class()
        return self

    def __init__(self, fn: Callable[..., Any] | None = None, /, **options: Any) -> None:
        if type(self) is Task:
            self._define_function(options.pop("fn", None) if fn is None else fn, options)
        elif fn is not None:
            raise DefinitionError(f"{type(self).__name__}() takes options by name only, and got {fn!r}")
        elif options:
            self._define_class(options)

    @property
    def name(self) -> str:
        """The task's name in runs, results and logs."""
        return self._definition.name

    @property
    def fn(self) -> Callable[..., Any]:
        """The user's own function, without the engine around it."""
        definition = self._definition
        if definition.function is None:
            return self.run
        return (
            definition.function if definition.owner is None else types.MethodType(definition.function, definition.owner)
        )

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Do the work: a subclass says how."""
        return self.fn(*args, **kwargs)

    def __call__(self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Run the task here, with its retries, and return its value; with *return_state* its state instead.

        *wait_for* names futures and states that must have completed before.
        """
        return engine("task", self).call_task(self, args, kwargs, wait_for=wait_for, return_state=return_state)

    def submit(self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Start the task beside the caller and return its future; with *return_state* wait, and return its state."""
        future = engine("task", self).submit_task(self, args, kwargs, wait_for=wait_for)
        return future.final_state() if return_state else future

    def map(self, *args: Any, return_state: bool = False, wait_for: Any = None, **kwargs: Any) -> Any:
        """Run the task once for every element of the lists it is given, beside the caller, and return the futures.

        ``unmapped(value)`` goes whole to every call. Outside of a run, and given other tasks, the same declares a task
        of a graph, which is mapped over lists or over what other tasks return.
        """
        if "deferred" in kwargs and "deferred" not in signature_of(self).names() and kwargs.pop("deferred"):
            raise TidemillError(f"task {self.name} cannot be mapped with deferred=True: map it inside a flow")
        is_declared = active() is not None or CURRENT_RUN.get() is None
        if is_declared or any(isinstance(value, Task) for value in (*args, *kwargs.values())):
            # Most flows map nothing.
            from tidemill.authoring.mapping import declare_map

            return declare_map(self, args, kwargs, wait_for)
        futures = engine("task", self).map_task(self, args, kwargs, wait_for=wait_for)
        return [future.final_state() for future in futures] if return_state else futures

    def bind(self, /, *args: Any, **values: Any) -> Self:
        """Return a new task with some parameters filled: by values, results of other tasks or parameters of the flow.

        Tasks and ``Parameter`` objects may also stand in lists, tuples and dicts.
        """
        signature = signature_of(self)
        if args:
            try:
                values = {**signature.raw.bind_partial(*args).arguments, **values}
            except TypeError as error:
                raise DefinitionError(f"task {self.name} cannot be bound: {error}") from None
        for name in values:
            if name not in signature.names() and not signature.takes_any_keyword:
                raise DefinitionError(
                    f"task {self.name} has no parameter {name!r}{did_you_mean(name, signature.names())}"
                )
        return self._copy(bound={**self._definition.bound, **values}, origin=self, place=find_place())

    def with_options(self, **options: Any) -> Self:
        """Return a new task that differs in the given options."""
        old = self._definition
        given = merge_options(old.given, options)
        new = parse_task_options(given, f"task {self.name}", old.options.description)
        changed: dict[str, Any] = {}
        if options.get("name"):
            changed = {"name": parse_name(options["name"], "task"), "is_named": True}
        if options.get("parameters") is not None:
            changed["bound"] = {**old.bound, **self._checked(options["parameters"])}
        return self._copy(options=new, given=given, origin=self, place=find_place(), **changed)

    def on_completion(self, hook: Hook) -> Hook:
        """Call *hook* with the task, the task run and its state when it has completed."""
        return self._hook("on_completion", hook)

    def on_failure(self, hook: Hook) -> Hook:
        """Call *hook* with the task, the task run and its state when it has failed for good."""
        return self._hook("on_failure", hook)

    def on_running(self, hook: Hook) -> Hook:
        """Call *hook* with the task, the task run and its state when an attempt begins."""
        return self._hook("on_running", hook)

    def on_commit(self, hook: Hook) -> Hook:
        """Call *hook* with the transaction when what the task did is committed."""
        return self._hook("on_commit", hook)

    def on_rollback(self, hook: Hook) -> Hook:
        """Call *hook* with the transaction when what the task did is to be undone."""
        return self._hook("on_rollback", hook)

    @property
    def __signature__(self) -> inspect.Signature:
        return signature_of(self).raw

    def __get__(self, instance: Any, owner: type | None = None) -> "Task":
        """Behave as a method: seen through an instance, the task works on that instance."""
        definition = self._definition
        if definition.function is None or definition.owner is not None or definition.decorator is staticmethod:
            return self
        if definition.decorator is classmethod:
            return self._copy(owner=owner, origin=self, signature=None)
        if instance is None:
            return self
        bound = self._copy(owner=instance, origin=self, signature=None)
        if definition.attribute is not None and hasattr(instance, "__dict__"):
            # Kept, so that the same method of the same instance is the same task every time.
            instance.__dict__[definition.attribute[1]] = bound
        return bound

    def __set_name__(self, owner: type, name: str) -> None:
        if self._definition.function is not None:
            self._definition.attribute = (owner, name)

    def __repr__(self) -> str:
        return f"<task {self.name}>"

    def __getattr__(self, name: str) -> Any:
        """Answer under the names that Prefect's tasks have for what was given to this one."""
        if name.startswith("_") and name not in ("__name__", "__qualname__", "__wrapped__"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        # Few programs ask.
        from tidemill.authoring.attributes import of_task

        return of_task(self, self._definition, name)

    def _define_function(self, fn: Callable[..., Any] | None, options: dict[str, Any]) -> None:
        decorator = None
        if isinstance(fn, staticmethod | classmethod):
            fn, decorator = fn.__func__, type(fn)
        if isinstance(fn, Task) or not callable(fn):
            raise DefinitionError(f"a task is made of a function, and {fn!r} is none")
        given = options.get("name")
        name = parse_name(getattr(fn, "__name__", type(fn).__name__) if given is None else given, "task")
        self._define(name, fn, options, getattr(fn, "__doc__", None))
        self._definition.decorator = decorator
        self.__doc__ = getattr(fn, "__doc__", None)

    def _define_class(self, options: Mapping[str, Any] | None = None) -> None:
        cls = type(self)
        template = cls._template
        if cls.run is Task.run:
            raise DefinitionError(f"class {cls.__name__} has no run method: that is where a task does its work")
        merged = {**cls._options_of_class, **(options or {})}
        name = parse_name(cls.__name__ if merged.get("name") is None else merged["name"], "task")
        self._define(name, None, merged, cls.__doc__ if cls.__doc__ is not Task.__doc__ else None)
        if template is not None:
            self._definition.function = template._definition.function
            self._definition.owner = self
            if not any(key in merged for key in NAMES if key != "name"):
                self._definition.options = template._definition.options
                self._definition.given = template._definition.given

    def _define(self, name: str, fn: Callable[..., Any] | None, options: Mapping[str, Any], doc: str | None) -> None:
        parsed = parse_task_options(options, f"task {name}", (doc or "").strip())
        self._definition = TaskDefinition(name, find_place(), parsed, fn, bool(options.get("name")), given=options)
        self._register()
        values = options.get("parameters")
        if values is not None:
            if not isinstance(values, Mapping):
                raise DefinitionError(f"parameters of task {name} must be a dict; they are {values!r}")
            self._definition.bound = self._checked(values)

    def _checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        signature = signature_of(self)
        for name in values:
            if name not in signature.names() and not signature.takes_any_keyword:
                raise DefinitionError(
                    f"task {self.name} has no parameter {name!r}{did_you_mean(name, signature.names())}"
                )
        return dict(values)

    def _hook(self, kind: str, hook: Hook) -> Hook:
        definition = self._definition
        definition.options = definition.options._replace(hooks=with_hook(definition.options.hooks, kind, hook))
        definition.given = {**definition.given, kind: definition.options.hooks[kind]}
        return hook

    def _copy(self, **changes: Any) -> Self:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new._definition = replace(self._definition, **changes)
        if self._definition.owner is self:
            new._definition.owner = new
        new._register()
        return new

    def _register(self) -> None:
        registry = active()
        if registry is not None:
            registry.tasks.append(self)


def signature_of(task: Task) -> Signature:
    """Return the parameters of *task*'s work, read once."""
    definition = task._definition
    if definition.signature is None:
        definition.signature = read_signature(task.fn)
    return definition.signature


def make_instance(cls: type[Task]) -> Task:
    """Make the task of a class that was named where a task was meant."""
    try:
        made = cls()
    except TypeError as error:
        line = cls._place.line if cls._place else None
        raise DefinitionError(
            f"class {cls.__name__} cannot be made into a task by itself: {error}", line=line
        ) from None
    if cls._place is not None:
        made._definition.place = cls._place
    return made


def definition_of(task: Task) -> TaskDefinition:
    """Return what *task* is."""
    return task._definition


@overload
def task(fn: Callable[..., Any] | type, /) -> Any: ...


@overload
def task(*, name: str | None = None, **options: Any) -> Callable[[Callable[..., Any] | type], Any]: ...


def task(fn: Any = None, /, **options: Any) -> Any:
    """Make a task of a function, a method or a class with a ``run`` method.

    Names and meanings are Prefect 3's where it has them. Durations are seconds or a timedelta. Raises DefinitionError
    for an option that does not exist and for a value that cannot be meant. ``daemon/REFERENCE.md`` tells more of each.

    - *name* (the function's), *description* (its docstring), *version*, *tags* (a text or a list; one that is a named
      limit takes a slot of it), *task_run_name* (a template such as ``"load-{day}"``, or a function)
    - in declared graphs: *depends_on* (tasks, classes, names), *condition* (``"all_succeeded"``, another ``Condition``,
      or a function of states by name), *parameters* (a dict of bound values)
    - *retries* or *retry* (0: attempts after the first), *retry_delay_seconds* (0; also a list or a function of the
      number of retries), *retry_jitter_factor* (0), *retry_condition_fn* (asked with task, task run and state), or all
      of it as *retry_kwargs*: max_retries, delay, backoff, max_delay, jitter, on, timeout, and tenacity's stop, wait,
      retry, before, after, before_sleep
    - *timeout_seconds* or *timeout*: of one attempt
    - *result_handler* (the history) or *result_storage* (also a path or a URL), *result_serializer* (JSON, else
      pickle), *result_storage_key* (a template of the name), *persist_result* (False: in memory only),
      *cache_result_in_memory* (True)
    - *cache_policy* (never) or *cache_key_fn*: what makes two calls the same; *cache_expiration* (for ever),
      *refresh_cache* (False)
    - hooks, a function or a list: *on_running*, *on_completion*, *on_failure* (called with task, task run and state),
      *on_commit*, *on_rollback* (called with the transaction)
    - *log_prints*, *viz_return_value*: accepted without effect; prints are always logged

    >>> @task(retries=3, retry_delay_seconds=10)
    ... def fetch(url): ...
    """
    if fn is None:
        return lambda decorated: task(decorated, **options)
    if isinstance(fn, type):
        return _task_class(fn, options)
    return Task(fn, **options)


def _task_class(cls: type, options: dict[str, Any]) -> type[Task]:
    """Return *cls* as a class of tasks under its own name."""
    if issubclass(cls, Task):
        cls._options_of_class = {**cls._options_of_class, **options}
        return cls
    if not callable(getattr(cls, "run", None)):
        raise DefinitionError(f"class {cls.__name__} has no run method: that is where a task does its work")
    body = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return types.new_class(cls.__name__, (cls, Task), options, lambda namespace: namespace.update(body))


def _is_code(value: Any) -> bool:
    return isinstance(value, types.FunctionType | property | staticmethod | classmethod)

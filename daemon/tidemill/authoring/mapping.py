"""What is said about an argument of ``.map()``, and what mapping means before a run has begun."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from tidemill.authoring.parameters import Parameter
from tidemill.authoring.tasks import Task, definition_of
from tidemill.domain.errors import DefinitionError


class _Wrapper:
    """Says something about the argument of a task."""

    __slots__ = ("value",)

    are_made: ClassVar[bool] = False
    """Whether the program has made one: until then nobody has to look for them."""

    def __init__(self, value: Any) -> None:
        self.value = value
        _Wrapper.are_made = True

    def unwrap(self) -> Any:
        """Return the value."""
        return self.value

    unquote = unwrap

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.value!r})"


class Unmapped(_Wrapper):
    """The same value goes to every call of a mapped task."""

    __slots__ = ()


class AllowFailure(_Wrapper):
    """A task that takes the value runs also where it stands for one that failed."""

    __slots__ = ()


class Quoted(_Wrapper):
    """A value that is handed on as it is: nobody looks for futures in it."""

    __slots__ = ()


class Opaque(_Wrapper):
    """A future whose result is handed on as it is."""

    __slots__ = ()


def wrappers_are_made() -> bool:
    """Tell whether arguments may be wrapped, so that somebody has to look."""
    return _Wrapper.are_made


class Mapped:
    """A task of a declared graph runs once for each element: of a list, or of what a task returns."""

    __slots__ = ("source",)

    def __init__(self, source: Any) -> None:
        self.source = source

    def __repr__(self) -> str:
        return f"Mapped({self.source!r})"


def unmapped(value: Any) -> Unmapped:
    """Give *value* whole to every call of a mapped task, where ``.map()`` would take it apart.

    >>> totals = add.map(rows=extract, rates=unmapped(read_rates))
    """
    return Unmapped(value)


def allow_failure(value: Any) -> AllowFailure:
    """Let a task that takes *value* run also where the task behind it failed."""
    return AllowFailure(value)


def quote(value: Any) -> Quoted:
    """Let a task take *value* as it is, without a search for futures in it."""
    return Quoted(value)


def opaque(value: Any) -> Opaque:
    """Let a task take the result of the future *value* as it is."""
    return Opaque(value)


def is_mapped_over(value: Any) -> bool:
    """Tell whether ``.map()`` takes *value* apart: anything that can be iterated, but text and bytes."""
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray)


def declare_map(task: Task, args: tuple[Any, ...], kwargs: dict[str, Any], wait_for: Any = None) -> Task:
    """Return a copy of *task* for a declared graph, which runs once for each element of its arguments.

    Tasks, parameters of the flow and whatever can be iterated are mapped over; ``unmapped(…)``, text and plain values
    go to every item alike. *wait_for* adds to what the task depends on.
    """
    given = [_declared(value) for value in args]
    named = {name: _declared(value) for name, value in kwargs.items()}
    if not any(isinstance(value, Mapped) for value in (*given, *named.values())):
        raise DefinitionError(
            f"task {task.name} is mapped over nothing: give .map() a list, or a task that returns one"
        )
    if wait_for is not None:
        before = [wait_for] if isinstance(wait_for, Task) else list(wait_for)
        task = task.with_options(depends_on=[*definition_of(task).options.depends_on, *before])
    return task.bind(*given, **named)


def _declared(value: Any) -> Any:
    if isinstance(value, Unmapped):
        return value.value
    if isinstance(value, Task | Parameter):
        return Mapped(value)
    return Mapped(items_of(value, "what .map() was given")) if is_mapped_over(value) else value


def items_of(value: Any, what: str) -> Sequence[Any]:
    """Return the elements of *value*, which *what* names, in an order that the next attempt finds again."""
    if isinstance(value, set | frozenset):
        raise DefinitionError(f"{what} is a set, which has no order to resume by: map over sorted(…) of it")
    if isinstance(value, Mapping):
        raise DefinitionError(f"{what} is a dict: map over a list of its keys, values or items")
    if not is_mapped_over(value):
        raise DefinitionError(f"{what} is {_kind(value)} and no list of items")
    # What can be iterated once only would be empty the second time.
    return value if isinstance(value, Sequence) else list(value)


def _kind(value: Any) -> str:
    return "None" if value is None else f"of the type {type(value).__name__}"

"""The parameters of a function, with their types resolved as far as that is possible."""

import inspect
import types
import typing
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from tidemill.domain.errors import DefinitionError

MISSING: Final = inspect.Parameter.empty
"""Stands for the default of a parameter that has none."""


class Parameter(NamedTuple):
    """One parameter that a caller can fill by name."""

    name: str
    annotation: Any = Any
    """A type as far as it could be resolved, else ``Any``."""
    written: str = "Any"
    """The annotation for people."""
    default: Any = MISSING
    positional_only: bool = False

    @property
    def required(self) -> bool:
        """Tell whether there is no default."""
        return self.default is MISSING


class Signature:
    """What a function takes."""

    __slots__ = ("_raw", "function", "parameters", "starred", "takes_any_keyword")

    def __init__(
        self,
        parameters: tuple[Parameter, ...],
        function: Callable[..., Any],
        takes_any_keyword: bool = False,
        starred: str | None = None,
    ) -> None:
        self.parameters = parameters
        self.function = function
        self.takes_any_keyword = takes_any_keyword
        self.starred = starred
        """The name of the parameter that takes any number of positional arguments."""
        self._raw: inspect.Signature | None = None

    @property
    def raw(self) -> inspect.Signature:
        """Python's own view of it; slow to make, and asked for only where arguments are bound by position."""
        if self._raw is None:
            self._raw = inspect.signature(self.function)
        return self._raw

    def names(self) -> list[str]:
        """Return the names a caller may use."""
        return [parameter.name for parameter in self.parameters]


def read_signature(function: Callable[..., Any]) -> Signature:
    """Return the signature of *function*, or refuse one that cannot be read."""
    plain = _read_plain(function)
    if plain is not None:
        return plain
    try:
        raw = inspect.signature(function)
    except (ValueError, TypeError) as error:
        raise DefinitionError(f"the parameters of {function!r} cannot be read: {error}") from error
    hints = _resolve_hints(function, raw)
    parameters = tuple(
        Parameter(
            name=parameter.name,
            annotation=hints.get(parameter.name, Any),
            written=describe_type(parameter.annotation),
            default=_default_of(parameter.default),
            positional_only=parameter.kind is parameter.POSITIONAL_ONLY,
        )
        for parameter in raw.parameters.values()
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    )
    kinds = {parameter.kind: parameter.name for parameter in raw.parameters.values()}
    keywords = inspect.Parameter.VAR_KEYWORD in kinds
    return Signature(parameters, function, keywords, kinds.get(inspect.Parameter.VAR_POSITIONAL))


def _read_plain(function: Callable[..., Any]) -> Signature | None:
    """Do the same, ten times faster, for a function without annotations; flows may have thousands of tasks."""
    if type(function) is not types.FunctionType or function.__annotations__ or len(function.__dict__) > 0:
        return None
    code = function.__code__
    if code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS) or code.co_posonlyargcount:
        return None
    count = code.co_argcount
    names = code.co_varnames[: count + code.co_kwonlyargcount]
    given = function.__defaults__ or ()
    defaults = {**dict(zip(names[count - len(given) : count], given, strict=True)), **(function.__kwdefaults__ or {})}
    parameters = tuple(Parameter(name, default=defaults.get(name, MISSING)) for name in names)
    return Signature(parameters, function)


def _default_of(given: Any) -> Any:
    if type(given).__name__ != "FieldInfo":
        return given
    from tidemill.authoring.models import default_of

    return default_of(given, MISSING)


def describe_type(annotation: Any) -> str:
    """Return an annotation as its author wrote it, or nearly so."""
    if annotation is MISSING:
        return "Any"
    if isinstance(annotation, str):
        return annotation
    if annotation is None:
        return "None"
    if isinstance(annotation, type) and not typing.get_args(annotation):
        return annotation.__qualname__
    return str(annotation).replace("typing.", "")


def _resolve_hints(function: Callable[..., Any], raw: inspect.Signature) -> dict[str, Any]:
    if all(parameter.annotation is MISSING for parameter in raw.parameters.values()):
        return {}
    target = getattr(function, "__func__", function)
    try:
        return typing.get_type_hints(target, include_extras=True)
    except Exception:
        # One name that exists only under TYPE_CHECKING must not cost the others their types.
        scope = getattr(inspect.unwrap(target), "__globals__", {})
        return {
            name: hint
            for name, parameter in raw.parameters.items()
            if (hint := _evaluate(parameter.annotation, scope)) is not MISSING
        }


def _evaluate(annotation: Any, scope: dict[str, Any]) -> Any:
    if not isinstance(annotation, str):
        return annotation
    try:
        return eval(annotation, scope)
    except Exception:
        return MISSING

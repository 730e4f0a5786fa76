"""Marks of tasks' code, so that a retry can tell of a finished task whose code has changed since.

A mark stands for what the task was compiled to and for the functions of the same file that it calls: a comment, a
blank line, a docstring or another task change nothing. It holds for one version of Python.
"""

import functools
import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

from tidemill.authoring.code_hashing import hash_code, join
from tidemill.authoring.flows import FunctionFlow
from tidemill.authoring.tasks import Task, definition_of
from tidemill.domain.marks import make_mark
from tidemill.engine.graphs.graph import Graph

_PYTHON = sys.implementation.cache_tag or ""


def marks_of(declared: Iterable[object]) -> dict[str, str]:
    """Return the marks of tasks and function flows by their names; those of one name share a mark."""
    found: dict[str, set[bytes]] = {}
    for thing in declared:
        if isinstance(thing, Task | FunctionFlow):
            found.setdefault(thing.name, set()).add(_digest(thing))
    return _marks(found)


def marks_in(graph: Graph) -> dict[str, str]:
    """Return the marks of a graph's tasks by the names they bear there."""
    return _marks({node.name: {_digest(node.task)} for node in graph.nodes})


def _marks(found: dict[str, set[bytes]]) -> dict[str, str]:
    return {
        name: make_mark(_PYTHON, join(b"code", sorted(digests)))
        for name, digests in found.items()
        if b"" not in digests
    }


def _digest(thing: Task | FunctionFlow) -> bytes:
    """Return what stands for the code of a task or a flow; nothing where an object of the author's own gets in the way.

    What a flow's tasks do is part of what the flow does; what another task does is none of a task's business.
    """
    whole = isinstance(thing, FunctionFlow)
    seen: set[int] = set()
    try:
        return join(b"code", [hash_code(code) for place in _places(thing) for code in _codes(place, seen, whole=whole)])
    except Exception:
        return b""


def _places(thing: Task | FunctionFlow) -> list[Any]:
    """Return the callables that are the author's own."""
    if isinstance(thing, FunctionFlow):
        return [thing.fn]
    function = definition_of(thing).function
    if function is not None:
        return [function]
    own = [cls for cls in type(thing).__mro__ if issubclass(cls, Task) and cls is not Task]
    return [value for cls in own for _, value in sorted(vars(cls).items()) if callable(value)]


def _codes(place: Any, seen: set[int], *, whole: bool) -> Iterator[types.CodeType]:
    """Yield the code of a callable and of what it calls in its own file."""
    if isinstance(place, Task | FunctionFlow):
        for each in _places(place) if whole else ():
            yield from _codes(each, seen, whole=whole)
        return
    for function in _functions(place):
        if id(function) in seen:
            continue
        seen.add(id(function))
        code = function.__code__
        yield _without_docstring(code, function.__doc__)
        for name in dict.fromkeys(_names_in(code)):
            called = function.__globals__.get(name)
            if isinstance(called, Task | FunctionFlow) or _is_beside(called, code):
                yield from _codes(called, seen, whole=whole)


def _functions(place: Any) -> Iterator[types.FunctionType]:
    """Yield the functions that a callable is made of: wrappers, and what they wrap."""
    for _ in range(100):
        if isinstance(place, types.MethodType | staticmethod | classmethod):
            place = place.__func__
        elif isinstance(place, functools.partial):
            place = place.func
        if isinstance(place, types.FunctionType):
            yield place
        wrapped = getattr(place, "__wrapped__", None)
        if wrapped is None:
            return
        place = wrapped


def _is_beside(called: Any, code: types.CodeType) -> bool:
    """Tell whether it is a function of the same file."""
    return any(function.__code__.co_filename == code.co_filename for function in _functions(called))


def _names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names_in(constant)


def _without_docstring(code: types.CodeType, doc: str | None) -> types.CodeType:
    if doc is not None and code.co_consts and code.co_consts[0] == doc:
        return code.replace(co_consts=(None, *code.co_consts[1:]))
    return code

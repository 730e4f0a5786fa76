"""What a task's code says: the text of its function or class where it can be had, else what it was compiled to."""

import inspect
import types
from functools import lru_cache
from typing import Any

from tidemill.authoring.code_hashing import hash_code
from tidemill.authoring.hashing import hash_value
from tidemill.authoring.tasks import Task, definition_of


def source_hash(task: Task) -> str:
    """Return a hash of the task's own code. What stands around it, and what it calls, is no part of it."""
    definition = definition_of(task)
    code: Any = type(task) if definition.function is None else definition.function
    return _hash_of(code)


@lru_cache(maxsize=1024)
def _hash_of(code: Any) -> str:
    text = _text_of(code)
    if text is not None:
        return hash_value(inspect.cleandoc("\n" + text))
    if isinstance(code, type):
        parts = [_compiled(each) for each in vars(code).values()]
        return hash_value((code.__qualname__, [part for part in parts if part is not None]))
    return hash_value(_compiled(code) or f"{code.__module__}.{getattr(code, '__qualname__', code)}")


def _text_of(code: Any) -> str | None:
    code = inspect.unwrap(code) if callable(code) else code
    if not isinstance(code, type | types.FunctionType | types.MethodType):
        code = type(code)
    try:
        return inspect.getsource(code)
    except (OSError, TypeError, SyntaxError, IndexError):
        return None


def _compiled(code: Any) -> bytes | None:
    found = getattr(inspect.unwrap(code) if callable(code) else code, "__code__", None)
    return hash_code(found) if isinstance(found, types.CodeType) else None

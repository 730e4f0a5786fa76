"""Values that hold others: what is in them, and the same with something else in its place."""

from collections.abc import Callable, Iterable
from itertools import chain
from types import NoneType
from typing import Any, Final

PLAIN: Final = frozenset({str, int, float, bool, NoneType, bytes})
"""Types that hold nothing, told apart at once: most arguments are of these."""
COLLECTIONS: Final = (list, tuple, set, frozenset)


def held_by(value: Any) -> Iterable[Any]:
    """Return what *value* holds: items, keys, fields of dataclasses and of pydantic's models; nothing of others."""
    kind = type(value)
    if kind in COLLECTIONS or isinstance(value, list | tuple):
        items: Iterable[Any] = value
        return items
    if isinstance(value, dict):
        return chain(value, value.values())
    return [getattr(value, name, None) for name in _fields_of(kind)]


def made_of(value: Any, replace: Callable[[Any], Any]) -> Any:
    """Return the same with *replace* applied to all that *value* holds; a list of any kind becomes a list."""
    kind = type(value)
    if kind in COLLECTIONS:
        return kind(replace(item) for item in value)
    if isinstance(value, tuple):
        items = [replace(item) for item in value]
        return kind._make(items) if hasattr(kind, "_make") else tuple(items)
    if isinstance(value, list):
        return [replace(item) for item in value]
    # Few arguments are anything else.
    from copy import copy

    made: Any = copy(value)
    if isinstance(value, dict):
        made.clear()
        made.update({replace(key): replace(item) for key, item in value.items()})
        return made
    for name in _fields_of(kind):
        if hasattr(value, name):
            # As it was, and not as it would be made today; frozen ones too.
            object.__setattr__(made, name, replace(getattr(value, name)))
    return made


def _fields_of(kind: type) -> Iterable[str]:
    fields = getattr(kind, "__dataclass_fields__", None)
    if fields is None and hasattr(kind, "model_validate"):
        fields = getattr(kind, "model_fields", None)
    return fields or ()

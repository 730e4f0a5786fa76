"""Objects of an author's classes as plain values: enums, dataclasses, named tuples and pydantic's models."""

import sys
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from typing import Any


def take_apart(value: Any) -> tuple[str, Any] | None:
    """Return the name of the value's class and what it is made of; None for a class that cannot be made again."""
    kind = type(value)
    name = f"{kind.__module__}:{kind.__qualname__}"
    if isinstance(value, Enum):
        data: Any = value.name
    elif is_dataclass(kind):
        data = {field.name: getattr(value, field.name) for field in fields(kind) if hasattr(value, field.name)}
    elif isinstance(value, tuple) and hasattr(kind, "_make"):
        data = list(value)
    elif hasattr(kind, "model_validate"):
        data = value.model_dump(round_trip=True)
    else:
        return None
    try:
        return (name, data) if find_class(name) is kind else None
    except ValueError:
        return None


def give_back(kind: type[Any], data: Any) -> Any:
    """Return an object of *kind* that is made of *data*. Raises ValueError for another kind of class."""
    if issubclass(kind, Enum):
        return kind[data]
    if is_dataclass(kind):
        made: Any = kind.__new__(kind)
        for name, value in data.items():
            # As it was, and not as it would be made today.
            object.__setattr__(made, name, value)
        return made
    if issubclass(kind, tuple) and hasattr(kind, "_make"):
        return kind._make(data)
    if hasattr(kind, "model_validate"):
        return kind.model_validate(data)
    raise ValueError(f"{kind.__qualname__} is no enum, dataclass, named tuple or model any more")


def find_class(name: str) -> type:
    """Return the class of that name. Raises ValueError where it is gone."""
    module, _, path = name.partition(":")
    try:
        found: Any = sys.modules.get(module) or import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"its class {path} of {module} is not there any more") from error
    if not isinstance(found, type):
        raise ValueError(f"{path} of {module} is no class any more")
    return found

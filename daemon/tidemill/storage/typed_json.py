"""JSON that gives back more than JSON knows: what is of another type says which, and is that again when it is read.

``{"__type__": "date", "data": "2026-03-01"}`` stands for a date. Classes are enums, dataclasses, named tuples and
pydantic's models; they are found by module and name, as a pickle finds them.
"""

import base64
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import isfinite
from pathlib import Path, PosixPath, PurePosixPath
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from tidemill.storage.typed_classes import find_class, give_back, take_apart

TYPE: Final = "__type__"
DATA: Final = "data"
_DEEPEST: Final = 100
_INT_LIMIT: Final = 2**63


class UntypedError(Exception):
    """Raised when something in a value has no such form: what it is, and where."""


def simplify(value: Any, place: str = "", depth: int = 0) -> Any:
    """Return *value* as plain JSON values. Raises UntypedError."""
    kind = type(value)
    if value is None or kind is str or kind is bool:
        return value
    if depth > _DEEPEST:
        raise UntypedError(f"it is nested too deeply{_at(place)}")
    if (kind is int and -_INT_LIMIT <= value < _INT_LIMIT) or (kind is float and isfinite(value)):
        return value
    if kind is list:
        return _simplify_all(value, place, depth)
    if kind is dict and TYPE not in value and all(type(key) is str for key in value):
        return {key: simplify(item, f"{place}[{key!r}]", depth + 1) for key, item in value.items()}
    if kind is dict:
        return _tagged("dict", [_simplify_all(pair, place, depth) for pair in value.items()])
    if kind in _COLLECTIONS:
        return _tagged(kind.__name__, _simplify_all(value, place, depth))
    name, write = _WRITERS.get(kind, ("", None))
    if write is not None:
        data = write(value)
        if data is not None:
            return _tagged(name, data)
    parts = take_apart(value)
    if parts is None:
        raise UntypedError(f"{kind.__name__}{_at(place)}")
    name, data = parts
    return _tagged(name, simplify(data, place, depth + 1))


def restore(value: Any) -> Any:
    """Return what was simplified. Raises ValueError for a class that is not there any more."""
    if type(value) is list:
        return [restore(item) for item in value]
    if type(value) is not dict:
        return value
    name = value.get(TYPE)
    if name is None:
        return {key: restore(item) for key, item in value.items()}
    data = value[DATA]
    if name == "dict":
        return {restore(key): restore(item) for key, item in data}
    read = _READERS.get(name)
    return give_back(find_class(name), restore(data)) if read is None else read(restore(data))


def _simplify_all(values: Any, place: str, depth: int) -> list[Any]:
    return [simplify(item, f"{place}[{number}]", depth + 1) for number, item in enumerate(values)]


def _tagged(name: str, data: Any) -> dict[str, Any]:
    return {TYPE: name, DATA: data}


def _at(place: str) -> str:
    return f" at {place}" if place else ""


def _write_moment(moment: datetime | time) -> Any:
    """Return a moment and its zone, if it has one that can be named."""
    zone = moment.tzinfo
    if zone is None or isinstance(zone, timezone):
        return [moment.isoformat(), None, moment.fold]
    key = getattr(zone, "key", None)
    return None if key is None else [moment.replace(tzinfo=None).isoformat(), key, moment.fold]


def _moment_reader(kind: Any) -> Callable[[Any], Any]:
    def read(data: Any) -> Any:
        text, key, fold = data
        moment = kind.fromisoformat(text).replace(fold=fold)
        return moment if key is None else moment.replace(tzinfo=ZoneInfo(key))

    return read


_COLLECTIONS: Final = (tuple, set, frozenset)
_WRITERS: Final[Mapping[type, tuple[str, Callable[[Any], Any]]]] = {
    int: ("int", str),
    float: ("float", repr),
    complex: ("complex", str),
    bytes: ("bytes", lambda value: base64.b64encode(value).decode()),
    datetime: ("datetime", _write_moment),
    time: ("time", _write_moment),
    date: ("date", date.isoformat),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
    Decimal: ("Decimal", str),
    UUID: ("UUID", str),
    PosixPath: ("Path", str),
    PurePosixPath: ("PurePosixPath", str),
}
_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "int": int,
    "float": float,
    "complex": complex,
    "bytes": base64.b64decode,
    "datetime": _moment_reader(datetime),
    "time": _moment_reader(time),
    "date": date.fromisoformat,
    "timedelta": lambda data: timedelta(*data),
    "Decimal": Decimal,
    "UUID": UUID,
    "Path": Path,
    "PurePosixPath": PurePosixPath,
}

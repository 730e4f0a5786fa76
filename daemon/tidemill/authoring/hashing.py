"""Hashes of values: the same in every process, whatever the order of dicts and sets and wherever an object lies.

A pickle would do for one process only: it writes sets in the order of their seeded hashes, and tells two equal
texts from one text used twice. So values are taken apart as pickle takes them apart, and hashed in an order of
their own. Nothing is imported for it that the value's own type has not imported already.
"""

import sys
from collections.abc import Callable
from enum import Enum
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any, Final

from tidemill.authoring.code_hashing import hash_code, join
from tidemill.authoring.tasks import Task, definition_of

_PLAIN: Final = frozenset({str, int, float, bool, bytes, type(None)})
"""Types whose ``repr`` is exact, tells them apart, and is written by C."""


class UnhashableError(Exception):
    """Raised when a value cannot be hashed; its text says which part of it, and why."""


def hash_value(value: Any) -> str:
    """Return a hash of *value* as 32 hexadecimal digits, or raise UnhashableError.

    Equal values of the same types have equal hashes. A list is told from a tuple, and 1 from 1.0 and True.
    """
    kind = type(value).__qualname__
    try:
        return _Walk().digest(value).hex()
    except UnhashableError:
        raise
    except RecursionError:
        raise UnhashableError(f"{kind} is nested too deeply") from None
    except Exception as error:
        # The value's own code: a serializer, an iterator, a property.
        raise UnhashableError(f"{kind}: {error}") from error


def _name(thing: Any) -> bytes:
    return f"{thing.__module__}.{thing.__qualname__}".encode("utf-8", "surrogatepass")


class _Walk:
    """Takes one value apart."""

    def __init__(self) -> None:
        self._above: dict[int, int] = {}
        """The objects being taken apart just now, by identity, and how deep each lies."""
        self._known: dict[int, tuple[bytes, Any]] = {}
        """Digests of objects met before, which are kept alive so that no other gets their identity."""
        self._loops = 0
        """How many times an object was met inside itself."""

    def digest(self, value: Any) -> bytes:
        if type(value) in _PLAIN:
            return _plain(value)
        identity = id(value)
        if identity in self._known:
            return self._known[identity][0]
        if identity in self._above:
            self._loops += 1
            return join(b"loop", [b"%d" % (len(self._above) - self._above[identity])])
        loops = self._loops
        self._above[identity] = len(self._above)
        try:
            digest = self._compound(value)
        finally:
            del self._above[identity]
        if loops == self._loops:
            self._known[identity] = (digest, value)
        return digest

    def _compound(self, value: Any) -> bytes:
        kind = type(value)
        way = _WAYS.get(kind)
        if way is not None:
            return way(self, value)
        if isinstance(value, type):
            return join(b"class", [_name(value)])
        if isinstance(value, Enum):
            return join(b"enum", [_name(kind), self.digest(value.name or value.value)])
        if kind.__name__ in _TABLES and kind.__module__.startswith(("numpy", "pandas")):
            return _TABLES[kind.__name__](self, value)
        if "pydantic" in sys.modules and callable(getattr(kind, "model_dump", None)):
            # What the model says of itself: its own serializers leave out what is no part of its value.
            return join(b"model", [_name(kind), self.digest(value.model_dump())])
        return self._reduced(value)

    def sequence(self, value: Any) -> bytes:
        kind = type(value).__name__.encode()
        if set(map(type, value)) <= _PLAIN:
            try:
                return join(kind, [b"plain", repr(list(value)).encode("utf-8", "surrogatepass")])
            except ValueError:
                # An integer of thousands of digits, which repr refuses.
                pass
        return join(kind, map(self.digest, value))

    def mapping(self, value: Any) -> bytes:
        if set(map(type, value)) <= {str} and set(map(type, value.values())) <= _PLAIN:
            try:
                return join(
                    b"dict", [b"plain", repr(sorted(value.items(), key=_first)).encode("utf-8", "surrogatepass")]
                )
            except ValueError:
                pass
        return join(b"dict", sorted(self.digest(key) + self.digest(each) for key, each in value.items()))

    def unordered(self, value: Any) -> bytes:
        return join(type(value).__name__.encode(), sorted(map(self.digest, value)))

    def function(self, value: FunctionType) -> bytes:
        """Tell functions apart by name and by what they do; a changed one of the same name is another."""
        parts = [
            _name(value),
            hash_code(value.__code__),
            self.digest(value.__defaults__),
            self.digest(value.__kwdefaults__),
            self.digest(value.__closure__),
        ]
        return join(b"function", parts)

    def cell(self, value: CellType) -> bytes:
        try:
            return join(b"cell", [self.digest(value.cell_contents)])
        except ValueError:
            return join(b"cell", [])

    def builtin(self, value: BuiltinFunctionType) -> bytes:
        owner = value.__self__
        if owner is None or isinstance(owner, ModuleType):
            return join(b"builtin", [str(value.__module__).encode(), value.__qualname__.encode()])
        return join(b"builtin", [value.__name__.encode(), self.digest(owner)])

    def module(self, value: ModuleType) -> bytes:
        return join(b"module", [value.__name__.encode()])

    def buffer(self, value: Any) -> bytes:
        return join(b"buffer", [value.raw()])

    def bytearray(self, value: bytearray) -> bytes:
        return join(b"bytearray", [bytes(value)])

    def array(self, value: Any) -> bytes:
        """Hash what a numpy array holds, in the order of its indices; how it lies in memory is no part of it."""
        head = [repr(value.dtype).encode(), repr(value.shape).encode()]
        if value.dtype.hasobject or not value.dtype.itemsize:
            return join(b"array", [*head, self.digest(value.tolist())])
        return join(b"array", [*head, memoryview(value.ravel().view("u1"))])

    def series(self, value: Any) -> bytes:
        parts = (value.name, list(value.index.names), value.index.to_numpy(), str(value.dtype), value.to_numpy())
        return join(b"series", map(self.digest, parts))

    def frame(self, value: Any) -> bytes:
        """Take a data frame apart by column: how pandas groups them into blocks is history, not value."""
        columns = [value.iloc[:, place] for place in range(value.shape[1])]
        parts = (value.columns.to_numpy(), list(value.columns.names), list(value.index.names), value.index.to_numpy())
        return join(b"frame", [*map(self.digest, parts), *map(self.series, columns)])

    def _reduced(self, value: Any) -> bytes:
        """Take an object apart as pickle would."""
        kind = type(value)
        try:
            reduced = value.__reduce_ex__(5)
        except RecursionError:
            raise
        except Exception as error:
            raise UnhashableError(f"{kind.__qualname__}: {error}") from error
        if isinstance(reduced, str):
            return join(b"global", [_name(kind), reduced.encode("utf-8", "surrogatepass")])
        make, arguments, state, items, pairs = (*reduced[:5], None, None, None)[:5]
        if type(state) is dict:
            state = {name: part for name, part in state.items() if not _is_own_task(part, value)}
        try:
            parts = [
                _name(kind),
                _name(make) if hasattr(make, "__qualname__") else self.digest(make),
                self.digest(arguments),
                self.digest(state),
                self.digest(list(items) if items is not None else None),
                self.digest(list(pairs) if pairs is not None and _is_ordered(kind) else dict(pairs or ())),
            ]
        except UnhashableError as error:
            raise UnhashableError(f"{kind.__qualname__} holds {error}") from error.__cause__
        return join(b"object", parts)


def _is_own_task(part: Any, owner: Any) -> bool:
    """Tell whether *part* is a method of *owner* that is a task: it is kept there once somebody has looked at it."""
    return isinstance(part, Task) and definition_of(part).owner is owner


def _first(pair: tuple[str, Any]) -> str:
    return pair[0]


def _plain(value: Any) -> bytes:
    try:
        text = repr(value)
    except ValueError:
        text = hex(value)
    return join(b"plain", [text.encode("utf-8", "surrogatepass")])


def _is_ordered(kind: type) -> bool:
    from collections import OrderedDict

    return issubclass(kind, OrderedDict)


def _ways() -> dict[type, Callable[[_Walk, Any], bytes]]:
    from pickle import PickleBuffer

    return {
        list: _Walk.sequence,
        tuple: _Walk.sequence,
        dict: _Walk.mapping,
        set: _Walk.unordered,
        frozenset: _Walk.unordered,
        bytearray: _Walk.bytearray,
        FunctionType: _Walk.function,
        BuiltinFunctionType: _Walk.builtin,
        CellType: _Walk.cell,
        ModuleType: _Walk.module,
        PickleBuffer: _Walk.buffer,
    }


_WAYS: Final = _ways()
"""Types that are not taken apart as pickle would, and how instead."""
_TABLES: Final[dict[str, Callable[[_Walk, Any], bytes]]] = {
    "ndarray": _Walk.array,
    "Series": _Walk.series,
    "DataFrame": _Walk.frame,
}
"""The same for types of numpy and pandas, which nobody imports for this."""

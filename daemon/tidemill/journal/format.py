"""One event, one line of JSON: an array of the event's name and its fields.

An event of a child run is wrapped: ``["of_subflow", run, name, *fields]``.
Lines stay within 4 kB, so that a single write appends them whole. A longer event is kept in the file
beside the journal, and its line only points there: ``["beside", offset, length]``.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from tidemill.domain.errors import TidemillError
from tidemill.domain.events import EVENTS, Event, OfSubflow, OwnEvent, RunEnded, TaskEnded
from tidemill.domain.results import ResultInfo
from tidemill.domain.states import State

LINE_LIMIT: Final = 4096
BESIDE: Final = "beside"
OF_SUBFLOW: Final = "of_subflow"
_HEADS: Final[Mapping[type[Event], bytes]] = {kind: f'["{name}",'.encode() for name, kind in EVENTS.items()}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode

for _kind in EVENTS.values():
    # What msgspec knows of a kind it keeps with it, before it knows all: two threads that read the first event of a
    # kind at once would meet half of it, and take the event for damaged or crash.
    msgspec.json.Decoder(_kind)


class DamageError(TidemillError):
    """Raised when a line of a journal is not an event."""


_FAR_FUTURE: Final = 253_370_764_800_000_000
"""Microseconds: the year 9999, behind which no date can be shown in every zone."""
_LARGEST: Final = 1 << 63
"""Beyond what a history can hold."""
_TIMES: Final = {
    kind: tuple(place for place, name in enumerate(kind._fields) if name in ("at", "due", "started_at"))
    for kind in EVENTS.values()
}
_Place = Annotated[int, msgspec.Meta(ge=0)]


class Beside(msgspec.Struct, frozen=True):
    """Where the file beside the journal holds an event that is too long for a line."""

    offset: int
    length: int


class Unknown(msgspec.Struct, frozen=True):
    """An event of a later version, which this one passes over."""

    name: str


def beside(journal: Path | str) -> str:
    """Name the file that holds the long events of *journal*."""
    return f"{journal}.beside"


def encode(event: Event) -> bytes:
    """Write *event* as one line, whatever its length."""
    try:
        return _line(event)
    except UnicodeEncodeError:  # a lone surrogate, as undecodable file names have
        return _line(_printable(event))


def encode_reference(place: Beside) -> bytes:
    """Write the line that stands for a long event."""
    return _encode((BESIDE, place.offset, place.length)) + b"\n"


def decode(line: bytes) -> Event | Beside | Unknown:
    """Read one line; fields that a later version added at the end are dropped."""
    try:
        name, *fields = _decode(line)
        if name in EVENTS:
            return _event(name, fields)
        if name == OF_SUBFLOW:
            run, name, *fields = fields
            return OfSubflow(msgspec.convert(run, str), _event(name, fields)) if name in EVENTS else _unknown(name)
        if name == BESIDE:
            return Beside(*msgspec.convert(fields[:2], tuple[_Place, _Place]))
        return _unknown(name)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError, RecursionError) as error:
        raise DamageError(f"not an event: {line[:60]!r}") from error


def _line(event: Event) -> bytes:
    # An event is a tuple, which is written as an array: only its name has to be put in front.
    if type(event) is OfSubflow:
        return b'["of_subflow",%b,%b' % (_encode(event.run), _line(event.event)[1:])
    return _HEADS[type(event)] + _encode(event)[1:] + b"\n"


def _event(name: str, fields: list[Any]) -> OwnEvent:
    kind = EVENTS[name]
    event = msgspec.convert(fields[: len(kind._fields)], kind)
    # Whoever follows a journal goes by its times, and stops at its end: what is no time and no end must be neither.
    # What the history cannot hold, or show, is told here, where it is the matter of one line.
    if not (_has_times(event) and _is_storable(event)):
        raise ValueError(event)
    if isinstance(event, RunEnded | TaskEnded) and not State(event.state).is_terminal:
        raise ValueError(event)
    return event


def _has_times(event: OwnEvent) -> bool:
    fields: Sequence[Any] = event
    for place in _TIMES[type(event)]:
        at = fields[place]
        if at is not None and not 0 <= at < _FAR_FUTURE:
            return False
    return True


def _is_storable(values: Iterable[Any]) -> bool:
    for value in values:
        if type(value) is int:
            if not -_LARGEST <= value < _LARGEST:
                return False
        elif type(value) is ResultInfo and not _is_storable(value):
            return False
    return True


def _unknown(name: Any) -> Unknown:
    return Unknown(msgspec.convert(name, str))


def _printable(value: Any) -> Any:
    """Replace what UTF-8 cannot hold, at any depth."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_printable(key): _printable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_printable(item) for item in value]
    if isinstance(value, tuple):
        items = map(_printable, value)
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value

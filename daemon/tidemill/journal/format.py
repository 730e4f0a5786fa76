"""One event, one line of JSON: an array of the event's name and its fields.

Lines stay within 4 kB, so that a single write appends them whole. A longer event is kept in the file
beside the journal, and its line only points there: ``["beside", offset, length]``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from tidemill.domain.errors import TidemillError
from tidemill.domain.events import EVENTS, Event

LINE_LIMIT: Final = 4096
BESIDE: Final = "beside"
_NAMES: Final[Mapping[type[Event], str]] = {kind: name for name, kind in EVENTS.items()}
_LENGTHS: Final[Mapping[str, int]] = {name: len(kind._fields) for name, kind in EVENTS.items()}
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class DamageError(TidemillError):
    """Raised when a line of a journal is not an event."""


_Place = Annotated[int, msgspec.Meta(ge=0)]


class Beside(msgspec.Struct, frozen=True):
    """Where the file beside the journal holds an event that is too long for a line."""

    offset: int
    length: int


class Unknown(msgspec.Struct, frozen=True):
    """An event of a later version, which this one passes over."""

    name: str


def beside(journal: Path | str) -> Path:
    """Name the file that holds the long events of *journal*."""
    return Path(f"{journal}.beside")


def encode(event: Event) -> bytes:
    """Write *event* as one line, whatever its length."""
    try:
        return _encode((_NAMES[type(event)], *event)) + b"\n"
    except UnicodeEncodeError:  # a lone surrogate, as undecodable file names have
        return _encode(_printable((_NAMES[type(event)], *event))) + b"\n"


def encode_reference(place: Beside) -> bytes:
    """Write the line that stands for a long event."""
    return _encode((BESIDE, place.offset, place.length)) + b"\n"


def decode(line: bytes) -> Event | Beside | Unknown:
    """Read one line; fields that a later version added at the end are dropped."""
    try:
        name, *fields = _decode(line)
        if name == BESIDE:
            return Beside(*msgspec.convert(fields[:2], tuple[_Place, _Place]))
        if name not in EVENTS:
            return Unknown(msgspec.convert(name, str))
        return msgspec.convert(fields[: _LENGTHS[name]], EVENTS[name])
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError) as error:
        raise DamageError(f"not an event: {line[:60]!r}") from error


def _printable(value: Any) -> Any:
    """Replace what UTF-8 cannot hold, at any depth."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, tuple):
        return tuple(_printable(item) for item in value)
    return value

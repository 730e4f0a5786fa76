"""Frames: four bytes of length, big-endian, then one JSON object of at most a mebibyte.

The client's first frame is ``{"protocol": 1}``, the server's ``{"protocol": 1, "version": "0.1.0"}``. Then
each request ``{"verb": ..., "args": {...}}`` is answered by any number of ``{"progress": {...}}`` and at last by
``{"ok": {...}}`` or ``{"error": {"code": 4, "message": "..."}}``, in the order of the requests.
"""

import json
from typing import Any, Final

from tidemill.domain.errors import ProtocolError

PROTOCOL: Final = 1
LARGEST: Final = 1 << 20
"""Bytes of one frame's JSON: nothing that is said here is long, and nobody may make the daemon hold more."""
_LENGTH: Final = 4

Message = dict[str, Any]


def pack(message: Message) -> bytes:
    """Return *message* as a frame, or refuse it when it is too large."""
    body = json.dumps(message, separators=(",", ":")).encode()
    if len(body) > LARGEST:
        raise ProtocolError(f"a message of {len(body)} bytes is more than the {LARGEST} the control socket takes")
    return len(body).to_bytes(_LENGTH, "big") + body


class Frames:
    """Bytes as they arrive, and the messages that are whole."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def is_partial(self) -> bool:
        """Tell whether the beginning of a message waits for its end."""
        return bool(self._held)

    def feed(self, arrived: bytes) -> list[Message]:
        """Take what arrived and return the messages it completes, or refuse what is no message."""
        self._held += arrived
        whole = []
        while len(self._held) >= _LENGTH:
            size = int.from_bytes(self._held[:_LENGTH], "big")
            if size > LARGEST:
                raise ProtocolError(f"a message of {size} bytes was announced; the most is {LARGEST}")
            if len(self._held) < _LENGTH + size:
                break
            whole.append(_parse(bytes(self._held[_LENGTH : _LENGTH + size])))
            del self._held[: _LENGTH + size]
        return whole


def _parse(body: bytes) -> Message:
    """Return the JSON object in *body*; deep nesting is refused like any other nonsense."""
    try:
        # As text: of bytes, json guesses the encoding, and imports what it has guessed.
        message = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise ProtocolError("a message on the control socket is not JSON") from None
    if not isinstance(message, dict):
        raise ProtocolError("a message on the control socket is not a JSON object")
    return message

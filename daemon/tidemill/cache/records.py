"""One record for each key: where the value is, who computed it, and until when it may be taken."""

# hashlib has the same function, and brings OpenSSL with it.
from _blake2 import blake2b
from typing import Final

import msgspec

from tidemill.domain.results import ResultInfo

_KEY_SHOWN: Final = 200
"""Characters of a key that its record shows to people; it is found by its hash."""


class CacheRecord(msgspec.Struct, frozen=True):
    """A value was computed and may be taken instead of computing it again. Times are microseconds since 1970."""

    key: str
    created: int
    expires: int | None
    flow: str
    run: str
    task: str
    result: ResultInfo | None = None
    """Where the value is; None while it is in memory only."""


_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[CacheRecord]] = msgspec.json.Decoder(CacheRecord)


def encode(record: CacheRecord) -> bytes:
    """Return the record as it is written."""
    return _encoder.encode(record)


def decode(data: bytes) -> CacheRecord | None:
    """Return the record that was written; None for anything else."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def digest_of(key: str) -> str:
    """Return the name under which the record of *key* is found: 32 hexadecimal digits."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def shown(key: str) -> str:
    """Return what a record says of its key."""
    return key[:_KEY_SHOWN].encode("utf-8", "backslashreplace").decode()

"""Whether a result is still what was written."""

import sys
from typing import Final

from tidemill.domain.results import ResultInfo
from tidemill.storage.places import ResultError

_WORTHWHILE: Final = 4 * 1024 * 1024
"""Bytes from which OpenSSL, which is faster, makes up for the time its import takes."""


def checksum(data: bytes) -> str:
    """Return the SHA-256 of *data* in hex."""
    if len(data) >= _WORTHWHILE or "hashlib" in sys.modules:
        from hashlib import sha256
    else:
        from tidemill.domain.digests import sha256
    digest: str = sha256(data).hexdigest()
    return digest


def verify(info: ResultInfo, data: bytes) -> None:
    """Refuse *data* that is not what *info* was told of. Raises ResultError."""
    if info.checksum is None or checksum(data) == info.checksum:
        return
    how = f"{len(data)} bytes of {info.size} are there" if len(data) != info.size else "its bytes were changed"
    raise ResultError(
        f"the result at {info.location} is damaged, or was overwritten since: {how}, and its checksum does not match"
    )

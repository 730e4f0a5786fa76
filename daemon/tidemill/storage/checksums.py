"""Whether a result is still what was written."""

from tidemill.domain.results import ResultInfo
from tidemill.storage.places import ResultError


def checksum(data: bytes) -> str:
    """Return the SHA-256 of *data* in hex."""
    # It loads OpenSSL, and what the history itself keeps needs none.
    import hashlib

    return hashlib.sha256(data).hexdigest()


def verify(info: ResultInfo, data: bytes) -> None:
    """Refuse *data* that is not what *info* was told of. Raises ResultError."""
    if info.checksum is None or checksum(data) == info.checksum:
        return
    how = f"{len(data)} bytes of {info.size} are there" if len(data) != info.size else "its bytes were changed"
    raise ResultError(
        f"the result at {info.location} is damaged, or was overwritten since: {how}, and its checksum does not match"
    )

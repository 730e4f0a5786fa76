"""Jitter: a delay drawn once and for all for each moment of each schedule.

Drawn from a hash and not from chance, so that a restart between the moment and its delayed start finds
the same delay, and two machines with the same flows do not.
"""

from hashlib import blake2b

_MICROSECONDS = 1_000_000


def delay(key: str, moment: int, jitter: float) -> int:
    """Return by how many microseconds the start for *moment* is put off: at least 0, less than *jitter* seconds."""
    if jitter <= 0:
        return 0
    drawn = int.from_bytes(blake2b(f"{key}@{moment}".encode(), digest_size=8).digest())
    return int(jitter * _MICROSECONDS) * drawn >> 64

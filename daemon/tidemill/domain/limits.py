"""A named limit, which tasks and flows of any file share."""

from typing import Final, NamedTuple

MOST_SLOTS: Final = 10_000
LONGEST_NAME: Final = 80
"""Bytes: encoded as a file's name it may become three times as long."""


class Limit(NamedTuple):
    """How many may hold it at once; or, with a rate, how often it may be taken."""

    slots: int
    """Of a rate: how many may be taken in one burst."""
    per_second: float | None = None
    """How many slots of a rate come back each second, whoever took them. None: one comes back when it is released."""

"""What is wrong with flow files, as far as one answer can hold it: a missing module may break thousands at once."""

import json
from typing import Any, Final

ROOM: Final = 1 << 19
"""Bytes of JSON: half of what an answer may have."""

Told = list[dict[str, Any]]


def that_fit(errors: Told, room: int = ROOM) -> tuple[Told, int]:
    """Return the first of *errors*, and how many were left out for want of room; the history has them all."""
    for number, error in enumerate(errors):
        room -= len(json.dumps(error)) + 2
        if room < 0:
            return errors[:number], len(errors) - number
    return errors, 0

"""What one run may take of the machine: which limits there are, and what each may be."""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tidemill.domain.sizes import read_size, readable


class Restraint(NamedTuple):
    """One limit: its least value, and whether it counts bytes."""

    least: int
    is_size: bool = False


RESTRAINTS: Final[Mapping[str, Restraint]] = {
    "memory": Restraint(16_000_000, is_size=True),
    "processes": Restraint(1),
    "open_files": Restraint(32),
    "file_size": Restraint(1_000_000, is_size=True),
    "output": Restraint(1_024, is_size=True),
    "cpu": Restraint(1),
}
"""``memory`` and ``file_size`` are bytes, ``output`` those of captured output, ``cpu`` seconds."""


def read_restraint(name: str, value: Any) -> int:
    """Return the limit *name* as a number. Raises ValueError with what it takes."""
    kind = RESTRAINTS[name]
    number = read_size(value) if kind.is_size and isinstance(value, str) else value
    if isinstance(number, bool) or not isinstance(number, int | float) or not kind.least <= number < math.inf:
        least = readable(kind.least) if kind.is_size else str(kind.least)
        written = ', such as "512MB"' if kind.is_size else ", in seconds" if name == "cpu" else ""
        raise ValueError(
            f"takes a {'size' if kind.is_size else 'number'} of at least {least}{written}; it is {value!r}"
        )
    return math.ceil(number)


def told(name: str, value: float) -> str:
    """Return the limit for a sentence."""
    return readable(value) if RESTRAINTS[name].is_size else f"{value:g} s" if name == "cpu" else f"{value:g}"

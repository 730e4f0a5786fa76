"""How the program ends, in numbers: the contract of scripts."""

from typing import Final

from tidemill.control.answers import (
    CONFIGURATION,
    DONE,
    FAILED,
    NOT_FOUND,
    NOT_RUNNING,
    REFUSED,
    USAGE,
    code_of,
)

INTERRUPTED: Final = 130
"""Ended by Ctrl-C: 128 and the number of SIGINT, as every shell knows it."""

__all__ = [
    "CONFIGURATION",
    "DONE",
    "FAILED",
    "INTERRUPTED",
    "NOT_FOUND",
    "NOT_RUNNING",
    "REFUSED",
    "USAGE",
    "code_of",
]

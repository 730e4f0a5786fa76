"""The daemon's memory: what is known once it has started stays, and what was used for a moment goes."""

import ctypes
import gc
from contextlib import suppress
from typing import Final

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
"""glibc's numbers for mallopt(3)."""
_LARGE: Final = 128 * 1024
"""Bytes from which on a piece of memory goes back to the system when it is freed; glibc's own, which it would raise."""


def share() -> None:
    """Let all threads take their memory from one place, so that what one of them frees serves the others.

    By itself glibc gives each thread a place of its own, and keeps what lies idle there.
    """
    with suppress(AttributeError):  # not every C library has it
        adjust = ctypes.CDLL(None).mallopt
        adjust(_ARENA_MAX, 1)
        adjust(_MMAP_THRESHOLD, _LARGE)


def settle() -> None:
    """Take everything known now out of future collections, and give freed memory back to the system.

    A collection that walks through ten thousand flows would hold up every command.
    """
    gc.collect()
    gc.freeze()
    with suppress(AttributeError):  # not every C library has it
        ctypes.CDLL(None).malloc_trim(0)

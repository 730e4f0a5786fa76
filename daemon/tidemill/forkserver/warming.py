"""The memory that every run writes to, copied in one go before there is an order.

A forked process shares its memory with the server until it writes; each page it writes to first is then
copied, one interruption at a time, and that is most of what a short run costs. Which pages those are is
learned once, from a rehearsal in a child of its own, and a spare copies them while it waits.
"""

import ctypes
import os
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

Ranges = Sequence[tuple[int, int]]
"""Address and length of each."""

_POPULATE_WRITE: Final = 23
"""madvise(2), since Linux 5.14: write to the pages without changing them."""
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_PRESENT: Final = 1 << 63
_EXCLUSIVE: Final = 1 << 56
"""pagemap(5): mapped by this process alone, so no longer the server's."""
_GAP: Final = 1
"""Pages between two written ones that are copied along: cheaper than another call, and no great waste."""

_madvise = ctypes.CDLL(None).madvise
_madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_madvise.restype = ctypes.c_int


def learn(rehearse: Callable[[], object]) -> Ranges:
    """Have a child *rehearse*, and return the memory it wrote to; nothing where the kernel does not tell."""
    regions = _writable_regions()
    answer = os.memfd_create("tidemill-rehearsal", os.MFD_CLOEXEC)
    try:
        pid = os.fork()
        if pid == 0:
            _tell(rehearse, regions, answer)
        os.waitpid(pid, 0)
        found = array("Q", os.pread(answer, os.fstat(answer).st_size, 0))
        return list(zip(found[::2], found[1::2], strict=True))
    except OSError:
        return []
    finally:
        os.close(answer)


def warm_up(ranges: Ranges) -> None:
    """Copy the memory of *ranges* now; a kernel that cannot says so at the first."""
    for start, length in ranges:
        if _madvise(start, length, _POPULATE_WRITE) != 0:
            return


def _tell(rehearse: Callable[[], object], regions: Ranges, answer: int) -> None:
    """Be the child."""
    try:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(nothing, stream)
        with suppress(Exception):
            rehearse()
        found = array("Q", (number for piece in _written(regions) for number in piece))
        os.write(answer, found.tobytes())
    finally:
        os._exit(0)


def _writable_regions() -> Ranges:
    regions = []
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, rights, *_ = line.split()
        if rights == "rw-p":
            start, end = (int(address, 16) for address in place.split("-"))
            regions.append((start, end - start))
    return regions


def _written(regions: Ranges) -> Ranges:
    """Return the parts of *regions* that are this process's own."""
    found: list[list[int]] = []
    pagemap = os.open("/proc/self/pagemap", os.O_RDONLY | os.O_CLOEXEC)
    for region, length in regions:
        entries = array("Q", os.pread(pagemap, length // _PAGE * 8, region // _PAGE * 8))
        last = None
        for number, entry in enumerate(entries):
            if entry & _PRESENT and entry & _EXCLUSIVE:
                start = region + number * _PAGE
                if last is not None and number - last <= _GAP + 1:
                    found[-1][1] = start + _PAGE - found[-1][0]
                else:
                    found.append([start, _PAGE])
                last = number
    return [(start, length) for start, length in found]

"""What the child does that loads a file and answers with its manifest."""

import os
import resource
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

import msgspec

from tidemill.domain.manifests import FileManifest, Problem
from tidemill.domain.runs import InspectionOrder
from tidemill.forkserver import forking

InspectionEntry = Callable[[InspectionOrder], FileManifest]

_OOM_SCORE = 1000
_MEMORY_SHARE = 4
"""As many files are loaded at once."""
_LEAST_MEMORY = 1 << 30
_encode = msgspec.json.Encoder(enc_hook=repr).encode


def be_inspection(order: InspectionOrder, entry: InspectionEntry, answer_fd: int) -> None:
    """Load the file under its time limit, and write the manifest to *answer_fd*."""
    me = os.getpid()
    forking.take_streams(os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC))
    forking.be_killed_first(_OOM_SCORE)
    forking.close_others({answer_fd})
    _limit_memory()
    if order.user:
        try:
            _become_user(order)
        except (OSError, LookupError) as error:
            problem = Problem(f"the process that loads it cannot become {order.user}: {error}")
            _answer(answer_fd, FileManifest(path=order.path, hash="", errors=(problem,)))
            os._exit(0)

    def give_up(_: int, frame: FrameType | None) -> None:
        """Answer in place of the file; an exception could be caught by it."""
        if os.getpid() == me:
            _answer(answer_fd, _late(order, frame))
        os._exit(0)

    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, order.timeout)
    forking.accept_signals()
    manifest = entry(order)
    if os.getpid() == me:  # not a copy that the file forked
        signal.setitimer(signal.ITIMER_REAL, 0)
        _answer(answer_fd, manifest)
    os._exit(0)  # at once: no thread and no exit function of the file's may hold up the answer


def _become_user(order: InspectionOrder) -> None:
    from tidemill.forkserver.handing_over import hand_over_source
    from tidemill.forkserver.privileges import become

    hand_over_source(order)
    become(order.user)


def _limit_memory() -> None:
    """Let a file that takes too much memory while it is loaded fail by itself, not by taking the machine along.

    Of what is written to, not of addresses: libraries reserve many more of those than they ever use.
    """
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    used = int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError):  # a lower limit that was set from outside stays
        resource.setrlimit(resource.RLIMIT_DATA, (used + max(_LEAST_MEMORY, total // _MEMORY_SHARE),) * 2)


def lateness(order: InspectionOrder) -> str:
    """Say that the file took too long."""
    return f"did not finish loading within {order.timeout:g} s"


def _late(order: InspectionOrder, frame: FrameType | None) -> FileManifest:
    while frame is not None and frame.f_code.co_filename != order.path:
        frame = frame.f_back
    line = None if frame is None else frame.f_lineno
    return FileManifest(path=order.path, hash="", errors=(Problem(lateness(order), line),))


def _answer(fd: int, manifest: FileManifest) -> None:
    try:
        data = _encode(manifest)
    except (UnicodeEncodeError, TypeError, ValueError, RecursionError) as error:
        problem = Problem(f"declares something that is not plain text and numbers: {error}")
        data = _encode(FileManifest(path=manifest.path, hash=manifest.hash, errors=(problem,)))
    with suppress(OSError):
        os.pwrite(fd, data, 0)

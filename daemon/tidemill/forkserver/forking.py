"""From the fork to the first line of the engine: what a child does before it is a run or an inspection.

Every page a child touches first is copied, so each line here is paid by every run: C functions rather
than their wrappers, descriptors rather than paths and files.
"""

import atexit
import gc
import os
import signal
import sys
import threading
from _signal import pthread_sigmask, set_wakeup_fd  # type: ignore[import-not-found]
from _signal import signal as set_handler
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final, NoReturn

EXIT_INTERNAL: Final = 70
"""Exit code of a child whose engine raised: sysexits' EX_SOFTWARE."""
FD_LIMIT: Final = min(os.sysconf("SC_OPEN_MAX"), 65536)
_DEFAULT: Final = int(signal.SIG_DFL)
_HELD_BACK: Final = frozenset(map(int, (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD, signal.SIGALRM)))


def fork(body: Callable[[], object]) -> int:
    """Make a child that does *body* and leaves; return its pid.

    Signals are held back from before the fork until the child calls ``accept_signals``: one that comes
    early must not meet the server's handlers.
    """
    pthread_sigmask(signal.SIG_BLOCK, _HELD_BACK)
    gc.collect(0)  # nothing to collect, but the count starts anew: else each child would begin with a collection
    try:
        pid = os.fork()
        if pid == 0:
            _live(body)
        with suppress(OSError):
            os.setpgid(pid, pid)  # as the child does itself: whoever comes first, the group is there when it is told
        return pid
    finally:
        pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)


def _live(body: Callable[[], object]) -> NoReturn:
    """Be the child; nothing here may return into the server's loop."""
    try:
        me = os.getpid()
        # A group, not a session: all runs share the server's, so that where the kernel shares out the processor by
        # session, many runs weigh as one against the daemon.
        os.setpgid(0, 0)
        set_wakeup_fd(-1)
        for number in _HELD_BACK:
            set_handler(number, _DEFAULT)
        set_handler(signal.SIGINT, signal.default_int_handler)
        gc.enable()
        body()
        if os.getpid() != me:  # user code forked, and its copy came back up to here
            os._exit(0)
        leave(0)
    except SystemExit as request:
        leave(request.code if isinstance(request.code, int) else int(request.code is not None))
    except BaseException:
        with suppress(BaseException):
            sys.excepthook(*sys.exc_info())
        leave(EXIT_INTERNAL)
    finally:
        os._exit(EXIT_INTERNAL)


def accept_signals() -> None:
    """Let through what was held back since the fork."""
    pthread_sigmask(signal.SIG_UNBLOCK, _HELD_BACK)


def leave(code: int) -> NoReturn:
    """Wait for threads, call what user code registered, flush, and end without the interpreter's finale.

    The finale would touch every page inherited from the server: ten times the cost of the whole child.
    """
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
    finally:
        os._exit(code & 0xFF)


def take_streams(output: int) -> None:
    """Read from nothing, write to *output*."""
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(nothing, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(nothing)


def close_others(keep: Collection[int]) -> None:
    """Close every file descriptor but the standard ones and *keep*: a child holds nothing of the server's."""
    low = 3
    for fd in sorted(keep):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, FD_LIMIT)


def be_killed_first(score: int) -> None:
    """Ask the kernel to end this process before others when memory runs out."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    with suppress(OSError):
        os.write(fd, b"%d" % score)
    os.close(fd)

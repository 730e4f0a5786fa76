"""What the child does that is to be a run."""

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

from tidemill.domain.runs import CRASH_HOOKS, RunOrder
from tidemill.forkserver import forking, kinship, protocol
from tidemill.forkserver.protocol import Failed

RunEntry = Callable[[RunOrder, int, int, int | None], None]

EXIT_UNPREPARED: Final = 71
"""Exit code of a run process that could not open its files: sysexits' EX_OSERR."""
OOM_SCORE: Final = 200


def make_folders(order: RunOrder) -> None:
    """Make the folders of the order's files, one level of each: a missing state directory is an error."""
    for path in (order.journal, order.log):
        with suppress(FileExistsError):
            # As text: in Python 3.12 a Path keeps the parts of its name for good, and the server lives long.
            os.mkdir(os.path.dirname(path), mode=0o700)  # noqa: PTH102, PTH120


def be_run(order: RunOrder, entry: RunEntry, client: socket.socket, hint_fd: int) -> None:
    """Open the order's files, drop everything of the server's, and become the run."""
    try:
        kinship.become_subreaper()
        # One process a run, whoever was killed between order and answer: the journal admits the first alone.
        journal_fd = _open(order.journal, os.O_RDWR | os.O_EXCL)
        if order.purpose == CRASH_HOOKS:
            # So that not even a power cut lets them be called again; the folder may be as new as its name.
            _sync_folder(order.journal)
            _sync_folder(os.path.dirname(order.journal))  # noqa: PTH120
    except (OSError, ValueError) as error:
        _refuse(order, client, error, taken=isinstance(error, FileExistsError))
    try:
        log_fd = _open(order.log, os.O_WRONLY)
        forking.take_streams(log_fd)
        with suppress(OSError):
            os.nice(order.nice)
        with suppress(OSError):  # a folder that is gone is for the engine to tell
            os.chdir(os.path.dirname(order.path))  # noqa: PTH120 - a Path here costs more than the call
        for name, value in order.environment.items():
            os.environ[name] = value
        forking.be_killed_first(OOM_SCORE)
        if order.cgroup:
            order = _enter_group(order)
        if order.user:
            order = _become_user(order)
    except (OSError, ValueError, LookupError) as error:
        _refuse(order, client, error)
    forking.close_others({journal_fd, log_fd, hint_fd})
    forking.accept_signals()
    entry(order, journal_fd, log_fd, hint_fd)


def _enter_group(order: RunOrder) -> RunOrder:
    # Few daemons have groups to give.
    from dataclasses import replace

    from tidemill.forkserver.cgroups import enter

    try:
        enter(order.cgroup, order.run, order.restraints)
    except OSError as error:
        told = f"its limits are those of each process alone, for its control group could not be made: {error}"
        return replace(order, cgroup="", remark=told)
    return order


def _become_user(order: RunOrder) -> RunOrder:
    # Most daemons are no root's.
    from tidemill.forkserver.handing_over import hand_over
    from tidemill.forkserver.privileges import become

    order = hand_over(order)
    become(order.user)
    return order


def _refuse(order: RunOrder, client: socket.socket, error: Exception, *, taken: bool = False) -> NoReturn:
    failed = Failed(order.process, f"the run cannot be prepared: {error}", taken)
    with suppress(OSError):
        protocol.send(client, protocol.encode(failed))
    os._exit(EXIT_UNPREPARED)


def _sync_folder(path: str) -> None:
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_CLOEXEC)  # noqa: PTH120
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _open(path: str, access: int) -> int:
    return os.open(path, access | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

"""What root opens of its state directory to the user that a run is to be: its own files, and no name of any other.

Folders of root's become passable, not readable; what is opened lies in folders that only root can change, and is
opened before it is touched, so that no link can lead elsewhere.
"""

import errno
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tidemill.domain.runs import InspectionOrder, RunOrder
from tidemill.forkserver.privileges import find_user
from tidemill.journal.finished import NAME
from tidemill.journal.format import beside
from tidemill.limits.table import slot_files

_PASSABLE = 0o711


def hand_over(order: RunOrder) -> RunOrder:
    """Let the run's user reach what *order* names, and return the order with the places that are its own."""
    user = find_user(order.user)
    results, journal = Path(order.results_dir), Path(order.journal)
    state = journal.parents[2]
    cache = state / "users" / str(user.pw_uid) / "cache"
    for folder in (state / "users", results.parents[1], results.parent, cache.parent.parent):
        _make(folder)
    for folder in (results, cache.parent, cache):
        _make(folder)
        with suppress(FileNotFoundError):
            _give(folder / NAME, user.pw_uid, user.pw_gid)
        _give(folder, user.pw_uid, user.pw_gid)
    for folder in (state, state / "users", journal.parents[1], journal.parent, results.parents[1], results.parent):
        _open_up(folder, _PASSABLE)
    long_events = Path(beside(journal))
    os.close(os.open(long_events, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    _give(long_events, user.pw_uid, user.pw_gid)
    _hand_over_texts(order.sources.values())
    if order.limits_dir:
        _open_up(Path(order.limits_dir), _PASSABLE)
        for path, mode in slot_files(Path(order.limits_dir)):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
            _open_up(path, mode)
    return replace(order, cache_dir=str(cache))


def hand_over_source(order: InspectionOrder) -> None:
    """Let the user whose file is inspected read the text that is."""
    if order.source is not None:
        state = Path(order.source).parents[2]
        _open_up(state, _PASSABLE)
        _hand_over_texts([order.source])


def _hand_over_texts(texts: Iterable[str]) -> None:
    """Texts are named by their hashes: who can name one has read it."""
    for text in map(Path, texts):
        with suppress(FileNotFoundError):
            _open_up(text, 0o644)
            _open_up(text.parent, _PASSABLE)
            _open_up(text.parents[1], _PASSABLE)


def _make(folder: Path) -> None:
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)


def _open_up(path: Path, mode: int) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchmod(fd, mode)
    finally:
        os.close(fd)


def _give(path: Path, uid: int, gid: int) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        status = os.fstat(fd)
        if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
            # Its other name may be anybody's: where the kernel lets users link to files of others, they would be given.
            raise PermissionError(errno.EPERM, "it has another name elsewhere", str(path))
        os.fchown(fd, uid, gid)
    finally:
        os.close(fd)

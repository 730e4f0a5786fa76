"""The files of a run in the state directory: how much room they take, and their removal.

Only names made from a run's id are touched, each through a descriptor of its folder, and no link is followed: what
user code put there cannot lead anywhere else.
"""

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tidemill.config.paths import StatePaths
from tidemill.domain.identifiers import is_run_id

BLOCK: Final = 512
"""Bytes that a file's blocks are counted in, whatever the file system's own are."""
JOURNAL_ENDS: Final = (".journal.beside", ".hooks", ".hooks.beside", ".order", ".journal")
"""Of the files beside a journal the journal goes last: as long as it is there, the run can be rebuilt."""
_Act = Callable[[int, str], int]
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_run_files(paths: StatePaths, uid: str) -> int:
    """Remove everything that the run *uid* has in the state directory; return the bytes that took.

    What is not there is no error: it may be the second time. Raises OSError where something cannot be removed.
    """
    return _over_run(paths, uid, _remove_file, _remove_tree)


def sync_removals(paths: StatePaths, uids: Iterable[str]) -> None:
    """Make the removal of these runs' journals durable: one that a power cut brought back would bring back its run.

    Raises OSError.
    """
    for folder in {paths.shard("journals", uid) for uid in uids if is_run_id(uid)}:
        with opened(folder) as handle:
            if handle is not None:
                os.fsync(handle)


def size_of_run(paths: StatePaths, uid: str) -> int:
    """Return the bytes that the files of the run *uid* take."""
    return _over_run(paths, uid, _file_size, tree_size)


def tree_size(folder: int, name: str) -> int:
    """Return the bytes that the folder *name* takes with all that is in it."""
    total = 0
    with suppress(OSError):
        for _, _, files, handle in os.fwalk(name, dir_fd=folder, follow_symlinks=False):
            total += sum(_file_size(handle, file) for file in files)
    return total


@contextmanager
def opened(path: Path | str) -> Iterator[int | None]:
    """Give a descriptor of the folder; None where there is none, or only a link that calls itself one."""
    try:
        handle = os.open(path, _FOLDER)
    except OSError:
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _over_run(paths: StatePaths, uid: str, per_file: _Act, per_tree: _Act) -> int:
    total = 0
    if not is_run_id(uid):
        return total  # nothing that is not an id may reach a path
    for path, ends, act in (
        (paths.shard("results", uid), ("",), per_tree),
        (paths.shard("logs", uid), (".log",), per_file),
        (paths.shard("journals", uid), JOURNAL_ENDS, per_file),
    ):
        with opened(path) as folder:
            if folder is not None:
                total += sum(act(folder, uid + end) for end in ends)
    return total


def _file_size(folder: int, name: str) -> int:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_blocks * BLOCK
    except OSError:
        return 0


def _remove_file(folder: int, name: str) -> int:
    size = _file_size(folder, name)
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    return size


def _remove_tree(folder: int, name: str) -> int:
    try:
        is_folder = stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return 0
    if not is_folder:
        return _remove_file(folder, name)
    size = tree_size(folder, name)
    shutil.rmtree(name, dir_fd=folder)
    return size

"""Files that hold one result each, written whole or not at all."""

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from tidemill.config.paths import DRAFT
from tidemill.storage.patience import Setback

_PASSING: Final = frozenset(
    {"EIO", "ENOSPC", "EDQUOT", "EAGAIN", "EINTR", "ESTALE", "ETIMEDOUT", "EBUSY", "EMFILE", "ENFILE"}
)
"""What a file system refuses now and may not in a moment."""
_NAMED: Final[set[Path]] = set()
"""Folders whose names this process has brought to the disk."""


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all, and durably. Raises Setback."""
    draft = _draft(path)
    try:
        _make_folder(path.parent)
        try:
            with draft.open("wb") as file:
                file.write(data)
                file.flush()
                # Renamed first, a power cut could leave the name with nothing in it.
                os.fdatasync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        _keep_name(path.parent)
    except OSError as error:
        raise setback(error) from error


def link_file(source: Path, path: Path) -> None:
    """Let *path* be the same file as *source*, durably; a copy where the file system has no links. Raises Setback."""
    draft = _draft(path)
    try:
        _make_folder(path.parent)
        try:
            try:
                draft.hardlink_to(source)
            except OSError:
                # Another file system, or too many names; few runs need what copies.
                import shutil

                shutil.copyfile(source, draft)
                with draft.open("rb") as copy:
                    os.fdatasync(copy.fileno())
            draft.replace(path)
        finally:
            # Two names of one file are not replaced by each other, and both stay.
            draft.unlink(missing_ok=True)
        _keep_name(path.parent)
    except OSError as error:
        raise setback(error) from error


def read_file(path: Path) -> bytes:
    """Return what a file holds. Raises Setback."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise setback(error) from error


def setback(error: OSError) -> Setback:
    """Return what *error* means for a handler."""
    import errno

    name = errno.errorcode.get(error.errno or 0, "")
    return Setback(error.strerror or str(error), is_passing=name in _PASSING)


def _make_folder(folder: Path) -> None:
    """Make a folder, durably: a power cut that took its name would take all that is in it."""
    made: list[Path] = []
    above = folder
    while not above.is_dir() and above != above.parent:
        made.append(above)
        above = above.parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise Setback(
            f"{error.filename} is a file, or lies below one, and cannot be a folder", is_passing=False
        ) from None
    if made or folder not in _NAMED:
        # Another process may have made those above a moment ago, and not come to this yet.
        for each in (*made, above, above.parent):
            with suppress(PermissionError):  # who made it can
                _keep_name(each.parent)
        _NAMED.add(folder)


def _draft(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}{DRAFT}")


def _keep_name(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Whether anybody else could change a file that is to be run, and what would have to change for it to be run."""

import os
import stat
from collections.abc import MutableMapping
from pathlib import Path
from typing import Final, NamedTuple

OWNER: Final = "owner"
GROUP: Final = "group"
ANYONE: Final = "anyone"
_OVERFLOW: Final = 65534
"""What the kernel shows in place of an owner that has no name in this user namespace."""


class Trust(NamedTuple):
    """Who may be able to change what is run."""

    uids: tuple[int, ...]
    """The owners a file, and each folder on the way to it, may have."""
    is_shared: bool = False
    """The members of a file's group count as its owners: only what everybody could change is refused."""


class Terms(NamedTuple):
    """On which terms a file is inspected and run."""

    trust: Trust | None = None
    """None: whoever could change it."""
    user: str = ""
    """Who the process becomes before it reads the file; empty: it stays who it is."""


def objection(path: str, trust: Trust, known: MutableMapping[str, str | None] | None = None) -> str | None:
    """Say who else could change the real path *path*, or swap it for another, and the cure; None when nobody could.

    *known* keeps what was found of folders, for many files in the same ones.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 - thousands of paths at every look
    except OSError:
        return None  # whoever opens it will say so better
    # In a sticky folder, as /tmp is, others may add files, and neither remove nor rename what is not theirs.
    is_sticky = stat.S_ISDIR(status.st_mode) and status.st_mode & stat.S_ISVTX
    own = None if is_sticky else _wrong_mode(path, status, trust)
    return own or _wrong_owner(path, status, trust) or _wrong_folder(path, trust, {} if known is None else known)


def _wrong_folder(path: str, trust: Trust, known: MutableMapping[str, str | None]) -> str | None:
    folder = os.path.dirname(path)  # noqa: PTH120
    if folder == path:
        return None
    if folder not in known:
        known[folder] = objection(folder, trust, known)
    return known[folder]


def _wrong_mode(path: str, status: os.stat_result, trust: Trust) -> str | None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & stat.S_IWOTH:
        return f"everybody can change {path} (mode {mode:04o}), so it is not run; take that away: chmod o-w {path}"
    if mode & stat.S_IWGRP and not trust.is_shared and not _is_private(status.st_gid, trust):
        group = _group_name(status.st_gid)
        return (
            f"the group {group} can change {path} (mode {mode:04o}), so it is not run; take that away: "
            f'chmod g-w {path}, or trust groups: writers = "group" in [catalog]'
        )
    return None


def _wrong_owner(path: str, status: os.stat_result, trust: Trust) -> str | None:
    if status.st_uid in trust.uids or trust.is_shared or _is_nameless(status):
        return None
    return (
        f"{path} belongs to {_user_name(status.st_uid)}, who can change it, so it is not run; "
        f"give it to {' or '.join(map(_user_name, dict.fromkeys(reversed(trust.uids))))}: "
        f"chown {_user_name(trust.uids[-1])} {path}"
    )


def _is_nameless(status: os.stat_result) -> bool:
    """Tell whether a folder's owner lives outside this user namespace, as that of ``/`` in many containers."""
    if status.st_uid != _OVERFLOW or not stat.S_ISDIR(status.st_mode):
        return False
    spans = [list(map(int, line.split())) for line in Path("/proc/self/uid_map").read_text().splitlines()]
    return not any(first <= _OVERFLOW < first + count for first, _, count in spans)


def _is_private(gid: int, trust: Trust) -> bool:
    """Tell whether the group is one that a trusted user has for itself, as Debian and Fedora make them."""
    import grp
    import pwd

    try:
        group = grp.getgrgid(gid)
    except KeyError:
        return False
    for uid in trust.uids:
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            continue
        if group.gr_name == name and set(group.gr_mem) <= {name}:
            return True
    return False


def _user_name(uid: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _group_name(gid: int) -> str:
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"gid {gid}"

"""Become another user, for good: what a daemon of root does before it reads anything that is not root's."""

import ctypes
import os
import pwd
import stat
from pathlib import Path
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_OF_ROOT: Final = ("XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "MAIL")


def find_user(name: str) -> pwd.struct_passwd:
    """Return the account called *name*, or that has this number. Raises LookupError."""
    try:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        raise LookupError(f"there is no user {name} on this machine") from None


def check_reach(user: pwd.struct_passwd) -> None:
    """Refuse a user for whom Python or this package lies behind a closed folder. Raises LookupError."""
    groups = os.getgrouplist(user.pw_name, user.pw_gid)
    for file in (os.__file__, __file__):
        for folder in Path(file).resolve().parents:
            status = folder.stat()
            bit = 0o100 if status.st_uid == user.pw_uid else 0o010 if status.st_gid in groups else 0o001
            if user.pw_uid != 0 and not status.st_mode & bit:
                mode = stat.S_IMODE(status.st_mode)
                raise LookupError(
                    f"{user.pw_name} cannot reach {file}: the folder {folder} is closed (mode {mode:04o}); "
                    "install Python and tidemill where everybody can read them, such as /opt"
                )


def become(name: str) -> None:
    """Take the groups, the group and the user id of *name*, in this order, and no way back.

    Neither can a program that is started from here win rights by its set-user-id bit. Raises OSError, LookupError.
    """
    user = find_user(name)
    if user.pw_uid == 0 and os.geteuid() == 0:
        return
    if os.geteuid() != user.pw_uid or os.getuid() != user.pw_uid:
        # In this order: without root's rights the groups could not be changed any more.
        os.initgroups(user.pw_name, user.pw_gid)
        os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
        os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
        _check(user)
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the way to more rights cannot be closed")
    os.umask(0o077)
    os.environ.update(HOME=user.pw_dir, USER=user.pw_name, LOGNAME=user.pw_name, SHELL=user.pw_shell)
    for variable in _OF_ROOT:
        os.environ.pop(variable, None)


def _check(user: pwd.struct_passwd) -> None:
    """Make sure of it: a way back to root would make everything before worthless."""
    try:
        os.setresuid(0, 0, 0)
    except PermissionError:
        if os.getresuid() == (user.pw_uid,) * 3 and os.getresgid() == (user.pw_gid,) * 3:
            return
    raise PermissionError(f"the process could not become {user.pw_name} for good")

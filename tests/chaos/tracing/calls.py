"""The system calls that change something outside of the process that makes them, and what is said of each.

Numbers are those of x86-64.
"""

import os
from typing import Final, NamedTuple


class Call(NamedTuple):
    """A state-changing system call, at its entry or after it."""

    number: int
    """In the order in which they were met, counted over everything that one tracer follows."""
    pid: int
    tid: int
    role: str
    """daemon, forkserver, run, inspection, child (of a fork server, and nothing of these yet), or command."""
    name: str
    args: tuple[int, ...]
    path: str | None
    """The file it is about, by its argument or by the descriptor: ``socket:[1]`` and ``pipe:[1]`` too."""
    offset: int | None = None
    """Where a write begins; only if data was asked for."""
    data: bytes | None = None
    """What a write or send writes; only if it was asked for."""
    result: int | None = None
    """What the kernel returned, a negative errno for an error; None at the entry."""
    target: str | None = None
    """The new name of a rename or link."""


class Fail(NamedTuple):
    """The call does not happen and returns this error."""

    errno: int


PASS: Final = "pass"
"""Let the call happen."""
KILL: Final = "kill"
"""Kill the whole process that makes the call; the call does not happen."""
Verdict = str | Fail


class Shape(NamedTuple):
    """Where among its arguments a call says what it is about."""

    name: str
    fd: int | None = None
    path: int | None = None
    """Relative to the descriptor *fd*, or to the working directory when there is none."""
    target: tuple[int | None, int] | None = None
    """Descriptor and path of a second name."""
    only: tuple[int, int] | None = None
    """Argument and mask: without any of these bits the call changes nothing."""
    unless: tuple[int, int] | None = None
    """Argument and mask: with one of these bits it changes nothing."""


_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CLONE_THREAD: Final = 0x10000

SHAPES: Final = {
    2: Shape("open", path=0, only=(1, _WRITING)),
    85: Shape("creat", path=0),
    257: Shape("openat", fd=0, path=1, only=(2, _WRITING)),
    437: Shape("openat2", fd=0, path=1),
    1: Shape("write", fd=0),
    18: Shape("pwrite64", fd=0),
    20: Shape("writev", fd=0),
    296: Shape("pwritev", fd=0),
    328: Shape("pwritev2", fd=0),
    40: Shape("sendfile", fd=0),
    326: Shape("copy_file_range", fd=2),
    76: Shape("truncate", path=0),
    77: Shape("ftruncate", fd=0),
    285: Shape("fallocate", fd=0),
    26: Shape("msync"),
    74: Shape("fsync", fd=0),
    75: Shape("fdatasync", fd=0),
    162: Shape("sync"),
    277: Shape("sync_file_range", fd=0),
    306: Shape("syncfs", fd=0),
    82: Shape("rename", path=0, target=(None, 1)),
    264: Shape("renameat", fd=0, path=1, target=(2, 3)),
    316: Shape("renameat2", fd=0, path=1, target=(2, 3)),
    86: Shape("link", path=0, target=(None, 1)),
    265: Shape("linkat", fd=0, path=1, target=(2, 3)),
    88: Shape("symlink", path=1),
    266: Shape("symlinkat", fd=1, path=2),
    87: Shape("unlink", path=0),
    263: Shape("unlinkat", fd=0, path=1),
    83: Shape("mkdir", path=0),
    258: Shape("mkdirat", fd=0, path=1),
    84: Shape("rmdir", path=0),
    133: Shape("mknod", path=0),
    259: Shape("mknodat", fd=0, path=1),
    90: Shape("chmod", path=0),
    91: Shape("fchmod", fd=0),
    268: Shape("fchmodat", fd=0, path=1),
    452: Shape("fchmodat2", fd=0, path=1),
    92: Shape("chown", path=0),
    93: Shape("fchown", fd=0),
    94: Shape("lchown", path=0),
    260: Shape("fchownat", fd=0, path=1),
    280: Shape("utimensat", fd=0, path=1),
    44: Shape("sendto", fd=0),
    46: Shape("sendmsg", fd=0),
    307: Shape("sendmmsg", fd=0),
    49: Shape("bind", fd=0),
    50: Shape("listen", fd=0),
    56: Shape("clone", unless=(0, CLONE_THREAD)),
    57: Shape("fork"),
    58: Shape("vfork"),
    435: Shape("clone3"),
    59: Shape("execve", path=0),
    322: Shape("execveat", fd=0, path=1),
    62: Shape("kill"),
    200: Shape("tkill"),
    234: Shape("tgkill"),
    424: Shape("pidfd_send_signal", fd=0),
    109: Shape("setpgid"),
    112: Shape("setsid"),
    231: Shape("exit_group"),
}

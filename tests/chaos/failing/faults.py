"""Which errors a call can meet, and how long they last."""

import errno
import os
from pathlib import Path
from typing import Final, NamedTuple

from chaos.sweeping.points import VARIANTS, Point, parse_point
from chaos.tracing.calls import Call

DISK: Final = ("state", "kept")
"""The folders of the stack whose disk fails; what tasks and the daemon tell to the judge lies elsewhere."""

_OPENS: Final = ("open", "openat", "openat2", "creat")
_WRITES: Final = ("write", "pwrite64", "writev", "pwritev", "pwritev2", "ftruncate", "truncate", "fallocate")
_SYNCS: Final = ("fsync", "fdatasync", "sync_file_range", "msync")
_MAKES: Final = (
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "mkdir",
    "mkdirat",
    "bind",
)
_CHANGES: Final = (
    "unlink", "unlinkat", "rmdir", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "fchownat", "lchown",
    "utimensat",
)  # fmt: skip

ERRORS: Final = {
    **dict.fromkeys(_OPENS, ("ENOSPC", "EIO", "EROFS", "EMFILE")),
    **dict.fromkeys(_WRITES, ("ENOSPC", "EIO")),
    **dict.fromkeys(_SYNCS, ("EIO", "ENOSPC")),
    **dict.fromkeys(_MAKES, ("ENOSPC", "EIO", "EROFS")),
    **dict.fromkeys(_CHANGES, ("EIO", "EROFS")),
}
"""What each call can be answered with."""

MANNERS: Final = ("once", "process 1", "process 3", "everybody 1", "everybody 3")
"""Once; or from then on whatever the process, or anybody, tries of that kind, for so many seconds."""


class Fault(NamedTuple):
    """An error at a point."""

    point: Point
    error: str
    manner: str

    def __str__(self) -> str:
        return f"{self.point}: {self.error}: {self.manner}"

    @property
    def variant(self) -> str:
        """Return the story that the point is in."""
        return VARIANTS[self.point.phase]

    @property
    def errno(self) -> int:
        """Return its number."""
        return int(getattr(errno, self.error))

    @property
    def seconds(self) -> float:
        """Return how long it lasts; nothing for one call alone."""
        return 0.0 if self.manner == "once" else float(self.manner.split()[1])


def fault_of(text: str) -> Fault:
    """Read a fault as ``str`` writes it."""
    point, error, manner = text.split(": ")
    return Fault(parse_point(point), error, manner)


def is_on_disk(call: Call, folder: Path) -> bool:
    """Tell whether the disk that fails, below *folder*, has to do with *call*."""
    if call.name == "bind":
        return True
    path = call.path or ""
    return path.startswith(f"{folder}{os.sep}") and path[len(str(folder)) + 1 :].partition(os.sep)[0] in DISK


def meets(error: str, call: Call) -> bool:
    """Tell whether a disk that is in this state answers *call* with *error*."""
    if error == "EROFS":
        return call.name not in _SYNCS
    if error == "ENOSPC" and call.name in _OPENS:  # what is there can be opened
        return bool(_flags(call) & os.O_CREAT) and call.path is not None and not Path(call.path).exists()
    return error in ERRORS.get(call.name, ())


def _flags(call: Call) -> int:
    return call.args[1] if call.name == "open" else call.args[2]

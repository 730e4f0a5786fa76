"""The state directory: whose it is, who may look into it, and on what kind of file system it lies."""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tidemill.care.findings import Finding, Site, error, note, warning

NETWORK: Final = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "afs", "lustre", "gfs2", "ocfs2"}
)
"""File systems on which locks and shared memory do not hold what SQLite needs of them."""
PROBE: Final = ".probe"
"""What a daemon leaves that is killed while it tries whether the directory may be written."""


def look_at_directory(site: Site) -> Iterator[Finding]:
    """Look at the state directory and at what lies at its top."""
    root = site.paths.root
    try:
        status = os.stat(root)  # noqa: PTH116 - the same call as below
    except FileNotFoundError:
        yield note(f"there is no state directory {root} yet; a daemon makes it: tidemill start")
        return
    except OSError as problem:
        yield error(f"the state directory {root} cannot be looked at: {problem.strerror}")
        return
    if not stat.S_ISDIR(status.st_mode):
        yield error(f"{root} is no folder; name another state directory with --state")
        return
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        yield error(f"the state directory {root} belongs to {_name(status.st_uid)}; ask as that user")
        return
    passable = 0o711 if site.settings.control.allow_uids else 0o700
    if stat.S_IMODE(status.st_mode) & ~passable:
        mode = stat.S_IMODE(status.st_mode)
        yield error(
            f"others may look into the state directory {root} (mode {mode:04o}): chmod {passable:03o} {root}",
            repairable=True,
        )
    yield from _file_system(root)
    yield from _entries(root, status.st_uid)


def file_system_of(path: Path, mounts: str | None = None) -> tuple[str, str]:
    """Return where the file system is mounted that holds *path*, and its kind."""
    if mounts is None:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace")
    real = str(path.resolve())
    best = ("/", "")
    for line in mounts.splitlines():
        before, _, behind = line.partition(" - ")
        fields = before.split()
        if len(fields) < 5 or not behind:
            continue
        place = fields[4].encode().decode("unicode_escape")
        if (real == place or real.startswith(place.rstrip("/") + "/")) and len(place) >= len(best[0]):
            best = (place, behind.split()[0])
    return best


def is_network(kind: str) -> bool:
    """Tell whether a file system of this kind is another machine's."""
    return kind in NETWORK or (kind.startswith("fuse.") and kind.removeprefix("fuse.") in ("sshfs", "s3fs", "rclone"))


def _file_system(root: Path) -> Iterator[Finding]:
    place, kind = file_system_of(root)
    if is_network(kind):
        yield error(
            f"the state directory {root} lies on {kind} (mounted at {place}), another machine's disk: SQLite's locks do"
            " not hold there and the history will be damaged; move it to a local disk with --state or places.state_dir"
        )


def _entries(root: Path, owner: int) -> Iterator[Finding]:
    for entry in sorted(root.iterdir()):
        try:
            status = entry.lstat()
        except OSError:
            continue
        mode = stat.S_IMODE(status.st_mode)
        if stat.S_ISLNK(status.st_mode):
            if entry.name != "history.db":
                yield warning(f"{entry} is a link; what it leads to is not looked at")
        elif status.st_uid != owner:
            yield error(
                f"{entry} belongs to {_name(status.st_uid)} and not to {_name(owner)}: chown {_name(owner)} {entry}"
            )
        elif mode & 0o077 and not stat.S_ISSOCK(status.st_mode):
            yield warning(f"others may read {entry} (mode {mode:04o}): chmod go= {entry}", repairable=True)
        if entry.name.startswith(PROBE):
            yield note(f"{entry} was left by a daemon that was killed at its start", repairable=True)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"

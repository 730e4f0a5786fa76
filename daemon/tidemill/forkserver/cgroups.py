"""A control group of a run's own: its limits count all processes of the run together, whatever those make.

Only where the tree below the daemon is delegated to it and the daemon itself sits in a leaf of that (``Delegate=`` and
``DelegateSubgroup=`` of systemd 254): a group that holds processes cannot hand limits down, and one that still has
groups of runs could not be entered by the next daemon otherwise.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_RUNS: Final = "runs"
_CONTROLLERS: Final = ("memory", "pids")
_FILES: Final = {"memory": "memory.max", "processes": "pids.max"}
_CPU: Final = "user.tidemill.cpu"
"""The attribute that keeps a run's seconds of processor time: the kernel has no such limit, and daemons come and go."""
GROUPED: Final = frozenset({*_FILES, "cpu"})
"""The limits that a group keeps."""


class Place(NamedTuple):
    """Where groups of runs are made, or why nowhere."""

    folder: str
    """Empty where there is none."""
    reason: str


class Spent(NamedTuple):
    """What became of a group's limits: each limit, and whether it was met."""

    memory: tuple[int, bool] | None
    processes: tuple[int, bool] | None
    cpu: tuple[int, float] | None
    """The limit, and what was used; seconds."""


def find_place(root: Path | None = None) -> Place:
    """Return where this process may make groups; *root* is the tree of groups, as it is mounted."""
    root = root or _mounted()
    if root is None:
        return Place("", "this machine has no control groups of version 2")
    own = root / _own_path().lstrip("/")
    try:
        if str(os.getpid()) not in (own / "cgroup.procs").read_text().split():
            return Place("", "the daemon's control group cannot be seen from here")
        if _is_delegated(own) and not _is_delegated(own.parent):
            return Place("", "the daemon's control group is delegated without DelegateSubgroup= (systemd 254)")
        if not _is_delegated(own.parent):
            return Place("", "no control group is delegated to the daemon (Delegate=)")
        return _open(own.parent)
    except OSError as error:
        return Place("", f"control groups cannot be used here: {error.strerror} ({error.filename})")


def enter(folder: str, run: str, limits: Mapping[str, float]) -> None:
    """Move this process into a group of its own with *limits*; those it will make are born there. Raises OSError."""
    group = f"{folder}/{run}"
    with suppress(FileExistsError):
        os.mkdir(group)  # noqa: PTH102 - in a run process a Path costs more than the call
    for name, file in _FILES.items():
        if name in limits:
            _write(f"{group}/{file}", str(int(limits[name])))
    if "memory" in limits:
        with suppress(OSError):  # without a swap controller there is none to keep it from
            _write(f"{group}/memory.swap.max", "0")
    if "cpu" in limits:
        with suppress(OSError):  # a kernel before 5.7: then it is a limit of each process
            os.setxattr(group, _CPU, str(int(limits["cpu"])).encode())
    _write(f"{group}/cgroup.procs", "0")


def look(folder: str, run: str) -> Spent | None:
    """Return what the group of *run* has met and used; None where it has none."""
    group = f"{folder}/{run}"  # as text: in Python 3.12 a Path keeps the parts of its name for good
    if not os.path.isdir(group):  # noqa: PTH112
        return None
    cpu = _attribute(group)
    return Spent(
        _met(group, "memory.max", "memory.events", "oom_kill"),
        _met(group, "pids.max", "pids.events", "max"),
        None if cpu is None else (cpu, _facts(f"{group}/cpu.stat").get("usage_usec", 0) / 1_000_000),
    )


def has_used_up_cpu(folder: str, run: str) -> bool:
    """Tell whether the processes of the group have used the processor time that they may."""
    group = f"{folder}/{run}"
    cpu = _attribute(group)
    return cpu is not None and _facts(f"{group}/cpu.stat").get("usage_usec", 0) >= cpu * 1_000_000


def kill(folder: str, run: str) -> None:
    """End every process of the group at once."""
    with suppress(OSError):
        _write(f"{folder}/{run}/cgroup.kill", "1")


def remove(folder: str, run: str) -> bool:
    """Remove the group; False while processes of it are still there."""
    try:
        os.rmdir(f"{folder}/{run}")  # noqa: PTH106
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def groups_in(folder: str) -> list[str]:
    """Return the runs that have a group."""
    with suppress(OSError), os.scandir(folder) as entries:
        return [entry.name for entry in entries if entry.is_dir()]
    return []


def _open(delegated: Path) -> Place:
    """Hand the controllers down to the folder of runs, which is made here."""
    missing = set(_CONTROLLERS) - set((delegated / "cgroup.controllers").read_text().split())
    if missing:
        return Place("", f"the controllers {', '.join(sorted(missing))} are not delegated to the daemon")
    runs = delegated / _RUNS
    runs.mkdir(exist_ok=True)
    for folder in (delegated, runs):
        _write(f"{folder}/cgroup.subtree_control", " ".join(f"+{name}" for name in _CONTROLLERS))
    return Place(str(runs), "")


def _mounted() -> Path | None:
    mounts = (line.split() for line in Path("/proc/self/mounts").read_text().splitlines())
    return next((Path(fields[1]) for fields in mounts if fields[2] == "cgroup2"), None)


def _own_path() -> str:
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    return next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "/")


def _is_delegated(group: Path) -> bool:
    """Tell whether systemd, or whoever made the group, left it to those inside."""
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            if os.getxattr(group, name) == b"1":
                return True
    return False


def _met(group: str, limit: str, events: str, what: str) -> tuple[int, bool] | None:
    with suppress(OSError, ValueError):
        return int(_read(f"{group}/{limit}")), _facts(f"{group}/{events}").get(what, 0) > 0
    return None


def _facts(path: str) -> dict[str, int]:
    with suppress(OSError, ValueError):
        return {name: int(value) for name, value in map(str.split, _read(path).splitlines())}
    return {}


def _attribute(group: str) -> int | None:
    with suppress(OSError, ValueError):
        return int(os.getxattr(group, _CPU))
    return None


def _read(path: str) -> str:
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC)) as file:
        return file.read()


def _write(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)

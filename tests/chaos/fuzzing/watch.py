"""What Python itself tells while nonsense is read: modules that are imported, files that are opened or made."""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TOUCHES = frozenset(
    {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate",
     "os.listdir", "os.scandir", "os.chown", "os.utime", "sqlite3.connect"}
)  # fmt: skip
_STARTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork"})
_active: list["Watch"] = []


class Watch:
    """What was noticed while it was on."""

    def __init__(self) -> None:
        self.imports: Counter[str] = Counter()
        self.touched: Counter[str] = Counter()
        """Paths, by how often."""
        self.started: Counter[str] = Counter()

    def notice(self, event: str, details: tuple[Any, ...]) -> None:
        """Take note of an event of the interpreter."""
        if event == "import":
            self.imports[str(details[0])] += 1
        elif event in _STARTS:
            self.started[event] += 1
        elif event in _TOUCHES:
            for path in details[:2] if event in ("os.rename", "os.link", "os.symlink") else details[:1]:
                if isinstance(path, str | bytes | os.PathLike):
                    self.touched[os.fsdecode(path)] += 1


def _hook(event: str, details: tuple[Any, ...]) -> None:
    if _active:
        _active[-1].notice(event, details)


sys.addaudithook(_hook)  # once, for it can never be taken away


@contextmanager
def watching() -> Iterator[Watch]:
    """Notice what happens within."""
    watch = Watch()
    _active.append(watch)
    try:
        yield watch
    finally:
        _active.remove(watch)


def open_descriptors(pid: int | str = "self") -> int:
    """Return how many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208


def outside(paths: Counter[str], *homes: Path) -> list[str]:
    """Return the paths that lie below none of *homes*; descriptors by their number are none."""
    roots = [os.path.realpath(home) + os.sep for home in homes]
    return [
        path
        for path in paths
        if not any((os.path.realpath(path) + os.sep).startswith(root) for root in roots)
        and not path.startswith("file:")
    ]

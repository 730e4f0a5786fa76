"""From the system calls of processes to the deeds that they did to a folder."""

import os
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, Final

from chaos.losing_power.facts import ANSWERED, BEGIN, EFFECT
from chaos.losing_power.recording import (
    ROOT,
    Cut,
    Deed,
    Linked,
    Made,
    Recording,
    Renamed,
    Synced,
    Told,
    Unlinked,
    Written,
)
from chaos.tracing.calls import PASS, Call, Verdict

SHARED: Final = "-shm"
"""The end of the name of what SQLite shares between processes: it is made anew after every loss of power."""
LEDGER: Final = "ledger"
ACKS: Final = "acks"
SPARED: Final = (LEDGER, ACKS, "daemon.log")
"""How names begin of what belongs to whoever judges: no loss of power touches that."""
_FLAGS: Final = {"open": 1, "openat": 2}
_BEYOND: Final = ("copy_file_range", "sendfile", "fallocate", "symlink", "symlinkat", "openat2", "mknod", "mknodat")
"""Calls that nobody makes here; one that does would be played back wrongly."""


class Watcher:
    """Notes every deed below *folder*, for a tracer that reads data out too.

    Everything that is in the folder when it begins is on the disk.
    """

    def __init__(self, folder: Path) -> None:
        self.recording = Recording(folder, [])
        self._spared = tuple(f"{folder}/{name}" for name in SPARED)
        self._ledger, self._acks = f"{folder}/{LEDGER}", f"{folder}/{ACKS}"
        self._root = str(folder)
        self._nodes: dict[str, int] = {self._root: ROOT}
        self._begun: dict[int, int] = {}
        """Of each sync that is under way how many deeds had been done when it began."""
        self._numbers = count(ROOT + 1)
        self._turn = threading.Lock()
        self._take_in(folder)
        self.tell(BEGIN, None)

    def tell(self, what: str, facts: Any) -> None:
        """Note what somebody was told."""
        with self._turn:
            self._note(Told(what, facts))

    def decide(self, call: Call) -> Verdict:
        """Be asked before each call."""
        if call.name in ("fsync", "fdatasync"):
            with self._turn:
                self._begun[call.number] = len(self.recording.deeds)
        return PASS

    def seen(self, call: Call) -> None:
        """Be told after each call."""
        if call.path in (self._ledger, self._acks) and call.name == "write" and call.data:
            for line in call.data.decode().splitlines():
                if call.path == self._ledger:
                    self.tell(EFFECT, line)
                else:
                    self.tell(ANSWERED, {"verb": "run", "answer": {"run": line}})
        act = _ACTS.get(call.name)
        if act is not None and call.result is not None and call.result >= 0 and self._is_ours(call):
            with self._turn:
                act(self, call)

    def _is_ours(self, call: Call) -> bool:
        return any(
            path is not None
            and (path == self._root or path.startswith(f"{self._root}/"))
            and not path.endswith((SHARED, " (deleted)"))
            and not path.startswith(self._spared)
            for path in (call.path, call.target)
        )

    def _note(self, deed: Deed) -> None:
        self.recording.deeds.append(deed)

    def _take_in(self, folder: Path) -> None:
        for path in sorted(folder.iterdir()):
            if str(path).startswith(self._spared) or path.name.endswith(SHARED) or path.is_socket():
                continue
            node = self._make(str(path), is_folder=path.is_dir())
            if path.is_dir():
                self._take_in(path)
            else:
                self._note(Written(node, 0, path.read_bytes()))
            self._note(Synced(node, len(self.recording.deeds)))
        self._note(Synced(self._nodes[str(folder)], len(self.recording.deeds)))

    def _make(self, path: str, *, is_folder: bool) -> int:
        node = next(self._numbers)
        folder, _, name = path.rpartition("/")
        self._nodes[path] = node
        self._note(Made(self._nodes[folder], name, node, is_folder))
        return node

    # What each call does

    def _open(self, call: Call) -> None:
        flags = os.O_CREAT | os.O_TRUNC if call.name == "creat" else call.args[_FLAGS[call.name]]
        if call.path not in self._nodes and flags & os.O_CREAT:
            self._make(call.path, is_folder=False)
        elif flags & os.O_TRUNC:
            self._note(Cut(self._nodes[call.path], 0))

    def _mkdir(self, call: Call) -> None:
        self._make(call.path, is_folder=True)

    def _write(self, call: Call) -> None:
        if call.result:
            self._note(Written(self._nodes[call.path], call.offset, call.data[: call.result]))

    def _cut(self, call: Call) -> None:
        self._note(Cut(self._nodes[call.path], call.args[1]))

    def _sync(self, call: Call) -> None:
        self._note(Synced(self._nodes[call.path], self._begun.pop(call.number)))

    def _link(self, call: Call) -> None:
        folder, _, name = call.target.rpartition("/")
        node = self._nodes[call.target] = self._nodes[call.path]
        self._note(Linked(self._nodes[folder], name, node))

    def _unlink(self, call: Call) -> None:
        if self._nodes.pop(call.path, None) is not None:  # else a socket
            folder, _, name = call.path.rpartition("/")
            self._note(Unlinked(self._nodes[folder], name))

    def _rename(self, call: Call) -> None:
        if call.path not in self._nodes:
            return  # a socket
        node = self._nodes[call.path]
        if self._nodes.get(call.target) == node:
            return  # two names of one file stay
        below = f"{call.path}/"
        for path in [path for path in self._nodes if path == call.path or path.startswith(below)]:
            self._nodes[call.target + path[len(call.path) :]] = self._nodes.pop(path)
        folder, _, name = call.path.rpartition("/")
        to_folder, _, to_name = call.target.rpartition("/")
        self._note(Renamed(self._nodes[folder], name, self._nodes[to_folder], to_name, node))

    def _refuse(self, call: Call) -> None:
        raise NotImplementedError(f"{call.name} of {call.path} cannot be played back")


_ACTS: dict[str, Callable[[Watcher, Call], None]] = {
    **dict.fromkeys(("open", "openat", "creat"), Watcher._open),
    **dict.fromkeys(("mkdir", "mkdirat"), Watcher._mkdir),
    **dict.fromkeys(("write", "pwrite64", "writev", "pwritev", "pwritev2"), Watcher._write),
    **dict.fromkeys(("ftruncate", "truncate"), Watcher._cut),
    **dict.fromkeys(("fsync", "fdatasync"), Watcher._sync),
    **dict.fromkeys(("link", "linkat"), Watcher._link),
    **dict.fromkeys(("unlink", "unlinkat", "rmdir"), Watcher._unlink),
    **dict.fromkeys(("rename", "renameat", "renameat2"), Watcher._rename),
    **dict.fromkeys(_BEYOND, Watcher._refuse),
}

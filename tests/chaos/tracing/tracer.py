"""Follows a command and all that it starts, and stops them at each call that changes something outside of them."""

import itertools
import os
import platform
import subprocess
import threading
from collections.abc import Callable, Sequence
from typing import Any

from chaos.tracing.calls import CLONE_THREAD, PASS, SHAPES, Call, Verdict
from chaos.tracing.kernel import read_call, read_memory
from chaos.tracing.reading import data_of, file_of, offset_of, target_of
from chaos.tracing.roles import FORKED, role_of
from chaos.tracing.spawning import Launched, Spawn
from chaos.tracing.tree import Tree


class Tracer:
    """Starts *argv* and asks *decide* at each state-changing call, before it happens.

    *decide* returns PASS, KILL or ``Fail(errno)``; *seen* is told of each call with its result. Both are called by
    the tracer's own threads, one at a time. With *data* what is written, and where, is read out too. What goes
    wrong in one of them kills all that is followed, and is raised by ``stop``. Other options are Popen's.
    """

    def __init__(
        self,
        argv: Sequence[str] = (),
        *,
        decide: Callable[[Call], Verdict] = lambda _: PASS,
        seen: Callable[[Call], None] | None = None,
        role_of: Callable[[int], str] = role_of,
        data: bool = False,
        spawn: Spawn = Launched,
        **options: Any,
    ) -> None:
        self.argv = argv
        self.options = options
        self._decide = decide
        self._seen = seen
        self._role_of = role_of
        self._data = data
        self._spawn = spawn
        self._numbers = itertools.count(1)
        self._roles: dict[int, str] = {}
        self._trees: list[Tree] = []
        self._turn = threading.RLock()

    def start(self) -> Tree:
        """Start the command, the first time or again; what it left behind the last time stays followed."""
        return self.launch(self.argv, **self.options)

    def launch(self, argv: Sequence[str], **options: Any) -> Tree:
        """Start another command, to be followed with the others; used like ``subprocess.Popen``."""
        tree = Tree(argv, options, self._spawn, self._enter, self._leave, self._forget)
        self._trees.append(tree)
        return tree

    @property
    def processes(self) -> dict[int, str]:
        """The processes that live, and the role of each."""
        return {pid: self._role(pid) for tree in self._trees for pid in tree.pids}

    def stop(self) -> None:
        """Kill all that is followed, and raise what went wrong meanwhile."""
        for tree in self._trees:
            tree.kill_all()
        for tree in self._trees:
            if tree.trouble is not None:
                raise tree.trouble

    def __enter__(self) -> "Tracer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _enter(self, pid: int, tid: int) -> tuple[Call, Verdict] | None:
        """Ask what becomes of the call at whose entry *tid* stands; None for one that is no concern of ours."""
        number, args = read_call(tid)
        shape = SHAPES.get(number)
        if shape is None or (shape.name == "clone3" and _flags(pid, args[0]) & CLONE_THREAD):
            return None
        path, target = file_of(pid, shape, args), target_of(pid, shape, args)
        offset = data = None
        if self._data:
            offset, data = offset_of(pid, shape.name, args, None), data_of(pid, shape.name, args)
        with self._turn:
            call = Call(
                next(self._numbers), pid, tid, self._role(pid), shape.name, args, path, offset, data, None, target
            )
            return call, self._decide(call)

    def _leave(self, call: Call, result: int) -> None:
        """Tell of a call that has happened."""
        if self._seen is None:
            return
        offset = offset_of(call.pid, call.name, call.args, result) if self._data else None
        with self._turn:
            self._seen(call._replace(offset=offset, result=result))

    def _role(self, pid: int) -> str:
        role = self._roles.get(pid, FORKED)
        if role == FORKED:
            role = self._roles[pid] = self._role_of(pid)
        return role

    def _forget(self, pid: int) -> None:
        """A process has ended, or has become another program."""
        self._roles.pop(pid, None)


def why_not() -> str | None:
    """Return why nothing can be followed on this machine; None when it can."""
    if platform.machine() != "x86_64":
        return f"system calls are followed on x86-64 only, and this machine is {platform.machine()}"
    try:
        with Tracer(["true"], stderr=subprocess.DEVNULL) as tracer:
            code = tracer.start().wait(10)
    except OSError as error:
        return f"processes cannot be followed here: {os.strerror(error.errno or 0)}"
    return None if code == 0 else f"processes cannot be followed here: the first one ended with {code}"


def _flags(pid: int, address: int) -> int:
    return int.from_bytes(read_memory(pid, address, 8), "little")

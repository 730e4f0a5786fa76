"""One process and all that descend of it, followed by a thread: ptrace belongs to the thread that asked for it."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from chaos.tracing import kernel
from chaos.tracing.calls import KILL, Call, Fail, Verdict
from chaos.tracing.filters import build_filter
from chaos.tracing.spawning import Spawn

_STOPS: Final = (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)


class Tree:
    """A followed process, used like a ``subprocess.Popen``."""

    def __init__(
        self,
        argv: Sequence[str],
        options: dict[str, Any],
        spawn: Spawn,
        enter: Callable[[int, int], tuple[Call, Verdict] | None],
        leave: Callable[[Call, int], None],
        forget: Callable[[int], None],
    ) -> None:
        self.trouble: BaseException | None = None
        """What went wrong in the tracer itself, or in who decides."""
        self._argv = argv
        self._options = options
        self._spawn = spawn
        self._enter = enter
        self._leave = leave
        self._forget = forget
        self._pids: dict[int, int] = {}
        """Of each thread that lives its process."""
        self._open: dict[int, Call] = {}
        """Of each thread the call whose result is waited for."""
        self._is_begun = False
        self._is_enclosed = False
        """It has the filter: what it executes next is the command."""
        self._started = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="tracer", daemon=True)
        self._thread.start()
        self._started.wait()
        if self.trouble is not None:
            raise self.trouble

    @property
    def pids(self) -> set[int]:
        """The processes of the tree that live."""
        return set(self._pids.copy().values())

    @property
    def pid(self) -> int:
        """The first process."""
        return self._root.pid

    @property
    def returncode(self) -> int | None:
        """How the first process ended; None while it lives."""
        return self._root.returncode

    def poll(self) -> int | None:
        """Return how the first process ended; None while it lives."""
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until the first process has ended, and return how; TimeoutExpired when it goes on."""
        if not self._ended.wait(timeout):
            raise subprocess.TimeoutExpired(list(self._argv), timeout or 0.0)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the first process, if it lives."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill the first process."""
        self.send_signal(signal.SIGKILL)

    def kill_all(self) -> None:
        """Kill every process of the tree, and return when none is left."""
        while self._thread.is_alive():
            for pid in self.pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._thread.join(0.05)

    def _follow(self) -> None:
        try:
            self._launch()
        except BaseException as error:
            self.trouble = error
            self._started.set()
            return
        self._started.set()
        while True:
            try:
                tid, status = os.waitpid(-1, kernel.WAIT)
            except ChildProcessError:
                break
            try:
                self._meet(tid, status)
            except ProcessLookupError:
                pass  # killed meanwhile; its end is told next
            except BaseException as error:
                self.trouble = self.trouble or error
                for pid in self.pids:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        self._pids.clear()
        self._ended.set()

    def _launch(self) -> None:
        gate, opener = os.pipe()
        try:
            self._root = self._spawn(gate, build_filter(), self._argv, self._options)
            self._is_begun = self._root.is_begun
            self._pids[self.pid] = self.pid
            kernel.ptrace(kernel.SEIZE, self.pid, None, kernel.OPTIONS)
            os.write(opener, b"x")
        finally:
            os.close(gate)
            os.close(opener)

    def _meet(self, tid: int, status: int) -> None:
        """Do what the stop or end of a thread asks for."""
        if not os.WIFSTOPPED(status):
            self._bury(tid, status)
            return
        number, event = os.WSTOPSIG(status), status >> 16
        if tid not in self._pids:
            self._pids[tid] = _process_of(tid)
        if event == kernel.EVENT_SECCOMP:
            self._stand_at(tid)
        elif event == kernel.EVENT_STOP and number in _STOPS:
            kernel.ptrace(kernel.LISTEN, tid)
        elif event:
            if event == kernel.EVENT_EXEC:
                self._is_begun = self._is_begun or self._is_enclosed
                self._pids[tid] = tid
                self._forget(tid)
            self._go_on(tid)
        elif number == signal.SIGTRAP | 0x80:
            if (call := self._open.pop(tid, None)) is not None:
                self._leave(call, kernel.read_result(tid))
            self._go_on(tid)
        else:
            self._go_on(tid, number)

    def _stand_at(self, tid: int) -> None:
        """Decide what becomes of the call at whose entry *tid* stands."""
        self._is_enclosed = True
        met = self._enter(self._pids[tid], tid) if self._is_begun else None
        if met is None:
            self._go_on(tid)
            return
        call, verdict = met
        if verdict == KILL:
            os.kill(call.pid, signal.SIGKILL)
        elif isinstance(verdict, Fail):
            kernel.refuse_call(tid, verdict.errno)
            self._leave(call, -verdict.errno)
            self._go_on(tid)
        else:
            self._open[tid] = call
            self._go_on(tid)

    def _go_on(self, tid: int, number: int = 0) -> None:
        kernel.ptrace(kernel.CONTINUE_TO_EXIT if tid in self._open else kernel.CONTINUE, tid, None, number)

    def _bury(self, tid: int, status: int) -> None:
        self._open.pop(tid, None)
        if self._pids.pop(tid, None) == tid:
            self._forget(tid)
        if tid == self.pid:
            self._root.reaped(os.waitstatus_to_exitcode(status))
            self._ended.set()


def _process_of(tid: int) -> int:
    """Return the process of a thread."""
    with suppress(OSError):
        for line in Path(f"/proc/{tid}/status").read_text().splitlines():
            if line.startswith("Tgid:"):
                return int(line.split()[1])
    return tid

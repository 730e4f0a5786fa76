"""The processes of a ProcessPoolTaskRunner, as the run process sees them."""

import multiprocessing
import threading
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

from tidemill.domain.errors import ProcessDied
from tidemill.engine.interrupts import Interrupt
from tidemill.engine.runners.task_process import Answer, pack, serve, unpack
from tidemill.engine.runners.task_runners import TaskCode

LOOK: Final = 0.05
"""Seconds between two looks for an answer, in which an interrupt reaches the thread that waits for it."""
GRACE: Final = 2.0
"""Seconds that code has to clean up when it was asked to end."""


class TaskProcesses:
    """Starts processes as they are needed, and keeps them for the next task."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[_TaskProcess] = []
        self._reserved: dict[int, _TaskProcess] = {}
        """For the next call of each thread."""

    def ready(self) -> None:
        """Have a process that waits for the calling thread's next task."""
        thread = threading.get_ident()
        with self._lock:
            process = self._reserved.get(thread) or (self._idle.pop() if self._idle else None)
        process = process or _TaskProcess()
        with self._lock:
            self._reserved[thread] = process

    def call(self, code: TaskCode) -> Any:
        """Execute *code* in a process of its own until it has ended; raise what it raised."""
        message = pack(code)
        with self._lock:
            process = self._reserved.pop(threading.get_ident(), None) or (self._idle.pop() if self._idle else None)
        process = process or _TaskProcess()
        answer = process.ask(message, code.name)
        with self._lock:
            self._idle.append(process)
        if answer.error is not None:
            raise answer.error
        return answer.value

    def close(self) -> None:
        """Send the processes home."""
        with self._lock:
            idle, self._idle = [*self._idle, *self._reserved.values()], []
        for process in idle:
            process.end()


class _TaskProcess:
    """One process, which executes one task at a time."""

    def __init__(self) -> None:
        # A fork of a process with threads may find their locks held for ever.
        ways = multiprocessing.get_context("spawn")
        self._connection, theirs = ways.Pipe()
        self._process = ways.Process(target=serve, args=(theirs,), name="tidemill-task", daemon=True)
        self._process.start()
        theirs.close()
        with suppress(EOFError, OSError):
            # It says that it listens; one that died before is found out about by its first task.
            self._await(self._connection)

    def ask(self, message: bytes, task: str) -> Answer:
        """Have the code of *message* executed and return the answer."""
        try:
            self._connection.send_bytes(message)
            return unpack(self._await(self._connection))
        except (EOFError, OSError) as error:
            raise ProcessDied(f"the process of task {task} died: {self._how_it_ended()}") from error
        except Interrupt:
            self._interrupt()
            raise
        except BaseException:
            self._kill()
            raise

    def end(self) -> None:
        """Let it end by itself, which it does when nobody is at the other side."""
        self._connection.close()
        self._process.join(GRACE)
        self._kill()

    def _await(self, connection: Connection) -> bytes:
        while not connection.poll(LOOK):
            pass
        return connection.recv_bytes()

    def _interrupt(self) -> None:
        """Ask the code to end; a signal raises in it, so that it can clean up."""
        try:
            self._process.terminate()
            with suppress(EOFError, OSError):
                self._connection.poll(GRACE)
        finally:
            self._kill()

    def _kill(self) -> None:
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._connection.close()

    def _how_it_ended(self) -> str:
        self._process.join(GRACE)
        code = self._process.exitcode
        self._kill()
        if code is None:
            return "it answers no more"
        return f"exit code {code}" if code >= 0 else f"signal {-code}"

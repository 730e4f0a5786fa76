"""How orders become children."""

import os
import time
from functools import partial
from typing import Final

from tidemill.domain.errors import ProtocolError
from tidemill.domain.runs import InspectionOrder
from tidemill.forkserver import forking
from tidemill.forkserver.children import Children, Inspection
from tidemill.forkserver.clients import Client
from tidemill.forkserver.inspection_child import InspectionEntry, be_inspection
from tidemill.forkserver.protocol import Failed, LiveRun, Refused, Start, Started
from tidemill.forkserver.run_child import RunEntry, be_run, make_folders
from tidemill.forkserver.spares import Spares
from tidemill.journal.processes import birth

INSPECTION_MARGIN: Final = 1.0
"""Seconds an inspecting child may be over the limit it keeps itself, before it is killed."""
FLOOR_LIMIT: Final = 1000


class Orders:
    """Carries out orders; *children* knows everything that was made of them."""

    def __init__(
        self,
        children: Children,
        spares: Spares,
        run_entry: RunEntry,
        inspection_entry: InspectionEntry,
        hint_fd: int,
    ) -> None:
        self._children = children
        self._spares = spares
        self._run_entry = run_entry
        self._inspection_entry = inspection_entry
        self._hint_fd = hint_fd

    def start(self, client: Client, start: Start) -> None:
        """Make a run process and tell the client; once only, however often it is ordered.

        A daemon that died before it saw the answer leaves its successor to order again.
        """
        order = start.order
        run = self._children.find(order.process)
        if run is None:
            try:
                make_folders(order)
                run = self._make_run(client, start)
            except (OSError, ValueError) as error:
                client.send(Failed(order.process, f"no process can be made for the run: {error}"))
                return
            self._children.add(run.pid, run)
        client.send(Started(run.run, run.pid, run.start_time))

    def inspect(self, client: Client, order: InspectionOrder, fds: list[int]) -> None:
        """Make a process that loads a file; its end is the answer."""
        if not fds:
            raise ProtocolError("an inspection needs a file for its answer")
        try:
            pid = forking.fork(partial(be_inspection, order, self._inspection_entry, fds[0]))
        except OSError as error:
            client.send(Refused(f"no process can be made to inspect {order.path}: {error}"))
            return
        deadline = time.monotonic() + order.timeout + INSPECTION_MARGIN
        self._children.add(pid, Inspection(client, deadline))

    def _make_run(self, client: Client, start: Start) -> LiveRun:
        """Give the order to the spare, or to a new child."""
        spare = self._spares.pop()
        run = spare.take(start, client) if spare is not None else None
        if run is not None:
            return run
        # What comes after the fork needs a descriptor, and a process that cannot be named would be taken for gone.
        held = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            pid = forking.fork(partial(be_run, start.order, self._run_entry, client.connection, self._hint_fd))
        finally:
            os.close(held)
        return LiveRun(start.order.process, pid, birth(pid) or 0)


def measure_floor(count: int) -> list[float]:
    """Return the seconds that fork, exit and wait took for each of *count* children that do nothing."""
    return [_measure_one() for _ in range(min(count, FLOOR_LIMIT))]


def _measure_one() -> float:
    begun = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return time.perf_counter() - begun

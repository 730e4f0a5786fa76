"""The daemon's side of the fork server: orders out, starts and exits in, and a new server when one dies."""

import asyncio
import logging
import os
from collections.abc import Callable, Collection

import msgspec

from tidemill.config.paths import StatePaths
from tidemill.config.settings import Settings
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.errors import Refused, TidemillError
from tidemill.domain.runs import ProcessName, RunOrder
from tidemill.domain.times import iso
from tidemill.forkserver.client import ForkserverClient
from tidemill.forkserver.launch import ensure, reap
from tidemill.forkserver.protocol import Exited, Failed, ForkserverError, LiveRun, Started
from tidemill.journal.processes import boot_id
from tidemill.journal.writer import URGENT
from tidemill.service.first_try import FirstTry
from tidemill.service.processes import process_of
from tidemill.service.restraining import restraints_for
from tidemill.service.roster import Roster
from tidemill.service.trusting import terms_of
from tidemill.service.watching import ExitWatch

log = logging.getLogger(__name__)

RESTART_PAUSE = 0.5
"""Seconds between two tries to start a fork server."""


def order_for(
    run: ActiveRun, roster: Roster, paths: StatePaths, settings: Settings, group_for: Callable[[Collection[str]], str]
) -> RunOrder:
    """Write the order that starts *run* with the version of its flow that is good now, or refuse."""
    flow = roster.find(run.flow)
    if flow is None:
        raise Refused(f"the flow {run.flow} is gone: its file was removed before the run could start")
    schedule = None if run.schedule_id is None else flow.schedules.get(run.schedule_id)
    terms = terms_of(settings)(flow.path)
    restraints = restraints_for(flow.manifest, settings)
    return RunOrder(
        run=run.uid,
        flow=run.flow,
        path=flow.path,
        sources=flow.kept,
        root=flow.root,
        journal=paths.journal_name(run.uid),
        log=paths.log_name(run.uid),
        results_dir=paths.run_results_name(run.uid),
        cache_dir=str(paths.cache),
        limits_dir=str(paths.limits),
        is_admitted=True,
        parameters=run.parameters,
        trigger=run.trigger,
        scheduled_for=iso(run.scheduled_for),
        schedule=None if schedule is None else msgspec.to_builtins(schedule),
        version=flow.version,
        attempt=run.attempt,
        parent=run.parent,
        finished=run.finished,
        timeout=flow.manifest.timeout,
        max_workers=flow.manifest.max_workers or settings.dispatch.max_workers,
        nice=settings.dispatch.nice,
        log_limit=int(restraints.pop("output", settings.history.log_limit)),
        restraints=restraints,
        cgroup=group_for(restraints),
        trust=terms.trust,
        user=terms.user,
    )


class ForkserverLink:
    """Keeps a fork server at hand; runs survive its death and are then watched directly."""

    def __init__(
        self,
        paths: StatePaths,
        preload: tuple[str, ...],
        order: Callable[[ActiveRun], RunOrder],
        on_hint: Callable[[bool], None],
    ) -> None:
        self._paths = paths
        self._preload = preload
        self._order = order
        self._on_hint = on_hint
        self._client: ForkserverClient | None = None
        self._retired: list[ForkserverClient] = []
        self._is_closing = False
        self._retires = False
        """Whether who is found while this closes is to leave too."""
        self._found: ForkserverClient | None = None
        """The new server, before it is made use of."""
        self._restarting: asyncio.Task[None] | None = None

    def attach(self, dispatcher: Dispatcher, watch: ExitWatch, on_change: Callable[[], None]) -> None:
        """Say who is told of starts and exits; *on_change* is called after each."""
        self._dispatcher = dispatcher
        self._watch = watch
        self._on_change = on_change

    @property
    def is_connected(self) -> bool:
        """Tell whether runs can be started now."""
        return self._client is not None

    def connect(self, first_try: FirstTry | None = None) -> tuple[LiveRun, ...]:
        """Find or start the fork server; return the runs that it, or an older one that drains, has alive."""
        for client in first_try.retired if first_try is not None else ():
            self._keep_retired(client)
        found = first_try.client if first_try is not None else None
        self._use(found or ensure(self._paths, self._preload, on_retired=self._keep_retired))
        clients = (*self._retired, *filter(None, [self._client]))
        return tuple(live for client in clients if client.welcome is not None for live in client.welcome.live)

    def launch(self, run: ActiveRun) -> None:
        """Order *run*; its start and its exit are told later."""
        self.order(self._order(run))

    def order(self, order: RunOrder) -> None:
        """Give *order* to the fork server, or raise Refused while there is none."""
        if self._client is None:
            raise Refused("there is no fork server to start it; the daemon's log tells why")
        try:
            self._client.start(order)
        except ForkserverError as error:
            # A run stays live without a process; once the loss is noticed, it waits again.
            log.error("the order of run %s did not reach the fork server: %s", order.process, error)

    def close(self, *, retire: bool) -> None:
        """Let go of the fork server; *retire* it, and it leaves with its last run."""
        self._is_closing, self._retires = True, retire
        loop = asyncio.get_running_loop()
        for client in (*self._retired, *filter(None, [self._client])):
            loop.remove_reader(client.fileno())
            if client.hint_fd is not None:
                loop.remove_reader(client.hint_fd)
        if retire:
            self._retire(self._client or self._found)
        for client in (*self._retired, *filter(None, [self._client])):
            client.close()

    def _use(self, client: ForkserverClient) -> None:
        self._client, self._found = client, None
        assert client.welcome is not None
        for problem in client.welcome.problems:
            log.warning("%s", problem)
        self._listen(client)

    def _keep_retired(self, client: ForkserverClient) -> None:
        """Go on listening to an older server that drains: it still tells the exits of its runs."""
        self._retired.append(client)
        self._listen(client)

    def _listen(self, client: ForkserverClient) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(client.fileno(), self._read, client)
        if client.hint_fd is not None:
            loop.add_reader(client.hint_fd, self._hint, client.hint_fd)

    def _hint(self, fd: int) -> None:
        try:
            count = os.eventfd_read(fd)
        except BlockingIOError:
            return
        self._on_hint(count >= URGENT)

    def _read(self, client: ForkserverClient) -> None:
        try:
            replies = client.receive()
        except TidemillError as error:
            log.error("the fork server speaks nonsense: %s", error)
            replies, client.gone = [], True
        for reply in replies:
            match reply:
                case Started(run=run, pid=pid, start_time=start_time):
                    if not self._watch.watches(run):
                        self._dispatcher.started(run, ProcessName(pid, start_time, boot_id()))
                case Failed(run=run, taken=True):
                    self._find_holder(run)
                case Failed(run=run, retiring=True):
                    self._replace(client)
                    self._order_again(run)
                case Failed(run=run, error=reason):
                    self._dispatcher.not_started(run, reason)
                case Exited(run=run, pid=pid, status=status):
                    if self._is_the_runs(run, pid):
                        self._dispatcher.exited(run, status)
                case _:
                    log.warning("the fork server said %s", reply)
        if client.gone:
            self._lost(client)
        self._on_change()

    def _find_holder(self, uid: str) -> None:
        """Turn to the process that is the run: an earlier order had reached one, which nobody knew."""
        run = self._dispatcher.find(uid)
        if run is None or run.gone:
            return
        journal = self._dispatcher.journal_of(run)
        process = process_of(journal)
        run.process = None
        if process is not None:
            self._dispatcher.started(uid, process)
        self._watch.add(run, journal)

    def _replace(self, client: ForkserverClient) -> None:
        """Turn to a new server: somebody told this one to retire. It still tells the exits of its runs."""
        if client is self._client:
            self._client = None
            self._retired.append(client)
            log.warning("the fork server was told to retire; live runs go on, a new one is started")
            self._restarting = asyncio.get_running_loop().create_task(self._restart())

    def _order_again(self, uid: str) -> None:
        run = self._dispatcher.find(uid)
        if run is not None and run.launched and not run.gone:
            self._dispatcher.requeue(run)

    def _is_the_runs(self, uid: str, pid: int) -> bool:
        """Tell whether *pid* was the run's process, and not one that found the run's journal taken."""
        run = self._dispatcher.find(uid)
        return run is None or run.process is None or run.process.pid == pid

    def _lost(self, client: ForkserverClient) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(client.fileno())
        if client.hint_fd is not None:
            loop.remove_reader(client.hint_fd)
        pid = client.welcome.pid if client.welcome else 0
        client.close()
        is_current = client is self._client
        if client in self._retired:
            self._retired.remove(client)
        elif is_current:
            self._client = None
            log.error("the fork server (pid %d) is gone; live runs go on, a new one is started", pid)
            self._restarting = loop.create_task(self._restart())
        if pid:
            loop.call_later(1.0, reap, pid)
        for run in self._dispatcher.live_runs:
            journal = self._dispatcher.journal_of(run)
            if run.process is None and not os.path.exists(journal):  # noqa: PTH110
                # The order died with the server. Should its child come yet, the journal admits only one of the two.
                if is_current:
                    self._dispatcher.requeue(run)
            else:
                self._watch.add(run, journal)

    def _find(self) -> ForkserverClient:
        """Find or start a server, in a thread that goes on though nobody waits for it any more."""
        self._found = ensure(self._paths, self._preload)
        if self._retires:  # asked after it is known who was found: the one who closes looks in the other order
            self._retire(self._found)
        return self._found

    def _retire(self, client: ForkserverClient | None) -> None:
        if client is not None:
            try:
                client.retire()
            except TidemillError as error:
                log.warning("the fork server could not be retired: %s", error)

    async def _restart(self) -> None:
        while not self._is_closing and self._client is None:
            try:
                self._use(await asyncio.to_thread(self._find))
            except (TidemillError, OSError) as error:
                log.error("no fork server: %s", error)
                await asyncio.sleep(RESTART_PAUSE)
        self._on_change()

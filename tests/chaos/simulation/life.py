"""One life of the daemon: its real rooms on a loop that is turned by hand, from its start to whatever kills it."""

import asyncio
import threading

from apscheduler.schedulers.base import BaseScheduler

from chaos.simulation.faults import MortalPen
from chaos.simulation.loop import SimLoop
from tidemill.catalog.known import CatalogChange
from tidemill.config.settings import DispatchSettings, ScheduleSettings, Settings
from tidemill.control.requests import Request
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.forkserver.cgroups import Place
from tidemill.history.recorder import Recorder
from tidemill.scheduler.clock import Clock
from tidemill.scheduler.moments import portions
from tidemill.service.assembly import DUE_AT_ONCE
from tidemill.service.daemon import Daemon
from tidemill.service.enrolment import Enrolment
from tidemill.service.handlers import VERBS
from tidemill.service.inbox import Inbox
from tidemill.service.launching import ForkserverLink, order_for
from tidemill.service.recording import Recording
from tidemill.service.recovery import Recovery, load_left
from tidemill.service.roster import Roster
from tidemill.service.run_groups import RunGroups
from tidemill.service.setting_right import SettingRight
from tidemill.service.starting import Starter
from tidemill.service.timekeeping import Timekeeper
from tidemill.service.waiting import Waiters
from tidemill.service.watching import ExitWatch


class NoSlots:
    """There are no named limits here."""

    limits = {}  # noqa: RUF012

    def of(self, _tags):
        return ()


class Life:
    """Built as the service assembles it; only threads, sockets and the folder of flows are not there."""

    def __init__(self, world):
        self.world = world
        self.loop = SimLoop(world.hours)
        asyncio._set_running_loop(self.loop)
        self.is_ready = False
        self.is_broken = None
        self.ticked_at = None
        paths, self.inbox = world.paths, Inbox(self.loop)
        settings = Settings(
            dispatch=DispatchSettings(max_runs=world.max_runs, cancel_grace=5.0),
            schedule=ScheduleSettings(max_catchup=world.max_catchup),
        )
        self.recorder = Recorder(
            world.database, lambda facts: self.inbox.put(self._observe, facts), monotonic=world.hours.monotonic
        )
        self.recorder._pen = MortalPen(world.database, world.disk)
        self.recording = Recording(self.recorder, self.inbox)
        self.roster, self.waiters = Roster(), Waiters()
        groups = RunGroups(Place("", "simulated"))
        self.link = ForkserverLink(
            paths,
            (),
            lambda run: order_for(run, self.roster, paths, self.daemon.settings, groups.folder_for),
            lambda urgent: self.recorder.hint(urgent=urgent),
        )
        self.dispatcher = Dispatcher(
            self.recording,
            self.link,
            paths.journal,
            slots=NoSlots(),
            max_runs=settings.dispatch.max_runs,
            cancel_grace=settings.dispatch.cancel_grace,
            on_end=self._ended,
            monotonic=world.hours.monotonic,
        )
        self.starter = Starter(self.loop, self.dispatcher, self.link)
        self.watch = ExitWatch(paths, self._exited)
        self.link.attach(self.dispatcher, self.watch, self.starter.soon)
        self.timekeeper = Timekeeper(
            self.roster,
            self.dispatcher,
            self.recording,
            self.starter.soon,
            max_catchup=settings.schedule.max_catchup,
            now=world.now,
        )
        self.clock = Clock(self._due, now=world.now, on_step=self._stepped)
        self.right = SettingRight(self.roster, self.recording, self.inbox, self.clock, world.now)
        self.clock._timer.start = self._start_timer
        self.daemon = Daemon(
            settings,
            paths,
            lambda: settings,
            roster=self.roster,
            recorder=self.recorder,
            recording=self.recording,
            dispatcher=self.dispatcher,
            catalog=None,
            waiters=self.waiters,
            timekeeper=self.timekeeper,
            slots=NoSlots(),
            start_due=self.starter.soon,
            caretaking=None,
            groups=groups,
        )
        self.loop.create_task(self._serve(), self._served)

    async def _serve(self):
        world = self.world
        await self.right.begin()
        self.enrolment = Enrolment(
            self.roster,
            self.recording,
            self.dispatcher,
            self.timekeeper,
            self.clock,
            sources=world.sources,
            flows_dir=world.paths.root,
            timezone="UTC",
            paused=await self.recording.perform(lambda writer: writer.load_paused()),
            now=self.clock.look,
        )
        known = await self.recording.perform(lambda writer: writer.load_catalog())
        living = self.link.connect()
        recovery = Recovery(self.dispatcher, self.watch, self.roster)
        recovery.take_up(await self.recording.perform(lambda writer: load_left(writer, world.paths)), living)
        change = CatalogChange(changed=tuple(world.files.values()))
        self.inbox.put(self.apply, change)
        await self.enrolment.settled()
        await self.enrolment.drop_absent(flow.name for flow in known)
        recovery.apply_flows()
        self.clock.start()
        self.starter.open()
        self.is_ready = True

    def apply(self, change):
        """Take a change of the folder, as the catalog tells it."""
        self.world.applies(change)
        self.enrolment.apply(change)

    def _served(self, answer):
        self.is_broken = answer

    def _start_timer(self):
        self.clock._timer._event = threading.Event()
        BaseScheduler.start(self.clock._timer)

    def _due(self, moments):
        for portion in portions(moments, DUE_AT_ONCE):
            self.inbox.put(self.timekeeper.due, portion)

    def _stepped(self, seconds):
        self.right.stepped(seconds)

    def _observe(self, facts):
        self.dispatcher.observe(facts)
        self.starter.soon()

    def _exited(self, uid, status):
        self.dispatcher.exited(uid, status)
        self.starter.soon()

    def _ended(self, run):
        self.waiters.ended(run)
        self.starter.soon()

    # What makes it go

    def ask(self, verb, args, on_answer):
        """Ask as a client of the control socket does."""

        async def tell(_message):
            pass

        self.loop.create_task(VERBS[verb](self.daemon, Request(verb, args, 0, tell)), on_answer)

    def turn_recorder(self):
        """Do what the recorder's thread would, if there is anything; tell whether there was."""
        recorder = self.recorder
        now = recorder._monotonic()
        if recorder._pace.retry_at is not None and now < recorder._pace.retry_at:
            return False
        is_late = len(recorder._journals) and now >= recorder._pace.looked + 1
        if not (
            recorder._queue
            or recorder._asked
            or recorder._hinted_at is not None
            or recorder._journals.has_more
            or is_late
        ):
            return False
        recorder._turn()
        return True

    def tick(self):
        """Do what the clock's thread would."""
        if self.clock._timer.running:
            self.clock._timer._process_jobs()
            self.ticked_at = self.world.micros()

    @property
    def is_settled(self):
        """Whatever the clock has told is judged and recorded."""
        return not (self.loop.ready or self.inbox._waiting or self.recorder._queue or self.clock._outbox)

    def beat(self):
        """Do what the heartbeat does."""
        self.dispatcher.enforce()

    def listen(self):
        """Read what the fork servers and the processes tell."""
        has_heard = False
        for fd, (callback, args) in list(self.loop.readers.items()):
            client = args[0] if args and hasattr(args[0], "replies") else None
            if client is not None:
                is_readable = bool(client.replies) or client.gone
            else:
                process = next((each for each in self.world.machine.processes if each.pid == fd), None)
                is_readable = process is None or not process.is_alive
            if is_readable and fd in self.loop.readers:
                self.loop.call_soon(self._read, fd, callback, args)
                has_heard = True
        return has_heard

    def _read(self, fd, callback, args):
        if fd in self.loop.readers:
            callback(*args)

    def die(self):
        """Be killed."""
        for client in (*self.link._retired, *filter(None, [self.link._client])):
            client.close()
        self.recorder._journals.close()
        self.world.disk.leave(self.recorder._pen)
        self.loop.close()
        asyncio._set_running_loop(None)

    def stop(self):
        """End in order; live runs go on. Call until it tells that it has."""
        self.dispatcher.close()
        if self.turn_recorder() or self.loop.run_one():
            return False
        self.link.close(retire=True)
        self.recorder._journals.close()
        self.recorder._pen.close()
        self.loop.close()
        asyncio._set_running_loop(None)
        return True

"""How the daemon is made: every room is built here, and nowhere else do they meet."""

import asyncio
import logging
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tidemill.catalog.catalog import Catalog
from tidemill.catalog.sources import SourceStore
from tidemill.config.paths import StatePaths
from tidemill.config.settings import Settings
from tidemill.control.server import ControlServer
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.events import Event
from tidemill.domain.outcomes import Trigger
from tidemill.domain.states import State
from tidemill.domain.version import VERSION
from tidemill.forkserver.cgroups import find_place
from tidemill.history.owing import load_all_owed
from tidemill.history.recorder import Recorder
from tidemill.scheduler.clock import Clock
from tidemill.scheduler.moments import DueMoment, portions
from tidemill.service.answering import in_time
from tidemill.service.caretaking import Caretaking
from tidemill.service.daemon import Daemon
from tidemill.service.enrolment import Enrolment
from tidemill.service.finished import forget_drafts, forget_finished
from tidemill.service.first_try import FirstTry
from tidemill.service.handlers import VERBS
from tidemill.service.heartbeat import Heartbeat
from tidemill.service.hook_calls import HookCalls
from tidemill.service.hook_process import order_for_hooks
from tidemill.service.inbox import Inbox
from tidemill.service.inspecting import Inspections, ManifestMemory
from tidemill.service.launching import ForkserverLink, order_for
from tidemill.service.limits import RunSlots, put_into_force
from tidemill.service.lock import StateLock
from tidemill.service.memory import settle, share
from tidemill.service.memory_kills import MemoryKills
from tidemill.service.mendings import Mendings
from tidemill.service.opening import open_history
from tidemill.service.recording import Recording
from tidemill.service.recovery import Recovery, load_left
from tidemill.service.roster import Roster
from tidemill.service.run_groups import RunGroups
from tidemill.service.setting_right import SettingRight
from tidemill.service.starting import Starter
from tidemill.service.systemd import Notifier
from tidemill.service.timekeeping import Timekeeper
from tidemill.service.trusting import terms_of
from tidemill.service.waiting import Waiters
from tidemill.service.watching import ExitWatch

log = logging.getLogger(__name__)

DRAIN_STEP = 0.1
DUE_AT_ONCE = 20
"""Moments judged in one piece: a command may come between two of them."""
READY_STEP = 0.005
MORE_TIME = 60.0
"""Seconds that systemd is asked for, again and again, while a lost history is made anew or live runs are waited for."""
RECORDING = 10.0
"""Seconds that what is queued has, at the end, to be recorded."""
AT_ONCE = 0.5


def _now() -> datetime:
    return datetime.now(UTC)


def _tell_of_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Tell what the loop met; of what the system refused, such as one more open file, a sentence is enough."""
    error = context.get("exception")
    if isinstance(error, OSError):
        log.error("%s: %s", context["message"], error)
    else:
        loop.default_exception_handler(context)


async def serve(
    settings: Settings,
    paths: StatePaths,
    read_settings: Callable[[], Settings],
    on_ready: Callable[[], None],
    *,
    lock: StateLock,
    forkserver: FirstTry,
    notifier: Notifier,
    mendings: Mendings,
) -> int | None:
    """Build the daemon, serve until asked to stop, and take it down; return the exit code.

    None: the history turned out to be damaged, and is to be mended; live runs go on, and so does their fork server.
    """
    share()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(_tell_of_error)
    inbox = Inbox(loop)
    flows_dir = Path(settings.places.flows_dir).absolute()

    database = open_history(
        settings.places.database_url or paths.database,
        paths,
        is_suspect=mendings.is_wanted,
        alive=lambda: notifier.take_longer(MORE_TIME),
    )
    mendings.is_wanted = False
    recorder = Recorder(database, lambda facts: inbox.put(observe, facts))
    recording = Recording(recorder, inbox)
    roster, waiters = Roster(), Waiters()

    def observe(facts: list[tuple[int, Event]]) -> None:
        dispatcher.observe(facts)
        starter.soon()

    def exited(uid: str, status: int | None) -> None:
        dispatcher.exited(uid, status)
        starter.soon()

    def ended(run: ActiveRun) -> None:
        waiters.ended(run)
        hooks.ended(run)
        if run.trigger == Trigger.RETRY:
            forget_finished(paths, run.uid)
        if run.state is not State.COMPLETED:
            forget_drafts(paths, run.uid)
        starter.soon()

    def met_limit(uid: str, status: int | None) -> str | None:
        run = dispatcher.find(uid)
        return groups.met(uid, status) or memory_kills.met(None if run is None else run.process, status)

    link = ForkserverLink(
        paths,
        settings.forkserver.preload,
        lambda run: order_for(run, roster, paths, daemon.settings, groups.folder_for),
        lambda urgent: recorder.hint(urgent=urgent),
    )
    groups, memory_kills = RunGroups(find_place()), MemoryKills()
    put_into_force(paths, settings.limits)
    slots = RunSlots(paths.limits)
    dispatcher = Dispatcher(
        recording,
        link,
        paths.journal_name,
        slots=slots,
        max_runs=settings.dispatch.max_runs,
        cancel_grace=settings.dispatch.cancel_grace,
        on_end=ended,
        met=met_limit,
    )
    starter = Starter(loop, dispatcher, link)
    watch = ExitWatch(paths, exited)
    link.attach(dispatcher, watch, starter.soon)
    hooks = HookCalls(
        loop,
        recording,
        link,
        roster,
        paths,
        order=lambda owed: order_for_hooks(owed, str(flows_dir.resolve()), paths, daemon.settings),
    )
    timekeeper = Timekeeper(
        roster, dispatcher, recording, starter.soon, max_catchup=settings.schedule.max_catchup, now=_now
    )

    def due(moments: list[DueMoment]) -> None:
        for portion in portions(moments, DUE_AT_ONCE):
            inbox.put(timekeeper.due, portion)

    def stepped(seconds: float) -> None:
        right.stepped(seconds)

    clock = Clock(due, on_step=stepped)
    right = SettingRight(roster, recording, inbox, clock, _now)

    recorder.start()
    serving = asyncio.current_task()
    assert serving is not None
    guard = loop.create_task(mendings.watch(recorder, serving))
    try:
        await right.begin()
        paused, known = await recording.perform(lambda writer: (writer.load_paused(), writer.load_catalog()))
    except asyncio.CancelledError:
        await asyncio.to_thread(recorder.stop, AT_ONCE)
        if mendings.is_wanted:
            return None
        raise
    sources = SourceStore(paths.source)
    enrolment = Enrolment(
        roster,
        recording,
        dispatcher,
        timekeeper,
        clock,
        sources=sources,
        flows_dir=flows_dir,
        timezone=settings.schedule.timezone,
        paused=paused,
        now=clock.look,
    )
    catalog = Catalog(
        flows_dir,
        inspect=Inspections(paths),
        cache=ManifestMemory(recorder),
        sources=sources,
        on_change=lambda change: inbox.put(enrolment.apply, change),
        settings=settings.catalog,
        holders={flow.name: flow.file for flow in known if flow.file},
        ignore=[paths.root],
        terms=terms_of(settings),
    )
    caretaking = Caretaking(
        recorder,
        settings.places.database_url or paths.database,
        paths,
        lambda: daemon.settings.retention,
        is_busy=lambda uid: dispatcher.find(uid) is not None,
        forget_texts=enrolment.forget_texts,
    )
    daemon = Daemon(
        settings,
        paths,
        read_settings,
        roster=roster,
        recorder=recorder,
        recording=recording,
        dispatcher=dispatcher,
        catalog=catalog,
        waiters=waiters,
        timekeeper=timekeeper,
        slots=slots,
        start_due=starter.soon,
        caretaking=caretaking,
        groups=groups,
    )
    control = ControlServer(
        paths.control_socket,
        {verb: in_time(partial(answer, daemon), lambda: recorder.problem) for verb, answer in VERBS.items()},
        settings.control.allow_uids,
        version=VERSION,
    )
    heartbeat = Heartbeat(
        daemon,
        dispatcher,
        lock=lock,
        watch=watch,
        clock=clock,
        recorder=recorder,
        control=control,
        notifier=notifier,
        memory_kills=memory_kills,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, daemon.ask_to_stop)
    loop.add_signal_handler(signal.SIGHUP, daemon.reload_soon)

    try:
        living = link.connect(forkserver.wait())
        recovery = Recovery(dispatcher, watch, roster)
        recovery.take_up(await recording.perform(lambda writer: load_left(writer, paths)), living)
        groups.take_up(dispatcher.live_runs)
        hooks.take_up(await recording.perform(load_all_owed))
        # Flows that left the folder while nobody watched are gone too; the catalog has not seen them.
        catalog.start()
        await _until_set(catalog.ready, daemon.stopping)
        await enrolment.settled()
        if catalog.ready.is_set():
            await enrolment.drop_absent(flow.name for flow in known)
            recovery.apply_flows()
            clock.start()
            await control.start()
            starter.open()
            hooks.open()
            heartbeat.start()
            caretaking.start()
            settle()
            notifier.ready(daemon.summary())
            on_ready()
            log.info("serving %d flows from %s; state in %s", len(roster), flows_dir, paths.root)
        await daemon.stopping.wait()
        log.info("stopping")
        await _wind_down(daemon, dispatcher, clock, notifier, settings)
    except asyncio.CancelledError:
        if not mendings.is_wanted:
            raise
    finally:
        guard.cancel()
        heartbeat.stop()
        clock.stop()
        await caretaking.stop()
        await asyncio.to_thread(catalog.stop)
        await control.close()
        watch.close()
        memory_kills.close()
        hooks.close()
        goes_on = mendings.is_wanted and daemon.stop_request is None
        link.close(retire=not goes_on)
        await asyncio.to_thread(recorder.stop, AT_ONCE if mendings.is_wanted else RECORDING)
    if goes_on:
        return None
    live = len(dispatcher.live_runs)
    log.info("stopped%s", f"; {live} runs go on, the next daemon takes them up" if live else "")
    return daemon.exit_code


async def _wind_down(
    daemon: Daemon, dispatcher: Dispatcher, clock: Clock, notifier: Notifier, settings: Settings
) -> None:
    """Start nothing more, and wait for live runs as far as that was asked for."""
    clock.stop()
    dispatcher.close()
    request = daemon.stop_request
    assert request is not None
    if not request.drain:  # else systemd's patience and ours are as long as the runs are, and stopping ends the drain
        notifier.stopping("stopping")
    if request.cancel:
        for run in dispatcher.live_runs:
            dispatcher.cancel(run.uid, "the daemon was stopped, and told to cancel what runs")
    loop = asyncio.get_running_loop()
    grace = settings.dispatch.cancel_grace * 2 if request.cancel else settings.dispatch.stop_grace
    deadline, asked = loop.time() + grace, float("-inf")
    while dispatcher.live_runs and not request.at_once and (request.drain or loop.time() < deadline):
        if not request.drain and loop.time() - asked > MORE_TIME / 3:
            asked = loop.time()
            notifier.take_longer(MORE_TIME)
        await asyncio.sleep(DRAIN_STEP)
    notifier.stopping("stopping")


async def _until_set(ready: threading.Event, stopping: asyncio.Event) -> None:
    """Wait for the first load of the flows, however long it takes, unless the daemon is asked to stop."""
    while not ready.is_set() and not stopping.is_set():
        await asyncio.sleep(READY_STEP)

"""Once a second: deadlines, the socket's file, and the sign of life that systemd waits for."""

import asyncio
import logging
import time

from tidemill.control.server import ControlServer
from tidemill.dispatcher.dispatcher import Dispatcher
from tidemill.history.recorder import Recorder
from tidemill.scheduler.clock import Clock
from tidemill.service.daemon import Daemon
from tidemill.service.lock import StateLock
from tidemill.service.memory_kills import MemoryKills
from tidemill.service.systemd import Notifier
from tidemill.service.watching import ExitWatch

log = logging.getLogger(__name__)

INTERVAL = 1.0
STUCK_AFTER = 15.0
"""Seconds without a turn of the clock's or the recorder's thread after which the watchdog is not fed."""


class Heartbeat:
    """Beats on the loop, so that a stuck loop is noticed by its silence."""

    def __init__(
        self,
        daemon: Daemon,
        dispatcher: Dispatcher,
        *,
        lock: StateLock,
        watch: ExitWatch,
        clock: Clock,
        recorder: Recorder,
        control: ControlServer,
        notifier: Notifier,
        memory_kills: MemoryKills,
    ) -> None:
        self._daemon = daemon
        self._dispatcher = dispatcher
        self._lock = lock
        self._watch = watch
        self._clock = clock
        self._recorder = recorder
        self._control = control
        self._notifier = notifier
        self._memory_kills = memory_kills
        self._task: asyncio.Task[None] | None = None
        self._summary = ""
        self._fed = 0.0

    def start(self) -> None:
        """Begin to beat."""
        self._task = asyncio.get_running_loop().create_task(self._beat())

    def stop(self) -> None:
        """Beat no more."""
        if self._task is not None:
            self._task.cancel()

    async def _beat(self) -> None:
        while self._is_the_only_one():
            try:
                self._dispatcher.enforce()
                self._daemon.groups.enforce(self._dispatcher.live_runs)
                self._memory_kills.beat()
                self._watch.reap_strangers(self._dispatcher.live_runs)
                await self._control.ensure_reachable()
                self._tell_systemd()
            except OSError as error:  # too many open files, say
                log.error("the heartbeat stumbled and goes on: %s", error)
            except Exception:
                log.exception("the heartbeat stumbled and goes on")
            await asyncio.sleep(INTERVAL)

    def _is_the_only_one(self) -> bool:
        """End with the state directory: a new one may have a daemon of its own, and both would start the same runs."""
        if self._lock.is_ours:
            return True
        place = self._daemon.paths.root
        log.critical("the state directory %s was removed or replaced; the daemon ends, and live runs go on", place)
        self._daemon.exit_code = 1
        self._daemon.ask_to_stop()
        return False

    def _tell_systemd(self) -> None:
        summary = self._daemon.summary()
        if summary != self._summary:
            self._summary = summary
            self._notifier.status(summary)
        now = time.monotonic()
        interval = self._notifier.watchdog_interval
        if interval is None or now - self._fed < min(interval, 10.0) - INTERVAL:
            return
        seen = {"clock": self._clock.last_tick, "recorder": self._recorder.last_turn}
        if self._daemon.stop_request is not None:
            del seen["clock"]  # it stands still while live runs are waited for
        stuck = [name for name, moved in seen.items() if now - moved > STUCK_AFTER]
        if stuck:
            log.error("the %s has not moved for %g s; the watchdog is not fed", " and the ".join(stuck), STUCK_AFTER)
            return
        self._fed = now
        self._notifier.alive()

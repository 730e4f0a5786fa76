"""The catalog: a thread that knows, at any moment, which flows exist."""

import logging
import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Final

from tidemill.catalog.inspecting import Inspect, Inspector, UnsteadyError
from tidemill.catalog.known import CatalogChange, KnownFile, ManifestCache
from tidemill.catalog.lanes import Answer, Lanes, Ticket
from tidemill.catalog.reading import SourceText, read_source
from tidemill.catalog.register import Register
from tidemill.catalog.scanning import Look, TermsOf, look
from tidemill.catalog.sources import SourceStore
from tidemill.catalog.watching import Watcher
from tidemill.config.settings import CatalogSettings
from tidemill.domain.manifests import FileManifest

_log = logging.getLogger(__name__)
_PULSE: Final = 0.5
"""Seconds between checks that the folder is still the same folder, of which inotify tells nothing."""
_MOST_ANCHORS: Final = 32
_UNWATCHED_SWEEP: Final = 1.0
_LONGEST_SWEEP: Final = 30.0
_SWEEP_SHARE: Final = 2000
"""A full look may take one part in so many of the time."""
_BREATH: Final = 0.02
_GRACE: Final = 5.0
"""Seconds beyond an inspection's own time limit after which its answer is no longer waited for."""


class Catalog:
    """Watches a folder of flow files and tells, in batches, what changed in it.

    *inspect* is called from several threads at once; *on_change* from the catalog's own thread.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        inspect: Inspect,
        cache: ManifestCache,
        sources: SourceStore,
        on_change: Callable[[CatalogChange], None],
        settings: CatalogSettings | None = None,
        holders: Mapping[str, str] | None = None,
        ignore: Collection[Path | str] = (),
        terms: TermsOf | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Make a catalog of *folder*; *holders* says which file had which flow name before this daemon.

        What anybody could change whom its *terms* do not trust is not loaded.
        """
        self._folder = str(Path(folder).absolute())
        self._settings = settings or CatalogSettings()
        self._ignore = frozenset(os.path.realpath(path) for path in ignore)
        self._cache = cache
        self._sources = sources
        self._on_change = on_change
        self._holders = holders
        self._now = now
        self._wall = wall
        self._terms = terms
        self._inspector = Inspector(inspect, sources, timeout=self._settings.inspect_timeout, terms=terms)
        self._lanes = Lanes(self._carry_out, self._answered)
        self._watcher = Watcher(self.hint)
        self._register: Register | None = None
        self._thread = threading.Thread(target=self._run, name="catalog", daemon=True)
        self._wake = threading.Condition()
        self._answers: list[tuple[Ticket, Answer]] = []
        self._requests: list[_Request] = []
        self._served: list[_Request] = []
        self._hinted = True
        self._stopping = False
        self._files: Mapping[str, KnownFile] = {}
        self._seen = Look("")
        self._next_sweep = self._next_pulse = self._earliest_look = now()
        self._deadline: float | None = None
        self._progress_at = now()
        self._trouble: str | None = None
        self.ready = threading.Event()
        """Set once every file found at the start has been told of, or none of those left gives any more answers."""
        self.last_turn = now()
        """When the thread was last seen alive."""

    def start(self) -> None:
        """Begin to watch."""
        self._progress_at = self._now()
        self._thread.start()

    def stop(self) -> None:
        """End the thread; inspections under way are left to their time limit."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(5.0)
        self._lanes.stop()

    def hint(self) -> None:
        """Look again soon."""
        with self._wake:
            self._hinted = True
            self._wake.notify_all()

    def sweep_now(self, paths: Iterable[Path | str] = (), timeout: float | None = None) -> bool:
        """Look again, inspect *paths* and every broken file anew, and return once all of it is told.

        False means that *timeout* seconds passed, or the catalog ended, before that; by default it is what a few
        files that never finish loading may take.
        """
        if timeout is None:
            timeout = 2 * self._settings.inspect_timeout + _GRACE
        request = _Request(tuple(map(str, paths)))
        with self._wake:
            if self._stopping:
                return False
            self._requests.append(request)
            self._wake.notify_all()
        return request.done.wait(timeout) and not self._stopping

    def files(self) -> tuple[KnownFile, ...]:
        """Return every flow file as it was told last, by path."""
        return tuple(sorted(self._files.values(), key=lambda file: file.shown))

    def problems(self) -> tuple[str, ...]:
        """Return what is wrong with the folder itself, one sentence each."""
        own = [self._watcher.problem, self._trouble]
        return (*self._seen.problems, *(problem for problem in own if problem))

    def _run(self) -> None:
        while not self._wait():
            try:
                self._turn()
                self._trouble = None
            except Exception as error:
                _log.error(
                    "the catalog stumbled and goes on: %s",
                    error,
                    exc_info=None if isinstance(error, OSError) else error,
                )
                self._trouble = f"the catalog stumbled: {error}; see the daemon's log"
                self._hinted = False
                self._deadline = self._next_sweep = self._now() + 1.0
        self._watcher.stop()
        for request in (*self._requests, *self._served):
            request.done.set()

    def _wait(self) -> bool:
        """Sleep until there is something to do; tell whether it is to stop."""
        with self._wake:
            while not self._stopping and not self._answers and not self._requests:
                now = self._now()
                moments = [self._next_sweep, self._next_pulse]
                if self._deadline is not None:
                    moments.append(self._deadline)
                if self._hinted:
                    moments.append(self._earliest_look)
                if (pause := min(moments) - now) <= 0:
                    break
                self._wake.wait(pause)
            return self._stopping

    def _turn(self) -> None:
        now = self.last_turn = self._now()
        if self._register is None:
            self._register = self._open()
        register = self._register
        with self._wake:
            answers, self._answers = self._answers, []
            requests, self._requests = self._requests, []
            self._served += requests
        if answers:
            self._progress_at = now
        for ticket, answer in answers:
            failure = register.accept(ticket, answer, now)
            if failure is not None:
                _log.warning("%s could not be inspected: %s", ticket.path, failure)
        if now >= self._next_pulse:
            self._next_pulse = now + _PULSE
            self._hinted = self._hinted or not self._is_same_folder()
        is_due = now >= self._next_sweep or (self._deadline is not None and now >= self._deadline)
        if not (answers or requests or is_due or (self._hinted and now >= self._earliest_look)):
            return
        if requests or is_due or (self._hinted and now >= self._earliest_look):
            self._look(register, now)
        for request in requests:
            register.ask_again(request.paths, now)
        register.advance(now)
        self._tell(register, now)
        self._deadline = register.next_at(now)

    def _open(self) -> Register:
        return Register(
            submit=self._lanes.submit,
            sources=self._sources,
            settle=self._settings.settle,
            wall=self._wall,
            remembered=self._cache.load(),
            holders=self._holders,
        )

    def _look(self, register: Register, now: float) -> None:
        with self._wake:
            self._hinted = False
        begun = time.thread_time()
        before, self._seen = self._seen.problems, look(self._folder, self._ignore, self._terms)
        for problem in self._seen.problems:
            if problem not in before:
                _log.warning("%s", problem)
        # What happened between the look and the watch would be told by nobody.
        if self._watcher.follow(self._seen.trees):
            self._seen = look(self._folder, self._ignore, self._terms)
        register.observe(self._seen, now)
        cost = time.thread_time() - begun
        interval = self._settings.sweep_interval if self._watcher.is_watching else _UNWATCHED_SWEEP
        self._next_sweep = now + max(interval, min(cost * _SWEEP_SHARE, _LONGEST_SWEEP))
        self._earliest_look = self._now() + max(_BREATH, 4 * cost)

    def _tell(self, register: Register, now: float) -> None:
        batch = register.collect(now)
        if batch is not None:
            change, remembered = batch
            files = {
                path: file for path, file in self._files.items() if path not in {gone.path for gone in change.removed}
            }
            self._files = files | {file.path: file for file in change.changed}
            self._guarded(lambda: self._cache.save(remembered), "remembering manifests")
            self._guarded(lambda: self._on_change(change), "telling of changed flows")
        if not self.ready.is_set():
            limit = self._progress_at + self._settings.inspect_timeout + _GRACE
            if register.is_ready or now >= limit:
                self.ready.set()
                self.hint()
        if self._served and register.is_quiet:
            served, self._served = self._served, []
            for request in served:
                request.done.set()

    def _guarded(self, tell: Callable[[], None], what: str) -> None:
        """Keep the listeners' failures from costing the catalog the rest of its turn."""
        try:
            tell()
        except Exception:
            _log.exception("%s failed", what)

    def _is_same_folder(self) -> bool:
        """Tell whether the folder, and each linked one, is the one that was looked at."""
        anchors = list(self._seen.anchors.items())[:_MOST_ANCHORS]
        try:
            for path, identity in anchors:
                status = os.stat(path)  # noqa: PTH116 - twice a second, for ever
                if (status.st_dev, status.st_ino) != identity:
                    return False
        except OSError:
            return False
        return self._watcher.is_watching or self._watcher.problem is not None or not Path(self._folder).is_dir()

    def _carry_out(self, ticket: Ticket) -> FileManifest:
        return self._inspector.inspect(ticket.path, self._text_of(ticket), ticket.hash, ticket.root)

    def _text_of(self, ticket: Ticket) -> bytes:
        if ticket.data is not None:
            return ticket.data
        if self._sources.holds(ticket.hash):
            return self._sources.path(ticket.hash).read_bytes()
        # It could not be kept when it was read; the file itself may still hold the same text.
        text = read_source(ticket.path)
        if isinstance(text, SourceText) and text.hash == ticket.hash:
            return text.data
        raise UnsteadyError(f"{ticket.path} has changed again")

    def _answered(self, ticket: Ticket, answer: Answer) -> None:
        with self._wake:
            self._answers.append((ticket, answer))
            self._wake.notify_all()


class _Request:
    """Someone waits for a whole look."""

    def __init__(self, paths: tuple[str, ...]) -> None:
        self.paths = paths
        self.done = threading.Event()

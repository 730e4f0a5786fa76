"""Hints that the folder has changed. They may come late, twice or not at all: the look at the folder decides."""

import logging
import os
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from watchdog.events import (
    DirCreatedEvent,
    DirDeletedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

from tidemill.catalog.names import is_folder_searched, is_module
from tidemill.catalog.scanning import Tree

if TYPE_CHECKING:
    from watchdog.observers.api import BaseObserver

_log = logging.getLogger(__name__)
_MOST_TREES: Final = 32
"""Each costs a thread; what lies beyond is found by the sweep."""
# Not "modified": a flow that appends to a data file here would wake the daemon with every line.
_EVENTS: Final[list[type[FileSystemEvent]]] = [
    FileCreatedEvent,
    FileClosedEvent,
    FileMovedEvent,
    FileDeletedEvent,
    DirCreatedEvent,
    DirMovedEvent,
    DirDeletedEvent,
]


class Watcher:
    """Watches folders through inotify and calls *hint*, from a thread of its own."""

    def __init__(self, hint: Callable[[], None]) -> None:
        self._handler = _Handler(hint)
        self._trees: tuple[Tree, ...] | None = None
        self._observer: BaseObserver | None = None
        self.problem: str | None = None
        """Why nothing is watched, as a sentence."""

    @property
    def is_watching(self) -> bool:
        """Tell whether hints are to be expected."""
        # A watch whose folder was removed ends by itself, and may be the only sign where the new folder got the
        # old one's inode.
        return self._observer is not None and all(emitter.is_alive() for emitter in self._observer.emitters)

    def follow(self, trees: Sequence[Tree]) -> bool:
        """Watch exactly these folders; tell whether that is a change, after which one look was too early."""
        wanted = tuple(trees[:_MOST_TREES])
        if wanted == self._trees and self.is_watching:
            return False
        self.stop()
        if not wanted:
            return False
        # watchdog registers a folder made inside a new one twice, and warns of it where only its authors could act.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
        observer: BaseObserver | None = None
        try:
            observer = Observer()
            for tree in wanted:
                observer.schedule(self._handler, tree.path, recursive=tree.recursive, event_filter=_EVENTS)
            observer.start()
        except Exception as error:  # whatever inotify refuses, the sweep goes on without it
            problem = f"the flows folder cannot be watched ({error}); it is looked at every second instead"
            if problem != self.problem:
                _log.warning("%s", problem)
            self.problem = problem
            if observer is not None:
                _end(observer)
            return False
        self.problem = None
        self._observer, self._trees = observer, wanted
        return True

    def stop(self) -> None:
        """Watch nothing."""
        observer, self._observer, self._trees = self._observer, None, None
        if observer is not None:
            _end(observer)


def _end(observer: "BaseObserver") -> None:
    try:
        observer.stop()
        if observer.is_alive():
            observer.join(1.0)
    except Exception as error:  # it watched a folder that is gone; there is nothing left to end
        _log.debug("the watcher ended with %s", error)


class _Handler(FileSystemEventHandler):
    def __init__(self, hint: Callable[[], None]) -> None:
        self._hint = hint

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Pass on what may concern a Python file."""
        paths = [os.fsdecode(path) for path in (event.src_path, event.dest_path) if path]
        names = [path.rpartition("/")[2] for path in paths]
        matters = any(map(is_folder_searched, names)) if event.is_directory else any(map(is_module, names))
        # A link under any name may lead to a folder of flow files, or be the one that others lead through.
        if matters or any(map(os.path.islink, paths)):
            self._hint()

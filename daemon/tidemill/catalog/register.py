"""What every file of the folder is, step by step: seen, settled, read, inspected, told.

No thread and no clock of its own: it is handed each look at the folder and each answer of an inspection,
and says what to inspect and what has changed. The order of things in it is the point:

- a text is read once; its hash, the inspection and the kept source are of the same bytes;
- a file is inspected anew when its own text or that of a module it imported differs from what was inspected,
  and a broken one whenever any module of the folder changed, for it may have missed just that one;
- what is gone is told no earlier than what may take its place, so that a renamed file's flows never pause.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from tidemill.catalog.batches import Batches
from tidemill.catalog.claims import Claims
from tidemill.catalog.entries import Entry
from tidemill.catalog.inspecting import refusal, unusable
from tidemill.catalog.known import CachedFile, CatalogChange, Version
from tidemill.catalog.lanes import Answer, Ticket
from tidemill.catalog.reading import SourceText, read_source
from tidemill.catalog.scanning import Found, Look, Signature
from tidemill.catalog.settling import RACY_PAUSE, Settling, age_of, is_racy
from tidemill.catalog.sources import SourceStore
from tidemill.domain.manifests import FileManifest, Problem


class Register:
    """The state of all files."""

    def __init__(
        self,
        *,
        submit: Callable[[Ticket], None],
        sources: SourceStore,
        settle: float,
        wall: Callable[[], float],
        remembered: Mapping[str, CachedFile],
        holders: Mapping[str, str] | None = None,
    ) -> None:
        self._submit = submit
        self._sources = sources
        self._wall = wall
        self._remembered = dict(remembered)
        self._settling = Settling(settle)
        self._entries: dict[str, Entry] = {}
        self._batches = Batches(Claims(holders))
        self._tickets = 0
        self._root = ""
        self._has_looked = False
        self._is_shaken = False
        self._initial: set[str] = set()

    @property
    def is_ready(self) -> bool:
        """Tell whether every file of the first look has been told of."""
        if not self._has_looked:
            return False
        self._initial = {path for path in self._initial if (entry := self._entries.get(path)) and self._is_open(entry)}
        return not self._initial

    @property
    def is_quiet(self) -> bool:
        """Tell whether nothing is waited for and everything was told."""
        entries = self._entries.values()
        return not len(self._settling) and not any(
            e.is_pending or e.is_awaited or e.is_dirty or e.gone_at for e in entries
        )

    def observe(self, seen: Look, now: float) -> None:
        """Take in a look at the folder."""
        self._root = seen.root
        files = seen.files | self._outsiders(seen.files)
        for path, found in files.items():
            entry = self._entries.get(path)
            if entry is None:
                entry = self._entries[path] = Entry(found)
            self._see(entry, found, now)
        for path in self._entries.keys() - files.keys():
            self._miss(self._entries[path], seen.blind, now)
        if not self._has_looked:
            self._has_looked = True
            self._is_shaken = False
            self._initial = {path for path, entry in self._entries.items() if entry.counts}

    def advance(self, now: float) -> None:
        """Ask for the inspections that time and other files' changes call for."""
        for entry in self._entries.values():
            if not entry.counts:
                continue
            if self._is_shaken and entry.manifest is not None and not entry.manifest.is_good and entry.hash:
                entry.is_doubtful = True
            if entry.retry_at is not None and now >= entry.retry_at:
                self._request(entry)
            elif not entry.is_awaited and now >= entry.may_ask_at:
                self._reconsider(entry, now)
        self._is_shaken = False

    def accept(self, ticket: Ticket, answer: Answer, now: float) -> Exception | None:
        """Take in an inspection's answer; return what kept it from happening, when that is worth a line in the log."""
        entry = self._entries.get(ticket.path)
        if entry is None or entry.ticket != ticket.number or entry.gone_at is not None:
            return None
        entry.is_pending = entry.is_patient = False
        if isinstance(answer, FileManifest):
            entry.failures = 0
            self._conclude(entry, answer)
            return None
        entry.failures += 1
        entry.retry_at = now + min(0.25 * 2.0**entry.failures, 5.0)
        if not entry.has_failed:
            return answer if entry.failures == 1 else None
        problem = Problem(f"it could not be inspected: {answer}; it is tried again")
        self._conclude(entry, FileManifest(entry.path, entry.hash, errors=(problem,)))
        return None

    def collect(self, now: float) -> tuple[CatalogChange, dict[str, CachedFile | None]] | None:
        """Return what is to be told now, if anything, and what is to be remembered."""
        arriving = [entry for entry in self._entries.values() if entry.counts and self._is_arriving(entry)]
        batch = self._batches.close(self._entries, arriving, now, is_starting=bool(self._initial))
        if batch is not None:
            for file in batch[0].removed:
                if self._entries[file.path].gone_at is not None:
                    del self._entries[file.path]
        return batch

    def ask_again(self, paths: Iterable[str], now: float) -> None:
        """Inspect these files whether or not they changed, and every broken one."""
        wanted = {os.path.realpath(path) for path in paths}
        for path, entry in self._entries.items():
            is_broken = entry.manifest is not None and not entry.manifest.is_good
            if entry.counts and entry.hash and not entry.is_awaited and (path in wanted or is_broken):
                entry.note_ask(now)
                self._request(entry)

    def next_at(self, now: float) -> float | None:
        """Return when to look and advance again, if nothing happens before."""
        moments = [self._settling.next_at(now), self._batches.next_at]
        for entry in self._entries.values():
            moments += (entry.recheck_at, entry.retry_at)
            if entry.asks:
                moments.append(entry.may_ask_at)
        return min((moment for moment in moments if moment is not None and moment > now), default=None)

    def _see(self, entry: Entry, found: Found, now: float) -> None:
        if entry.gone_at is not None or found.is_flow_file != entry.found.is_flow_file:
            entry.gone_at = entry.read = None
            entry.drop_inspection()
        if found.shown != entry.found.shown and entry.known is not None:
            entry.is_dirty = True
        entry.found = found
        if entry.read == found.signature and entry.trouble == found.trouble:
            self._settling.forget(found.path)
            if entry.recheck_at is not None and now >= entry.recheck_at:
                self._read(entry, now)
            return
        entry.recheck_at = None
        # When the daemon starts, most files were left alone long ago, and their own times say so.
        age = 0.0 if self._has_looked else age_of(found.signature, self._wall())
        if self._settling.is_settled(found.path, found.signature, now, age=age):
            self._read(entry, now)

    def _miss(self, entry: Entry, blind: Iterable[str], now: float) -> None:
        if entry.gone_at is not None or any(entry.path.startswith(f"{folder}/") for folder in blind):
            return
        if not self._settling.is_gone(entry.path, now):
            return
        self._is_shaken = True
        if entry.known is None:
            del self._entries[entry.path]
            return
        entry.drop_inspection()
        entry.gone_at = now

    def _read(self, entry: Entry, now: float) -> None:
        found, wall = entry.found, self._wall()
        text = Problem(found.trouble) if found.trouble is not None else read_source(found.path)
        if text is None:
            return
        if isinstance(text, SourceText) and text.signature != found.signature:
            # It is being written this very moment: the wait begins anew.
            self._settling.is_settled(found.path, text.signature, now)
            return
        is_first = entry.read is None
        entry.read, entry.trouble = found.signature, found.trouble
        entry.recheck_at = now + RACY_PAUSE if is_racy(found.signature, wall) else None
        digest = text.hash if isinstance(text, SourceText) else ""
        if digest and digest == entry.hash and not is_first:
            return
        entry.hash = digest
        entry.asks = 0
        self._is_shaken = True
        if not found.is_flow_file:
            entry.manifest = entry.good = None
            return
        entry.drop_inspection()
        self._judge(entry, text)

    def _judge(self, entry: Entry, text: SourceText | Problem) -> None:
        """Come to a manifest for a new text, or have one made."""
        is_known = self._recall(entry, text)
        if isinstance(text, Problem):
            self._conclude(entry, unusable(entry.path, text))
            return
        refused = refusal(entry.path, text.data, text.hash)
        if refused is not None:
            if refused.is_good:
                self._sources.keep(text.data, text.hash)
            self._conclude(entry, refused)
        elif not is_known:
            self._request(entry, text.data)

    def _recall(self, entry: Entry, text: SourceText | Problem) -> bool:
        """Take over what an earlier daemon knew of the file, as far as the texts it stood on are still kept.

        Tells whether that makes an inspection needless.
        """
        cached = self._remembered.pop(entry.path, None)
        if cached is None:
            return False
        is_same = isinstance(text, SourceText) and cached.hash == text.hash
        if isinstance(text, SourceText) and is_same:
            self._sources.keep(text.data, text.hash)
        manifest = cached.manifest if cached.manifest.is_good else cached.good
        if manifest is not None:
            version = Version.of(manifest)
            if all(self._sources.holds(digest) for digest in version.sources.values()):
                entry.good = version
        if not is_same or (entry.good is None and cached.manifest.is_good):
            return False
        self._conclude(entry, cached.manifest)
        # What kept it from loading may lie outside the folder: a package that was installed meanwhile.
        entry.is_doubtful = not cached.manifest.is_good
        return True

    def _conclude(self, entry: Entry, manifest: FileManifest) -> None:
        entry.manifest = manifest
        entry.is_dirty = True
        if manifest.is_good:
            entry.good = Version.of(manifest)

    def _reconsider(self, entry: Entry, now: float) -> None:
        """Inspect a file anew whose modules are not what it was inspected with, or that may do better now."""
        if entry.manifest is None:
            return
        modules = entry.manifest.imports
        if modules and not any(self._settling.is_changing(module.path) for module in modules):
            current = tuple(self._hash_of(module.path) for module in modules)
            if current != entry.stale_for and current != tuple(module.hash for module in modules):
                entry.stale_for = current
                entry.note_ask(now)
                self._request(entry)
                return
        if entry.is_doubtful and not entry.is_pending and not self._initial:
            entry.note_ask(now)
            self._request(entry, is_urgent=False)

    def _request(self, entry: Entry, data: bytes | None = None, *, is_urgent: bool = True) -> None:
        self._tickets += 1
        entry.ticket = self._tickets
        entry.is_pending, entry.is_patient = True, not is_urgent
        entry.retry_at = None
        self._submit(Ticket(entry.path, entry.hash, data, self._tickets, self._root, is_urgent))

    def _outsiders(self, files: Mapping[str, Found]) -> dict[str, Found]:
        """Look at imported modules that the look at the folder does not show, such as those of hidden folders."""
        found: dict[str, Found] = {}
        for entry in self._entries.values():
            for module in entry.manifest.imports if entry.manifest is not None else ():
                if module.path not in files and module.path not in found:
                    try:
                        signature = Signature.of(Path(module.path).stat())
                    except OSError:
                        continue
                    found[module.path] = Found(module.path, module.path, signature, is_flow_file=False)
        return found

    def _hash_of(self, path: str) -> str:
        entry = self._entries.get(path)
        return entry.hash if entry is not None and entry.gone_at is None else ""

    def _is_arriving(self, entry: Entry) -> bool:
        return entry.is_awaited or self._settling.is_changing(entry.path)

    def _is_open(self, entry: Entry) -> bool:
        return entry.counts and (entry.known is None or entry.is_dirty or self._is_arriving(entry))

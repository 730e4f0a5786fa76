"""What is told together: a flow that moves between files must never be missing in between."""

from collections.abc import Mapping, Sequence
from typing import Final

from tidemill.catalog.claims import NOTHING, Claimant, Claims
from tidemill.catalog.entries import Entry
from tidemill.catalog.known import CachedFile, CatalogChange, KnownFile

Batch = tuple[CatalogChange, dict[str, CachedFile | None]]

_PATIENCE: Final = 0.05
"""Seconds that news wait for other files whose inspection is under way: they may belong together."""
_STARTING_PATIENCE: Final = 2.0
"""The same while the daemon starts: whose a doubly declared name is must be a matter of paths, not of luck."""
_HOLD: Final = 0.7
"""Seconds that a removal waits for files that are just arriving."""


class Batches:
    """Decides when news are told, and whose each flow name is."""

    def __init__(self, claims: Claims) -> None:
        self._claims = claims
        self._names: frozenset[str] = frozenset()
        self._dirty_since: float | None = None
        self.next_at: float | None = None
        """When news that are held back are due."""

    def close(
        self, entries: Mapping[str, Entry], arriving: Sequence[Entry], now: float, *, is_starting: bool
    ) -> Batch | None:
        """Return what is to be told now; entries that are gone stay in it until their removal is told."""
        self.next_at = None
        leaving = [entry for entry in entries.values() if entry.known is not None and not entry.counts]
        if not leaving and not any(entry.is_dirty for entry in entries.values()):
            self._dirty_since = None
            return None
        if self._dirty_since is None:
            self._dirty_since = now
        due = self._dirty_since + (_STARTING_PATIENCE if is_starting else _PATIENCE)
        if arriving and now < due:
            self.next_at = due
            return None
        removed = [entry for entry in leaving if not self._is_held(entry, arriving, now)]
        batch = self._tell(entries, {entry.path for entry in removed})
        self._dirty_since = None
        return batch

    def _is_held(self, entry: Entry, arriving: Sequence[Entry], now: float) -> bool:
        """Tell whether the file that is gone may be about to come back under another name."""
        if any(other.hash == entry.hash and other.is_awaited for other in arriving):
            return True
        release = (now if entry.gone_at is None else entry.gone_at) + _HOLD
        if not arriving or now >= release:
            return False
        self.next_at = release if self.next_at is None else min(self.next_at, release)
        return True

    def _tell(self, entries: Mapping[str, Entry], removed: set[str]) -> Batch | None:
        files = [
            entry
            for path, entry in entries.items()
            if path not in removed and (entry.found.is_flow_file or entry.known)
        ]
        claimants = _claimants(files)
        awaited = {entry.path for entry in files if entry.manifest is None}
        granted = self._claims.settle(claimants, awaited)
        changed: list[KnownFile] = []
        for entry in files:
            grant = granted.get(entry.path, NOTHING)
            if not entry.is_dirty and grant == entry.grant:
                continue
            entry.is_dirty = False
            entry.grant = grant
            known = entry.describe(grant)
            if known is not None and known != entry.known:
                entry.known = known
                changed.append(known)
        gone = [known for path in sorted(removed) if (known := entries[path].known) is not None]
        for path in removed:
            entries[path].known, entries[path].is_dirty = None, False
        names = frozenset(flow.name for grant in granted.values() for flow in grant.flows)
        before, self._names = self._names, names
        if not changed and not gone:
            return None
        remembered: dict[str, CachedFile | None] = {known.path: None for known in gone}
        remembered |= {known.path: entries[known.path].remember() for known in changed}
        changed.sort(key=lambda known: known.path)
        return CatalogChange(
            tuple(changed), tuple(gone), tuple(sorted(before - names)), tuple(sorted(names - before))
        ), remembered


def _claimants(files: Sequence[Entry]) -> list[Claimant]:
    """Return who declares what; a file that is gone claims only what no file that is there declares."""
    good = [(entry, entry.good.manifest.flows) for entry in files if entry.good is not None]
    present = {flow.name for entry, flows in good if entry.counts for flow in flows}
    return [
        Claimant(
            entry.path,
            entry.found.shown,
            flows if entry.counts else [flow for flow in flows if flow.name not in present],
        )
        for entry, flows in good
    ]

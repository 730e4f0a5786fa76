"""One Python file of the folder as the register keeps it."""

from dataclasses import dataclass
from typing import Final

from tidemill.catalog.claims import NOTHING, Granted
from tidemill.catalog.known import CachedFile, KnownFile, Version
from tidemill.catalog.scanning import Found, Signature
from tidemill.domain.manifests import FileManifest

_CALM: Final = 60.0
_FREE_ASKS: Final = 4
_MOST_FAILURES: Final = 3
"""After so many failed attempts to have a file inspected, the file is shown as such and no longer waited for."""


@dataclass(slots=True)
class Entry:
    """What is known of one real path: a flow file, or a module that flow files may import."""

    found: Found
    read: Signature | None = None
    """What the file looked like when it was read last."""
    trouble: str | None = None
    hash: str = ""
    """Of its settled text; empty where there is none to be had."""
    recheck_at: float | None = None
    """When to read it once more, because it was read in the tick in which it was written."""
    manifest: FileManifest | None = None
    good: Version | None = None
    ticket: int = 0
    """The inspection whose answer counts."""
    is_pending: bool = False
    is_patient: bool = False
    """Pending, but only to see whether it does better now."""
    failures: int = 0
    retry_at: float | None = None
    is_doubtful: bool = False
    """Broken, and something it may import has changed since."""
    stale_for: tuple[str, ...] | None = None
    """The module hashes it was inspected again for, so that this happens once."""
    asked_at: float = float("-inf")
    asks: int = 0
    gone_at: float | None = None
    is_dirty: bool = False
    grant: Granted = NOTHING
    known: KnownFile | None = None
    """As it was told last."""

    @property
    def path(self) -> str:
        """The absolute real path."""
        return self.found.path

    @property
    def counts(self) -> bool:
        """Tell whether it is a flow file that is there."""
        return self.found.is_flow_file and self.gone_at is None

    @property
    def is_awaited(self) -> bool:
        """Tell whether an answer is on its way that others should wait for."""
        return (self.is_pending and not self.is_patient) or (
            self.retry_at is not None and self.failures < _MOST_FAILURES
        )

    @property
    def has_failed(self) -> bool:
        """Tell whether it could not be inspected for too long to be silent about it."""
        return self.failures >= _MOST_FAILURES

    @property
    def may_ask_at(self) -> float:
        """When it may be inspected again without having changed.

        A file that writes a module it imports whenever it is loaded would otherwise be loaded for ever.
        """
        if self.asks < _FREE_ASKS:
            return self.asked_at
        return self.asked_at + min(0.25 * 2.0 ** (self.asks - _FREE_ASKS), 30.0)

    def note_ask(self, now: float) -> None:
        """Count an inspection that no change of its own asked for."""
        self.asks = 1 if now - self.asked_at > _CALM else self.asks + 1
        self.asked_at = now
        self.is_doubtful = False

    def drop_inspection(self) -> None:
        """Take no answer that is still on its way."""
        self.ticket = 0
        self.is_pending = self.is_patient = False
        self.retry_at = None
        self.failures = 0

    def remember(self) -> CachedFile | None:
        """Return what the next daemon should know of it."""
        if self.manifest is None or self.read is None:
            return None
        good = None if self.manifest.is_good or self.good is None else self.good.manifest
        return CachedFile(self.read.size, self.read.mtime_ns, self.read.inode, self.manifest.hash, self.manifest, good)

    def describe(self, grant: Granted) -> KnownFile | None:
        """Return how it stands, once there is an answer to go by."""
        if self.manifest is None:
            return None
        errors = self.manifest.errors + grant.refusals
        return KnownFile(self.path, self.found.shown, self.manifest, self.good, grant.flows, errors)

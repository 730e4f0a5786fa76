"""The writer: every sentence the daemon may write into the history, inside the recorder's transaction."""

from sqlalchemy import Connection

from tidemill.domain.manifests import FlowManifest
from tidemill.domain.zones import local_zone, zone_name
from tidemill.history.backfill_writing import BackfillWriting
from tidemill.history.children import ChildWriting
from tidemill.history.ledger import LedgerWriting
from tidemill.history.queries import TIMEZONE_KEY
from tidemill.history.records import StoredSchedule
from tidemill.history.removing import RemovalWriting
from tidemill.history.retry_writing import RetryWriting


class Writer(RemovalWriting, LedgerWriting, ChildWriting, RetryWriting, BackfillWriting):
    """What a piece of work is handed; nothing it writes is there before the recorder's commit."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self.forget()

    def forget(self) -> None:
        """Drop the remembered keys: the transaction that made them may have been rolled back."""
        self._flow_ids = {}
        self._version_ids = {}
        self._child_ids = {}
        self._is_zone_kept = False

    def save_flow(self, flow: FlowManifest, file: str, version: str, now: int) -> list[StoredSchedule]:
        """Record a flow as its file declares it now, and return its schedules with their keys.

        With it goes the zone of schedules that name none: who reads the history may live in another.
        """
        if not self._is_zone_kept:
            self.set_meta(TIMEZONE_KEY, zone_name(local_zone()) or "")
            self._is_zone_kept = True
        return super().save_flow(flow, file, version, now)

    def get_meta(self, key: str) -> str | None:
        """Return what was kept under *key*, such as the boot id last seen."""
        row = self.row("SELECT value FROM meta WHERE key = ?", (key,))
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep *value* under *key*."""
        self.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (key, value),
        )

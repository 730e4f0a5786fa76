"""The histories and state directories these tests work on."""

from care_lab import world
from history_lab import lab, postgresql, sqlite_lab
from sync_spy import synced

__all__ = ["lab", "postgresql", "sqlite_lab", "synced", "world"]

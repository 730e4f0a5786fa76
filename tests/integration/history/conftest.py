"""The histories these tests work on."""

from history_lab import lab, postgresql, sqlite_lab
from sync_spy import synced

__all__ = ["lab", "postgresql", "sqlite_lab", "synced"]

"""The histories and state directories these tests work on."""

from care_lab import world
from history_lab import lab, postgresql, sqlite_lab

__all__ = ["lab", "postgresql", "sqlite_lab", "world"]

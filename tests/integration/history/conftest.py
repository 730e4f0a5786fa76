"""The histories these tests work on."""

from history_lab import lab, postgresql, sqlite_lab

__all__ = ["lab", "postgresql", "sqlite_lab"]

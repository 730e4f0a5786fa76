"""Locks among the processes of a machine: ``from tidemill.locking.filesystem import FileSystemLockManager``."""

from tidemill.engine.caching.lock_managers import FileSystemLockManager

__all__ = ["FileSystemLockManager"]

"""Locks among the threads of one process: ``from tidemill.locking.memory import MemoryLockManager``."""

from tidemill.engine.caching.lock_managers import MemoryLockManager

__all__ = ["MemoryLockManager"]

"""What locks cache keys and transactions: ``from tidemill.locking.filesystem import FileSystemLockManager``.

Nobody has to name one here: without it, SERIALIZABLE takes locks of the kernel's, which hold among all processes.
"""

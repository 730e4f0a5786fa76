"""Loggers that write into the run's log: ``from tidemill.logging import get_run_logger``."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tidemill import get_run_logger
from tidemill.authoring.context import RUN_LOGGER
from tidemill.authoring.unsupported import missing_from

__all__ = ["disable_run_logger", "get_logger", "get_run_logger"]

__getattr__ = missing_from(__name__)


def get_logger(name: str | None = None) -> logging.Logger:
    """Return a logger of that name; in a run its lines go to the run's log."""
    return logging.getLogger(name)


@contextmanager
def disable_run_logger() -> Iterator[None]:
    """Let the run's logger say nothing inside the block, for tests of a task's function."""
    logger = logging.getLogger(RUN_LOGGER)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before

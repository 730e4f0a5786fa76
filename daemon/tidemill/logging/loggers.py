"""The same loggers, from where Prefect's users also import them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tidemill.authoring.unsupported import missing_from
from tidemill.logging import disable_run_logger, get_logger, get_run_logger

__all__ = [
    "PrefectLogAdapter",
    "disable_logger",
    "disable_run_logger",
    "flow_run_logger",
    "get_logger",
    "get_run_logger",
    "patch_print",
    "print_as_log",
    "task_run_logger",
]

__getattr__ = missing_from(__name__)

PrefectLogAdapter = logging.LoggerAdapter
print_as_log = print


def flow_run_logger(*_: Any, **__: Any) -> logging.Logger:
    """Return the run's logger, for a hook: whatever a run's code logs or prints goes to the run's log."""
    return get_run_logger()


def task_run_logger(*_: Any, **__: Any) -> logging.Logger:
    """Return the run's logger, for a hook of a task."""
    return get_run_logger()


@contextmanager
def disable_logger(name: str) -> Iterator[None]:
    """Let the logger of that name say nothing inside the block."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


@contextmanager
def patch_print() -> Iterator[None]:
    """Do nothing: what a run prints is in its log."""
    yield

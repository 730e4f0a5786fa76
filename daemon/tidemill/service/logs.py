"""The daemon's own log: sentences to stderr, with the priority that journald reads where it listens."""

import logging
import os
import sys

_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class JournaldFormatter(logging.Formatter):
    """One ``<N>`` before every line, for a record of many lines is many records to journald."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record with its priority on every line."""
        prefix = f"<{_PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in neutral(super().format(record)).splitlines())


class NeutralFormatter(logging.Formatter):
    """Names of files and texts of errors are others' words: what would act on a terminal is written as its escape."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record, its lines kept."""
        return neutral(super().format(record))


def neutral(text: str) -> str:
    """Return *text* with an escape for each character that cannot be printed, but for line ends and tabs."""
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() or sign in "\n\t" else sign.encode("unicode_escape").decode() for sign in text
    )


def set_up_logging(*, verbose: bool = False) -> None:
    """Send the daemon's messages to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    if _stderr_is_journald():
        handler.setFormatter(JournaldFormatter("%(message)s"))
    else:
        handler.setFormatter(NeutralFormatter("%(asctime)s %(levelname)-7s %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, handlers=[handler], force=True)
    for talkative in ("alembic", "apscheduler", "watchdog"):
        logging.getLogger(talkative).setLevel(logging.WARNING)


def _stderr_is_journald() -> bool:
    stream = os.environ.get("JOURNAL_STREAM", "")
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return stream == f"{status.st_dev}:{status.st_ino}"

"""The files of a run that are of no use once it has ended: what a retry takes over, and half-written results."""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress

from tidemill.config.paths import DRAFT, StatePaths
from tidemill.domain.errors import Refused
from tidemill.history.resuming import Past
from tidemill.history.writing import Writer
from tidemill.journal.finished import NAME, write_finished


def finished_path(paths: StatePaths, uid: str) -> str:
    """Return where the file of a run lies: it is taken away with the run's results, should nobody have read it."""
    return f"{paths.run_results_name(uid)}/{NAME}"


def forget_finished(paths: StatePaths, uid: str) -> None:
    """Remove the file of a retry that has ended, and drafts of it: cancelled or killed early, it has not read it."""
    _unlink(paths, uid, lambda name: name.startswith(NAME))
    with suppress(OSError):
        os.rmdir(paths.run_results_name(uid))  # noqa: PTH106 - text, see _unlink; not if there are results in it


def forget_drafts(paths: StatePaths, uid: str) -> None:
    """Remove the results that a run which was killed had begun to write."""
    _unlink(paths, uid, lambda name: name.startswith(".") and name.endswith(DRAFT))


def keep_finished(writer: Writer, past: Sequence[Past], path: str) -> None:
    """Write down what a retry takes over, if there is anything. Raises Refused where the file cannot be written."""
    if not past:
        return
    try:
        write_finished(path, writer.with_values(past))
    except OSError as error:
        raise Refused(
            f"the retry was not taken: what it takes over cannot be written to {path}: {error.strerror}"
        ) from error


def _unlink(paths: StatePaths, uid: str, is_meant: Callable[[str], bool]) -> None:
    """Remove files of a run's results. By their names: in Python 3.12 a Path keeps the parts of its own for good."""
    folder = paths.run_results_name(uid)
    with suppress(OSError):
        for name in filter(is_meant, os.listdir(folder)):  # noqa: PTH208
            with suppress(FileNotFoundError):
                os.unlink(f"{folder}/{name}")  # noqa: PTH108

"""The files of a run that are of no use once it has ended: what a retry takes over, and half-written results."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from tidemill.config.paths import DRAFT, StatePaths
from tidemill.domain.errors import Refused
from tidemill.history.resuming import Past
from tidemill.history.writing import Writer
from tidemill.journal.finished import NAME, write_finished


def finished_path(paths: StatePaths, uid: str) -> Path:
    """Return where the file of a run lies: it is taken away with the run's results, should nobody have read it."""
    return paths.run_results(uid) / NAME


def forget_finished(paths: StatePaths, uid: str) -> None:
    """Remove the file of a retry that has ended, and drafts of it: cancelled or killed early, it has not read it."""
    folder = finished_path(paths, uid).parent
    with suppress(OSError):
        for path in folder.glob(f"{NAME}*"):
            path.unlink()
        folder.rmdir()  # unless there are results in it


def forget_drafts(paths: StatePaths, uid: str) -> None:
    """Remove the results that a run which was killed had begun to write."""
    with suppress(OSError):
        for draft in paths.run_results(uid).glob(f".*{DRAFT}"):
            draft.unlink(missing_ok=True)


def keep_finished(writer: Writer, past: Sequence[Past], path: Path) -> None:
    """Write down what a retry takes over, if there is anything. Raises Refused where the file cannot be written."""
    if not past:
        return
    try:
        write_finished(path, writer.with_values(past))
    except OSError as error:
        raise Refused(
            f"the retry was not taken: what it takes over cannot be written to {path}: {error.strerror}"
        ) from error

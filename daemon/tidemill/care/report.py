"""What a pruning came to."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class Report:
    """What was removed, or would be, and what is left."""

    dry_run: bool = False
    runs: int = 0
    failed_runs: int = 0
    """How many of the runs had failed, crashed or timed out."""
    moments: int = 0
    """Rows of the ledger."""
    versions: int = 0
    """Versions of flow files that no run was made of any more."""
    leftovers: int = 0
    """Runs of which only files were left."""
    cached: int = 0
    """Results kept for tasks that are called again."""
    freed: int = 0
    """Bytes in files and in the history."""
    size: int | None = None
    """Bytes that history, journals, logs and results take afterwards; None where nobody counted them."""
    needed: int = 0
    """Runs that are old enough, and stay because another run was retried from them."""
    failed_kept: int = 0
    """Runs that would be old enough if they had not failed."""
    unrecorded: int = 0
    """Journals of runs that the history does not know: ``doctor --repair`` brings them back."""
    notes: tuple[str, ...] = ()
    """What could not be done, a sentence each."""

    def note(self, sentence: str) -> None:
        """Add a sentence, once."""
        if sentence not in self.notes:
            self.notes = (*self.notes, sentence)

    def document(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {**asdict(self), "notes": list(self.notes)}

"""The real stack with the flows of the reference run."""

from pathlib import Path

from chaos.killing.person import Deed
from chaos.killing.stack import Stack
from chaos.reference_run.flows import REFERENCE


class ReferenceStack(Stack):
    """A state directory in which the story has not begun."""

    def __init__(self, folder: Path, variant: str) -> None:
        super().__init__(folder, REFERENCE)
        self.variant = variant
        self.before: list[Deed] = []
        """What was asked and answered before the story begins."""

    def is_at_work(self, run: str) -> bool:
        """Tell whether a task of *run* has begun, by what tasks tell."""
        return self.ledger.exists() and f"{run} " in self.ledger.read_text()

"""The limits of the run that this process is, for the engine and for user code in any thread; light until used."""

from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tidemill.limits.leases import Grip
    from tidemill.limits.slots import Slots

HELD: "Final[ContextVar[tuple[Grip, ...]]]" = ContextVar("tidemill_held", default=())
"""What the code that runs here is under, innermost first."""


class Here:
    """Where the limits are, if any are known."""

    def __init__(self) -> None:
        self.place: tuple[str, str, str] | None = None
        """The folder, and the run and the flow that hold in their names."""
        self._slots: Slots | None = None

    def use(self, folder: str, run: str, flow: str) -> None:
        """Let this process take slots from *folder*, which stands for *run*; an empty name means there are none."""
        self.place, self._slots = ((folder, run, flow) if folder else None), None

    @property
    def slots(self) -> "Slots | None":
        """What takes the slots; None where no limits are known."""
        if self._slots is None and self.place is not None:
            from pathlib import Path

            from tidemill.limits.slots import Slots

            folder, run, flow = self.place
            self._slots = Slots(Path(folder), run, flow)
        return self._slots


HERE: Final = Here()

"""How a run ended, as the engine saw it."""

from dataclasses import dataclass
from typing import Any

from tidemill.domain.results import ErrorInfo, ResultInfo
from tidemill.domain.states import State


@dataclass(frozen=True, slots=True)
class Verdict:
    """A flow came to its end."""

    state: State
    error: ErrorInfo | None = None
    result: ResultInfo | None = None
    value: Any = None
    """What a function flow returned."""
    exception: BaseException | None = None
    """What it raised, for a caller in the same process."""

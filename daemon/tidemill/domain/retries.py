"""The retry policy of a task or a flow, as a value."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often, when and after which errors another attempt is made. Durations are seconds."""

    max_retries: int = 0
    """Attempts after the first."""
    delay: float | tuple[float, ...] = 0.0
    """Before the first retry; a tuple gives one delay for each retry, its last for all further ones."""
    backoff: float = 1.0
    """The factor by which the delay grows with every retry."""
    max_delay: float | None = None
    jitter: float = 0.0
    """The share of the delay that is added at random."""
    on: Any = None
    """A tuple of exception types or a predicate over the exception; None: every Exception."""
    stop: Any = None
    """tenacity's own strategy, in place of ``max_retries``."""
    wait: Any = None
    """tenacity's own strategy, in place of the delays."""
    retry: Any = None
    """tenacity's own condition, in place of ``on``."""

    @property
    def allows_any(self) -> bool:
        """Tell whether there can be a second attempt at all."""
        return self.max_retries > 0 or self.stop is not None

    def delay_after(self, attempt: int, chance: float) -> float:
        """Return the seconds to wait after the failed *attempt*; *chance* lies between 0 and 1."""
        if isinstance(self.delay, tuple):
            base = self.delay[min(attempt, len(self.delay)) - 1] if self.delay else 0.0
        else:
            base = self.delay
        try:
            delay = base * self.backoff ** (attempt - 1) * (1 + self.jitter * chance)
        except OverflowError:
            delay = float("inf")
        ceiling = self.max_delay if self.max_delay is not None else _LONGEST
        return min(delay, ceiling)


_LONGEST = 365 * 86400.0


NO_RETRIES = RetryPolicy()
"""One attempt, and that is all."""

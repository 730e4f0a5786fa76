"""The retry policy of a task or a flow, as a value."""

import math
from typing import Any, Final, NamedTuple

ASK_CONDITION: Final = "ask"
"""Stands where a retry condition has to be asked itself what it says of a value."""
LONGEST: Final = 365 * 86400.0
"""Seconds beyond which nobody waits: a strategy that says more, or infinity, is cut to it."""

MOST_DELAYS: Final = 50
"""Delays that a function of the number of retries makes; further retries wait as long as the last. Prefect's limit."""


class RetryPolicy(NamedTuple):
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
    """tenacity's own strategy, beside ``max_retries``: the first that says so ends the retries."""
    wait: Any = None
    """tenacity's own strategy, in place of the delays."""
    retry: Any = None
    """tenacity's own condition, in place of ``on``."""
    on_value: Any = None
    """What ``retry`` says of a returned value: a function that tells whether it asks for another attempt,
    ASK_CONDITION, or None when it accepts every one."""
    spread: float = 0.0
    """Prefect's ``retry_jitter_factor``: delays spread around the one given, at most that share above it."""
    before: Any = None
    """Called with tenacity's call state before each attempt."""
    after: Any = None
    """Called with tenacity's call state after each attempt that another may follow."""
    before_sleep: Any = None
    """Called with tenacity's call state when another attempt will follow."""
    condition_fn: Any = None
    """Prefect's ``retry_condition_fn``: asked with the task, its run and the failed state; False ends the retries."""

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
            delay = math.inf
        if self.spread:
            delay = min(delay, LONGEST) * spread_around_one(self.spread, chance)
        return min(delay, LONGEST if self.max_delay is None else self.max_delay)


def spread_around_one(factor: float, chance: float) -> float:
    """Return a random multiple of a delay: at most 1 + *factor*, and 1 on average.

    The distribution is Prefect's: the time between two arrivals of a Poisson process, cut at both ends.
    *chance* lies between 0 and 1.
    """
    most = 1 + factor
    least = -math.log2(1 - 2**-most)
    still_to_come, left_over = math.exp(-least), math.exp(-most)
    drawn = -math.log(max(still_to_come - chance * (still_to_come - left_over), 1e-10))
    return min(most, max(0.0, drawn))


NO_RETRIES = RetryPolicy()
"""One attempt, and that is all."""

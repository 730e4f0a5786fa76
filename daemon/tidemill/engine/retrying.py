"""Whether a failed attempt is followed by another, and when.

tenacity's strategies decide and pace; they are imported at the first failure, so that a task that succeeds pays
nothing for them. The loop and the waiting are the engine's own: a wait can be cancelled and holds no thread.
"""

import random
from typing import TYPE_CHECKING, Any, Final

from tidemill.domain.errors import GiveUp, Retry
from tidemill.domain.retries import RetryPolicy

if TYPE_CHECKING:
    from tenacity import RetryCallState

ASKED_LIMIT: Final = 10
"""Retries of a task that raises Retry and whose policy says nothing about them."""


class Retries:
    """The attempts of one task run so far, as its policy sees them."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._attempts = 0
        self._state: RetryCallState | None = None

    def delay_after_error(self, error: BaseException) -> float | None:
        """Return the seconds until the next attempt; None when there is none."""
        self._attempts += 1
        if isinstance(error, GiveUp):
            return None
        if isinstance(error, Retry):
            limit = self._policy.max_retries if self._policy.allows_any else ASKED_LIMIT
            if self._policy.stop is None:
                if self._attempts > limit:
                    return None
                return self._policy.delay_after(self._attempts, random.random()) if error.delay is None else error.delay
        if not self._policy.allows_any:
            return None
        state = self._call_state()
        state.set_exception((type(error), error, error.__traceback__))
        return self._decide(state, asked=isinstance(error, Retry))

    def delay_after_value(self, value: Any) -> float | None:
        """Return the seconds until the next attempt, when the policy's own condition rejects *value*."""
        self._attempts += 1
        state = self._call_state()
        state.set_result(value)
        return self._decide(state, asked=False)

    def rejects(self, value: Any) -> bool:
        """Tell whether the policy's own condition asks for another attempt because of *value*."""
        if self._policy.retry is None:
            return False
        state = self._call_state()
        state.set_result(value)
        return bool(self._policy.retry(state))

    def _decide(self, state: "RetryCallState", *, asked: bool) -> float | None:
        policy = state.retry_object
        if not (asked or policy.retry(state)) or policy.stop(state):
            return None
        delay = float(policy.wait(state))
        state.idle_for += delay
        state.prepare_for_next_attempt()
        return max(0.0, delay)

    def _call_state(self) -> "RetryCallState":
        if self._state is None:
            from tenacity import RetryCallState

            self._state = RetryCallState(_strategies(self._policy), None, (), {})
        return self._state


def _strategies(policy: RetryPolicy) -> Any:
    """Return the policy as tenacity's bag of strategies."""
    import tenacity

    stop = policy.stop or tenacity.stop_after_attempt(policy.max_retries + 1)
    if policy.stop is not None and policy.max_retries:
        stop = tenacity.stop_any(policy.stop, tenacity.stop_after_attempt(policy.max_retries + 1))
    wait = policy.wait or (lambda state: policy.delay_after(state.attempt_number, random.random()))
    condition = policy.retry
    if condition is None and isinstance(policy.on, tuple):
        condition = tenacity.retry_if_exception_type(policy.on)
    elif condition is None and policy.on is not None:
        condition = tenacity.retry_if_exception(policy.on)
    elif condition is None:
        condition = tenacity.retry_if_exception_type((Exception,))
    return tenacity.Retrying(stop=stop, wait=wait, retry=condition)

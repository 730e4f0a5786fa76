"""Whether a failed attempt is followed by another, and when.

tenacity's strategies decide and pace, asked in the order in which tenacity's own loop asks them; they are imported
at the first failure, so that a task that succeeds pays nothing for them. The loop and the waiting are the engine's
own: a wait can be cancelled and holds no thread.
"""

import math
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from tidemill.domain.retries import ASK_CONDITION, LONGEST, RetryPolicy
from tidemill.engine.asking import asked_delay, asks_again, gives_up

if TYPE_CHECKING:
    from tenacity import RetryCallState, Retrying

ASKED_LIMIT: Final = 10
"""Retries of a task that raises Retry and whose policy allows none by itself."""


class RejectedValueError(Exception):
    """Stands for a returned value that the retry condition did not accept."""

    def __init__(self, value: Any) -> None:
        super().__init__("the retry condition does not accept what was returned")
        self.value = value


class Tried:
    """What is tried again, as the author's strategies and callbacks see it."""

    name = "the task"
    fn: Callable[..., Any] | None = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = MappingProxyType({})

    def spent(self) -> float:
        """Return the seconds since its first attempt began."""
        return 0.0

    def call(self, fn: Callable[..., Any], *args: Any) -> Any:
        """Call a function of the author's."""
        return fn(*args)

    def warn(self, text: str) -> None:
        """Tell the run's log."""

    def accepts(self, error: BaseException) -> bool:
        """Ask the author's last word on *error*, when the rest of the policy allows another attempt."""
        return True


class Retries:
    """The attempts of one task run so far, as its policy sees them."""

    def __init__(
        self, policy: RetryPolicy, tried: Tried | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._policy = policy
        self._tried = tried or Tried()
        self._clock = clock
        self._state: RetryCallState | None = None
        self._is_broken = False
        """One of the author's own functions raised; there are no retries any more."""

    def begin(self) -> None:
        """Tell the author's callback that an attempt begins."""
        if self._policy.before is not None:
            self._guarded(lambda: self._ask(self._policy.before, self._call_state()))

    def delay_after(self, error: BaseException, *, is_own: bool = True) -> float | None:
        """Return the seconds until the next attempt; None when there is none.

        An error that is not its own, but came from a task below, asked for another attempt of that task.
        """
        if isinstance(error, RejectedValueError):
            state = self._call_state()
            state.set_result(error.value)
            return self._delay(state, None, is_asked=True)
        is_asked = is_own and asks_again(error)
        if gives_up(error) or not (self._policy.allows_any or is_asked):
            return None
        state = self._call_state()
        state.set_exception((type(error), error, error.__traceback__))
        return self._delay(state, error, is_asked=is_asked)

    def objection(self, value: Any) -> Exception | None:
        """Return what stands against a returned *value*: that the policy's own condition rejects it, or fails on it.

        There are no retries after a failure of the condition.
        """
        try:
            return RejectedValueError(value) if self._rejects(value) else None
        except Exception as error:
            self._is_broken = True
            return error

    def _rejects(self, value: Any) -> bool:
        if self._policy.on_value != ASK_CONDITION:
            return bool(self._tried.call(self._policy.on_value, value))
        state = self._call_state()
        state.set_result(value)
        state.outcome_timestamp = self._clock()
        return bool(self._ask(self._policy.retry, state))

    def _delay(self, state: "RetryCallState", error: BaseException | None, *, is_asked: bool) -> float | None:
        state.outcome_timestamp = self._clock()
        delay: float | None = self._guarded(lambda: self._decide(state, error, is_asked=is_asked))
        return delay

    def _decide(self, state: "RetryCallState", error: BaseException | None, *, is_asked: bool) -> float | None:
        """Do what one turn of tenacity's loop does between an attempt and the sleep that follows it."""
        import tenacity

        policy, ask = state.retry_object, self._ask
        wait = asked_delay(error) if is_asked and error is not None else None
        is_asked = is_asked or isinstance(error, tenacity.TryAgain)
        if not is_asked and not ask(policy.retry, state):
            return None
        ask(policy.after, state)
        state.upcoming_sleep = _sane(ask(policy.wait, state) if wait is None else wait)
        stop = policy.stop if self._policy.allows_any else tenacity.stop_after_attempt(ASKED_LIMIT + 1)
        if ask(stop, state) or not (is_asked or error is None or self._tried.accepts(error)):
            return None
        state.next_action = tenacity.RetryAction(state.upcoming_sleep)
        state.idle_for += state.upcoming_sleep
        policy.statistics.update(
            start_time=state.start_time,
            attempt_number=state.attempt_number + 1,
            idle_for=state.idle_for,
            delay_since_first_attempt=state.seconds_since_start,
        )
        if policy.before_sleep is not None:
            ask(policy.before_sleep, state)
        state.prepare_for_next_attempt()
        return state.upcoming_sleep

    def _ask(self, strategy: Callable[..., Any], state: "RetryCallState") -> Any:
        return self._tried.call(strategy, state)

    def _guarded(self, act: Callable[[], Any]) -> Any:
        """Do *act*; where a function of the author's raises in it, there are no retries any more, and the log says so.

        In tenacity it would take the place of the task's own error, which people look for.
        """
        if self._is_broken:
            return None
        try:
            return act()
        except Exception as error:
            self._is_broken = True
            what = f"{type(error).__name__}: {error}"
            self._tried.warn(f"not tried again, because one of its own retry functions raised {what}")
            return None

    def _call_state(self) -> "RetryCallState":
        if self._state is None:
            from tenacity import RetryCallState

            tried = self._tried
            strategies = _strategies(self._policy, tried.name)
            self._state = RetryCallState(strategies, tried.fn, tried.args, dict(tried.kwargs))
            self._state.start_time = self._clock() - tried.spent()
        return self._state


def _sane(wait: Any) -> float:
    """Return a wait that a strategy names, or refuse what is none."""
    seconds = float(wait)
    if math.isnan(seconds):
        raise ValueError("the wait is not a number")
    return min(max(0.0, seconds), LONGEST)


def _strategies(policy: RetryPolicy, name: str) -> "Retrying":
    """Return the policy as tenacity's bag of strategies."""
    # Like tenacity, which needs it too, not imported before.
    import random

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
    return tenacity.Retrying(
        stop=stop,
        wait=wait,
        retry=condition,
        before=policy.before or tenacity.before_nothing,
        after=policy.after or tenacity.after_nothing,
        before_sleep=policy.before_sleep,
        name=name,
    )

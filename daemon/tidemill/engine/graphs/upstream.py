"""Why a task of a graph does not begin, told by what came of the tasks it depends on."""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from tidemill.domain.conditions import FAILURES, Condition, judge
from tidemill.domain.results import ErrorInfo
from tidemill.domain.states import State
from tidemill.engine.failures import describe
from tidemill.engine.graphs.supply import Ended
from tidemill.engine.interrupts import Interrupt
from tidemill.engine.invocation import Invocation, Steps, advance
from tidemill.engine.run import Run

_CAUSE: Final = "not run, because task "
_SHOWN: Final = 5


class Refusal(NamedTuple):
    """A task does not begin, and ends in this state for this reason."""

    state: State
    reason: ErrorInfo


def refusal(run: Run, owner: str, condition: Any, upstream: Sequence[Ended]) -> Refusal | None:
    """Return why the task called *owner* does not begin; None when it does."""
    if condition is not None and not isinstance(condition, Condition):
        return _ask(run, owner, condition, upstream)
    state = judge(condition or Condition.ALL_SUCCEEDED, [ended.state for ended in upstream])
    if state is None:
        return None
    if state is State.UPSTREAM_FAILED:
        return _because(state, "UpstreamFailed", next(ended for ended in upstream if ended.state in FAILURES))
    if state is State.CANCELLED:
        return _because(state, "Cancelled", next(ended for ended in upstream if ended.state is state))
    if condition is None or condition in (Condition.ANY_SUCCEEDED, Condition.NONE_SKIPPED):
        return _because(state, "Skipped", next(ended for ended in upstream if ended.state is state))
    return _unmet(condition, upstream)


def _because(state: State, kind: str, cause: Ended) -> Refusal:
    """Name the task that everything below was not run for, however far above it stands."""
    told = cause.failure.message if cause.failure is not None else ""
    if told.startswith(_CAUSE):
        return Refusal(state, ErrorInfo(kind, told))
    how = "was skipped" if cause.state is State.SKIPPED else f"ended as {cause.state}"
    why = f": {told}" if told and cause.state is State.SKIPPED else ""
    return Refusal(state, ErrorInfo(kind, f"{_CAUSE}{cause.name} {how}{why}"))


def _unmet(condition: str, upstream: Sequence[Ended]) -> Refusal:
    told = ", ".join(f"{ended.name} {ended.state}" for ended in upstream[:_SHOWN])
    more = f" and {len(upstream) - _SHOWN} more" if len(upstream) > _SHOWN else ""
    return Refusal(State.SKIPPED, ErrorInfo("Skipped", f"not run: its condition {condition} is not met: {told}{more}"))


class _Question(Invocation):
    """The author's own condition is being asked."""

    __slots__ = ()

    def begin(self) -> Steps:
        """Return the only step."""
        yield None


def _ask(run: Run, owner: str, condition: Callable[..., Any], upstream: Sequence[Ended]) -> Refusal | None:
    question = _Question(run, condition)
    question.args = ({ended.task: ended.state for ended in upstream},)
    advance(question)
    answer, error = question.value, question.error
    if error is None and answer is True:
        return None
    called = getattr(condition, "__name__", type(condition).__name__)
    if error is None and answer is False:
        return _unmet(called, upstream)
    if run.interruption is not None or isinstance(error, Interrupt):
        return Refusal(State.CANCELLED, ErrorInfo("Cancelled", "not run to its end: the run was ended"))
    failure = (
        ErrorInfo("TypeError", f"it returned {type(answer).__name__}, and must return True or False")
        if error is None
        else describe(error)
    )
    return Refusal(State.FAILED, failure._replace(message=f"condition {called} of task {owner}: {failure.message}"))

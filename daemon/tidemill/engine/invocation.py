"""A call of user code that the engine carries through its steps, and the three ways to carry one.

The steps are one text, a generator; the ways differ only in how they wait. A step is None (call the code now), a
number (let so many seconds pass; a Turn may be over sooner) or a function (call it where blocking is allowed).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from tidemill.authoring.context import CURRENT_RUN, CURRENT_TASK
from tidemill.engine.interrupts import DeadlinePassed, Interrupt
from tidemill.engine.invoking import invoke_code
from tidemill.engine.warden import Call
from tidemill.limits.here import HELD
from tidemill.limits.turns import Turn

if TYPE_CHECKING:
    from tidemill.engine.run import Run
    from tidemill.engine.slots import Claim

Steps = Iterator[float | Callable[[], Any] | None]
_NO_STEPS: Final[Steps] = iter(())
"""What is left to do for what has come to its end."""


class Invocation(Call):
    """User code has its place in a run: a task's, or a flow's own body."""

    __slots__ = ("args", "claim", "error", "fn", "kwargs", "run", "steps", "through", "timeout", "value")

    def __init__(self, run: "Run", fn: Callable[..., Any], timeout: float | None = None) -> None:
        super().__init__()
        self.run = run
        self.fn = fn
        self.timeout = timeout
        self.args: tuple[Any, ...] = ()
        self.kwargs: dict[str, Any] = {}
        self.value: Any = None
        self.error: BaseException | None = None
        self.steps: Steps | None = None
        self.through: Callable[[Invocation], Any] | None = None
        """Executes the code elsewhere than in this thread."""
        self.claim: Claim | None = None
        """The slots of named limits that it needs while it is executed."""

    def begin(self) -> Steps:
        """Return the steps from the beginning to the end."""
        raise NotImplementedError

    def abandon(self, late: BaseException | None = None) -> None:
        """Come to an end between two steps; *late* is what tore the engine out of one."""

    @property
    def visible(self) -> Any:
        """What user code sees as the task it is part of."""
        return None


def advance(invocation: Invocation) -> float | None:
    """Carry on to the next wait and return its seconds; None when there is none any more."""
    steps = invocation.steps
    if steps is None:
        steps = invocation.steps = invocation.begin()
    try:
        for step in steps:
            if step is None:
                _invoke(invocation)
            elif isinstance(step, float):
                return step
            else:
                step()
    except Interrupt as late:
        invocation.abandon(late)
    # There may be ten thousand of them.
    invocation.steps = _NO_STEPS
    return None


def carry(invocation: Invocation) -> None:
    """Carry through to the end in this thread, waits included."""
    while (seconds := advance(invocation)) is not None:
        if not invocation.run.pause(seconds):
            invocation.abandon()
            return


async def carry_awaiting(invocation: Invocation) -> None:
    """Carry through to the end inside an event loop, which goes on meanwhile."""
    import asyncio

    try:
        for step in invocation.begin():
            if step is None:
                await _invoke_awaiting(invocation)
            elif isinstance(step, float):
                await (step.passed() if isinstance(step, Turn) else asyncio.sleep(step))
            else:
                await asyncio.to_thread(step)
    except (Interrupt, asyncio.CancelledError) as late:
        invocation.abandon(late)
        if isinstance(late, asyncio.CancelledError):
            raise


def _invoke(invocation: Invocation) -> None:
    """Call the code."""
    run = invocation.run
    token = CURRENT_TASK.set(invocation.visible)
    run_token = None if CURRENT_RUN.get() is run else CURRENT_RUN.set(run)
    held_token = None if invocation.claim is None else HELD.set(invocation.claim.grips)
    fn, args, kwargs = invocation.fn, invocation.args, invocation.kwargs
    if invocation.through is not None:
        fn, args, kwargs = invocation.through, (invocation,), {}
    try:
        invocation.value, invocation.error = invoke_code(
            run, invocation, fn, args=args, kwargs=kwargs, timeout=invocation.timeout
        )
    finally:
        if held_token is not None:
            HELD.reset(held_token)
        if run_token is not None:
            CURRENT_RUN.reset(run_token)
        CURRENT_TASK.reset(token)


@contextmanager
def as_part_of(invocation: Invocation) -> Iterator[None]:
    """Let user code see itself as part of the invocation's run and task."""
    token, run_token = CURRENT_TASK.set(invocation.visible), CURRENT_RUN.set(invocation.run)
    held_token = None if invocation.claim is None else HELD.set(invocation.claim.grips)
    try:
        yield
    finally:
        if held_token is not None:
            HELD.reset(held_token)
        CURRENT_RUN.reset(run_token)
        CURRENT_TASK.reset(token)


async def _invoke_awaiting(invocation: Invocation) -> None:
    """Await the code, inside the event loop it belongs to."""
    import asyncio

    with as_part_of(invocation):
        try:
            async with asyncio.timeout(invocation.timeout) as limit:
                invocation.value, invocation.error = await invocation.fn(*invocation.args, **invocation.kwargs), None
        except TimeoutError as error:
            invocation.value, invocation.error = None, DeadlinePassed() if limit.expired() else error
            if limit.expired():
                invocation.expire(invocation.run.warden)
                invocation.interrupt = DeadlinePassed
        except asyncio.CancelledError:
            interruption = invocation.run.interruption
            if interruption is None:
                raise
            invocation.value, invocation.error = None, interruption()
        except BaseException as error:
            invocation.value, invocation.error = None, error

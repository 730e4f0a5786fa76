"""Tasks and flows that are generators: their values go to the caller one by one, as they come.

What was yielded is also the result, as a list, so that a resumed run need not execute them again; of an endless
stream only so much is kept.
"""

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from typing import Any, Final

from tidemill.engine.invocation import Invocation, as_part_of
from tidemill.engine.invoking import invoke_code
from tidemill.limits.turns import Turn

KEPT: Final = 10_000
"""Values of one stream that are kept as its result."""


def stream(place: Callable[[], Invocation], conclude: Callable[[Any], Any]) -> Generator[Any, Any, Any]:
    """Carry a generator through, yielding its values, and return what it returns.

    *place* is called with the first, *conclude* after the last.
    """
    invocation = place()
    has_begun, returned = False, None
    try:
        for step in invocation.begin():
            if step is None:
                has_begun = True
                returned = yield from _values(invocation)
            elif isinstance(step, float):
                if not invocation.run.pause(step):
                    invocation.abandon()
                    break
            else:
                step()
    except GeneratorExit:
        invocation.abandon()
        raise
    if not has_begun:
        yield from _earlier(invocation)
    conclude(invocation)
    return returned


async def stream_awaiting(place: Callable[[], Invocation], conclude: Callable[[Any], Any]) -> AsyncGenerator[Any, Any]:
    """Do the same for an async generator, inside an event loop."""
    import asyncio

    invocation = place()
    has_begun = False
    try:
        for step in invocation.begin():
            if step is None:
                has_begun = True
                async for value in _values_awaited(invocation):
                    yield value
            elif isinstance(step, float):
                await (step.passed() if isinstance(step, Turn) else asyncio.sleep(step))
            else:
                await asyncio.to_thread(step)
    except (GeneratorExit, asyncio.CancelledError):
        invocation.abandon()
        raise
    if not has_begun:
        for value in _earlier(invocation):
            yield value
    conclude(invocation)


def _values(invocation: Invocation) -> Generator[Any, Any, Any]:
    made = invocation.fn(*invocation.args, **invocation.kwargs)
    kept: list[Any] = []
    sent: Any = None
    while True:
        with as_part_of(invocation):
            value, error = invoke_code(
                invocation.run, invocation, made.send, args=(sent,), kwargs={}, timeout=invocation.timeout
            )
        if isinstance(error, StopIteration):
            _end(invocation, kept, None)
            return error.value
        if error is not None:
            _end(invocation, kept, error)
            return None
        _keep(kept, value)
        try:
            sent = yield value
        except GeneratorExit:
            made.close()
            raise


async def _values_awaited(invocation: Invocation) -> AsyncGenerator[Any, None]:
    import asyncio

    made = invocation.fn(*invocation.args, **invocation.kwargs)
    kept: list[Any] = []
    while True:
        error: BaseException | None = None
        value: Any = None
        with as_part_of(invocation):
            try:
                async with asyncio.timeout(invocation.timeout):
                    value = await anext(made)
            except BaseException as raised:
                error = raised
        if error is not None:
            _end(invocation, kept, error if not isinstance(error, StopAsyncIteration) else None)
            return
        _keep(kept, value)
        yield value


def _keep(kept: list[Any], value: Any) -> None:
    if len(kept) <= KEPT:
        kept.append(value)


def _end(invocation: Invocation, kept: list[Any], error: BaseException | None) -> None:
    invocation.error = error
    invocation.value = kept if len(kept) <= KEPT else None


def _earlier(invocation: Invocation) -> Iterable[Any]:
    """Return what an earlier attempt yielded, of a stream that is not executed again."""
    return invocation.value if isinstance(invocation.value, list) else ()

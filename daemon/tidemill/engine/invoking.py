"""The one place where user code is called: a task's, or a flow's own body."""

import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from errno import EMFILE
from functools import partial
from types import AsyncGeneratorType, CoroutineType, FunctionType, GeneratorType
from typing import TYPE_CHECKING, Any, Final, NoReturn

from tidemill.authoring.context import in_event_loop
from tidemill.engine.failures import traceback_of
from tidemill.engine.waits import look_up_from, wait_watchfully
from tidemill.engine.warden import Call, pending_interrupt

if TYPE_CHECKING:
    from tidemill.engine.run import Run

GENERATOR: Final = 0x20
ASYNC: Final = 0x80
ASYNC_GENERATOR: Final = 0x200
"""Flags of code objects, without the module inspect."""
_LAZY_FLAGS: Final = GENERATOR | ASYNC | ASYNC_GENERATOR
_LAZY: Final = (CoroutineType, GeneratorType, AsyncGeneratorType)


def invoke_code(
    run: "Run",
    call: Call,
    fn: Callable[..., Any],
    *,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    timeout: float | None = None,
) -> tuple[Any, BaseException | None]:
    """Call *fn*, and return its value or what it raised, be it an interrupt of the engine's."""
    warden = run.warden
    thread = threading.get_ident()
    outer = warden.calls.get(thread)
    call.outer, call.interrupt, call.noticed, call.thread = outer, None, False, thread
    unwatch = None
    error: BaseException | None = None
    value: Any = None
    try:
        warden.calls[thread] = call
        if timeout is not None:
            unwatch = warden.watch(call, timeout)
        if run.interruption is not None:
            # It came between the queue and here, when there was no call yet to interrupt.
            raise run.interruption
        value = fn(*args, **kwargs)
        if type(value) in _LAZY:
            value = run_lazy(value, fn, call)
        warden.calls[thread] = outer
    except BaseException as raised:
        warden.calls[thread] = outer
        error = raised
        if isinstance(raised, OSError) and raised.errno == EMFILE:
            _let_go(raised)
    if os.getpid() != run.pid:
        _leave(error)
    call.thread = None
    if unwatch is not None:
        unwatch()
    if call.interrupt is not None:
        warden.release(call, thread)
    return value, error


def _let_go(error: BaseException) -> None:
    """Free what the failed code holds: without a file descriptor the engine could not even import what tells of it."""
    step = error.__traceback__
    while step is not None:
        with suppress(RuntimeError):  # of a frame that is still being executed
            step.tb_frame.clear()
        step = step.tb_next


def _leave(error: BaseException | None) -> NoReturn:
    """End a copy of the process that user code forked and let come back: the run is not its to carry on."""
    if error is None:
        os._exit(0)
    if isinstance(error, SystemExit):
        os._exit(error.code if isinstance(error.code, int) else int(error.code is not None))
    with suppress(Exception):
        sys.stderr.write(traceback_of(error) or f"{error!r}\n")
        sys.stderr.flush()
    os._exit(1)


class Shield:
    """The engine works on behalf of user code, in its thread, and is not to be torn out of that."""

    __slots__ = ("_call", "_was")

    def __init__(self, run: "Run") -> None:
        self._call = run.warden.calls.get(threading.get_ident())
        self._was = False

    def __enter__(self) -> None:
        if self._call is not None:
            self._was, self._call.shielded = self._call.shielded, True

    def __exit__(self, *_: object) -> None:
        if self._call is not None:
            self._call.shielded = self._was
            pending = None if self._was else pending_interrupt(self._call)
            if pending is not None:
                raise pending


def run_lazy(value: Any, fn: Callable[..., Any], call: Call | None = None) -> Any:
    """Run what a function returned that has not run yet: a coroutine, or the function's own generator as a list."""
    if isinstance(value, CoroutineType):
        return run_coroutine(value, call)
    kind = kind_of(fn)
    if kind == GENERATOR:
        return list(value)
    return run_coroutine(_listed(value), call) if kind == ASYNC_GENERATOR else value


async def _listed(values: Any) -> list[Any]:
    return [value async for value in values]


def run_coroutine(coroutine: Any, call: Call | None = None) -> Any:
    """Run what an async function returned to its end, in a thread of its own where a loop is running already.

    Where it is the code of *call*, what interrupts that reaches it through its loop.
    """
    # asyncio costs tens of milliseconds, and most flows have no use for it.
    import asyncio

    if call is not None:
        coroutine = _interruptible(coroutine, call)
    if not in_event_loop():
        with asyncio.Runner() as runner:
            look_up_from(runner.get_loop())
            return runner.run(coroutine)
    from concurrent.futures import ThreadPoolExecutor, wait
    from contextvars import copy_context

    with ThreadPoolExecutor(1, "tidemill-async") as thread:
        future = thread.submit(copy_context().run, asyncio.run, coroutine)
        try:
            wait_watchfully(lambda seconds: wait([future], seconds).done, None)
            return future.result()
        except BaseException:
            if call is not None and call.awaken is not None:
                # What tore this thread out of its wait has to reach the other one too.
                call.awaken()
            raise


async def _interruptible(coroutine: Any, call: Call) -> Any:
    import asyncio

    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def cancel() -> None:
        call.noticed = True
        if task is not None:
            task.cancel()

    call.awaken = partial(loop.call_soon_threadsafe, cancel)
    try:
        return await coroutine
    except asyncio.CancelledError as error:
        if call.interrupt is None:
            raise
        raise call.interrupt().with_traceback(error.__traceback__) from None
    finally:
        call.awaken = None


def kind_of(fn: Any) -> int:
    """Return which of ASYNC, GENERATOR and ASYNC_GENERATOR calling *fn* gives; 0 for a plain function."""
    if type(fn) is FunctionType:
        return fn.__code__.co_flags & _LAZY_FLAGS
    code = getattr(getattr(fn, "__func__", fn), "__code__", None)
    return 0 if code is None else code.co_flags & _LAZY_FLAGS


def has_to_be_awaited(fn: Any) -> bool:
    """Tell whether *fn* is the code of an event loop."""
    return bool(kind_of(fn) & (ASYNC | ASYNC_GENERATOR))

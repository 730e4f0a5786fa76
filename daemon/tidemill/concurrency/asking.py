"""What ``concurrency`` and ``rate_limit`` ask for, and what becomes of it; the two ways to wait are elsewhere."""

import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NoReturn

from tidemill.authoring.context import CURRENT_RUN, current_task, get_run_logger
from tidemill.domain.limits import Limit
from tidemill.domain.naming import did_you_mean
from tidemill.limits.here import HELD, HERE
from tidemill.limits.lanes import Waiter
from tidemill.limits.leases import Lease
from tidemill.limits.telling import reason
from tidemill.limits.turns import Turn

_TELL_AFTER: Final = 1.0
"""Seconds of waiting after which the log says what for."""
_warned: Final[set[str]] = set()


class ConcurrencySlotAcquisitionError(Exception):
    """Raised when slots cannot be had: there is no such limit, or not of the kind that is asked for."""


class AcquireConcurrencySlotTimeoutError(TimeoutError):
    """Raised when slots were not free within the time that was given."""


def asking(
    names: str | Sequence[str],
    occupy: int,
    *,
    strict: bool,
    timeout: float | None,
    tries: int | None = None,
    is_rate: bool = False,
) -> Generator[Turn, None, Lease | None]:
    """Yield the waits until *occupy* slots of each limit are had, and return them; None where no limit is known."""
    wanted = _known((names,) if isinstance(names, str) else tuple(names), occupy, strict=strict, is_rate=is_rate)
    slots = HERE.slots
    if not wanted or slots is None:
        return None
    task = current_task()
    part = "code of the flow" if task is None else f"code of task {task.name}"
    under: tuple[Any, ...] = (*HELD.get(), *getattr(CURRENT_RUN.get(), "grips", ()))
    waiter = Waiter(slots, wanted, occupy, part=part, under=() if is_rate else under)
    begun, asked, is_told = time.monotonic(), 1, False
    try:
        while (lease := waiter.take()) is None:
            passed = time.monotonic() - begun
            if (timeout is not None and passed >= timeout) or (tries is not None and asked > tries):
                _give_up(reason(slots, wanted), wanted, passed)
            if passed > _TELL_AFTER and not is_told:
                is_told = True
                get_run_logger().info("%s", reason(slots, wanted) or f"waiting for {', '.join(wanted)}")
            turn = waiter.turn
            yield turn if timeout is None else turn.at_most(timeout - passed)
            asked += 1
    finally:
        waiter.leave()
    return lease


@contextmanager
def holding(lease: Lease | None) -> Iterator[None]:
    """Hold slots for as long as the block lasts, and lend them to the code in it."""
    if lease is None:
        yield
        return
    token = HELD.set((*lease.grips, *HELD.get()))
    try:
        yield
    finally:
        with suppress(ValueError):  # a generator that was begun in one context and is closed in another
            HELD.reset(token)
        lease.release()


def _known(names: Sequence[str], occupy: int, *, strict: bool, is_rate: bool) -> tuple[str, ...]:
    """Return the names that are limits, or refuse what can never be had; warn of the others once."""
    if not isinstance(occupy, int) or occupy < 1:
        raise ValueError(f"occupy must be a whole number from 1; it is {occupy!r}")
    limits = HERE.slots.limits if HERE.slots is not None else {}
    for name in names:
        limit = limits.get(name)
        if limit is not None:
            _check(name, limit, occupy, is_rate=is_rate)
        elif strict:
            raise ConcurrencySlotAcquisitionError(f"no slot of {name!r} is to be had: {_unknown(limits, name)}")
        elif name not in _warned:
            _warned.add(name)
            get_run_logger().warning("nothing is limited by %r: %s", name, _unknown(limits, name))
    return tuple(name for name in names if name in limits)


def _check(name: str, limit: Limit, occupy: int, *, is_rate: bool) -> None:
    if is_rate and limit.per_second is None:
        raise ConcurrencySlotAcquisitionError(
            f"limit {name!r} is no rate: say how many slots come back each second, in [limits] of tidemill.toml: "
            f"{name} = {{ slots = {limit.slots}, per_second = 1 }}"
        )
    if occupy > limit.slots:
        raise ConcurrencySlotAcquisitionError(
            f"limit {name!r} has {limit.slots} slots, so {occupy} of them can never be had at once"
        )


def _unknown(limits: Mapping[str, Limit], name: str) -> str:
    if HERE.place is None:
        return "no limits are known outside of a run of tidemill"
    return f"there is no such limit in [limits] of tidemill.toml{did_you_mean(name, limits)}"


def _give_up(why: str | None, names: Sequence[str], passed: float) -> NoReturn:
    told = why.removeprefix("waiting for ") if why else f"slots of {', '.join(names)}"
    raise AcquireConcurrencySlotTimeoutError(f"gave up after {passed:.3g} s: could not get {told}")

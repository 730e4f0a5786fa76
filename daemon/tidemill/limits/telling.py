"""Says in words who holds a limit."""

from collections.abc import Iterable, Sequence
from typing import Final

from tidemill.limits.slotfile import Holder
from tidemill.limits.slots import Slots

_MOST: Final = 5


def reason(slots: Slots, names: Sequence[str]) -> str | None:
    """Return why a run or a task waits that needs a slot of each of *names*; None if there is one of each."""
    limits = slots.limits
    for name in names:
        limit = limits.get(name)
        if limit is None:
            continue
        held = slots.held(name)
        if limit.per_second is not None:
            if held >= limit.slots:
                return f"waiting for a slot of limit {name!r} ({limit.per_second:g} a second, none is left)"
        elif held >= limit.slots:
            return f"waiting for a slot of limit {name!r} ({held} of {limit.slots} held by {_who(slots.holders(name))})"
        elif slots.free(name) < 1:
            return f"waiting for a slot of limit {name!r} ({held} of {limit.slots} held, the rest is kept for others)"
    return None


def _who(holders: Iterable[Holder]) -> str:
    tasks: dict[str, list[str]] = {}
    for holder in holders:
        tasks.setdefault(f"run {holder.run}" if holder.run else f"process {holder.pid}", []).append(holder.task)
    shown = [_with_tasks(name, found) for name, found in tasks.items()]
    more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
    return ", ".join(shown[:_MOST]) + more


def _with_tasks(name: str, tasks: Sequence[str]) -> str:
    named = [task for task in tasks if task]
    if not named:
        return name
    return f"{name} (task {named[0]})" if len(tasks) == 1 else f"{name} ({len(tasks)} slots)"

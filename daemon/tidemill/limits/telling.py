"""Says in words who holds a limit."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from tidemill.domain.limits import Limit
from tidemill.limits.slotfile import Holder
from tidemill.limits.slots import Slots

_MOST: Final = 5


def reason(slots: Slots, names: Sequence[str], coming: Mapping[str, Collection[str]] | None = None) -> str | None:
    """Return why a run or a task waits that needs a slot of each of *names*; None if there is one of each.

    *coming* are, by limit, the runs that were let go and do not hold their slots yet.
    """
    limits = slots.limits
    for name in names:
        limit = limits.get(name)
        if limit is None:
            continue
        runs = [Holder(0, run) for run in (coming or {}).get(name, ())]
        held = slots.held(name) + len(runs)
        if limit.per_second is not None:
            if held >= limit.slots:
                return f"waiting for a slot of limit {name!r} ({limit.per_second:g} a second, none is left)"
        elif held >= limit.slots:
            who = _who([*slots.holders(name), *runs])
            return f"waiting for a slot of limit {name!r} ({held} of {limit.slots} held by {who})"
        elif slots.free(name) < 1:
            return f"waiting for a slot of limit {name!r} ({held} of {limit.slots} held, others come before)"
    return None


def shown(slots: Slots, limits: Mapping[str, Limit]) -> list[dict[str, Any]]:
    """Return *limits*, and what is held of each, as ``status --json`` has it."""
    return [
        {
            "name": name,
            "slots": limit.slots,
            "per_second": limit.per_second,
            "held": slots.held(name),
            "holders": [holder._asdict() for holder in slots.holders(name)],
        }
        for name, limit in sorted(limits.items())
    ]


def _who(holders: Iterable[Holder]) -> str:
    parts: dict[str, list[str]] = {}
    for holder in holders:
        parts.setdefault(f"run {holder.run}" if holder.run else f"process {holder.pid}", []).append(holder.part)
    shown = [_with_parts(name, found) for name, found in parts.items()]
    more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
    return ", ".join(shown[:_MOST]) + more


def _with_parts(name: str, parts: Sequence[str]) -> str:
    named = [part for part in parts if part]
    if not named:
        return name
    return f"{name} ({named[0]})" if len(parts) == 1 else f"{name} ({len(parts)} slots)"

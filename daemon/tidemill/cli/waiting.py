"""What runs that have not begun wait for, as it is at this moment; no daemon is asked."""

from collections.abc import Iterable
from typing import Any

from tidemill.cli.invocation import Invocation


def fill_in_waiting(invocation: Invocation, runs: Iterable[dict[str, Any]]) -> None:
    """Say in each run's ``waiting`` which named limit holds it back, and who holds that; None where none does."""
    pending = []
    for run in runs:
        run["waiting"] = None
        if run["state"] == "pending":
            pending.append(run)
    if not pending:
        return
    # Few listings show a run that waits.
    from tidemill.limits.slots import Slots
    from tidemill.limits.telling import reason

    slots = Slots(invocation.paths.limits)
    if not slots.limits:
        return
    tags = {flow["name"]: flow["tags"] for flow in invocation.reader.flows()}
    for run in pending:
        run["waiting"] = reason(slots, slots.of(tags.get(run["flow"]) or ()))

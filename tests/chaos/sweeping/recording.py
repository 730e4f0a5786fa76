"""The first telling of a story, in which nobody is killed: it gives the points of the sweep, and their phases."""

from pathlib import Path
from typing import Final

from chaos.sweeping.nursery import nursery
from chaos.sweeping.points import Numbering, Point, changes_something
from chaos.sweeping.worlds import TELLINGS, prepared
from chaos.tracing.calls import PASS, Call, Verdict
from chaos.tracing.tracer import Tracer

_BEFORE: Final = {"fresh": "start-up", "migration": "migration", "recovery": "recovery", "shutdown": ""}
_DURING: Final = {"fresh": "story", "migration": "after migration", "recovery": "adoption", "shutdown": ""}
_LEAVING: Final = {"fresh": "shutdown", "shutdown": "drained shutdown"}
"""The phases of each variant; those of *shutdown* before its end are the same as in *fresh*."""


def record(variant: str, folder: Path) -> dict[Point, str]:
    """Tell the story of *variant* in *folder*; return its points in their order, each with its phase."""
    numbering = Numbering(folder)
    points: dict[Point, str] = {}
    phases: list[str] = []
    socket = str(folder / "state" / "control.sock")

    def note(call: Call) -> Verdict:
        if phases and changes_something(call):
            point = numbering.number(variant, call)
            if len(phases) > 1 and call.name == "unlink" and call.path == socket:
                phases.append(_LEAVING.get(variant, phases[-1]))
            if phases[-1]:
                points[point] = phases[-1]
            if len(phases) == 1 and call.role == "daemon" and call.name == "listen":
                phases.append(_DURING[variant])
        return PASS

    tracer = Tracer(decide=note, spawn=nursery())
    stack = prepared(folder, variant, tracer)
    phases.append(_BEFORE[variant])
    try:
        acks = TELLINGS[variant](stack)
    finally:
        stack.sweep()
        tracer.stop()
    if acks.stuck or acks.ends:
        raise AssertionError(f"the story {variant} went wrong though nobody was killed: {acks.stuck} {acks.ends}")
    return points

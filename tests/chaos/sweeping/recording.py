"""The first telling of a story, in which nobody is killed: it gives the points of the sweep."""

from pathlib import Path

from chaos.sweeping.nursery import nursery
from chaos.sweeping.points import Numbering, Point
from chaos.sweeping.worlds import TELLINGS, prepared
from chaos.tracing.calls import PASS, Call, Verdict
from chaos.tracing.tracer import Tracer


def record(variant: str, folder: Path) -> list[Point]:
    """Tell the story of *variant* in *folder*; return its points in their order."""
    numbering = Numbering(variant, folder)
    points: list[Point] = []
    begun: list[bool] = []

    def note(call: Call) -> Verdict:
        if begun and (point := numbering.number(call)) is not None:
            points.append(point)
        return PASS

    tracer = Tracer(decide=note, spawn=nursery())
    stack = prepared(folder, variant, tracer, numbering)
    begun.append(True)
    try:
        acks = TELLINGS[variant](stack)
    finally:
        stack.sweep()
        tracer.stop()
    if acks.stuck or acks.ends:
        raise AssertionError(f"the story {variant} went wrong though nobody was killed: {acks.stuck} {acks.ends}")
    return points

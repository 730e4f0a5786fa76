"""``backfill``: runs for moments of a flow's schedules that have passed; all of them are durable when it answers."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import islice
from typing import Final

from tidemill.control.protocol import Message
from tidemill.control.requests import Request
from tidemill.dispatcher.runs import ActiveRun
from tidemill.domain.errors import ProtocolError, Refused
from tidemill.domain.outcomes import Trigger
from tidemill.domain.times import to_micros
from tidemill.history.writing import Writer
from tidemill.service.backfilling import Choice, Due, Wish, choose, moments_of, refusal
from tidemill.service.daemon import Daemon
from tidemill.service.recording import new_run_record

_END_OF_TIME: Final = 2**62


async def answer(daemon: Daemon, request: Request) -> Message:
    """Record a run for each moment that has none; with ``plan`` only tell, with ``cancel`` end those under way."""
    flow = daemon.flow(request.text("flow"))
    name, low, high = flow.manifest.name, request.number("low"), request.number("high")
    if request.flag("cancel"):
        stretch = range(0 if low is None else int(low), _END_OF_TIME if high is None else int(high))
        return await _cancel(daemon, name, stretch)
    if low is None or high is None or low >= high:
        raise ProtocolError("backfill needs low and high, in microseconds, the one before the other")
    limit, is_plan, is_sure = request.number("limit"), request.flag("plan"), request.flag("sure")
    if limit is not None and limit < 1:
        raise ProtocolError("backfill makes one run at least; limit must be 1 or more")
    if flow.paused_at is not None and not is_plan and not request.flag("force"):
        raise Refused(
            f"{name} is paused; resume it with: tidemill resume {name}, or backfill it all the same with --force"
        )
    given = request.mapping("parameters")
    limit = None if limit is None else int(limit)
    wish = Wish(flow, dict(flow.schedules), int(low), int(high), given, request.flag("again"), limit)
    moments = await asyncio.to_thread(moments_of, wish)
    if is_plan:
        return _told(wish, await daemon.ask(lambda writer: choose(writer, wish, moments)), {})
    runs: dict[Due, ActiveRun] = {}
    decided: list[Choice] = []
    at = to_micros(datetime.now(UTC))

    def write(writer: Writer) -> list[tuple[ActiveRun, int]]:
        # Done again where the answer of a commit was lost: what it made stands, whatever has become of the moments.
        if not _is_made(writer, runs.values()):
            choice = choose(writer, wish, moments)
            decided[:] = [choice]
            runs.clear()
            if not refusal(wish, choice, is_sure=is_sure):
                runs.update((due, _new_run(daemon, wish, due)) for due in choice.chosen)
        made = runs.values()
        return [(run, writer.add_run(new_run_record(run, flow.version, at, run.schedule_id))) for run in made]

    await daemon.record_all(write)
    refused = refusal(wish, decided[0], is_sure=is_sure)
    if refused is not None:
        raise Refused(refused)
    return _told(wish, decided[0], runs)


def _is_made(writer: Writer, runs: Iterable[ActiveRun]) -> bool:
    """Tell whether *runs*, which are made all or none, are in the history."""
    return any(writer.has_run(run.uid) for run in islice(runs, 1))


def _new_run(daemon: Daemon, wish: Wish, due: Due) -> ActiveRun:
    moment, schedule_id = due
    run = daemon.new_run(wish.flow, wish.parameters_of(schedule_id), Trigger.BACKFILL)
    run.scheduled_for, run.schedule_id = moment, schedule_id
    return run


def _told(wish: Wish, choice: Choice, runs: dict[Due, ActiveRun]) -> Message:
    """Return the moments as times and places among the schedules: a message holds thousands of them."""
    places = {schedule_id: place for place, schedule_id in enumerate(wish.schedules)}
    return {
        "flow": wish.name,
        "schedules": [spec.describe() for spec in wish.schedules.values()],
        "runs": [
            [runs[due].uid if due in runs else None, due[0], places[due[1]]] for due in choice.chosen
        ],
        "left_out": choice.left_out,
        "at_once": wish.flow.limit,
    }  # fmt: skip


async def _cancel(daemon: Daemon, name: str, stretch: range) -> Message:
    ours = [run for run in daemon.dispatcher.active_of(name) if run.gives_way and run.scheduled_for in stretch]
    waited, lived = await daemon.cancel_all(ours, "its backfill was cancelled by hand")
    return {"flow": name, "cancelled": waited, "cancelling": lived}

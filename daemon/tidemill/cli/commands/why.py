"""``tidemill why``: one sentence about one moment of a flow."""

from dataclasses import replace

from tidemill.cli.documents import print_document
from tidemill.cli.finding import Record, broken_file, find_flow
from tidemill.cli.invocation import Invocation
from tidemill.cli.reasons import Answer, about_broken_file, about_latest, about_moment
from tidemill.cli.terminal import neutral, say
from tidemill.cli.verb import JSON, argument, option, verb
from tidemill.cli.waiting import fill_in_waiting
from tidemill.domain.errors import NotFound

_MOST_COUNTED = 1000


@verb(
    "why",
    argument("flow", offers="flow"),
    option("--at", "at", metavar="TIME", help="02:00, 'yesterday 02:00', '2h ago', ISO 8601; in the schedule's zone."),
    JSON,
    examples=[
        ("tidemill why nightly", "its latest moment, and the next"),
        ("tidemill why nightly --at 02:00", "two o'clock last night"),
        ("tidemill why nightly --at 'yesterday 02:00'", "the night before"),
        ("tidemill why nightly --at 2026-03-29T02:30", "a time that did not exist in Berlin"),
    ],
)
def command(invocation: Invocation, flow: str, at: str | None, as_json: bool) -> None:
    """Say why a flow ran, did not run, or will not.

    Every due moment ends in exactly one way, and this tells which and for what reason, in one sentence.
    """
    answer = _while_it_waits(invocation, _answer(invocation, flow, at))
    made = None if answer.at is None else invocation.reader.backfilled(flow, answer.at)
    if made is not None:
        answer = _with_backfill(answer, made)
    if as_json:
        document = answer.document(flow)
        print_document(document if made is None else {**document, "run": document["run"] or made["id"]})
    else:
        say(neutral(answer.sentence(flow)))


def _while_it_waits(invocation: Invocation, answer: Answer) -> Answer:
    """Say what the run of a moment waits for, if it has not begun."""
    if answer.run is None:
        return answer
    try:
        run = invocation.reader.run(answer.run)
    except NotFound:
        return answer  # pruned; the ledger remembers longer
    if run["state"] != "pending":
        return answer
    fill_in_waiting(invocation, [run])
    lead = answer.lead.replace("ran ", "was to run ", 1)
    why = f"it is {run['waiting']}" if run["waiting"] else f"its run waits, {_company(invocation, run['flow'])}"
    return replace(answer, lead=lead, reason=f"{answer.reason}; {why}")


def _company(invocation: Invocation, flow: str) -> str:
    """Say how many runs of a flow wait."""
    count = len(invocation.reader.runs(flow, ("pending",), limit=_MOST_COUNTED))
    more = " or more" if count == _MOST_COUNTED else ""
    return "alone of its flow" if count == 1 else f"as {count:,}{more} of its flow do"


def _with_backfill(answer: Answer, made: Record) -> Answer:
    """Name the run by which a backfill made up for the moment; what had become of the moment stays as it was."""
    told = f"a backfill made the run {made['id']} for it ({made['state']})"
    return replace(answer, reason=f"{answer.reason}; {told}" if answer.reason else told)


def _answer(invocation: Invocation, name: str, at: str | None) -> Answer:
    try:
        flow = find_flow(invocation, name)
    except NotFound:
        if file := broken_file(invocation, name):
            return about_broken_file(file)
        raise
    return about_latest(invocation, flow) if at is None else about_moment(invocation, flow, at)

"""The end of the reference run, and what must be true then, whatever was done to it."""

from collections.abc import Iterator
from typing import Any

from chaos.killing.effects import check_executions
from chaos.killing.evidence import Evidence
from chaos.killing.findings import check_answers, check_database, check_ends, check_journals
from chaos.killing.moments import check_moments
from chaos.killing.rest import come_to_rest, tracebacks
from chaos.reference_run.flows import STEPS
from chaos.reference_run.stack import ReferenceStack
from chaos.reference_run.telling import Acks, Teller
from tidemill.domain.errors import NotFound


def settle(stack: ReferenceStack) -> list[str]:
    """Start a daemon that nobody disturbs, and let everything come to its end; return what was wrong with that."""
    teller = Teller(stack)
    if not teller.until_it_serves():
        return [f"I14 no daemon serves: {stack.log.read_text()[-2000:]}"]
    if not teller.until(lambda: _are_there(stack), "the flows are there"):
        return [f"I14 flows are missing: {stack.log.read_text()[-2000:]}"]
    return come_to_rest(stack, STEPS)


def _are_there(stack: ReferenceStack) -> bool:
    try:
        for flow in STEPS:
            stack.ask("pause", flow=flow)
        return not stack.ask("status")["errors"]
    except NotFound:  # their fork server was killed, and they are inspected once there is another
        return False


def judge(stack: ReferenceStack, acks: Acks) -> list[str]:
    """Return every violation that history, journals, effects and answers show; to be asked after :func:`settle`."""
    figures: dict[str, Any] = {}
    evidence = Evidence(stack.state, stack.ledger, acks.deeds, [])
    try:
        return [
            *acks.stuck,
            *check_answers(evidence),
            *check_ends(evidence, figures),
            *check_moments(evidence, figures, STEPS),
            *check_executions(evidence, figures),
            *_crashes(evidence),
            *check_journals(evidence),
            *check_database(evidence),
            *tracebacks(stack.log),
        ]
    finally:
        evidence.close()


def judge_undisturbed(stack: ReferenceStack, acks: Acks) -> list[str]:
    """Return what must not be either where nothing was done to the run: daemons that end, runs without success."""
    found = [f"a daemon ended with {code}" for code in acks.ends] + acks.refusals
    cancelled = {deed.subject for deed in acks.deeds if deed.verb == "cancel"}
    evidence = Evidence(stack.state, stack.ledger, acks.deeds, [])
    try:
        doomed = {acks.deeds[0].run} if stack.variant == "recovery" else set()
        for uid, run in evidence.tops.items():
            expected = "cancelled" if uid in cancelled else "crashed" if uid in doomed else "completed"
            if run["state"] != expected:
                found.append(f"the run {uid} of {run['flow']} is {run['state']}, not {expected}: {run['error']}")
    finally:
        evidence.close()
    return found


def _crashes(evidence: Evidence) -> Iterator[str]:
    """I12: who crashed has a sentence that says so, and no traceback in it."""
    for uid, run in evidence.tops.items():
        if run["state"] == "crashed" and (not run["error"] or "Traceback" in run["error"]):
            yield f"I12 the run {uid} of {run['flow']} crashed: {run['error']!r}"

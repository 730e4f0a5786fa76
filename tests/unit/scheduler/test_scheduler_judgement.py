"""What becomes of a moment that has come, and the sentence that says so."""

from datetime import UTC, datetime, timedelta

import pytest

from tidemill.domain.outcomes import Outcome, Overlap
from tidemill.scheduler.judgement import MOST_QUEUED, FlowFacts, judge, spoken

MOMENT = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def judged(late=0.1, **facts):
    return judge(MOMENT, MOMENT + timedelta(seconds=late), FlowFacts(**facts))


def test_a_free_flow_runs_at_its_moment():
    verdict = judged()
    assert (verdict.moment, verdict.outcome, verdict.starts) == (MOMENT, Outcome.RAN, True)
    assert not verdict.queue
    assert not verdict.cancel_live
    assert (verdict.until, verdict.count) == (None, 1)


def test_a_start_the_daemon_got_to_late_says_how_late():
    verdict = judged(late=75)
    assert (verdict.outcome, verdict.starts) == (Outcome.LATE, True)
    assert verdict.reason == "it came due and the daemon got to it 75 s late"


def test_jitter_is_no_lateness():
    assert judged(late=75, jitter=90).outcome is Outcome.RAN
    assert judged(late=75, jitter=90, grace=10).outcome is Outcome.RAN
    assert judged(late=120, jitter=90, grace=10).outcome is Outcome.MISSED


def test_beyond_its_grace_a_moment_is_missed():
    verdict = judged(late=61, grace=60)
    assert (verdict.outcome, verdict.starts) == (Outcome.MISSED, False)
    assert verdict.reason == "the daemon got to it 61 s late, and its grace is 60 s"
    assert judged(late=60, grace=60).starts


def test_a_grace_of_nothing_still_allows_for_the_clocks_own_delay():
    assert judged(late=0.2, grace=0).starts
    assert not judged(late=3, grace=0).starts


def test_a_paused_or_broken_flow_does_not_start():
    assert (judged(paused=True).outcome, judged(paused=True).reason) == (Outcome.PAUSED, "the flow was paused")
    broken = judged(paused=True, broken=True, error="flows/etl.py:3: SyntaxError: invalid syntax")
    assert (broken.outcome, broken.starts) == (Outcome.BROKEN, False)
    assert broken.reason.endswith("no good version was left: flows/etl.py:3: SyntaxError: invalid syntax")


def test_skip_names_the_run_that_was_still_going():
    verdict = judged(live_runs=1, live_run="k3f9x0")
    assert (verdict.outcome, verdict.starts) == (Outcome.SKIPPED, False)
    assert verdict.reason == "the previous run k3f9x0 was still going and overlap is skip"


def test_a_run_that_waits_for_a_slot_counts_as_active():
    assert judged(queued_runs=1).reason == "the previous run was still waiting to start and overlap is skip"


def test_queue_makes_the_run_wait():
    verdict = judged(overlap=Overlap.QUEUE, live_runs=1, queued_runs=3)
    assert (verdict.outcome, verdict.starts, verdict.queue) == (Outcome.RAN, True, True)
    assert (
        verdict.reason
        == "it came due; 4 runs of the flow were still going or waiting, and it waited because overlap is queue"
    )


def test_a_queue_does_not_grow_without_end():
    verdict = judged(overlap="queue", live_runs=1, queued_runs=MOST_QUEUED)
    assert (verdict.outcome, verdict.starts) == (Outcome.SKIPPED, False)
    assert "1000 runs of the flow were already waiting" in verdict.reason


def test_cancel_ends_the_run_that_is_going_first():
    verdict = judged(overlap=Overlap.CANCEL, live_runs=1, live_run="k3f9x0")
    assert (verdict.starts, verdict.cancel_live, verdict.queue) == (True, True, True)
    assert (
        verdict.reason
        == "it came due; the previous run k3f9x0 was still going and was cancelled for it, because overlap is cancel"
    )


def test_allow_knows_no_bound_but_the_one_it_is_given():
    assert judged(overlap=Overlap.ALLOW, live_runs=50).starts
    bounded = judged(overlap=Overlap.ALLOW, live_runs=3, max_active_runs=3)
    assert (bounded.outcome, bounded.starts) == (Outcome.SKIPPED, False)
    assert bounded.reason == "3 runs of the flow were still going or waiting and max_active_runs is 3"


@pytest.mark.parametrize("overlap", list(Overlap))
def test_max_active_runs_raises_the_bound_of_every_policy(overlap):
    verdict = judged(overlap=overlap, live_runs=1, max_active_runs=2)
    assert verdict.starts
    assert not verdict.queue
    assert not verdict.cancel_live


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.25, "0.25 s"),
        (5, "5 s"),
        (119, "119 s"),
        (180, "3 min"),
        (7800, "2 h 10 min"),
        (10800, "3 h"),
        (400_000, "4 d"),
    ],
)
def test_durations_are_spoken_as_people_do(seconds, words):
    assert spoken(seconds) == words

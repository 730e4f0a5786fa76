"""What a person sees of attempts: of tasks, and of the flow itself."""

import pytest


def failed(attempt, ended, begins):
    error = {"type": "OSError", "message": f"busy {attempt}", "traceback": None}
    return {"attempt": attempt, "finished_at": at(ended), "next_at": at(begins), "error": error}


def at(second):
    return f"2026-11-22T02:00:{second:06.3f}000+00:00"


def test_each_failed_attempt_is_told_with_how_long_the_next_was_waited_for(tidemill, add_run, task):
    attempts = [failed(1, 1, 1), failed(2, 2, 4.5), failed(3, 5, 45)]
    add_run("k3f0000000", tasks=[task("load", attempts=4, failed_attempts=attempts)])

    out = tidemill("show", "k3f").out

    assert "load, try 1: OSError: busy 1\n" in out
    assert "load, try 2: OSError: busy 2 (the next 2.5 s later)\n" in out
    assert "load, try 3: OSError: busy 3 (the next 40.0 s later)\n" in out


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"attempt": 1}, None),
        ({"attempt": 3}, "attempt"),
        ({"attempt": 3, "parent": "k3e0000000", "trigger": "retry"}, "retry of k3e0000000, attempt 3"),
    ],
)
def test_a_flow_that_was_tried_again_within_the_run_says_which_attempt_it_is(tidemill, add_run, facts, said):
    add_run("k3f0000000", **facts)

    lines = [line for line in tidemill("show", "k3f").out.splitlines() if "attempt" in line]

    assert len(lines) == (said is not None)
    if said == "attempt":
        assert lines[0].split() == ["attempt", "3"]
    elif said:
        assert said in lines[0]

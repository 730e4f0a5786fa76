"""A few histories of commands on the real daemon; ``make stateful`` has hundreds of them."""

import pytest

from chaos.commanding.folder import Folder
from chaos.commanding.runs import Known, Runs
from chaos.stateful import Everything, run_histories

RUN = {
    "id": "k3f0000000", "flow": "plain", "state": "running", "trigger": "manual", "scheduled_for": None, "root": None,
    "queued_at": "1", "started_at": "2", "finished_at": None, "parent": None, "parameters": {}, "version": "v",
    "attempt": 1, "error": None,
}  # fmt: skip


@pytest.mark.timeout(300)
def test_what_was_answered_is_so_after_every_step(tmp_path):
    Everything.below = tmp_path

    figures = run_histories(3, 20, begin=3, shrinks=False)

    assert figures["histories"] >= 2
    assert figures["commands"] > 30


@pytest.mark.parametrize(
    ("now", "told"),
    [
        ([], "is not listed"),
        ([RUN, RUN], "listed twice"),
        ([RUN | {"state": "pending"}], "was running and is pending"),
        ([RUN | {"parameters": {"n": 1}}], "parameters of the run"),
        ([RUN | {"started_at": "3"}], "began at 2 and now at 3"),
        ([RUN | {"attempt": 0}], "was in attempt 1 and is in 0"),
        ([RUN | {"state": "failed", "finished_at": "3"}], "could only"),
        ([RUN | {"state": "completed"}], "is completed, finished at None"),
        ([RUN, RUN | {"id": "zzz0000000"}], "nobody asked for the run zzz0000000"),
    ],
)
def test_a_listing_that_lies_is_found_out(now, told):
    runs = Runs({"k3f0000000": Known("plain", {"completed"}, {})})
    assert runs.compare([RUN]) == []

    assert any(told in wrong for wrong in runs.compare(now)), runs.compare(now)


def test_an_end_that_is_taken_back_is_found_out():
    runs = Runs({"k3f0000000": Known("plain", {"completed"}, {})})
    ended = RUN | {"state": "completed", "finished_at": "3"}
    assert runs.compare([ended]) == []

    assert "which had ended" in runs.compare([ended | {"finished_at": "4"}])[0]


def test_a_name_is_the_file_s_that_had_it_first_and_its_last_good_version_stays():
    folder = Folder()
    folder.write("b.py", "plain", 1)
    folder.look()
    folder.write("a.py", "plain", 2)
    folder.spoil("b.py")
    folder.look()
    assert (folder.version_of("plain"), folder.with_errors()) == (1, {"a.py", "b.py"})

    folder.remove("b.py")
    folder.look()
    assert (folder.version_of("plain"), folder.with_errors()) == (2, set())

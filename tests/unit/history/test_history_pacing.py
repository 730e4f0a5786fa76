"""When the recorder commits."""

from tidemill.history.pacing import CADENCE, COMPANY, GATHER, SCAN, Pace


def test_the_first_is_written_at_once():
    pace = Pace()

    assert pace.due(awaited=True, hinted_at=None, following=False) < 0
    assert pace.due(awaited=False, hinted_at=50.0, following=True) == 50.0 + GATHER


def test_a_work_that_comes_alone_never_waits():
    pace = Pace()
    pace.committed_at(100.0, 1)

    assert pace.due(awaited=True, hinted_at=100.0, following=True) == 100.0


def test_works_that_came_in_company_wait_a_little_for_more():
    pace = Pace()
    pace.committed_at(100.0, 2)

    assert pace.due(awaited=True, hinted_at=None, following=False) == 100.0 + COMPANY


def test_journals_keep_to_the_cadence_and_are_looked_at_without_a_hint():
    pace = Pace(committed=100.0, looked=100.5)

    assert pace.due(awaited=False, hinted_at=100.0, following=True) == 100.0 + CADENCE
    assert pace.due(awaited=False, hinted_at=None, following=True) == 100.5 + SCAN
    assert pace.due(awaited=False, hinted_at=None, following=False) == float("inf")


def test_a_history_that_cannot_be_written_is_left_longer_each_time():
    pace = Pace()
    moments = []
    for _ in range(8):
        pace.failed_at(100.0)
        moments.append(round(pace.due(awaited=True, hinted_at=100.0, following=True) - 100.0, 6))

    assert moments == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
    pace.committed_at(200.0, 1)
    assert pace.due(awaited=True, hinted_at=None, following=False) == 200.0

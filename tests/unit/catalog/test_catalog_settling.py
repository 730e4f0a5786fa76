from tidemill.catalog.scanning import Signature
from tidemill.catalog.settling import Settling, age_of, is_racy


def signature(size=10, mtime=50.0, ctime=None):
    return Signature(1, 2, size, int(mtime * 1e9), int((mtime if ctime is None else ctime) * 1e9))


def test_a_file_settles_when_it_was_left_alone_for_long_enough():
    settling = Settling(0.1)

    assert not settling.is_settled("a", signature(), 10.0)
    assert settling.next_at(10.0) == 10.1
    assert not settling.is_settled("a", signature(), 10.05)
    assert settling.is_settled("a", signature(), 10.1)
    assert settling.next_at(10.1) is None


def test_every_change_begins_the_wait_anew():
    settling = Settling(0.1)

    settling.is_settled("a", signature(size=10), 10.0)
    assert not settling.is_settled("a", signature(size=20), 10.09)
    assert not settling.is_settled("a", signature(size=20), 10.18)
    assert settling.is_settled("a", signature(size=20), 10.2)


def test_a_file_of_no_bytes_is_waited_for_longer():
    settling = Settling(0.1)

    settling.is_settled("a", signature(size=0), 10.0)
    assert not settling.is_settled("a", signature(size=0), 10.4)
    assert settling.is_settled("a", signature(size=0), 10.5)


def test_a_file_left_alone_before_it_was_noted_settles_at_once():
    assert Settling(0.1).is_settled("a", signature(), 10.0, age=60.0)
    assert not Settling(0.1).is_settled("a", signature(), 10.0, age=-60.0)


def test_a_file_must_be_away_for_a_while_to_be_gone():
    settling = Settling(0.1)

    assert not settling.is_gone("a", 10.0)
    settling.is_settled("a", signature(), 10.05)
    assert not settling.is_gone("a", 10.12)
    assert settling.is_gone("a", 10.23)


def test_only_a_file_that_is_there_is_changing():
    settling = Settling(0.1)
    settling.is_settled("a", signature(), 10.0)
    settling.is_gone("b", 10.0)
    assert settling.is_changing("a")
    assert not settling.is_changing("b")


def test_a_file_read_in_the_tick_it_was_written_in_is_racy():
    assert is_racy(signature(mtime=100.0), wall=100.1)
    assert is_racy(signature(mtime=50.0, ctime=100.0), wall=101.0)
    assert not is_racy(signature(mtime=100.0), wall=103.0)


def test_a_time_far_in_the_future_is_not_racy():
    assert not is_racy(signature(mtime=100_000.0, ctime=50.0), wall=100.0)


def test_age_is_taken_from_the_younger_time():
    assert age_of(signature(mtime=10.0, ctime=90.0), wall=100.0) == 10.0
